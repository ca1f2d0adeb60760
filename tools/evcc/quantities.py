"""The car's way between SI floats and PhysicalValue."""

from __future__ import annotations

from secc.iso2.messages import PhysicalValue, UnitSymbol


def physical(value: float, unit: UnitSymbol) -> PhysicalValue:
    """The value with the finest multiplier under which it fits a short; -3 is never finer than the meter's milli."""
    for multiplier in (-1, 0, 1, 2, 3):
        scaled = round(value / 10.0**multiplier)
        if -32_768 <= scaled <= 32_767:
            return PhysicalValue(multiplier=multiplier, unit=unit, value=scaled)
    raise ValueError(f"{value} {unit} fits no PhysicalValue")


def volts(value: float) -> PhysicalValue:
    return physical(value, UnitSymbol.V)


def amperes(value: float) -> PhysicalValue:
    return physical(value, UnitSymbol.A)


def watts(value: float) -> PhysicalValue:
    return physical(value, UnitSymbol.W)


def watt_hours(value: float) -> PhysicalValue:
    return physical(value, UnitSymbol.WH)


def real(value: PhysicalValue) -> float:
    """The quantity in its unit."""
    return float(value.value * 10.0**value.multiplier)
