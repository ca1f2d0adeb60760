"""HomePlug Green PHY management messages of SLAC: octets in, messages out, and back. No sockets.

Ethernet II, EtherType 0x88E1: destination, source, ``88 E1``, MMV, MMTYPE (little endian), two octets of fragmentation, payload. The messages are
those of HomePlug Green PHY 1.1 that ISO 15118-3 Annex A uses between car and station. What a host says to its own modem is the business of its
driver (``hal``). Integers are single octets, but for two lengths.

On receive a frame has to hold the fields of its message and may be longer; Ethernet's 60 octets are not asked for, because a modem on SPI does
not pad. On send it is padded.
"""

from __future__ import annotations

import functools
import struct
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Final, Self

from secc.errors import EncodeError, FramingError
from secc.link.slac.key import NetworkKey

ETHERTYPE: Final = 0x88E1
BROADCAST: Final = b"\xff" * 6
MINIMUM_OCTETS: Final = 60
GROUPS: Final = 58
"""Groups of carriers in an attenuation profile of Green PHY."""
MVF_LENGTH_REQ: Final = 0x3E
MVF_LENGTH_CNF: Final = 0x56

_HEADER: Final = struct.Struct("!6s6sH")
_MMV: Final = 0x01
_BODY: Final = 19
_NO_ID: Final = bytes(17)
_ZEROS: Final = bytes(8)


@dataclass(frozen=True, slots=True)
class Message:
    """Payload of a management message: fields in the order of the wire, laid out by ``FORMAT``.

    ``SHORTEST``: so many octets have to be there; the fields behind them are read as zeros where they are missing.
    """

    TYPE: ClassVar[int]
    FORMAT: ClassVar[str]
    SHORTEST: ClassVar[int | None] = None

    def pack(self) -> bytes:
        """The payload. EncodeError for a field that does not fit its place."""
        return _pack(self.FORMAT, *(getattr(self, f.name) for f in fields(self)))

    @classmethod
    def unpack(cls, payload: bytes) -> Self:
        """The message that begins this payload; what stands behind it is padding. FramingError (not fatal) where it is too short."""
        return cls(*cls._values(payload))

    @classmethod
    def _values(cls, payload: bytes) -> tuple[Any, ...]:
        size = struct.calcsize(cls.FORMAT)
        shortest = size if cls.SHORTEST is None else cls.SHORTEST
        if len(payload) < shortest:
            raise FramingError(f"{cls.__name__} with {len(payload)} of {shortest} octets", fatal=False)
        return struct.unpack_from(cls.FORMAT, payload.ljust(size, b"\0"))


@dataclass(frozen=True, slots=True)
class SlacParmReq(Message):
    """CM_SLAC_PARM.REQ, EV to all: who is there?"""

    TYPE: ClassVar[int] = 0x6064
    FORMAT: ClassVar[str] = "<BB8s"
    application_type: int
    security_type: int
    run_id: bytes


@dataclass(frozen=True, slots=True)
class SlacParmCnf(Message):
    """CM_SLAC_PARM.CNF, EVSE to EV: how the sounding is to be done. ``time_out`` counts 100 ms."""

    TYPE: ClassVar[int] = 0x6065
    FORMAT: ClassVar[str] = "<6sBBB6sBB8s"
    m_sound_target: bytes
    num_sounds: int
    time_out: int
    resp_type: int
    forwarding_sta: bytes
    application_type: int
    security_type: int
    run_id: bytes


@dataclass(frozen=True, slots=True)
class StartAttenCharInd(Message):
    """CM_START_ATTEN_CHAR.IND, EV to all, three times: sounds follow."""

    TYPE: ClassVar[int] = 0x606A
    FORMAT: ClassVar[str] = "<BBBBB6s8s"
    application_type: int
    security_type: int
    num_sounds: int
    time_out: int
    resp_type: int
    forwarding_sta: bytes
    run_id: bytes


@dataclass(frozen=True, slots=True)
class MnbcSoundInd(Message):
    """CM_MNBC_SOUND.IND, EV to all: a sound; ``count`` says how many follow.

    Debian's ``pev`` leaves seven octets out behind the RunID; what comes there is random and nobody's business.
    """

    TYPE: ClassVar[int] = 0x6076
    FORMAT: ClassVar[str] = "<BB17sB8s8s16s"
    SHORTEST: ClassVar[int | None] = 28
    application_type: int
    security_type: int
    sender_id: bytes
    count: int
    run_id: bytes
    reserved: bytes = _ZEROS
    random: bytes = bytes(16)


@dataclass(frozen=True, slots=True)
class AttenProfileInd(Message):
    """CM_ATTEN_PROFILE.IND, our modem to its host: how one sound came through, dB for each group of carriers. No groups: it cannot tell."""

    TYPE: ClassVar[int] = 0x6086
    FORMAT: ClassVar[str] = "<6sBB"
    pev_mac: bytes
    groups: tuple[int, ...]

    def pack(self) -> bytes:
        return _pack(self.FORMAT, self.pev_mac, len(self.groups), 0) + _octets(self.groups)

    @classmethod
    def unpack(cls, payload: bytes) -> Self:
        pev_mac, count, _ = cls._values(payload)
        return cls(pev_mac, _groups(cls, payload, 8, count))


