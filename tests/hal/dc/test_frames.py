"""Frames against the examples in the makers' document, and against frames that others' programs send."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hal.dc.can import BusOff, Frame, unpacked
from hal.dc.frames import (
    Command,
    External,
    Measurement,
    Ratings,
    Status,
    answer,
    identifier,
    question,
    setpoint,
    switch,
)
from hal.errors import HalRejected

EVERYBODY = 0x3F


def test_frames_that_we_send() -> None:
    """The examples address everybody (0x3F); the driver addresses one module, which is the same frame with another octet."""
    assert switch(False, EVERYBODY) == Frame(0x029A3FF0, bytes.fromhex("0100000000000000"))
    assert switch(True, EVERYBODY) == Frame(0x029A3FF0, bytes.fromhex("0000000000000000"))
    assert setpoint(750.0, 15.0, EVERYBODY) == Frame(0x029C3FF0, bytes.fromhex("000b71b000003a98"))
    assert question(Command.MEASUREMENT, 0) == Frame(0x028300F0, bytes(8))
    assert question(Command.STATUS, 1) == Frame(0x028401F0, bytes(8))
    assert question(Command.RATINGS, 0) == Frame(0x028A00F0, bytes(8))
    assert question(Command.EXTERNAL, 0) == Frame(0x028C00F0, bytes(8))
    assert identifier(0x02, 0xF0, 0x01, device=0x0B) == 0x02C2F001


def test_setpoints_round_down_and_not_too_far() -> None:
    assert setpoint(0.29, 0.0019999, 0).data == bytes.fromhex("0000012200000001")


@pytest.mark.parametrize(
    ("number", "octets", "expected"),
    [
        (0x0283F000, "43FA000040600000", Measurement(500.0, 3.5)),
        (0x028AF000, "02EE0064010005DC", Ratings(750.0, 100.0, 25.6, 15_000.0)),
        (0x028CF000, "1358016600000000", External(495.2, 35.8)),
        (0x0284F001, "000002001B004000", Status.WALK_IN),
        (0x0284F001, "000002001B000100", Status.DC_OFF),
        (0x0284F001, "000002001B093402", Status.POWER_LIMITED | Status.INPUT_PHASE_LOST | Status.OUTPUT_OVER_VOLTAGE
         | Status.OVER_TEMPERATURE | Status.PROTECTION),
    ],
)  # fmt: skip
def test_answers(number: int, octets: str, expected: object) -> None:
    found = answer(Frame(number, bytes.fromhex(octets)))
    assert found == (number & 0xFF, expected)


@pytest.mark.parametrize(
    ("number", "octets"),
    [
        (0x028300F0, "43FA000040600000"),  # to a module, not to us
        (0x02C3F000, "43FA000040600000"),  # of a group
        (0x0683F000, "43FA000040600000"),  # with an error code
        (0x0283F000, "43FA0000406000"),
        (0x0283F000, "7FC0000040600000"),  # NaN
        (0x0283F000, "43FA00007F800000"),  # infinite
        (0x0283F000, "4640000040600000"),  # 12288 V
        (0x0281F000, "43FA000040600000"),  # a command that we do not use
    ],
)
def test_what_is_no_answer(number: int, octets: str) -> None:
    assert answer(Frame(number, bytes.fromhex(octets))) is None


def test_packets_as_the_kernel_has_them() -> None:
    packed = Frame(0x029A3FF0, b"\1" + bytes(7)).packed()
    # struct can_frame: identifier with the flag for 29 bits in the machine's order, length, three octets of padding, data.
    assert packed == (0x829A3FF0).to_bytes(4, __import__("sys").byteorder) + b"\x08\0\0\0" + b"\1" + bytes(7)
    assert unpacked(packed) == Frame(0x029A3FF0, b"\1" + bytes(7))
    assert unpacked(Frame(1, b"\1\2").packed()) == Frame(1, b"\1\2")
    assert isinstance(unpacked((0x20000040).to_bytes(4, "little") + b"\x08" + bytes(11)), BusOff)
    for none in (
        b"",
        packed[:-1],
        packed + bytes(56),
        (0x123).to_bytes(4, "little") + bytes(12),
        (0xC29A3FF0).to_bytes(4, "little") + bytes(12),
        (0x20000004).to_bytes(4, "little") + bytes(12),
        (0x829A3FF0).to_bytes(4, "little") + b"\x09" + bytes(11),
    ):
        assert unpacked(none) is None
    for bad in (Frame(1 << 29, b""), Frame(-1, b""), Frame(1, bytes(9))):
        with pytest.raises(HalRejected):
            bad.packed()


@settings(max_examples=100)
@given(st.integers(0, 0x1FFFFFFF), st.binary(max_size=8))
def test_any_frame_is_an_answer_or_none(number: int, data: bytes) -> None:
    for candidate in (number, number & ~0x3F0000 | 0x02800000 | 0xF000 | number & 0xF0000):
        found = answer(Frame(candidate, data))
        if found is not None and isinstance(found[1], Measurement):
            assert -50.0 <= found[1].volts <= 2000.0
