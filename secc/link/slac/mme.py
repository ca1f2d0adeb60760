"""HomePlug Green PHY management messages of SLAC: octets in, messages out, and back. No sockets.

Ethernet II, EtherType 0x88E1: destination, source, ``88 E1``, MMV, MMTYPE (little endian), two
octets of fragmentation, payload. The messages are those of HomePlug Green PHY 1.1 that ISO 15118-3
Annex A uses between car and station. Messages between a host and its modem are in the modem's
driver (``hal``). Integers are single octets, except two lengths.

A received frame has to hold the fields of its message and may be longer; fewer than Ethernet's 60
octets are accepted, because a modem on SPI does not pad. Sent frames are padded.
"""

from __future__ import annotations

import functools
import re
import struct
from collections.abc import Callable
from dataclasses import field, fields
from typing import Any, ClassVar, Final, Self, TypeVar, dataclass_transform

from frozen import dataclass
from hal.linux import mme as ethernet
from hal.linux.mme import BROADCAST as BROADCAST
from hal.linux.mme import HOMEPLUG
from secc.errors import EncodeError, FramingError
from secc.link.slac.key import NetworkKey

GROUPS: Final = 58
"""Groups of carriers in an attenuation profile of Green PHY."""
MVF_LENGTH_REQ: Final = 0x3E
MVF_LENGTH_CNF: Final = 0x56

_BODY: Final = 19
NO_ID: Final = bytes(17)
_ZEROS: Final = bytes(8)


@dataclass(frozen=True, slots=True)
class Message:
    """Payload of a management message: fields in the order of the wire, in the layout ``FORMAT``.

    ``SHORTEST``: the least number of octets; missing fields after them are read as zeros.
    """

    TYPE: ClassVar[int]
    FORMAT: ClassVar[str]
    SHORTEST: ClassVar[int]
    NAMES: ClassVar[tuple[str, ...]]

    def pack(self) -> bytes:
        """Returns the payload. Raises EncodeError for a value that does not fit its field."""
        return _pack(self.FORMAT, *(getattr(self, name) for name in self.NAMES))

    @classmethod
    def unpack(cls, payload: bytes) -> Self:
        """Returns the message at the start of this payload; the rest is padding. Raises
        FramingError (not fatal) if it is too short.
        """
        return cls(**dict(zip(cls.NAMES, cls._values(payload), strict=True)))

    @classmethod
    def _values(cls, payload: bytes) -> tuple[Any, ...]:
        if len(payload) < cls.SHORTEST:
            raise FramingError(f"{cls.__name__} with {len(payload)} of {cls.SHORTEST} octets", fatal=False)
        return struct.unpack_from(cls.FORMAT, payload.ljust(struct.calcsize(cls.FORMAT), b"\0"))


@dataclass(frozen=True, slots=True)
class _Groups(Message):
    """A message that ends with ``groups``, and their number before them."""

    def pack(self) -> bytes:
        *head, groups = (getattr(self, name) for name in self.NAMES)
        if any(not 0 <= group <= 255 for group in groups):
            raise EncodeError("an attenuation is 0 to 255 dB")
        return _pack(self.FORMAT, *head, len(groups)) + bytes(groups)

    @classmethod
    def unpack(cls, payload: bytes) -> Self:
        *head, count = cls._values(payload)
        groups = payload[cls.SHORTEST : cls.SHORTEST + count]
        if len(groups) < count:
            raise FramingError(f"{cls.__name__} announces {count} groups in {len(payload)} octets", fatal=False)
        return cls(**dict(zip(cls.NAMES, (*head, tuple(groups)), strict=True)))


_M = TypeVar("_M", bound=Message)
_MESSAGES: Final[dict[int, type[Message]]] = {}


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def _message(mmtype: int, layout: str, *, shortest: int | None = None) -> Callable[[type[_M]], type[_M]]:
    """Class decorator for the message of this type: fields as in a dataclass, in the order of the
    wire.
    """

    def made(kind: type[_M]) -> type[_M]:
        kind = dataclass(frozen=True, slots=True)(kind)
        kind.TYPE, kind.FORMAT, kind.NAMES = mmtype, layout, tuple(each.name for each in fields(kind))
        kind.SHORTEST = struct.calcsize(layout) if shortest is None else shortest
        _MESSAGES[mmtype] = kind
        return kind

    return made


