"""The car's conversion between SI floats and PhysicalValue."""

from __future__ import annotations

from secc.iso2.messages import PhysicalValue, UnitSymbol


def physical(value: float, unit: UnitSymbol) -> PhysicalValue:
    """Returns the value with the finest multiplier under which it fits a short; -3 is the finest."""
    for multiplier in (-1, 0, 1, 2, 3):
        scaled = round(value / 10.0**multiplier)
        if -32_768 <= scaled <= 32_767:
            return PhysicalValue(multiplier=multiplier, unit=unit, value=scaled)
    raise ValueError(f"{value} {unit} does not fit a PhysicalValue")


def volts(value: float) -> PhysicalValue:
    return physical(value, UnitSymbol.V)


def amperes(value: float) -> PhysicalValue:
    return physical(value, UnitSymbol.A)


def watts(value: float) -> PhysicalValue:
    return physical(value, UnitSymbol.W)


def watt_hours(value: float) -> PhysicalValue:
    return physical(value, UnitSymbol.WH)


def real(value: PhysicalValue) -> float:
    """Returns the quantity in its unit."""
    return float(value.value * 10.0**value.multiplier)
