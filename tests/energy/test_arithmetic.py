"""The power path's arithmetic: figures of the standard, and numbers that are none."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secc.energy.arithmetic import (
    Ramp,
    cable_check_volts,
    over_voltage,
    overcurrent_amperes,
    watts_allowed,
)
from secc.session.offer import AcLimits, DcLimits

LIMITS = DcLimits(minimum_volts=150.0, maximum_volts=920.0, maximum_amperes=200.0, maximum_watts=60_000.0)


@pytest.mark.parametrize(
    ("ev", "volts"),
    [(425.0, 475.0), (450.0, 500.0), (500.0, 500.0), (501.0, 551.1), (800.0, 880.0), (900.0, 920.0), (100.0, 150.0)],
)
def test_the_cable_check_voltage_follows_the_rule(ev: float, volts: float) -> None:
    assert cable_check_volts(ev, LIMITS) == pytest.approx(volts)


@pytest.mark.parametrize("ev", [0.0, -400.0, math.nan, math.inf, -math.inf, 99.0])
def test_there_is_no_cable_check_for_a_car_out_of_range(ev: float) -> None:
    assert cable_check_volts(ev, LIMITS) is None


@pytest.mark.parametrize(
    ("volts", "threshold"),
    [(500.0, 550.0), (500.1, 825.0), (750.0, 825.0), (850.0, 935.0), (1000.0, 1100.0), (1250.0, 1375.0)],
)
def test_over_voltage_thresholds(volts: float, threshold: float) -> None:
    assert over_voltage(volts) == threshold


@pytest.mark.case("A-OCPP-03")
@pytest.mark.parametrize(("watts", "allowed"), [(-1.0, 0.0), (math.nan, 0.0), (math.inf, 0.0), (0.0, 0.0), (5.0, 5.0)])
def test_an_absurd_power_limit_allows_nothing(watts: float, allowed: float) -> None:
    assert watts_allowed(watts) == allowed
    assert watts_allowed(None) is None


def test_the_protection_gets_the_amperes_of_a_phase() -> None:
    ac = AcLimits(volts=230.0, maximum_amperes=32.0, phases=3)
    assert overcurrent_amperes(ac, None) == 32.0
    assert overcurrent_amperes(ac, 11_040.0) == 16.0
    assert overcurrent_amperes(ac, 1e9) == 32.0
    assert overcurrent_amperes(ac, math.nan) == overcurrent_amperes(ac, 0.0) == 1.0


@pytest.mark.case("A-PWR-03")
@given(st.lists(st.tuples(st.floats(0.0, 500.0), st.floats(0.0, 10.0)), max_size=30))
def test_a_ramp_rises_at_its_rate_and_falls_at_once(story: list[tuple[float, float]]) -> None:
    ramp, now = Ramp(25.0), 0.0
    for goal, pause in story:
        now += pause
        before = ramp.value
        after = ramp.follow(goal, now)
        assert after <= goal
        assert after - before <= 25.0 * min(pause, 0.25) + 1e-9
        if goal <= before:
            assert after == goal


def test_a_silence_does_not_become_a_jump_and_a_clock_that_stands_still_moves_nothing() -> None:
    ramp = Ramp(25.0)
    assert ramp.follow(100.0, 1000.0) == pytest.approx(6.25)
    assert ramp.follow(100.0, 1000.0) == pytest.approx(6.25)
