"""Raw Ethernet on a Linux interface: frames of EtherType 0x88E1, and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import Callable
from typing import Final, Protocol

from hal.errors import HalError, HalLost, HalTimeout
from hal.linux.errors import InterfaceDown, NoInterface, NoPermission
from hal.linux.mme import ETHERTYPE

FRAMES_AT_A_TIME: Final = 64
"""So many frames are read before others get their turn in the event loop."""
_OUTGOING: Final = 4
_RECEIVE_BUFFER: Final = 1 << 20
_ETHERNET: Final = 1


class Wire(Protocol):
    """What carries frames to a modem. ``on_frame`` hears each with the time of its arrival, ``on_lost`` the end of it."""

    on_frame: Callable[[float, bytes], None]
    on_lost: Callable[[HalLost], None]

    @property
    def interface(self) -> str: ...
    @property
    def mac(self) -> bytes: ...
    def send(self, frame: bytes) -> None:
        """Send now. HalLost when the interface is gone, HalTimeout when its queue is full."""

    def close(self) -> None: ...


def _nothing(*_: object) -> None:
    return None


def describe(error: OSError, interface: str) -> HalError:
    """The error that a person can act on."""
    if error.errno in (errno.EPERM, errno.EACCES):
        return NoPermission(
            f"raw sockets on {interface} need the capability CAP_NET_RAW (AmbientCapabilities= in the unit, or setcap): {error}"
        )
    if error.errno in (errno.ENODEV, errno.ENXIO):
        return NoInterface(f"there is no network interface {interface!r}")
    if error.errno == errno.ENETDOWN:
        return InterfaceDown(f"the interface {interface} is down: ip link set {interface} up")
    if error.errno in (errno.ENOBUFS, errno.EAGAIN):
        return HalTimeout(f"the send queue of {interface} is full")
    return HalLost(f"{interface}: {error}")


class PacketWire:
    """An AF_PACKET socket on one interface. To be made and used on the thread of a running event loop."""

    def __init__(self, interface: str) -> None:
        self.on_frame: Callable[[float, bytes], None] = _nothing
        self.on_lost: Callable[[HalLost], None] = _nothing
        self._interface = interface
        self._loop = asyncio.get_running_loop()
        self._socket: socket.socket | None = None
        try:
            # An unbound protocol of 0 receives nothing until bind() names the interface: no frame of another one slips in.
            opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        except OSError as error:
            raise describe(error, interface) from error
        try:
            opened.setblocking(False)
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
            opened.bind((interface, ETHERTYPE))
            _, _, _, hardware, mac = opened.getsockname()
        except OSError as error:
            opened.close()
            raise describe(error, interface) from error
        if hardware != _ETHERNET or len(mac) != 6:
            opened.close()
            raise NoInterface(f"{interface} is no Ethernet interface")
        self._mac = bytes(mac)
        self._socket = opened
        self._loop.add_reader(opened.fileno(), self._read)

    @property
    def interface(self) -> str:
        return self._interface

    @property
    def mac(self) -> bytes:
        return self._mac

    def send(self, frame: bytes) -> None:
        if self._socket is None:
            raise HalLost(f"the modem on {self._interface} is closed")
        try:
            self._socket.send(frame)
        except OSError as error:
            raise describe(error, self._interface) from error

    def close(self) -> None:
        opened, self._socket = self._socket, None
        if opened is not None:
            with contextlib.suppress(OSError, ValueError):
                self._loop.remove_reader(opened.fileno())
            opened.close()

    def _read(self) -> None:
        for _ in range(FRAMES_AT_A_TIME):
            if self._socket is None:
                return
            try:
                frame, address = self._socket.recvfrom(2048)
            except BlockingIOError:
                return
            except OSError as error:
                lost = describe(error, self._interface)
                if isinstance(lost, InterfaceDown):
                    # Down is no end: the socket hears again when the interface is up.
                    self.on_lost(lost)
                    return
                self.close()
                self.on_lost(lost if isinstance(lost, HalLost) else HalLost(str(lost)))
                return
            if address[2] != _OUTGOING:
                self.on_frame(self._loop.time(), frame)
