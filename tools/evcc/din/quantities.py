"""The car's quantities in the PhysicalValue of DIN SPEC 70121, each with its unit."""

from __future__ import annotations

from secc.din.messages import PhysicalValue, UnitSymbol

from ..quantities import real as real
from ..quantities import scaled


def physical(value: float, unit: UnitSymbol) -> PhysicalValue:
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
