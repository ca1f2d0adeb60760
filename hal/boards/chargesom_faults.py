"""Faults that the safety controller of a Charge SOM reports, as faults of the ports."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from hal.boards.chargesom_frames import CABLE_INVALID, ChargeState, Reason, Residual
from hal.boards.troubles import (
    CONTROLLER_DEAF,
    PILOT_DIODE,
    PILOT_MALFUNCTION,
    PILOT_SHORT,
    PROXIMITY,
    RESIDUAL,
    RESIDUAL_TEST,
)
from hal.faults import Trouble
from hal.readings import Severity

_OFF: Final = Severity.EMERGENCY

OVER_TEMPERATURE: Final = Trouble("over_temperature", _OFF, "a temperature sensor has stopped the charging")
TEMPERATURE_SENSOR: Final = Trouble("temperature_sensor", Severity.STOP, "a temperature sensor is broken")

_SAFE: Final = {
    Reason.INTERNAL_ERROR: Trouble("internal_error", _OFF, "the safety controller reports an internal error", True),
    Reason.COM_TIMEOUT: CONTROLLER_DEAF,
    Reason.PROXIMITY_MALFUNCTION: Trouble("proximity_malfunction", _OFF, "the proximity pilot cannot be measured"),
    Reason.PILOT_MALFUNCTION: PILOT_MALFUNCTION,
    Reason.PILOT_SHORT: Trouble("safe_state_pilot_short", _OFF, "off because the pilot was shorted"),
    Reason.PILOT_DIODE: Trouble("safe_state_pilot_diode", _OFF, "off because the car's pilot diode was missing"),
    Reason.HV_SWITCH_MALFUNCTION: Trouble("contactor_welded", _OFF, "a contactor does not follow its commands", True),
    Reason.RCM_ERROR: RESIDUAL,
    Reason.RCM_SELF_TEST: RESIDUAL_TEST,
}
_SENSORS: Final = range(3, 7)
"""One reason for each of four temperature sensors that fail; below, for heat at each, and for three
emergency inputs.
"""
_HEAT: Final = range(7, 11)
_STOPS: Final = range(16, 19)


def trouble_of(reason: int) -> Trouble:
    """Returns the fault for a safe state. One of an unknown reason is latched, so that a person
    looks at it.
    """
    if reason in _SENSORS:
        return Trouble(
            "safe_state_temperature_sensor", _OFF, f"off because sensor {reason - _SENSORS.start + 1} is broken"
        )
    if reason in _HEAT:
        return Trouble(
            "safe_state_over_temperature", _OFF, f"off because of the heat at sensor {reason - _HEAT.start + 1}"
        )
    if reason in _STOPS:
        return Trouble("safe_state_emergency_stop", _OFF, "off because the emergency stop was pressed")
    known = _SAFE.get(Reason(reason)) if reason in Reason._value2member_map_ else None
    return known or Trouble("internal_error", _OFF, f"off for a reason that this version does not know: {reason}", True)


def levels_of(state: ChargeState) -> Iterator[tuple[Trouble, bool]]:
    """Yields the faults of a report, each with whether it is present."""
    yield PILOT_SHORT, state.pilot_short
    yield PILOT_DIODE, state.pilot_diode
    yield PROXIMITY, state.proximity == CABLE_INVALID
    yield RESIDUAL, state.residual is Residual.ERROR
