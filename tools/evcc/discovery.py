"""SDP from the car's side: ask until a station answers. [V2G2-159]"""

from __future__ import annotations

import asyncio
import socket
from typing import Final

from secc.errors import FramingError, SeccError
from secc.link import sdp

ATTEMPTS: Final = 50
INTERVAL: Final = 0.25
LOOPBACK: Final = "::1"


class NotDiscovered(SeccError):
    """No station answered."""


class _Client(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.answer: asyncio.Future[tuple[sdp.Response, int]] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, address: tuple[object, ...]) -> None:
        try:
            response = sdp.parse_response(data)
        except FramingError:
            return
        if not self.answer.done():
            scope = address[3] if len(address) > 3 else 0
            self.answer.set_result((response, scope if isinstance(scope, int) else 0))


async def discover(
    interface: str, security: sdp.Security, *, port: int = sdp.PORT, attempts: int = ATTEMPTS
) -> tuple[sdp.Response, int]:
    """Returns the first answer, and the scope of its address (0 on loopback).

    ``lo`` has no multicast route: there the request goes to ``::1``. Raises NotDiscovered, or
    OSError for a bad interface.
    """
    index = socket.if_nametoindex(interface)
    loopback = interface == "lo"
    target = (LOOPBACK, port, 0, 0) if loopback else (sdp.GROUP, port, 0, index)
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        if not loopback:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 1)
        sock.bind(("::", 0))
        loop = asyncio.get_running_loop()
        transport, client = await loop.create_datagram_endpoint(_Client, sock=sock)
        try:
            for _ in range(attempts):
                transport.sendto(sdp.build_request(security), target)
                try:
                    return await asyncio.wait_for(asyncio.shield(client.answer), INTERVAL)
                except TimeoutError:
                    continue
        finally:
            transport.close()
    raise NotDiscovered(f"no station answered on {interface}, port {port}, in {attempts * INTERVAL:.0f} s")