@_message(0x6064, "<BB8s")
class SlacParmReq(Message):
    """CM_SLAC_PARM.REQ, EV to all: asks for stations."""

    application_type: int
    security_type: int
    run_id: bytes


@_message(0x6065, "<6sBBB6sBB8s")
class SlacParmCnf(Message):
    """CM_SLAC_PARM.CNF, EVSE to EV: the parameters of the sounding. ``time_out`` counts 100 ms."""

    m_sound_target: bytes
    num_sounds: int
    time_out: int
    resp_type: int
    forwarding_sta: bytes
    application_type: int
    security_type: int
    run_id: bytes


@_message(0x606A, "<BBBBB6s8s")
class StartAttenCharInd(Message):
    """CM_START_ATTEN_CHAR.IND, EV to all, three times: announces sounds."""

    application_type: int
    security_type: int
    num_sounds: int
    time_out: int
    resp_type: int
    forwarding_sta: bytes
    run_id: bytes


@_message(0x6076, "<BB17sB8s8s16s", shortest=28)
class MnbcSoundInd(Message):
    """CM_MNBC_SOUND.IND, EV to all: a sound; ``count`` is the number of those that follow.

    Debian's ``pev`` leaves seven octets out after the RunID; the random octets there are not used.
    """

    application_type: int
    security_type: int
    sender_id: bytes
    count: int
    run_id: bytes
    reserved: bytes = _ZEROS
    random: bytes = bytes(16)


@_message(0x6086, "<6sBx")
class AttenProfileInd(_Groups):
    """CM_ATTEN_PROFILE.IND, modem to its host: attenuation of one sound, dB for each group of
    carriers. No groups: not measured.
    """

    pev_mac: bytes
    groups: tuple[int, ...]


@_message(0x606E, "<BB6s8s17s17sBB")
class AttenCharInd(_Groups):
    """CM_ATTEN_CHAR.IND, EVSE to EV: the mean over ``num_sounds`` sounds, dB for each group."""

    application_type: int = field(default=0, kw_only=True)
    security_type: int = field(default=0, kw_only=True)
    source_address: bytes
    run_id: bytes
    source_id: bytes = field(default=NO_ID, kw_only=True)
    resp_id: bytes = field(default=NO_ID, kw_only=True)
    num_sounds: int
    groups: tuple[int, ...]


@_message(0x606F, "<BB6s8s17s17sB")
class AttenCharRsp(Message):
    """CM_ATTEN_CHAR.RSP, EV to EVSE: confirms the result."""

    application_type: int
    security_type: int
    source_address: bytes
    run_id: bytes
    source_id: bytes
    resp_id: bytes
    result: int


@_message(0x6078, "<BBB")
class ValidateReq(Message):
    """CM_VALIDATE.REQ, EV to EVSE: asks to toggle the pilot as a proof of the cable. ``timer``
    counts 100 ms, less one.
    """

    signal_type: int
    timer: int
    result: int


@_message(0x6079, "<BBB")
class ValidateCnf(Message):
    """CM_VALIDATE.CNF, EVSE to EV. ``result``: 0 not ready, 1 ready, 2 success, 3 failure, 4 not
    required.
    """

    signal_type: int
    toggle_num: int
    result: int


@_message(0x607C, "<BBH17s6s17s6s8s8s")
class SlacMatchReq(Message):
    """CM_SLAC_MATCH.REQ, EV to EVSE: chooses this station."""

    application_type: int
    security_type: int
    mvf_length: int
    pev_id: bytes
    pev_mac: bytes
    evse_id: bytes
    evse_mac: bytes
    run_id: bytes
    reserved: bytes = _ZEROS


