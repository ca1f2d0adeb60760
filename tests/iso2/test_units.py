"""PhysicalValue and SI floats."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secc.errors import Refusal
from secc.iso2.messages import PhysicalValue, ResponseCode, UnitSymbol
from secc.iso2.units import amount, amperes, physical, volts, watts


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
    said = physical(quantity, UnitSymbol.W)
    assert (said.multiplier, said.value) == (multiplier, value)


def test_not_a_number_is_a_bug() -> None:
    with pytest.raises(ValueError, match="cannot encode NaN"):
        physical(math.nan, UnitSymbol.V)


@given(st.floats(-32_768_000.0, 32_767_000.0))
def test_what_is_said_is_what_is_heard_within_half_of_the_last_digit(quantity: float) -> None:
    said = physical(quantity, UnitSymbol.V)
    assert -3 <= said.multiplier <= 3
    assert -32_768 <= said.value <= 32_767
    assert abs(volts(said) - quantity) <= 0.5 * 10.0**said.multiplier + 1e-9 * abs(quantity)


@given(st.integers(-3, 3), st.integers(-32_768, 32_767))
def test_what_is_heard_is_what_was_said(multiplier: int, value: int) -> None:
    heard = amperes(PhysicalValue(multiplier=multiplier, unit=UnitSymbol.A, value=value))
    assert heard == pytest.approx(value * 10.0**multiplier)
    assert amperes(physical(heard, UnitSymbol.A)) == heard


@pytest.mark.case("A-EXI-06")
@pytest.mark.parametrize(
    "bad",
    [
        PhysicalValue(multiplier=4, unit=UnitSymbol.W, value=1),
        PhysicalValue(multiplier=-4, unit=UnitSymbol.W, value=1),
        PhysicalValue(multiplier=127, unit=UnitSymbol.W, value=1),
        PhysicalValue(multiplier=0, unit=UnitSymbol.W, value=32_768),
        PhysicalValue(multiplier=0, unit=UnitSymbol.W, value=-(10**30)),
        PhysicalValue(multiplier=0, unit=UnitSymbol.WH, value=1),
    ],
)
def test_numbers_outside_the_schema_and_other_units_are_refused(bad: PhysicalValue) -> None:
    with pytest.raises(Refusal) as refusal:
        watts(bad)
    assert refusal.value.code == "FAILED"
    with pytest.raises(Refusal) as refusal:
        amount(bad, UnitSymbol.W, ResponseCode.FAILED_WRONG_CHARGE_PARAMETER)
    assert refusal.value.code == "FAILED_WrongChargeParameter"
