"""The car's line with a watch on it: when the last octet of a request left, and when the first octet of its answer was there.

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

from secc.errors import FramingError
from secc.link import sdp
from tools.evcc.line import READ, Line

SO_TIMESTAMPNS: Final = 35
ASKING: Final = 200


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


def stamped(sock: socket.socket, limit: int) -> tuple[bytes, float]:
    """What has arrived, and when; raises BlockingIOError when nothing has."""
    octets, ancillary, _, _ = sock.recvmsg(limit, 128)
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS and len(data) >= 16:
            seconds, nanoseconds = struct.unpack_from("qq", data)
            return octets, seconds + nanoseconds / 1e9
    return octets, time.time()


def watch(sock: socket.socket) -> None:
    """Have arrivals stamped."""
    sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)


class Stamped:
    """Both ends of a stream for :class:`Line`. ``exchanges`` grows with every answer; ``name`` is that of the request that goes out next."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._sent: float | None = None
        self._inbox: asyncio.Queue[bytes] = asyncio.Queue()
        self.name = "TLS"
        self.exchanges: list[Exchange] = []
        asyncio.get_running_loop().add_reader(sock.fileno(), self._readable)

    def _readable(self) -> None:
        try:
            octets, arrived = stamped(self._sock, READ)
        except BlockingIOError:
            return
        except OSError:
            octets, arrived = b"", 0.0
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

    async def wait_closed(self) -> None:
        return


class TimedLine(Line):
    """A connection to the station whose exchanges are known."""

    @property
    def stream(self) -> Stamped:
        assert isinstance(self._writer, Stamped)
        return self._writer

    @staticmethod
    async def connect(host: str, port: int, scope: int) -> tuple[Stamped, Stamped]:
        sock = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        watch(sock)
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


def ask(interface: str, port: int, *, tls: bool) -> tuple[sdp.Response, int, Exchange]:
    """SDP, asked every 50 ms until a station answers. TimeoutError when none does."""
    index = socket.if_nametoindex(interface)
    target = ("::1", port, 0, 0) if interface == "lo" else (sdp.GROUP, port, 0, index)
    request = sdp.build_request(sdp.Security.TLS if tls else sdp.Security.NONE)
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
        watch(sock)
        sock.settimeout(0.05)
        for _ in range(ASKING):
            sent = time.time()
            sock.sendto(request, target)
            with contextlib.suppress(TimeoutError, ConnectionRefusedError, FramingError):
                octets, arrived = stamped(sock, 64)
                response = sdp.parse_response(octets)
                scope = 0 if interface == "lo" else index
                return response, scope, Exchange("SDP", sent, arrived, time.time())
    raise TimeoutError(f"no station answered on {interface}, port {port}")
