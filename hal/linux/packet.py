"""Raw Ethernet on a Linux interface: frames of EtherType 0x88E1 only."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Final

from hal.errors import HalTimeout
from hal.linux.errors import InterfaceDown, NoInterface, NoPermission
from hal.linux.mme import ETHERTYPE
from hal.linux.sockets import FrameSocket, Texts, describe

_OUTGOING: Final = 4
_RECEIVE_BUFFER: Final = 1 << 20
_ETHERNET: Final = 1
TEXTS: Final[Texts] = {
    NoPermission: "raw sockets on {interface} need the capability CAP_NET_RAW (AmbientCapabilities= in the unit, or setcap): {error}",
    NoInterface: "there is no network interface {interface!r}",
    InterfaceDown: "the interface {interface} is down: ip link set {interface} up",
    HalTimeout: "the send queue of {interface} is full",
}


class PacketWire(FrameSocket):
    """An AF_PACKET socket on one interface, made and used on the thread of a running event loop.

    ``on_frame`` is called with each frame and the time of its arrival, ``on_lost`` when the socket
    fails.
    """

    def __init__(self, interface: str) -> None:
        self.on_frame: Callable[[float, bytes], None] = lambda at, frame: None
        try:
            # With protocol 0 the socket receives nothing until bind() names the interface, so no
            # frame of another interface.
            opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        except OSError as error:
            raise describe(error, interface, TEXTS) from error
        try:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
            opened.bind((interface, ETHERTYPE))
            _, _, _, hardware, mac = opened.getsockname()
        except OSError as error:
            opened.close()
            raise describe(error, interface, TEXTS) from error
        if hardware != _ETHERNET or len(mac) != 6:
            opened.close()
            raise NoInterface(f"{interface} is not an Ethernet interface")
        self.mac = bytes(mac)
        super().__init__(opened, interface, TEXTS)

    def send(self, frame: bytes) -> None:
        """Send now. Raises HalLost if the interface does not exist, HalTimeout if its queue is
        full.
        """
        self._send(frame)

    def _take(self, opened: socket.socket) -> None:
        frame, address = opened.recvfrom(2048)
        if address[2] != _OUTGOING:
            self.on_frame(self._loop.time(), frame)
