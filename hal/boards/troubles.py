"""Faults that boards of several makers share."""

from __future__ import annotations

from typing import Final

from hal.faults import Trouble
from hal.readings import Severity

HEARTBEAT_LOST: Final = Trouble("heartbeat_lost", Severity.EMERGENCY, "the station's heartbeat has stopped")
WELDED: Final = Trouble("contactor_welded", Severity.EMERGENCY, "the contactor does not open", latched=True)
STUCK_OPEN: Final = Trouble("contactor_stuck_open", Severity.STOP, "the contactor does not close", latched=True)
PILOT_DIODE: Final = Trouble("pilot_diode", Severity.EMERGENCY, "the car's pilot diode is missing", latched=True)
PILOT_SHORT: Final = Trouble("pilot_short", Severity.EMERGENCY, "the pilot is shorted to earth")
PROXIMITY: Final = Trouble("proximity_invalid", Severity.STOP, "the proximity resistor does not belong to any cable")
RESIDUAL: Final = Trouble(
    "residual_current", Severity.EMERGENCY, "the residual-current monitor has tripped", latched=True
)
RESIDUAL_TEST: Final = Trouble(
    "residual_current_test", Severity.EMERGENCY, "the residual-current monitor failed its test", latched=True
)
PILOT_MALFUNCTION: Final = Trouble(
    "pilot_malfunction", Severity.EMERGENCY, "the control pilot cannot be driven or measured"
)
CONTROLLER_DEAF: Final = Trouble(
    "communication_timeout", Severity.EMERGENCY, "the controller has not heard from the station in time"
)
