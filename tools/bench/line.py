"""The car's socket with a watch on it: when the last octet of a request left, and when the first octet of its answer was there.

The kernel stamps what arrives (SO_TIMESTAMPNS), so the answer's arrival does not depend on when this process gets to look; the moment at which it
looked is kept as well. A request counts as gone when the system call that sends it begins, so the way through the kernel is in the figure.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from dataclasses import dataclass
from typing import Final

from secc.errors import SeccError
from secc.link.tls.connection import TlsConnection, connect
from secc.link.tls.context import ClientContext
from secc.link.v2gtp import Frame, Framer

SO_TIMESTAMPNS: Final = 35
READ: Final = 65_536
SECONDS: Final = 10.0


class LineLost(SeccError):
    """The station has closed the connection, or cannot be reached."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer; seconds since the epoch. ``arrived`` is the kernel's stamp, ``seen`` is when this process read it."""

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


def stamped(sock: socket.socket) -> tuple[bytes, float]:
    """What has arrived, and when; raises BlockingIOError when nothing has."""
    octets, ancillary, _, _ = sock.recvmsg(READ, 128)
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS and len(data) >= 16:
            seconds, nanoseconds = struct.unpack_from("qq", data)
            return octets, seconds + nanoseconds / 1e9
    return octets, time.time()


def watch(sock: socket.socket) -> None:
    """Have arrivals stamped."""
    sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)


class TimedLine:
    """A connection to the station. ``exchanges`` grows with every answer."""

    def __init__(self, sock: socket.socket, tls: TlsConnection | None) -> None:
        self._sock, self._tls = sock, tls
        self._loop = asyncio.get_running_loop()
        self._framer = Framer()
        self._inbox: asyncio.Queue[Frame | None] = asyncio.Queue()
        self._open: tuple[str, float] | None = None
        self._up: asyncio.Future[None] = self._loop.create_future()
        self.exchanges: list[Exchange] = []

    @classmethod
    async def open(cls, host: str, port: int, scope: int, context: ClientContext | None) -> TimedLine:
        """Connect and, given a context, shake hands. LineLost, OSError or TlsError."""
        sock = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        watch(sock)
        loop = asyncio.get_running_loop()
        try:
            await asyncio.wait_for(loop.sock_connect(sock, (host, port, 0, scope)), SECONDS)
        except BaseException:
            sock.close()
            raise
        line = cls(sock, connect(context) if context is not None else None)
        loop.add_reader(sock, line._readable)
        try:
            if line._tls is not None:
                line._write("TLS", line._tls.drain())
                await asyncio.wait_for(line._up, SECONDS)
        except BaseException:
            line.close()
            raise
        return line

    def send(self, name: str, octets: bytes) -> None:
        """A whole request. LineLost when the connection is gone."""
        if self._tls is not None:
            self._tls.send(octets)
            octets = self._tls.drain()
        self._write(name, octets)

    async def frame(self) -> Frame | None:
        """The next V2GTP frame; None when no more comes."""
        return await self._inbox.get()

    def close(self) -> None:
        if self._sock.fileno() >= 0:
            self._loop.remove_reader(self._sock)
            if self._tls is not None:
                with contextlib.suppress(OSError):
                    self._sock.send(self._tls.close())
            self._sock.close()

    def _write(self, name: str, octets: bytes) -> None:
        if not octets:
            return
        self._open = (name, time.time())
        try:
            count = self._sock.send(octets)
        except OSError as error:
            raise LineLost(str(error)) from error
        if count != len(octets):
            raise LineLost("the station does not read")

    def _readable(self) -> None:
        try:
            octets, arrived = stamped(self._sock)
        except BlockingIOError:
            return
        except OSError:
            octets, arrived = b"", 0.0
        if self._open is not None and octets:
            name, sent = self._open
            self._open = None
            self.exchanges.append(Exchange(name, sent, arrived, time.time()))
        if not octets:
            self._end(LineLost("the station closed the connection"))
            return
        try:
            self._take(octets)
        except SeccError as error:
            self._end(error)

    def _take(self, octets: bytes) -> None:
        if self._tls is None:
            pieces = [octets]
        else:
            pieces = self._tls.receive(octets)
            self._write("TLS", self._tls.drain())
            if self._tls.established and not self._up.done():
                self._up.set_result(None)
        for piece in pieces:
            for frame in self._framer.feed(piece):
                self._inbox.put_nowait(frame)

    def _end(self, error: Exception) -> None:
        self._loop.remove_reader(self._sock)
        if not self._up.done():
            self._up.set_exception(error)
            self._up.exception()
        self._inbox.put_nowait(None)
