"""Wire format of the Pionix boards: protobuf fields, a CRC-32, COBS, and a zero at the end of every
packet.

The few messages need only varints, 32 bit floats and nested messages, so this module encodes them
without a library.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final

from frozen import dataclass

MAX_PACKET: Final = 2048
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def jamcrc(octets: bytes) -> int:
    """CRC-32/JAMCRC."""
    return zlib.crc32(octets) ^ 0xFFFFFFFF


def cobs_encode(octets: bytes) -> bytes:
    """Returns the octets without zeros, longer by one octet in every 254."""
    coded = bytearray()
    for block in octets.split(b"\0"):
        while len(block) >= 254:
            coded += b"\xff" + block[:254]
            block = block[254:]
        coded += bytes((len(block) + 1,)) + block
    return bytes(coded)


def cobs_decode(coded: bytes) -> bytes | None:
    """Returns the octets; None for an invalid encoding."""
    octets = bytearray()
    at = 0
    while at < len(coded):
        code = coded[at]
        if code == 0 or at + code > len(coded):
            return None
        octets += coded[at + 1 : at + code]
        at += code
        if code < 0xFF and at < len(coded):
            octets.append(0)
    return bytes(octets)


def packet(message: bytes) -> bytes:
    return cobs_encode(message + struct.pack("<I", jamcrc(message))) + b"\0"


class Unpacker:
    """Finds the messages in received octets."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._overlong = False
        self.rejected = 0
        """Number of invalid packets."""

    def feed(self, octets: bytes) -> list[bytes]:
        """Returns all whole messages with a correct CRC."""
        found = []
        *ends, rest = octets.split(b"\0")
        for end in ends:
            self._take(end)
            message = None if self._overlong else self._open(bytes(self._buffer))
            if message is not None:
                found.append(message)
            self._buffer.clear()
            self._overlong = False
        self._take(rest)
        return found

    def _take(self, octets: bytes) -> None:
        self._buffer += octets
        if len(self._buffer) > MAX_PACKET:
            self._overlong = True
            self._buffer.clear()

    def _open(self, coded: bytes) -> bytes | None:
        if not coded:
            return None  # a zero alone ends a pause
        octets = cobs_decode(coded)
        if octets is None or len(octets) < 5 or jamcrc(octets) != 0:
            self.rejected += 1
            return None
        return octets[:-4]


# --- protobuf ---


def _varint(value: int) -> bytes:
    octets = bytearray()
    while value > 0x7F:
        octets.append(value & 0x7F | 0x80)
        value >>= 7
    octets.append(value)
    return bytes(octets)


def field(number: int, value: int | bytes) -> bytes:
    """Encode one field: a number as varint, octets (a nested message, text) with their length. Zero
    is written too: in a ``oneof`` it tells which field is meant.
    """
    if isinstance(value, bytes):
        return _varint(number << 3 | _BYTES) + _varint(len(value)) + value
    return _varint(number << 3 | _VARINT) + _varint(value)


@dataclass(frozen=True, slots=True)
class Fields:
    """A parsed message. Of repeated fields the last counts, as in protobuf; a missing field reads
    as zero.
    """

    values: dict[int, int | bytes]

    def number(self, field: int) -> int:
        value = self.values.get(field, 0)
        return value if isinstance(value, int) else 0

    def flag(self, field: int) -> bool:
        return self.number(field) != 0

    def octets(self, field: int) -> bytes:
        value = self.values.get(field, b"")
        return value if isinstance(value, bytes) else b""

    def message(self, field: int) -> Fields:
        """Returns a nested message; an invalid one reads as empty."""
        return parse(self.octets(field)) or Fields({})

    def real(self, field: int) -> float:
        """A 32 bit float."""
        bits = self.values.get(field, 0)
        if not isinstance(bits, int):
            return 0.0
        (value,) = struct.unpack("<f", struct.pack("<I", bits & 0xFFFFFFFF))
        return float(value)


def parse(octets: bytes) -> Fields | None:
    """Returns the fields; None for octets that are not a message."""
    values: dict[int, int | bytes] = {}
    at = 0
    while at < len(octets):
        key = _read_varint(octets, at)
        if key is None:
            return None
        at = key[1]
        number, kind = key[0] >> 3, key[0] & 7
        if kind in (_VARINT, _BYTES):
            value = _read_varint(octets, at)
            if value is None:
                return None
            at = value[1]
            if kind == _VARINT:
                values[number] = value[0]
                continue
            size = value[0]
        elif kind in (_FIXED32, _FIXED64):
            size = 4 if kind == _FIXED32 else 8
        else:
            return None
        if number == 0 or at + size > len(octets):
            return None
        content = octets[at : at + size]
        values[number] = content if kind == _BYTES else int.from_bytes(content, "little")
        at += size
    return Fields(values)


def _read_varint(octets: bytes, at: int) -> tuple[int, int] | None:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(octets):
            return None
        octet = octets[at]
        at += 1
        value |= (octet & 0x7F) << shift
        if not octet & 0x80:
            return value, at
    return None
