"""A pcap or pcapng file as V2G sessions: SDP, reordered TCP, TLS with a key log, V2GTP, messages.

Each line of the output is a JSON object: ``time`` in seconds from the first packet, ``from`` (EVCC
or SECC), and ``message`` (a tree, with the ``schema`` that it follows), ``sdp``, ``tls`` or
``error``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from secc.errors import DecodeError, FramingError, SeccError
from secc.exi import Schema
from secc.exi.tree import to_tree
from secc.link import sdp
from secc.link.v2gtp import Frame, Framer, PayloadType, unframe
from secc.protocols import protocols
from secc.session import supported_app_protocol as sap

from . import decode_tls

PROTOCOLS: Final = {protocol.namespace: protocol.load().schema for protocol in protocols()}
"""Codecs by the namespace that SupportedAppProtocol agrees on."""

SDP_PORT: Final = 15118
LARGEST_GAP: Final = 4096
"""Segments that may wait for a missing one."""

Address = tuple[str, int]
Line = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Segment:
    """The relevant fields of a packet. ``number`` is TCP's sequence number, None on UDP; ``starts``
    a SYN.
    """

    time: float
    source: Address
    target: Address
    octets: bytes
    number: int | None = None
    starts: bool = False


def session_lines(path: Path, keylog: Path | None, assumed: Schema[Any] | None = None) -> Iterator[str]:
    """Yields the sessions of a capture as lines of JSON. ``assumed``: the set for connections whose
    beginning is missing.

    Raises SeccError if the file or scapy cannot be read, OSError for a missing key log.
    """
    secrets = decode_tls.read_keylog(keylog) if keylog else {}
    connections: dict[frozenset[Address], Conversation] = {}
    first: float | None = None
    for segment in _segments(path):
        first = segment.time if first is None else first
        time = round(segment.time - first, 6)
        if segment.number is None:
            lines = _discovery(segment)
        else:
            key = frozenset((segment.source, segment.target))
            if key not in connections or (segment.starts and connections[key].client == segment.source):
                connections[key] = Conversation(segment.source, secrets, assumed)
            lines = connections[key].take(segment)
        for line in lines:
            yield json.dumps({"time": time, **line})
    for conversation in connections.values():
        for line in conversation.finish():
            yield json.dumps(line)


def _segments(path: Path) -> Iterator[Segment]:
    try:
        from scapy.error import Scapy_Exception
        from scapy.layers.inet import IP, TCP, UDP
        from scapy.layers.inet6 import IPv6
        from scapy.packet import Padding
        from scapy.utils import PcapReader
    except ImportError as error:
        raise SeccError(
            f"captures are read with scapy, which the extra 'lab' brings: pip install scapy ({error})"
        ) from None
    try:
        with PcapReader(str(path)) as packets:
            for packet in packets:
                network = packet.getlayer(IPv6) or packet.getlayer(IP)
                if network is None:
                    continue
                transport = network.getlayer(TCP) or network.getlayer(UDP)
                if transport is None:
                    continue
                octets = bytes(transport.payload)
                padding = transport.getlayer(Padding)
                if padding is not None:
                    octets = octets[: len(octets) - len(padding.load)]
                is_tcp = isinstance(transport, TCP)
                yield Segment(
                    time=float(packet.time),
                    source=(network.src, transport.sport),
                    target=(network.dst, transport.dport),
                    octets=octets,
                    number=transport.seq if is_tcp else None,
                    starts=is_tcp and bool(transport.flags.S),
                )
    except (Scapy_Exception, EOFError) as error:
        raise SeccError(f"{path} cannot be read: {error}") from None


def _discovery(segment: Segment) -> Iterator[Line]:
    if SDP_PORT not in (segment.source[1], segment.target[1]):
        return
    sender = "EVCC" if segment.target[1] == SDP_PORT else "SECC"
    try:
        if (
            unframe(segment.octets, (PayloadType.SDP_REQUEST, PayloadType.SDP_RESPONSE)).payload_type
            is PayloadType.SDP_REQUEST
        ):
            yield {"from": sender, "sdp": {"security": sdp.parse_request(segment.octets).security.name}}
        else:
            found = sdp.parse_response(segment.octets)
            yield {
                "from": sender,
                "sdp": {"security": found.security.name, "address": str(found.address), "port": found.port},
            }
    except FramingError as error:
        yield {"from": sender, "error": f"SDP: {error}"}


@dataclass(slots=True)
class Ordered:
    """One direction of a TCP connection: segments in, octets in order out."""

    expected: int | None = None
    waiting: dict[int, bytes] = field(default_factory=dict)

    def take(self, segment: Segment) -> bytes:
        """Returns the octets that are in order now. Raises FramingError if too many segments wait
        for a missing one.
        """
        assert segment.number is not None
        if segment.starts:
            self.expected = (segment.number + 1) % 2**32
            return segment.octets
        if not segment.octets:
            return b""
        if self.expected is None:
            self.expected = segment.number
        if len(segment.octets) > len(self.waiting.get(segment.number, b"")):
            self.waiting[segment.number] = segment.octets
        if len(self.waiting) > LARGEST_GAP:
            raise FramingError("octets are missing from the capture")
        ready = b""
        while True:
            number = next((n for n in self.waiting if _behind(self.expected, n) <= 0), None)
            if number is None:
                return ready
            octets = self.waiting.pop(number)
            # Skip octets that were sent again.
            fresh = octets[-_behind(self.expected, number) :]
            ready += fresh
            self.expected = (self.expected + len(fresh)) % 2**32


def _behind(expected: int, number: int) -> int:
    """Returns how far a sequence number is beyond the expected one, modulo 32 bits."""
    return (number - expected + 2**31) % 2**32 - 2**31


class Conversation:
    """One TCP connection between a car and a station."""

    def __init__(self, client: Address, secrets: dict[bytes, bytes], assumed: Schema[Any] | None) -> None:
        self.client = client
        self._ordered = {True: Ordered(), False: Ordered()}
        self._framers = {side: Framer(limit=1 << 20) for side in (True, False)}
        self._tls: decode_tls.Connection | None = None
        self._secrets = secrets
        self._schema: Schema[Any] = sap.SCHEMA
        self._assumed = assumed
        self._offered: dict[int, str] = {}
        self._begun = False
        self._failed = False

    def take(self, segment: Segment) -> Iterator[Line]:
        """Yields the lines of a packet."""
        if self._failed:
            return
        from_client = segment.source == self.client
        sender = "EVCC" if from_client else "SECC"
        try:
            octets = self._ordered[from_client].take(segment)
            if octets and not self._begun:
                self._begun = True
                if octets[0] == decode_tls.HANDSHAKE:
                    self._tls = decode_tls.Connection(self._secrets)
            if self._tls is not None:
                known = self._tls.suite
                octets = self._tls.feed(from_client=from_client, octets=octets)
                if known is None and self._tls.suite is not None:
                    yield {"from": sender, "tls": self._tls.suite.name}
            frames = self._framers[from_client].feed(octets)
        except FramingError as error:
            self._failed = True
            yield {"from": sender, "error": str(error)}
            return
        for found in frames:
            yield {"from": sender, **self._message(found)}

    def finish(self) -> Iterator[Line]:
        """Yields errors at the end of the capture."""
        for from_client, ordered in self._ordered.items():
            if ordered.waiting and not self._failed:
                yield {"from": "EVCC" if from_client else "SECC", "error": "octets are missing from the capture"}

    def _message(self, found: Frame) -> Line:
        if found.payload_type is not PayloadType.EXI:
            return {"error": f"payload type {found.payload_type:#06x}, for which there is no codec"}
        try:
            message = self._decode(found.payload)
        except (DecodeError, LookupError) as error:
            return {"schema": self._schema.name, "exi": found.payload.hex(), "error": str(error)}
        line = {"schema": self._schema.name, "message": to_tree(message)}
        if isinstance(message, sap.SupportedAppProtocolReq):
            self._offered = {offer.schema_id: offer.protocol_namespace for offer in message.app_protocol}
        elif isinstance(message, sap.SupportedAppProtocolRes) and message.schema_id is not None:
            self._agree(self._offered.get(message.schema_id, ""))
        return line

    def _decode(self, octets: bytes) -> Any:
        try:
            return self._schema.decode(octets)
        except DecodeError:
            # A capture that begins within a session has no SupportedAppProtocol.
            if self._schema is not sap.SCHEMA or self._offered or self._assumed is None:
                raise
            self._schema = self._assumed
            return self._schema.decode(octets)

    def _agree(self, namespace: str) -> None:
        self._schema = PROTOCOLS.get(namespace) or _unknown(namespace)


def _unknown(namespace: str) -> Schema[Any]:
    """Returns a schema for a protocol that is not read here: every message of it is an error with
    its name.
    """
    return Schema(namespace or "unknown protocol", roots=(), globals_=(), vocabulary=sap.SCHEMA.vocabulary)
