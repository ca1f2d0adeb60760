"""Run-time functions of compiled readers and writers, for values of variable length.

A reader has the stream as one integer ``n`` and the number ``r`` of unread bits; a writer appends
to the low end of one integer ``n``. A shift by a negative count raises ValueError, so a reader
needs no check for the end of the stream: the schema reports a truncated stream.
"""

from __future__ import annotations

from typing import Final

from secc.errors import DecodeError, EncodeError
from secc.exi.budget import CHARACTERS, Budget

MASKS: Final = tuple((1 << 8 * count) - 1 for count in range(129))
"""Masks by number of octets; making one costs as much as using it."""

SURROGATES: Final = range(0xD800, 0xE000)
LARGEST_CODE_POINT: Final = 0x10FFFF
LONGEST_CODE_POINT: Final = 21
"""Bits. Without this limit one code point could be as long as the stream, and reading it would take
the square of its length.
"""


class Overfull(DecodeError):
    """A list has more items than its type allows, or than V2G uses; no pass can read the message."""


class Exhausted(Overfull):
    """The message costs more than its budget, so no other pass can read it."""


def read_more(n: int, r: int, first: int, octets: int) -> tuple[int, int]:
    """Read an unsigned integer of several octets, at most ``octets``; ``first`` was read already."""
    value = first & 127
    shift = 7
    # One cut, because each shift of a long stream costs its length.
    available = min(octets - 1, r // 8)
    for octet in (n >> r - 8 * available & MASKS[available]).to_bytes(available, "big"):
        r -= 8
        value |= (octet & 127) << shift
        if octet < 128:
            return value, r
        shift += 7
    if available < octets - 1:
        raise DecodeError("truncated")
    raise DecodeError(f"integer of more than {octets} octets")


def read_octets(n: int, r: int, count: int) -> tuple[bytes, int]:
    """Read ``count`` octets."""
    r -= 8 * count
    cut = n >> r
    return (cut & (MASKS[count] if count < 129 else (1 << 8 * count) - 1)).to_bytes(count, "big"), r


def read_text(n: int, r: int, count: int, budget: Budget) -> tuple[str, int]:
    """Read a string. ``count`` is its length field, two more than its code points; less would refer
    to a string table.
    """
    count -= 2
    if count < 0:
        raise DecodeError("reference to a string table")
    end = r - 8 * count
    cut = n >> end
    octets = (cut & (MASKS[count] if count < 129 else (1 << 8 * count) - 1)).to_bytes(count, "big")
    if octets.isascii():
        return octets.decode("ascii"), end
    return _read_code_points(n, r, count, budget)


def _read_code_points(n: int, r: int, count: int, budget: Budget) -> tuple[str, int]:
    budget.items -= count // CHARACTERS
    if budget.items < 0:
        raise Exhausted("too many characters beyond ASCII")
    # A code point takes at most three octets; one cut, because each shift of a long stream costs
    # its length.
    available = min(3 * count, r // 8)
    octets = (n >> r - 8 * available & (1 << 8 * available) - 1).to_bytes(available, "big")
    characters = []
    at = 0
    for _ in range(count):
        value = shift = 0
        while True:
            if at == available or shift == LONGEST_CODE_POINT:
                raise DecodeError("code point too long, or the stream ends")
            octet = octets[at]
            at += 1
            value |= (octet & 127) << shift
            if octet < 128:
                break
            shift += 7
        if value > LARGEST_CODE_POINT or value in SURROGATES:
            raise DecodeError(f"{value:#x} is not a character")
        characters.append(chr(value))
    return "".join(characters), r - 8 * at


def join(n: int, piece: int) -> int:
    """Returns ``n`` with the bits after the leading 1 of ``piece`` appended."""
    length = piece.bit_length() - 1
    return n << length | piece ^ 1 << length


def write_unsigned(n: int, value: int) -> int:
    """Returns ``n`` with an unsigned integer appended."""
    while value > 127:
        n = n << 8 | value & 127 | 128
        value >>= 7
    return n << 8 | value


def write_octets(n: int, octets: bytes, shortest: int, longest: int | None, where: str) -> int:
    """Returns ``n`` with a binary value appended. Raises EncodeError outside of the length facets."""
    count = len(octets)
    if count < shortest or (longest is not None and count > longest):
        raise EncodeError(f"{where}: {count} octets where {shortest} to {longest} may stand")
    if count < 128:
        return (n << 8 | count) << 8 * count | int.from_bytes(octets, "big")
    return write_unsigned(n, count) << 8 * count | int.from_bytes(octets, "big")


def write_text(n: int, text: str, shortest: int, longest: int | None, where: str) -> int:
    """Returns ``n`` with a string appended. Raises EncodeError outside of the length facets, and
    for lone surrogates.
    """
    count = len(text)
    if count < shortest or (longest is not None and count > longest):
        raise EncodeError(f"{where}: {count} characters where {shortest} to {longest} may stand")
    n = n << 8 | count + 2 if count < 126 else write_unsigned(n, count + 2)
    if text.isascii():
        return n << 8 * count | int.from_bytes(text.encode("ascii"), "big")
    for character in text:
        if ord(character) in SURROGATES:
            raise EncodeError(f"{where}: a surrogate is not a character")
        n = write_unsigned(n, ord(character))
    return n
