"""The car's quantities in the PhysicalValue of ISO 15118-2."""

from __future__ import annotations

from secc.iso2.messages import PhysicalValue, UnitSymbol

from ..quantities import real as real
from ..quantities import scaled


def physical(value: float, unit: UnitSymbol) -> PhysicalValue:
    """Returns the value with the finest multiplier under which it fits a short; -3 is the finest."""
    multiplier, short = scaled(value)
    return PhysicalValue(multiplier=multiplier, unit=unit, value=short)


def volts(value: float) -> PhysicalValue:
    return physical(value, UnitSymbol.V)


def amperes(value: float) -> PhysicalValue:
    return physical(value, UnitSymbol.A)


def watts(value: float) -> PhysicalValue:
    return physical(value, UnitSymbol.W)


def watt_hours(value: float) -> PhysicalValue:
    return physical(value, UnitSymbol.WH)
