"""Values in the recorded answers of ISO 15118-2."""

from __future__ import annotations

from typing import Any

from secc.errors import Refusal
from secc.iso2 import messages as m
from secc.iso2.units import amount

from .exchanges import Exchange


def meter_info(exchange: Exchange) -> m.MeterInfo | None:
    info = getattr(exchange.body, "meter_info", None)
    return info if isinstance(info, m.MeterInfo) else None


def quantity(value: m.PhysicalValue | None) -> float | None:
    """Returns a recorded quantity in the unit that it names; None without one, and for numbers
    outside the schema.
    """
    try:
        return None if value is None else amount(value, value.unit)
    except Refusal:
        return None


def status_of(body: Any) -> Any:
    """Returns the EVSEStatus of an answer; None without one."""
    parameter = getattr(body, "evse_charge_parameter", None)
    names = ("dc_evse_status", "ac_evse_status", "evse_status")
    found = (getattr(part, name, None) for part in (body, parameter) for name in names)
    return next((each for each in found if each is not None), None)


def measured(exchange: Exchange, before: tuple[float, float]) -> tuple[float, float]:
    volts = quantity(getattr(exchange.body, "evse_present_voltage", None))
    amperes = quantity(getattr(exchange.body, "evse_present_current", None))
    return before[0] if volts is None else volts, before[1] if amperes is None else amperes
