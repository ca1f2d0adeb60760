"""SDP, the SECC discovery protocol: on UDP a car asks for the address of the SECC, and whether it
offers TLS.

Request: frame 0x9000 with a security and a transport octet. Response: frame 0x9001 with IPv6
address (16 octets), port (2), security and transport. Other datagrams are not answered; the car
repeats its request. Neighbour discovery is the kernel's, and answers at any time; nothing here waits
for it (Q-14). [V2G2-139, V2G2-156, V2G2-159]
"""

from __future__ import annotations

from collections import OrderedDict
from enum import IntEnum
from ipaddress import AddressValueError, IPv6Address
from typing import Final

from frozen import dataclass
from secc.errors import EncodeError, FramingError
from secc.link.v2gtp import PayloadType, frame, unframe

PORT: Final = 15118
GROUP: Final = "ff02::1"
REQUESTS_PER_SECOND: Final = 10.0
REQUEST_BURST: Final = 50
"""A car may repeat its request up to 50 times; each is answered, also if all come at once.
[V2G2-159]
"""
SOURCES: Final = 256


class Security(IntEnum):
    """Second-to-last octet: what a request asks for, what a response will accept."""

    TLS = 0x00
    NONE = 0x10


class Transport(IntEnum):
    """Last octet. ``UDP`` is reserved, and a request for it gets no answer."""

    TCP = 0x00
    UDP = 0x10


@dataclass(frozen=True, slots=True)
class Request:
    """SECC discovery request, always for TCP."""

    security: Security


@dataclass(frozen=True, slots=True)
class Response:
    """SECC discovery response: address, port, and security there."""

    address: IPv6Address
    port: int
    security: Security


def parse_request(datagram: bytes) -> Request:
    """Returns a car's request. Raises FramingError (not fatal) for any other datagram. [V2G2-139]"""
    payload = unframe(datagram, (PayloadType.SDP_REQUEST,)).payload
    if len(payload) != 2:
        raise FramingError(f"an SDP request has 2 octets, not {len(payload)}", fatal=False)
    return Request(_security_over_tcp(payload))


def build_request(security: Security) -> bytes:
    """Returns the 10 octets that a car multicasts."""
    return frame(PayloadType.SDP_REQUEST, bytes((security, Transport.TCP)))


def parse_response(datagram: bytes) -> Response:
    """Returns an SECC's response. Raises FramingError (not fatal) for any other datagram.
    [V2G2-156]
    """
    payload = unframe(datagram, (PayloadType.SDP_RESPONSE,)).payload
    if len(payload) != 20:
        raise FramingError(f"an SDP response has 20 octets, not {len(payload)}", fatal=False)
    port = int.from_bytes(payload[16:18])
    if port == 0:
        raise FramingError("an SDP response names port 0", fatal=False)
    return Response(IPv6Address(payload[:16]), port, _security_over_tcp(payload))


def build_response(address: IPv6Address, port: int, security: Security) -> bytes:
    """Returns the 28 octets of an SECC's answer. Open the listener on ``port`` before sending it."""
    if not 0 < port <= 0xFFFF:
        raise EncodeError(f"port {port}")
    payload = address.packed + port.to_bytes(2) + bytes((security, Transport.TCP))
    return frame(PayloadType.SDP_RESPONSE, payload)


def answer(offered: Security, *, tls: bool, plain: bool) -> Security | None:
    """Returns what the station will accept, by what the car asked for and what is open; None: do
    not answer.

    The answer is not an echo: the car decides whether to go on. [V2G2-623] (Q-15)

    ========  =============  =============  ==========  =======
    asked     TLS and plain  TLS only       plain only  neither
    ========  =============  =============  ==========  =======
    TLS       TLS            TLS            NONE        None
    NONE      NONE           TLS            NONE        None
    ========  =============  =============  ==========  =======
    """
    if tls and (offered is Security.TLS or not plain):
        return Security.TLS
    return Security.NONE if plain else None


def answerable(source: str) -> bool:
    """Whether to answer a datagram from this IPv6 address (a zone after ``%`` may follow):
    link-local and loopback sources only.

    Any other source could be the victim of a flood that is reflected here (A-NET-03).
    """
    try:
        address = IPv6Address(source)
    except AddressValueError:
        return False
    return address.is_link_local or address.is_loopback


class RateLimit:
    """At most ``per_second`` answers to one source, after a burst of ``burst``; constant time and
    bounded memory in a flood (A-NET-02).
    """

    def __init__(
        self, per_second: float = REQUESTS_PER_SECOND, burst: int = REQUEST_BURST, sources: int = SOURCES
    ) -> None:
        self._per_second = per_second
        self._burst = float(burst)
        self._sources = sources
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def admit(self, source: str, now: float) -> bool:
        """Whether a request from ``source`` (an address, without its port) at ``now`` (monotonic
        seconds) may be answered.
        """
        left, since = self._buckets.pop(source, (self._burst, now))
        left = min(self._burst, left + max(0.0, now - since) * self._per_second)
        admitted = left >= 1.0
        # The newest source is last, so the first is the one not heard for longest.
        self._buckets[source] = (left - 1.0 if admitted else left, now)
        if len(self._buckets) > self._sources:
            self._buckets.popitem(last=False)
        return admitted


def _security_over_tcp(payload: bytes) -> Security:
    """Returns the security of a request or response. Raises FramingError unless it is for TCP."""
    if payload[-1] != Transport.TCP:
        raise FramingError(f"SDP transport 0x{payload[-1]:02X}", fatal=False)
    try:
        return Security(payload[-2])
    except ValueError:
        raise FramingError(f"SDP security 0x{payload[-2]:02X}", fatal=False) from None
