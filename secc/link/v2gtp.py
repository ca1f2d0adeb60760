"""V2GTP: the header of eight octets before every message, and how a stream is cut into frames.

Header: version ``0x01``, its inverse ``0xFE``, payload type (u16), payload length (u32), all big
endian. [V2G2-082 ff.]

A frame with a bad header is ignored without an answer, and no timer restarts; the octets that its
length announces are skipped, so the stream stays in step. So is a frame whose payload is not a
message (:meth:`Framer.ignore`). The third of them ends the connection. A length beyond the limit
ends it at once, before anything is stored.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import IntEnum
from typing import Final

from frozen import dataclass
from secc.errors import EncodeError, FramingError

VERSION: Final = 0x01
INVERSE: Final = 0xFE
HEADER_OCTETS: Final = 8
DEFAULT_LIMIT: Final = 65_536
"""Octets of payload in a frame from a chosen peer: for a car's framer or a tool's."""
OPENING_LIMIT: Final = 4096
"""Octets of payload in the first frame of an unknown peer; SupportedAppProtocolReq has 2.3 KiB at
most. (A-EXI-11)
"""
TOLERATED: Final = 3
"""The connection ends on this many bad frames."""


class PayloadType(IntEnum):
    """Type of a payload. DIN SPEC 70121 and ISO 15118-2 use only ``EXI`` on TCP; the rest of 0x80nn
    and 0x81nn is ISO 15118-20.
    """

    EXI = 0x8001
    """SupportedAppProtocol in every protocol; all messages of DIN SPEC 70121 and ISO 15118-2."""
    COMMON = 0x8002
    AC = 0x8003
    DC = 0x8004
    ACDP = 0x8005
    WPT = 0x8006
    AC_DER_IEC = 0x8010
    AC_DER_SAE = 0x8011
    SCHEDULE_RENEGOTIATION = 0x8101
    METERING_CONFIRMATION = 0x8102
    ACDP_SYSTEM_STATUS = 0x8103
    PARKING_STATUS = 0x8104
    SDP_REQUEST = 0x9000
    SDP_RESPONSE = 0x9001
    SDP_WIRELESS_REQUEST = 0x9002
    SDP_WIRELESS_RESPONSE = 0x9003


_BY_NUMBER: Final = {int(kind): kind for kind in PayloadType}
SESSION_TYPES: Final = frozenset(kind for kind in PayloadType if kind < PayloadType.SDP_REQUEST)
"""Payload types on TCP. SDP is not among them."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One V2GTP message: its type, and a payload of 1 octet or more."""

    payload_type: PayloadType
    payload: bytes


def frame(payload_type: int, payload: bytes) -> bytes:
    """Returns header and payload in one piece, for one segment. Raises EncodeError for an empty
    payload or one beyond 32 bits of length.
    """
    if not payload:
        raise EncodeError("a V2GTP frame has a payload of one octet or more")
    if len(payload) > 0xFFFF_FFFF:
        raise EncodeError("a V2GTP frame has at most 2**32 - 1 octets of payload")
    return b"%c%c%b%b%b" % (VERSION, INVERSE, payload_type.to_bytes(2), len(payload).to_bytes(4), payload)


def unframe(datagram: bytes, accepted: Collection[PayloadType]) -> Frame:
    """Returns the frame that is the whole datagram. Raises FramingError (not fatal) for any other
    datagram.
    """
    if len(datagram) < HEADER_OCTETS:
        raise FramingError(f"{len(datagram)} octets are not a V2GTP header", fatal=False)
    length = int.from_bytes(datagram[4:8])
    flaw = _flaw(datagram, accepted)
    if flaw is None and length != len(datagram) - HEADER_OCTETS:
        flaw = f"payload length {length}, but {len(datagram) - HEADER_OCTETS} octets follow"
    if flaw is not None:
        raise FramingError(flaw, fatal=False)
    return Frame(_BY_NUMBER[int.from_bytes(datagram[2:4])], bytes(datagram[HEADER_OCTETS:]))


def _flaw(header: bytes | bytearray, accepted: Collection[PayloadType]) -> str | None:
    """Returns the flaw of these eight octets, checked in the order of the standard; None if there
    is none. [V2G2-089 ff.]
    """
    if header[0] != VERSION:
        return f"V2GTP version 0x{header[0]:02X}"
    if header[1] != INVERSE:
        return f"V2GTP inverse version 0x{header[1]:02X}"
    kind = int.from_bytes(header[2:4])
    if kind not in accepted:
        return f"V2GTP payload type 0x{kind:04X}"
    if not any(header[4:8]):
        return "V2GTP payload length 0"
    return None


class Framer:
    """Cuts a TCP (or TLS) stream into frames.

    ``limit``: most octets of payload. ``accepted``: payload types that are allowed here; may be
    narrowed once a protocol is agreed, and a frame of another type is then ignored and counted like
    an unknown one. ``tolerated``: the stream ends on this many bad frames.
    """

    def __init__(
        self,
        limit: int = DEFAULT_LIMIT,
        accepted: Collection[PayloadType] = SESSION_TYPES,
        tolerated: int = TOLERATED,
    ) -> None:
        self.limit = limit
        self.accepted = accepted
        self.tolerated = tolerated
        self.ignored: list[str] = []
        """Why frames were ignored, in order of arrival; at most ``tolerated``."""
        self.failure: FramingError | None = None
        """Set once the stream has failed."""
        self._held = bytearray()
        self._skip = 0

    @property
    def partial(self) -> bool:
        """Whether a frame has begun and is not complete: a message deadline should then run."""
        return bool(self._held) or self._skip > 0

    def feed(self, octets: bytes) -> list[Frame]:
        """Take octets. Returns the frames that they complete.

        Raises FramingError (fatal) if the stream cannot go on. Whole frames before the bad header
        are returned first, with ``failure`` set; the next call, ``feed(b"")`` included, raises it.
        """
        if self.failure is not None:
            raise self.failure
        frames: list[Frame] = []
        held = self._held
        held += octets
        start = 0
        while self.failure is None:
            if self._skip:
                passed = min(self._skip, len(held) - start)
                self._skip -= passed
                start += passed
            if len(held) - start < HEADER_OCTETS:
                break
            header = held[start : start + HEADER_OCTETS]
            length = int.from_bytes(header[4:8])
            if length > self.limit:
                self.failure = FramingError(f"payload length {length} is beyond the limit of {self.limit}")
                break
            flaw = _flaw(header, self.accepted)
            if flaw is not None:
                start += HEADER_OCTETS
                self._skip = length
                self.ignore(flaw)
                continue
            end = start + HEADER_OCTETS + length
            if len(held) < end:
                break
            frames.append(Frame(_BY_NUMBER[int.from_bytes(header[2:4])], bytes(held[start + HEADER_OCTETS : end])))
            start = end
        del held[:start]
        if self.failure is not None:
            held.clear()
            if not frames:
                raise self.failure
        return frames

    def ignore(self, flaw: str) -> None:
        """Count a bad frame. Called from outside for a payload that is not a message of the
        session; sets ``failure`` at the last one that is tolerated.
        """
        self.ignored.append(flaw)
        if len(self.ignored) >= self.tolerated:
            self.failure = FramingError(f"{len(self.ignored)} bad frames, the last: {flaw}")