@dataclass(frozen=True, slots=True)
class AttenCharInd(Message):
    """CM_ATTEN_CHAR.IND, EVSE to EV: the mean over ``num_sounds`` sounds, dB for each group."""

    TYPE: ClassVar[int] = 0x606E
    FORMAT: ClassVar[str] = "<BB6s8s17s17sBB"
    source_address: bytes
    run_id: bytes
    num_sounds: int
    groups: tuple[int, ...]
    application_type: int = 0
    security_type: int = 0
    source_id: bytes = _NO_ID
    resp_id: bytes = _NO_ID

    def pack(self) -> bytes:
        head = (
            self.application_type,
            self.security_type,
            self.source_address,
            self.run_id,
            self.source_id,
            self.resp_id,
        )
        return _pack(self.FORMAT, *head, self.num_sounds, len(self.groups)) + _octets(self.groups)

    @classmethod
    def unpack(cls, payload: bytes) -> Self:
        application, security, address, run_id, source_id, resp_id, sounds, count = cls._values(payload)
        return cls(address, run_id, sounds, _groups(cls, payload, 52, count), application, security, source_id, resp_id)


@dataclass(frozen=True, slots=True)
class AttenCharRsp(Message):
    """CM_ATTEN_CHAR.RSP, EV to EVSE: heard."""

    TYPE: ClassVar[int] = 0x606F
    FORMAT: ClassVar[str] = "<BB6s8s17s17sB"
    application_type: int
    security_type: int
    source_address: bytes
    run_id: bytes
    source_id: bytes
    resp_id: bytes
    result: int


@dataclass(frozen=True, slots=True)
class ValidateReq(Message):
    """CM_VALIDATE.REQ, EV to EVSE: may I toggle the pilot to show that this cable is mine? ``timer`` counts 100 ms, less one."""

    TYPE: ClassVar[int] = 0x6078
    FORMAT: ClassVar[str] = "<BBB"
    signal_type: int
    timer: int
    result: int


@dataclass(frozen=True, slots=True)
class ValidateCnf(Message):
    """CM_VALIDATE.CNF, EVSE to EV. ``result``: 0 not ready, 1 ready, 2 success, 3 failure, 4 not required."""

    TYPE: ClassVar[int] = 0x6079
    FORMAT: ClassVar[str] = "<BBB"
    signal_type: int
    toggle_num: int
    result: int


@dataclass(frozen=True, slots=True)
class SlacMatchReq(Message):
    """CM_SLAC_MATCH.REQ, EV to EVSE: it is you."""

    TYPE: ClassVar[int] = 0x607C
    FORMAT: ClassVar[str] = "<BBH17s6s17s6s8s8s"
    application_type: int
    security_type: int
    mvf_length: int
    pev_id: bytes
    pev_mac: bytes
    evse_id: bytes
    evse_mac: bytes
    run_id: bytes
    reserved: bytes = _ZEROS


@dataclass(frozen=True, slots=True)
class SlacMatchCnf(Message):
    """CM_SLAC_MATCH.CNF, EVSE to EV: the key of the network in which we shall meet."""

    TYPE: ClassVar[int] = 0x607D
    FORMAT: ClassVar[str] = "<BBH17s6s17s6s8s8s7sB16s"
    pev_mac: bytes
    evse_mac: bytes
    run_id: bytes
    nid: bytes
    nmk: NetworkKey = field(repr=False)
    mvf_length: int = MVF_LENGTH_CNF
    application_type: int = 0
    security_type: int = 0
    pev_id: bytes = _NO_ID
    evse_id: bytes = _NO_ID

    def pack(self) -> bytes:
        head = (
            self.application_type,
            self.security_type,
            self.mvf_length,
            self.pev_id,
            self.pev_mac,
            self.evse_id,
            self.evse_mac,
        )
        return _pack(self.FORMAT, *head, self.run_id, _ZEROS, self.nid, 0, self.nmk.octets)

    @classmethod
    def unpack(cls, payload: bytes) -> Self:
        values = cls._values(payload)
        application, security, length, pev_id, pev_mac, evse_id, evse_mac, run_id, _, nid, _, nmk = values
        return cls(pev_mac, evse_mac, run_id, nid, NetworkKey(nmk), length, application, security, pev_id, evse_id)


