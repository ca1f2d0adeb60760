"""Scaled integers and SI floats."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secc.errors import Refusal
from secc.session.offer import AcLimits
from secc.session.scaled import Scale


@dataclass(frozen=True)
class PhysicalValue:
    """As every protocol has one."""

    multiplier: int
    unit: str | None
    value: int


SCALE = Scale(PhysicalValue, "[test]")


@pytest.mark.case("Q-47")
@pytest.mark.parametrize(
    ("quantity", "multiplier", "value"),
    [
        (0.0, 0, 0),
        (11_040.0, 0, 11_040),
        (230.0, 0, 230),
        (398.7, -1, 3987),
        (0.001, -3, 1),
        (-5.25, -2, -525),
        (32_767.0, 0, 32_767),
        (32_768.0, 1, 3_277),
        (150_000.0, 1, 15_000),
        (350_000.0, 2, 3_500),
        (5e6, 3, 5_000),
        (1e12, 3, 32_767),
        (math.inf, 3, 32_767),
        (-math.inf, 3, -32_768),
    ],
)
def test_a_quantity_is_said_as_exactly_as_it_goes(quantity: float, multiplier: int, value: int) -> None:
    said = SCALE.physical(quantity, "W")
    assert (said.multiplier, said.value) == (multiplier, value)


def test_not_a_number_is_a_bug() -> None:
    with pytest.raises(ValueError, match="cannot encode NaN"):
        SCALE.physical(math.nan, "V")


@given(st.floats(-32_768_000.0, 32_767_000.0))
def test_what_is_said_is_what_is_heard_within_half_of_the_last_digit(quantity: float) -> None:
    said = SCALE.physical(quantity, "V")
    assert -3 <= said.multiplier <= 3
    assert -32_768 <= said.value <= 32_767
    assert abs(SCALE.amount(said, "V") - quantity) <= 0.5 * 10.0**said.multiplier + 1e-9 * abs(quantity)


@given(st.integers(-3, 3), st.integers(-32_768, 32_767))
def test_what_is_heard_is_what_was_said(multiplier: int, value: int) -> None:
    heard = SCALE.amount(PhysicalValue(multiplier, "A", value), "A")
    assert heard == pytest.approx(value * 10.0**multiplier)
    assert SCALE.amount(SCALE.physical(heard, "A"), "A") == heard


def exact(said: PhysicalValue) -> Fraction:
    return said.value * Fraction(10) ** said.multiplier


def sayable(most: Fraction) -> Fraction:
    """The largest number not above ``most`` that a PhysicalValue can say, tried one multiplier after the other."""
    found = [
        value * Fraction(10) ** multiplier
        for multiplier in range(-3, 4)
        if (value := math.floor(most / Fraction(10) ** multiplier)) <= 32_767
    ]
    return max(found, default=Fraction(32_767_000))


@pytest.mark.parametrize(
    ("most", "said"), [(43_815.0, 43_810), (327_675.0, 327_670), (11_040.0, 11_040), (32_768.0, 32_760), (150e3, 150e3)]
)
def test_a_limit_is_rounded_down(most: float, said: float) -> None:
    assert exact(SCALE.limit(most, "W")) == said


@pytest.mark.case("Q-47")
@given(st.floats(0.0, 4e7) | st.integers(0, 4_000_000).map(float))
def test_a_limit_is_never_said_too_high_nor_lower_than_needed(most: float) -> None:
    said = exact(SCALE.limit(most, "W"))
    assert said <= Fraction(most) * (1 + Fraction(1, 10**11))
    assert said >= sayable(Fraction(most))


@pytest.mark.case("Q-47", "I2X-28")
@given(st.integers(1000, 10_000), st.integers(10, 6400), st.integers(1, 3))
def test_volts_times_amperes_times_phases_are_said_where_they_can_be(volts: int, amperes: int, phases: int) -> None:
    """Volts and amperes as a configuration has them, with one digit behind the point."""
    ac = AcLimits(volts=volts / 10.0, maximum_amperes=amperes / 10.0, phases=phases)
    wanted = Fraction(volts * amperes * phases, 100)
    said = exact(SCALE.limit(ac.watts(phases), "W"))
    assert said == sayable(wanted)
    assert said <= wanted


@pytest.mark.case("A-EXI-06")
@pytest.mark.parametrize(
    "bad",
    [
        PhysicalValue(multiplier=4, unit="W", value=1),
        PhysicalValue(multiplier=-4, unit="W", value=1),
        PhysicalValue(multiplier=127, unit="W", value=1),
        PhysicalValue(multiplier=0, unit="W", value=32_768),
        PhysicalValue(multiplier=0, unit="W", value=-(10**30)),
        PhysicalValue(multiplier=0, unit="Wh", value=1),
    ],
)
def test_numbers_outside_the_schema_and_other_units_are_refused(bad: PhysicalValue) -> None:
    with pytest.raises(Refusal) as refusal:
        SCALE.amount(bad, "W")
    assert (refusal.value.code, refusal.value.clause) == ("FAILED", "[test]")
    with pytest.raises(Refusal) as refusal:
        SCALE.amount(bad, "W", "FAILED_WrongChargeParameter")
    assert refusal.value.code == "FAILED_WrongChargeParameter"


@pytest.mark.case("DIN-27")
def test_a_unit_that_is_left_out_is_the_one_that_belongs_there() -> None:
    assert SCALE.amount(PhysicalValue(-1, None, 2305), "V") == 230.5
    with pytest.raises(Refusal):
        SCALE.amount(PhysicalValue(-1, "A", 2305), "V")
