"""CAN on Linux, with the standard library: extended data frames, and error frames of the
controller.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Callable
from typing import Final

from frozen import dataclass
from hal.errors import HalLost, HalRejected, HalTimeout, HalUnsupported
from hal.linux.errors import InterfaceDown, NoInterface, NoPermission
from hal.linux.sockets import FrameSocket, Texts, describe

# include/uapi/linux/can.h: identifier with flags, length, padding, eight octets; in the byte order
# of the machine.
_FRAME: Final = struct.Struct("=IB3x8s")
_EXTENDED, _REMOTE, _ERROR = 0x80000000, 0x40000000, 0x20000000
_IDENTIFIER = 0x1FFFFFFF
# include/uapi/linux/can/error.h
_BUS_OFF = 0x00000040
_ERROR_FILTER = 2  # CAN_RAW_ERR_FILTER of linux/can/raw.h; typeshed does not know it

TEXTS: Final[Texts] = {
    NoInterface: "there is no CAN interface {interface!r}",
    InterfaceDown: "the CAN interface {interface} is down: ip link set {interface} up type can bitrate 125000",
    HalTimeout: "the send queue of {interface} is full: does another device acknowledge?",
    NoPermission: "this process may not use {interface}: {error}",
}


class BusOff(HalLost):
    """The controller has left the bus after too many errors. It returns by itself only with
    ``restart-ms``.
    """


@dataclass(frozen=True, slots=True)
class Frame:
    """One data frame with a 29 bit identifier and at most eight octets."""

    identifier: int
    data: bytes

    def packed(self) -> bytes:
        """Returns the kernel's form. Raises HalRejected for a frame that does not fit."""
        if not 0 <= self.identifier <= _IDENTIFIER or len(self.data) > 8:
            raise HalRejected(f"not an extended CAN frame: {self.identifier:#x} with {len(self.data)} octets")
        return _FRAME.pack(self.identifier | _EXTENDED, len(self.data), self.data)


def unpacked(octets: bytes) -> Frame | BusOff | None:
    """Parse the kernel's form. Returns None for standard, remote and other error frames, CAN FD,
    and truncated ones.
    """
    if len(octets) != _FRAME.size:
        return None
    identifier, length, data = _FRAME.unpack(octets)
    if identifier & _ERROR:
        return BusOff("the CAN controller is bus-off") if identifier & _BUS_OFF else None
    if identifier & _REMOTE or not identifier & _EXTENDED or length > 8:
        return None
    return Frame(identifier & _IDENTIFIER, data[:length])


class CanSocket(FrameSocket):
    """A bound CAN_RAW socket, or another socket with its packets of 16 octets. For the event loop's
    thread.

    ``on_frame`` is called with each frame and the time of its arrival, ``on_lost`` when the bus
    carries no frames.
    """

    def __init__(self, opened: socket.socket, interface: str) -> None:
        super().__init__(opened, interface, TEXTS)
        self.on_frame: Callable[[float, Frame], None] = lambda at, frame: None

    def send(self, frame: Frame) -> None:
        """Queue now. Raises HalTimeout if the queue is full, HalLost if the interface does not
        send.
        """
        try:
            self._send(frame.packed())
        except HalLost as error:
            if not isinstance(error, InterfaceDown):
                self.close()
            raise

    def _take(self, opened: socket.socket) -> None:
        octets = opened.recv(128)
        if not octets:
            self._lose(HalLost(f"{self.interface}: the other end is closed"))
            return
        found = unpacked(octets)
        if isinstance(found, Frame):
            self.on_frame(self._loop.time(), found)
        elif found is not None:
            self.on_lost(found)


def can_interface(interface: str, destination: int) -> CanSocket:
    """Returns a CAN_RAW socket that receives frames whose second lowest octet is ``destination``,
    and bus-off.

    Raises HalUnsupported without CAN in this kernel, NoInterface, InterfaceDown, NoPermission.
    """
    if not hasattr(socket, "AF_CAN"):
        raise HalUnsupported("this system has no CAN sockets")
    try:
        opened = socket.socket(socket.AF_CAN, socket.SOCK_RAW, socket.CAN_RAW)
    except OSError as error:
        if error.errno in (errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT):
            raise HalUnsupported("this kernel has no CAN: modprobe can can_raw") from error
        raise describe(error, interface, TEXTS) from error
    try:
        only_ours = struct.pack("=II", _EXTENDED | destination << 8, _EXTENDED | _REMOTE | 0xFF00)
        opened.setsockopt(socket.SOL_CAN_RAW, socket.CAN_RAW_FILTER, only_ours)
        opened.setsockopt(socket.SOL_CAN_RAW, _ERROR_FILTER, struct.pack("=I", _BUS_OFF))
        opened.bind((interface,))
    except OSError as error:
        opened.close()
        raise describe(error, interface, TEXTS) from error
    return CanSocket(opened, interface)
