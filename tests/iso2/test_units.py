"""The quantities of ISO 15118-2: its units, its codes, limits that are rounded down."""

from __future__ import annotations

import pytest

from secc.errors import Refusal
from secc.iso2.messages import PhysicalValue, ResponseCode, UnitSymbol
from secc.iso2.units import amount, amperes, limit, physical, volts, watts


def test_each_quantity_has_its_unit() -> None:
    for read, unit in ((volts, UnitSymbol.V), (amperes, UnitSymbol.A), (watts, UnitSymbol.W)):
        assert read(physical(12.5, unit)) == 12.5
        with pytest.raises(Refusal, match=rf"FAILED \[V2G2-477\]: Wh where {unit} belongs"):
            read(physical(12.5, UnitSymbol.WH))


@pytest.mark.case("Q-47")
def test_a_limit_is_rounded_down() -> None:
    assert limit(43_815.0, UnitSymbol.W) == PhysicalValue(multiplier=1, unit=UnitSymbol.W, value=4381)
    assert physical(43_815.0, UnitSymbol.W).value == 4382


@pytest.mark.case("A-EXI-06")
def test_numbers_outside_the_schema_are_refused_with_the_code_of_their_message() -> None:
    bad = PhysicalValue(multiplier=4, unit=UnitSymbol.W, value=1)
    with pytest.raises(Refusal) as refusal:
        amount(bad, UnitSymbol.W, ResponseCode.FAILED_WRONG_CHARGE_PARAMETER)
    assert refusal.value.code == "FAILED_WrongChargeParameter"
