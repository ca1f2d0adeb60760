"""What a car asks and what the supply is told: no number of a car's gets through that should not."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secc.session.dc_limits import (
    PRECHARGE_AMPERES,
    CarLimits,
    clamp_amperes,
    clamp_volts,
    demand,
    power_volts,
    precharge,
    unfit,
)
from secc.session.offer import DcLimits

ANY = st.floats(-1e9, 1e9)
ABSURD = st.floats(allow_nan=True, allow_infinity=True)
STATION = st.builds(DcLimits, maximum_volts=st.floats(50, 1500), maximum_amperes=st.floats(0, 500))
WATTS = st.floats(0, 1e6)
CAR = st.builds(CarLimits, ANY, ANY, st.none() | ANY)


@pytest.mark.case("A-PWR-01", "A-PWR-04", "A-PWR-05")
@given(ANY, ANY, STATION, WATTS, CAR, st.floats(0, 1500), st.sampled_from([0.0, 150.0]))
def test_the_output_keeps_to_every_limit_of_both_sides(
    volts: float, amperes: float, station: DcLimits, watts: float, car: CarLimits, present: float, lowest: float
) -> None:
    served = demand(volts, amperes, station, watts, car, present, lowest).output
    assert 0.0 <= served.volts <= min(station.maximum_volts, max(0.0, car.volts))
    assert 0.0 <= served.amperes <= min(station.maximum_amperes, max(0.0, car.amperes))
    assert served.amperes <= max(0.0, amperes)
    assert served.volts <= max(volts, lowest, 0.0)
    if present >= 0.5 * served.volts and present >= 1.0:
        # Numbers below 1e-300 have fewer digits.
        assert served.amperes * present <= watts * (1 + 1e-9) + 1e-300
    if volts <= 0.0 and lowest == 0.0:
        assert served.amperes == 0.0


@pytest.mark.case("Q-55")
@given(ANY, ANY, STATION, WATTS, CAR, st.floats(0, 1500))
def test_the_flags_say_which_limit_stood_in_the_way(
    volts: float, amperes: float, station: DcLimits, watts: float, car: CarLimits, present: float
) -> None:
    served = demand(volts, amperes, station, watts, car, present)
    assert served.voltage_limited is (volts > min(station.maximum_volts, car.volts))
    assert served.current_limited is (amperes > min(station.maximum_amperes, car.amperes))
    if served.power_limited:
        assert served.output.amperes < amperes


@pytest.mark.case("A-PWR-02", "Q-51")
@given(ANY, ANY, st.floats(50, 1500), ANY)
def test_a_precharge_is_never_more_than_two_amperes(volts: float, amperes: float, station: float, ev: float) -> None:
    output = precharge(volts, amperes, DcLimits(maximum_volts=station), CarLimits(ev, 100.0))
    assert 0.0 <= output.volts <= min(station, max(0.0, ev))
    assert 0.0 < output.amperes <= PRECHARGE_AMPERES


@pytest.mark.case("A-PWR-01")
@given(volts=ABSURD, highest=st.floats(0.0, 2000.0), lowest=st.floats(0.0, 2000.0))
def test_volts_are_within_both_limits_and_the_highest_counts(volts: float, highest: float, lowest: float) -> None:
    clamped = clamp_volts(volts, highest, lowest)
    assert min(lowest, highest) <= clamped <= highest
    if min(lowest, highest) <= volts <= highest:
        assert clamped == volts


def test_a_limit_below_zero_allows_nothing() -> None:
    assert clamp_volts(400.0, -5.0, 150.0) == 0.0
    assert clamp_amperes(20.0, -5.0, None, 400.0) == 0.0
    assert clamp_amperes(20.0, 100.0, -5.0, 400.0) == 0.0


@pytest.mark.case("A-PWR-01", "A-PWR-05")
@given(amperes=ABSURD, volts=st.floats(0.0, 1500.0), watts=st.none() | st.floats(0.0, 1e9))
def test_amperes_are_within_every_limit_and_never_negative(amperes: float, volts: float, watts: float | None) -> None:
    clamped = clamp_amperes(amperes, 200.0, watts, volts)
    assert 0.0 <= clamped <= 200.0
    if watts is not None and volts > 0.0:
        assert clamped * volts <= watts * (1.0 + 1e-9) + 1e-300
    if not math.isfinite(amperes) or amperes < 0.0:
        assert clamped == 0.0


@pytest.mark.parametrize("measured", [math.nan, math.inf, -math.inf, -400.0, 0.0, 199.0])
def test_a_measurement_that_cannot_be_true_does_not_raise_the_current(measured: float) -> None:
    assert power_volts(400.0, measured) == 400.0


@pytest.mark.parametrize("measured", [200.0, 400.0, 450.0])
def test_a_power_limit_counts_at_the_voltage_that_stands_at_the_outlet(measured: float) -> None:
    assert power_volts(400.0, measured) == measured


def test_a_car_lowers_its_limits_and_never_raises_them() -> None:
    agreed = CarLimits(450.0, 125.0, 50_000.0)
    assert agreed.lowered(None, None, None) == agreed
    assert agreed.lowered(400.0, 100.0, 40_000.0) == CarLimits(400.0, 100.0, 40_000.0)
    assert agreed.lowered(500.0, 200.0, 90_000.0) == agreed


def test_a_power_that_is_named_late_is_as_good_as_agreed() -> None:
    silent = CarLimits(450.0, 125.0)
    assert silent.lowered(None, None, 40_000.0).watts == 40_000.0
    named = silent.completed(None).completed(0.0).completed(40_000.0).completed(50_000.0)
    assert named.watts == 40_000.0


@pytest.mark.parametrize(
    ("car", "why"),
    [
        (CarLimits(150.1, 0.1), ""),
        (CarLimits(450.0, 125.0, 0.0), ""),
        (CarLimits(450.0, 0.0), "EVMaximumCurrentLimit 0 A"),
        (CarLimits(150.0, 125.0), "EVMaximumVoltageLimit 150 V"),
        (CarLimits(450.0, 125.0, -1.0), "EVMaximumPowerLimit -1 W"),
    ],
)
def test_a_car_whose_limits_do_not_fit_is_told_why(car: CarLimits, why: str) -> None:
    assert unfit(car, DcLimits()) == why


def test_a_car_below_the_least_current_of_the_station_does_not_fit() -> None:
    assert unfit(CarLimits(450.0, 10.0), DcLimits(minimum_amperes=10.0))
