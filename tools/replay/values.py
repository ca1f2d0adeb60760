"""Values in the recorded answers of DIN SPEC 70121 and of ISO 15118-2, which have the same names."""

from __future__ import annotations

from typing import Any, Final

from secc.session.scaled import Scaled

from .exchanges import Exchange

_SHORT: Final = range(-32_768, 32_768)


def quantity(value: Scaled | None) -> float | None:
    """Returns a recorded quantity in the unit that it names; None without one, and for numbers
    outside the schema.
    """
    if value is None or not -3 <= value.multiplier <= 3 or value.value not in _SHORT:
        return None
    if value.multiplier >= 0:
        return float(value.value * 10**value.multiplier)
    return float(value.value / 10**-value.multiplier)


def status_of(body: Any) -> Any:
    """Returns the EVSEStatus of an answer; None without one."""
    parameter = getattr(body, "evse_charge_parameter", None)
    names = ("dc_evse_status", "ac_evse_status", "evse_status")
    found = (getattr(part, name, None) for part in (body, parameter) for name in names)
    return next((each for each in found if each is not None), None)


def measured(exchange: Exchange, before: tuple[float, float]) -> tuple[float, float]:
    """Returns the volts and amperes that an answer tells, or those from before."""
    volts = quantity(getattr(exchange.body, "evse_present_voltage", None))
    amperes = quantity(getattr(exchange.body, "evse_present_current", None))
    return before[0] if volts is None else volts, before[1] if amperes is None else amperes