@_message(0x607D, "<BBH17s6s17s6s8s8x7sx16s")
class SlacMatchCnf(Message):
    """CM_SLAC_MATCH.CNF, EVSE to EV: the key of the common network."""

    application_type: int = field(default=0, kw_only=True)
    security_type: int = field(default=0, kw_only=True)
    mvf_length: int = field(default=MVF_LENGTH_CNF, kw_only=True)
    pev_id: bytes = field(default=NO_ID, kw_only=True)
    pev_mac: bytes
    evse_id: bytes = field(default=NO_ID, kw_only=True)
    evse_mac: bytes
    run_id: bytes
    nid: bytes
    nmk: NetworkKey = field(repr=False)

    @classmethod
    def _values(cls, payload: bytes) -> tuple[Any, ...]:
        *values, nmk = super(SlacMatchCnf, cls)._values(payload)  # noqa: UP008  # slots make a second class of this name
        return (*values, NetworkKey(nmk))


@_message(0x601C, "<H")
class AmpMapReq(Message):
    """CM_AMP_MAP.REQ, either side: limits of the sending amplitude, four bits for each carrier, the
    first in the low half of its octet.
    """

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


@_message(0x601D, "<B")
class AmpMapCnf(Message):
    """CM_AMP_MAP.CNF: 0 taken, 1 not."""

    res_type: int


@dataclass(frozen=True, slots=True)
class Mme:
    """One frame: source, destination, message. ``message`` is None for a type that SLAC does not
    use.
    """

    destination: bytes
    source: bytes
    message: Message | None
    mmtype: int


_KEYS: Final = {0x607D: _BODY + 74, 0x6008: _BODY + 22, 0x600D: _BODY + 22}
"""Offset of a network key, by message type: CM_SLAC_MATCH.CNF, CM_SET_KEY.REQ, CM_GET_KEY.CNF."""


def parse(octets: bytes) -> Mme:
    """Parse a frame. Raises FramingError (not fatal) for octets that are not a management message."""
    frame = ethernet.parse(octets)
    if frame is None:
        raise FramingError(
            f"{len(octets)} octets of EtherType 0x{octets[12:14].hex()} are not a management message", fatal=False
        )
    kind = _MESSAGES.get(frame.mmtype) if frame.mmv == HOMEPLUG else None
    if kind is None:
        return Mme(frame.destination, frame.source, None, frame.mmtype)
    if octets[17:18] != b"\0":
        raise FramingError(f"{kind.__name__} in fragments", fatal=False)
    return Mme(frame.destination, frame.source, kind.unpack(frame.body), frame.mmtype)


def build(destination: bytes, source: bytes, message: Message) -> bytes:
    """The whole frame, padded to 60 octets."""
    if len(destination) != 6 or len(source) != 6:
        raise EncodeError("an Ethernet address has 6 octets")
    return ethernet.build(source, message.TYPE, message.pack(), destination=destination)


def redacted(frame: bytes) -> bytes:
    """Returns the frame for a log or trace: zeros in place of a network key."""
    if len(frame) < _BODY or frame[12:14] != b"\x88\xe1":
        return frame
    start = _KEYS.get(frame[15] | frame[16] << 8)
    if start is None:
        return frame
    return frame[:start] + bytes(min(16, max(0, len(frame) - start))) + frame[start + 16 :]


def _pack(layout: str, *values: Any) -> bytes:
    plain = [value.octets if isinstance(value, NetworkKey) else value for value in values]
    for value, size in zip(plain, _sizes(layout), strict=True):
        if isinstance(value, bytes) and len(value) != size:
            raise EncodeError(f"{len(value)} octets do not fit a field of {size}")
    try:
        return struct.pack(layout, *plain)
    except struct.error as error:
        raise EncodeError(str(error)) from error


@functools.cache
def _sizes(layout: str) -> list[int]:
    """Octets of each field of a layout."""
    found = re.findall(r"(\d*)([a-zA-Z])", layout)
    return [
        int(count or 1) if letter == "s" else struct.calcsize("<" + letter) for count, letter in found if letter != "x"
    ]
