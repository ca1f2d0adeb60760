"""Which readings are believed."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hal.meters.plausibility import Bounds, Plausibility
from hal.readings import MeterReading

GOOD = MeterReading(1000.0, (230.0, 230.0, 230.0), (16.0, 16.0, 16.0), 11040.0, 0.0)


def test_a_good_reading() -> None:
    assert Plausibility(Bounds()).flaw(GOOD, 0.0) is None


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number(value: float) -> None:
    for bad in (
        replace(GOOD, watt_hours_import=value),
        replace(GOOD, watts=value),
        replace(GOOD, volts=(230.0, value, 230.0)),
        replace(GOOD, amperes=(value, 0.0, 0.0)),
    ):
        flaw = Plausibility(Bounds()).flaw(bad, 0.0)
        assert flaw is not None and "not a number" in flaw.text


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (replace(GOOD, volts=(230.0, 1e6, 230.0)), "V, and"),
        (replace(GOOD, volts=(-1.0, 230.0, 230.0)), "V, and"),
        (replace(GOOD, amperes=(501.0, 0.0, 0.0)), "A, and"),
        (replace(GOOD, watts=50_000.0), "VA"),
        (replace(GOOD, watts=-50_000.0), "VA"),
        (replace(GOOD, watt_hours_import=-1.0), "counter of"),
    ],
)
def test_what_the_outlet_cannot_have(bad: MeterReading, why: str) -> None:
    flaw = Plausibility(Bounds()).flaw(bad, 0.0)
    assert flaw is not None and why in flaw.text and not flaw.standing


def test_a_counter_that_falls_or_jumps_stays_unbelieved() -> None:
    plausible = Plausibility(Bounds(volts=250.0, amperes=32.0))
    assert plausible.flaw(GOOD, 0.0) is None
    for watt_hours in (998.0, 0.0, 1200.0):
        flaw = plausible.flaw(replace(GOOD, watt_hours_import=watt_hours), 1.0)
        assert flaw is not None and flaw.standing
    # Energy that can have flowed meanwhile is believed, and so is what was there before.
    assert plausible.flaw(replace(GOOD, watt_hours_import=1200.0), 60.0) is None
    assert plausible.flaw(GOOD, 61.0) is not None
    plausible.forget()
    assert plausible.flaw(GOOD, 62.0) is None


@settings(max_examples=100)
@given(st.lists(st.floats(), min_size=5, max_size=5), st.floats(0.0, 1e6))
def test_what_is_believed_is_finite_and_never_falls(values: list[float], now: float) -> None:
    plausible = Plausibility(Bounds())
    assert plausible.flaw(GOOD, 0.0) is None
    measured = MeterReading(values[0], tuple(values[1:3]), tuple(values[3:5]), 0.0, 0.0)
    if plausible.flaw(measured, now) is None:
        assert all(math.isfinite(value) for value in values)
        assert measured.watt_hours_import >= 999.0
