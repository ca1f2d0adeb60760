"""Frames of the Charge SOM: golden octets, and what stands between frames."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal.boards.chargesom_faults import trouble_of
from hal.boards.chargesom_frames import (
    Com,
    Deframer,
    Residual,
    charge_control,
    charge_state,
    crc8,
    encode,
    inquiry,
    temperatures,
)
from hal.readings import PilotState, Severity
from tests.hal.boards.chargesom_fake import frame

GOLDEN = {
    "a50683e8000000000000a003": charge_control(1.0, 0),
    "a5068032000000000000ef03": charge_control(0.05, 0),
    "a5068032010000000000a903": charge_control(0.05, 1),
    "a50680000000000000008303": charge_control(0.0, 0),
    "a5ff0a000000000000008303": inquiry(Com.FIRMWARE_VERSION),
}


def test_the_check_value_of_the_crc() -> None:
    assert crc8(b"123456789") == 0x4B


@pytest.mark.parametrize(("octets", "ours"), GOLDEN.items())
def test_golden_frames(octets: str, ours: bytes) -> None:
    assert ours.hex() == octets
    assert Deframer().feed(bytes.fromhex(octets)) == [(ours[1], int.from_bytes(ours[2:10], "big"))]


@given(st.lists(st.tuples(st.integers(0, 255), st.integers(0, 2**64 - 1)), max_size=5), st.data())
def test_frames_are_found_among_garbage_whatever_the_pieces(frames: list[tuple[int, int]], data: st.DataObject) -> None:
    # A start octet in the garbage may swallow what follows until its frame proves wrong, and never a good frame after that.
    garbage = st.binary(max_size=30).map(lambda octets: octets.replace(b"\xa5", b""))
    stream = b"".join(data.draw(garbage) + frame(com, word) for com, word in frames)
    deframer, found = Deframer(), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        found += deframer.feed(stream[:size])
        stream = stream[size:]
    assert found == frames


@given(st.binary(max_size=200))
def test_any_octets_are_frames_or_nothing(octets: bytes) -> None:
    deframer = Deframer()
    found = deframer.feed(octets)
    assert 12 * len(found) + deframer.rejected <= len(octets)
    for com, word in found:
        assert encode(com, word) in octets


def test_a_wrong_crc_costs_one_frame_and_not_the_next() -> None:
    good = charge_control(0.05, 1)
    bad = good[:5] + bytes([good[5] ^ 4]) + good[6:]
    assert len(Deframer().feed(bad + good)) == 1
    assert len(Deframer().feed(good[:7] + good + good)) == 2


def test_a_charge_state_bit_by_bit() -> None:
    word = 1 << 63 | 50 << 48 | 3 << 40 | 3 << 32 | 2 << 24 | 3 << 26 | 1 << 28 | 1 << 22 | 0 << 16 | 3 << 18 | 3 << 20
    state = charge_state(word)
    assert (state.duty, state.pilot, state.cable_amperes) == (0.05, PilotState.C, 32.0)
    assert state.contactors == (True, False)
    assert state.normal and not state.emergency_stopped and state.residual is Residual.MONITORING
    assert charge_state(word | 1 << 18 | 1 << 20).emergency_stopped is False  # 3: unused stays unused
    assert charge_state(word | 1 << 16).emergency_stopped
    assert charge_state(word & ~(3 << 18) | 2 << 18).emergency_stopped  # reserved: not known to be good
    assert charge_state(word | 1 << 43).pilot_short and charge_state(word | 1 << 44).pilot_diode
    for code in (0, 7):
        assert charge_state(word & ~(7 << 40) | code << 40).pilot is PilotState.UNKNOWN
    assert not charge_state(word | 3 << 58).normal


def test_temperatures_are_signed_and_unused_channels_left_out() -> None:
    word = (253 << 2) << 48 | 0x7FFC << 32 | ((0x4000 - 105) << 2 | 2) << 16 | (901 << 2 | 1)
    channels = temperatures(word)
    assert [channel.celsius for channel in channels] == [25.3, -10.5, 90.1]
    assert [channel.malfunction for channel in channels] == [False, True, False]
    assert [channel.stopped for channel in channels] == [False, False, True]


@pytest.mark.parametrize("reason", range(256))
def test_every_safe_state_is_a_fault_that_forbids_power(reason: int) -> None:
    assert trouble_of(reason).severity is Severity.EMERGENCY


@given(st.integers(0, 2**64 - 1))
def test_every_word_is_a_state(word: int) -> None:
    charge_state(word)
    temperatures(word)