@dataclass(frozen=True, slots=True)
class AmpMapReq(Message):
    """CM_AMP_MAP.REQ, either side: send with no more than this, four bits for each carrier, the first in the low half of its octet."""

    TYPE: ClassVar[int] = 0x601C
    FORMAT: ClassVar[str] = "<H"
    carriers: tuple[int, ...]

    def pack(self) -> bytes:
        if any(not 0 <= level <= 15 for level in self.carriers):
            raise EncodeError("an amplitude map has four bits for each carrier")
        pairs = zip(self.carriers[::2], (*self.carriers[1::2], 0), strict=False)
        return _pack(self.FORMAT, len(self.carriers)) + bytes(low | high << 4 for low, high in pairs)

    @classmethod
    def unpack(cls, payload: bytes) -> Self:
        (count,) = cls._values(payload)
        octets = payload[2 : 2 + (count + 1) // 2]
        if len(octets) < (count + 1) // 2:
            raise FramingError(f"AmpMapReq for {count} carriers in {len(payload)} octets", fatal=False)
        return cls(tuple(level for octet in octets for level in (octet & 0x0F, octet >> 4))[:count])


@dataclass(frozen=True, slots=True)
class AmpMapCnf(Message):
    """CM_AMP_MAP.CNF: 0 taken, 1 not."""

    TYPE: ClassVar[int] = 0x601D
    FORMAT: ClassVar[str] = "<B"
    res_type: int


@dataclass(frozen=True, slots=True)
class Mme:
    """One frame: from whom, to whom, what. ``message`` is None for a type that has no part in SLAC."""

    destination: bytes
    source: bytes
    message: Message | None
    mmtype: int


_MESSAGES: Final[dict[int, type[Message]]] = {
    kind.TYPE: kind
    for kind in (
        SlacParmReq,
        SlacParmCnf,
        StartAttenCharInd,
        MnbcSoundInd,
        AttenProfileInd,
        AttenCharInd,
        AttenCharRsp,
        ValidateReq,
        ValidateCnf,
        SlacMatchReq,
        SlacMatchCnf,
        AmpMapReq,
        AmpMapCnf,
    )
}

_KEYS: Final = {0x607D: _BODY + 74, 0x6008: _BODY + 22, 0x600D: _BODY + 22}
"""Where a network key stands, by message type: CM_SLAC_MATCH.CNF, CM_SET_KEY.REQ, CM_GET_KEY.CNF."""


def parse(frame: bytes) -> Mme:
    """Take a frame apart. FramingError (never fatal: the next frame is another matter) for octets that are no management message."""
    if len(frame) < _HEADER.size + 3:
        raise FramingError(f"{len(frame)} octets are no management message", fatal=False)
    destination, source, ethertype = _HEADER.unpack_from(frame)
    if ethertype != ETHERTYPE:
        raise FramingError(f"EtherType 0x{ethertype:04X}", fatal=False)
    mmv, mmtype = frame[14], frame[15] | frame[16] << 8
    kind = _MESSAGES.get(mmtype) if mmv == _MMV else None
    if kind is None:
        return Mme(destination, source, None, mmtype)
    if frame[17:18] != b"\0":
        raise FramingError(f"{kind.__name__} in fragments", fatal=False)
    return Mme(destination, source, kind.unpack(frame[_BODY:]), mmtype)


def build(destination: bytes, source: bytes, message: Message) -> bytes:
    """The whole frame, padded to 60 octets."""
    if len(destination) != 6 or len(source) != 6:
        raise EncodeError("an Ethernet address has 6 octets")
    head = _HEADER.pack(destination, source, ETHERTYPE) + struct.pack("<BHH", _MMV, message.TYPE, 0)
    return (head + message.pack()).ljust(MINIMUM_OCTETS, b"\0")


def redacted(frame: bytes) -> bytes:
    """The frame as a log or a trace may show it: a network key in it is overwritten with zeros."""
    if len(frame) < _BODY or frame[12:14] != b"\x88\xe1":
        return frame
    start = _KEYS.get(frame[15] | frame[16] << 8)
    if start is None:
        return frame
    return frame[:start] + bytes(min(16, max(0, len(frame) - start))) + frame[start + 16 :]


def _pack(layout: str, *values: Any) -> bytes:
    for value, size in zip(values, _sizes(layout), strict=True):
        if isinstance(value, bytes) and len(value) != size:
            raise EncodeError(f"{len(value)} octets do not fit a field of {size}")
    try:
        return struct.pack(layout, *values)
    except struct.error as error:
        raise EncodeError(str(error)) from error


@functools.cache
def _sizes(layout: str) -> list[int]:
    """Octets of each field of a layout."""
    sizes, count = [], ""
    for letter in layout[1:]:
        if letter.isdigit():
            count += letter
            continue
        sizes.append(int(count) if letter == "s" else struct.calcsize("<" + letter))
        count = ""
    return sizes


def _octets(groups: tuple[int, ...]) -> bytes:
    if any(not 0 <= group <= 255 for group in groups):
        raise EncodeError("an attenuation is 0 to 255 dB")
    return bytes(groups)


def _groups(kind: type[Message], payload: bytes, start: int, count: int) -> tuple[int, ...]:
    if len(payload) < start + count:
        raise FramingError(f"{kind.__name__} announces {count} groups in {len(payload)} octets", fatal=False)
    return tuple(payload[start : start + count])
