"""The car's line with time stamps: when a request's last octet left, and when its answer's first octet arrived.

The kernel stamps arrivals (SO_TIMESTAMPNS), so an answer's arrival does not depend on when this
process reads it; that moment is kept as well. A request's moment is taken before the system call
that sends it, so the way through the kernel counts.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from typing import Final, NamedTuple

from tools.evcc.line import READ, Line

SO_TIMESTAMPNS: Final = 35


class Exchange(NamedTuple):
    """One request and its answer; seconds since the epoch. ``arrived`` is the kernel's stamp, ``seen`` is the
    moment at which this process read the answer.
    """

    name: str
    sent: float
    arrived: float
    seen: float

    @property
    def answer(self) -> float:
        return self.arrived - self.sent

    @property
    def answer_seen(self) -> float:
        return self.seen - self.sent


class Stamped:
    """Both ends of a stream for :class:`Line`. ``exchanges`` grows with every answer; ``name`` is the name of
    the next request.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._sent: float | None = None
        self._inbox: asyncio.Queue[bytes] = asyncio.Queue()
        self.name = "TLS"
        self.exchanges: list[Exchange] = []
        asyncio.get_running_loop().add_reader(sock.fileno(), self._readable)

    def _readable(self) -> None:
        octets, arrived = b"", time.time()
        try:
            octets, ancillary, _, _ = self._sock.recvmsg(READ, 128)
        except BlockingIOError:
            return
        except OSError:
            ancillary = []
        for level, kind, data in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
                seconds, nanoseconds = struct.unpack_from("qq", data)
                arrived = seconds + nanoseconds / 1e9
        if not octets:
            asyncio.get_running_loop().remove_reader(self._sock.fileno())
        elif self._sent is not None:
            self.exchanges.append(Exchange(self.name, self._sent, arrived, time.time()))
            self._sent = None
        self._inbox.put_nowait(octets)

    async def read(self, n: int) -> bytes:
        return await self._inbox.get()

    def write(self, data: bytes) -> None:
        if data:
            self._sent = time.time()
            if self._sock.send(data) != len(data):
                raise ConnectionError("the station does not read")

    async def drain(self) -> None:
        return

    def close(self) -> None:
        if self._sock.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._sock.fileno())
            self._sock.close()

    wait_closed = drain


class TimedLine(Line):
    """A connection to the station that records its exchanges."""

    @property
    def stream(self) -> Stamped:
        assert isinstance(self._writer, Stamped)
        return self._writer

    @staticmethod
    async def connect(host: str, port: int, scope: int) -> tuple[Stamped, Stamped]:
        sock = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        try:
            await asyncio.get_running_loop().sock_connect(sock, (host, port, 0, scope))
        except BaseException:
            sock.close()
            raise
        stream = Stamped(sock)
        return stream, stream

    async def send(self, octets: bytes, name: str = "") -> None:
        self.stream.name = name
        await super().send(octets, name)
