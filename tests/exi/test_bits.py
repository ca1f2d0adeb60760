"""Values of variable length, bit by bit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secc.errors import DecodeError, EncodeError
from secc.exi import bits
from secc.exi.budget import Budget


def bits_of(n: int) -> str:
    """What stands behind the leading 1."""
    return f"{n:b}"[1:]


@pytest.mark.parametrize(
    ("value", "octets"),
    [
        (0, "00"),
        (127, "7f"),
        (128, "8001"),
        (300, "ac02"),
        (16_383, "ff7f"),
        (16_384, "808001"),
        (2**32 - 1, "ffffffff0f"),
    ],
)
def test_unsigned_integers(value: int, octets: str) -> None:
    written = bits.write_unsigned(1, value)
    assert f"{int(bits_of(written), 2):0{len(octets)}x}" == octets
    stream = bytes.fromhex(octets)
    if len(stream) > 1:
        n, r = int.from_bytes(stream, "big"), 8 * len(stream) - 8
        assert bits.read_more(n, r, stream[0], 10) == (value, 0)


def test_an_integer_that_goes_on() -> None:
    with pytest.raises(DecodeError, match="3 octets"):
        bits.read_more(int.from_bytes(b"\x80" * 9, "big"), 64, 0x80, 3)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=200))
def test_text(text: str) -> None:
    n = bits.write_text(1, text, 0, None, "x")
    stream = bits_of(n)
    number, r = int(stream, 2), len(stream) - 8
    count = number >> r & 255
    if count > 127:
        count, r = bits.read_more(number, r, count, 10)
    assert bits.read_text(number, r, count, Budget()) == (text, 0)


@pytest.mark.parametrize("count", [0, 1])
def test_string_tables_are_not_used(count: int) -> None:
    with pytest.raises(DecodeError, match="string table"):
        bits.read_text(0, 80, count, Budget())


@pytest.mark.parametrize("value", [0xD800, 0xDFFF, 0x110000, 2**40])
def test_no_characters(value: int) -> None:
    stream = bits_of(bits.write_unsigned(1, value)) + "0" * 64
    with pytest.raises(DecodeError):
        bits.read_text(int(stream, 2), len(stream), 3, Budget())


def test_text_that_ends_early() -> None:
    with pytest.raises((DecodeError, ValueError)):
        bits.read_text(0xC3_A9, 16, 2 + 40, Budget())
    with pytest.raises(DecodeError, match="stream ends"):
        bits.read_text(int.from_bytes(b"\xe9\x01\xe9\x81", "big"), 32, 2 + 3, Budget())


@pytest.mark.parametrize(("octets", "shortest", "longest"), [(b"123", 0, 2), (b"1", 2, None)])
def test_lengths(octets: bytes, shortest: int, longest: int | None) -> None:
    with pytest.raises(EncodeError, match="octets"):
        bits.write_octets(1, octets, shortest, longest, "x")
    with pytest.raises(EncodeError, match="characters"):
        bits.write_text(1, octets.decode(), shortest, longest, "x")


def test_pieces_are_joined() -> None:
    assert bits_of(bits.join(0b1101, 0b10011)) == "1010011"
    assert bits.join(0b1101, 1) == 0b1101
