"""The wire of the Pionix boards: golden octets, every packet back, and no octets that do harm."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal.boards.pionix_dialects import PHYVERSO, X1, YETI
from hal.boards.pionix_wire import Unpacker, cobs_decode, cobs_encode, field, jamcrc, packet, parse
from tests.hal.boards import pionix_fake

CONNECTOR_1 = field(7, 1)
GOLDEN = {
    "09b806f403274f29eb00": field(YETI.pwm, 500),
    "03b80605c32ea99d00": field(YETI.pwm, 0),
    "09b806914ee8edcefb00": field(YETI.pwm, X1),
    "08c00601bd274cb000": YETI.allow_power(True),
    "0da2060532036e2f616faf1ce200": field(YETI.keep_alive, field(6, b"n/a")),
    "08b00601ed4fbde400": field(YETI.heard_pilot, 1),
    "0a20f40338012294c69300": field(PHYVERSO.pwm, 500) + CONNECTOR_1,
    "0d2a04080110013801036054e600": PHYVERSO.allow_power(True) + CONNECTOR_1,
}


def test_the_check_value_of_the_crc() -> None:
    assert jamcrc(b"123456789") == 0x340BC6D9 == pionix_fake.crc(b"123456789")


@pytest.mark.parametrize(("octets", "message"), GOLDEN.items())
def test_golden_packets(octets: str, message: bytes) -> None:
    assert packet(message).hex() == octets
    assert Unpacker().feed(bytes.fromhex(octets)) == [message]


@given(st.binary(max_size=600))
def test_cobs_has_no_zeros_and_loses_nothing(octets: bytes) -> None:
    coded = cobs_encode(octets)
    assert 0 not in coded
    assert cobs_decode(coded) == octets
    assert cobs_decode(pionix_fake.stuff(octets)) == octets
    assert pionix_fake.unstuff(coded) == octets


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=5), st.data())
def test_messages_are_found_between_broken_packets_whatever_the_pieces(
    messages: list[bytes], data: st.DataObject
) -> None:
    noise = st.binary(max_size=20).map(lambda octets: octets.replace(b"\0", b"\1") + b"\0")
    stream = b"".join(data.draw(noise) + packet(message) for message in messages)
    unpacker, found = Unpacker(), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        found += unpacker.feed(stream[:size])
        stream = stream[size:]
    assert found == messages


def test_a_lost_octet_costs_one_packet() -> None:
    message = field(YETI.pwm, 500)
    whole = packet(message)
    unpacker = Unpacker()
    assert unpacker.feed(whole[:3] + whole[4:] + whole) == [message]
    assert unpacker.rejected == 1
    # Without its end a packet takes the next one with it, and not the one after.
    assert Unpacker().feed(whole[:-1] + whole + whole) == [message]


def test_an_endless_packet_takes_no_memory() -> None:
    unpacker = Unpacker()
    for _ in range(100):
        assert unpacker.feed(b"\x05" * 1000) == []
    assert len(unpacker._buffer) <= 2048
    assert unpacker.feed(b"\0" + packet(b"\x08\x01")) == [b"\x08\x01"]


@given(st.binary(max_size=100))
def test_any_octets_are_a_message_or_none(octets: bytes) -> None:
    fields = parse(octets)
    if fields is not None:
        for number in range(30):
            fields.number(number), fields.octets(number), fields.real(number), fields.message(number)
    Unpacker().feed(octets + b"\0")


@given(st.dictionaries(st.integers(1, 200), st.integers(0, 2**32) | st.binary(max_size=20), max_size=8))
def test_fields_come_back(values: dict[int, int | bytes]) -> None:
    octets = b"".join(field(number, value) for number, value in values.items())
    fields = parse(octets)
    assert fields is not None and fields.values == values
    assert pionix_fake.take(octets) == values


def test_floats_and_what_is_missing() -> None:
    fields = parse(b"\x3d" + struct.pack("<f", 16.5))  # field 7, 32 bit
    assert fields is not None
    assert fields.real(7) == 16.5
    assert (fields.number(1), fields.octets(1), fields.real(1), fields.message(1).values) == (0, b"", 0.0, {})
