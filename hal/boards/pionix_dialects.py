"""The boards of the Pionix family: one protocol, with different field numbers for each board."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from frozen import dataclass
from hal.boards.pionix_wire import field
from hal.boards.troubles import CONTROLLER_DEAF, PILOT_DIODE, PILOT_MALFUNCTION, PROXIMITY, RESIDUAL, RESIDUAL_TEST
from hal.faults import Trouble
from hal.readings import PilotState, Severity

X1: Final = 10001
"""Above 10000 (100 %): steady, however a controller rounds."""

_OFF: Final = Severity.EMERGENCY

LOCK_FAILED: Final = Trouble("lock_failed", Severity.STOP, "the lock does not follow its commands")
_COMMON: Final = {
    1: PILOT_DIODE,
    2: RESIDUAL_TEST,
    3: RESIDUAL,
    4: Trouble("ventilation_missing", Severity.STOP, "the car needs ventilation, which the outlet does not have"),
    5: LOCK_FAILED,
    6: PILOT_MALFUNCTION,
}
_OVERCURRENT: Final = Trouble("overcurrent", _OFF, "the car draws more than it may", latched=True)

CP_STATES: Final = dict(enumerate((PilotState.A, PilotState.B, PilotState.C, PilotState.D, PilotState.E, PilotState.F)))
PP_AMPERES: Final = {1: 13.0, 2: 20.0, 3: 32.0, 4: 63.0}
PP_FAULT: Final = 5


@dataclass(frozen=True, slots=True)
class Dialect:
    """Field numbers, to and from the controller. ``coil``: power is a message with a coil's number,
    not a flag.
    """

    name: str
    # to the controller
    keep_alive: int
    lock: int
    pwm: int
    power: int
    reset: int
    # from the controller
    heard_keep_alive: int
    heard_reset: int
    heard_pilot: int
    heard_contactor: int
    heard_errors: int
    heard_proximity: int
    heard_lock: int
    errors: dict[int, Trouble]
    phases: int | None = None
    config: int | None = None
    heard_meter: int | None = None
    heard_config: int | None = None
    connector: int | None = None
    heard_connector: int | None = None
    coil: bool = False

    def allow_power(self, on: bool) -> bytes:
        if not self.coil:
            return field(self.power, int(on))
        return field(self.power, field(1, 1) + (field(2, 1) if on else b""))


YETI: Final = Dialect(
    name="yeti",
    keep_alive=100,
    lock=102,
    pwm=103,
    power=104,
    reset=105,
    phases=106,
    heard_keep_alive=3,
    heard_reset=101,
    heard_pilot=102,
    heard_contactor=103,
    heard_errors=104,
    heard_proximity=106,
    heard_lock=107,
    heard_meter=108,
    errors=_COMMON | {7: _OVERCURRENT},
)
ADI: Final = replace(YETI, name="adi")
TIDA: Final = Dialect(
    name="tida",
    keep_alive=2,
    lock=3,
    pwm=4,
    power=5,
    reset=6,
    heard_keep_alive=1,
    heard_reset=2,
    heard_pilot=3,
    heard_contactor=4,
    heard_errors=5,
    heard_proximity=7,
    heard_lock=8,
    errors=_COMMON | {7: _OVERCURRENT},
)
PHYVERSO: Final = replace(
    TIDA,
    name="phyverso",
    keep_alive=1,
    config=8,
    connector=7,
    heard_connector=6,
    heard_proximity=8,
    heard_lock=10,
    heard_config=11,
    coil=True,
    errors=_COMMON
    | {
        7: CONTROLLER_DEAF,
        8: Trouble("contactor_feedback", _OFF, "the contactor does not follow its commands", latched=True),
        9: PROXIMITY,
    },
)
DIALECTS: Final = {dialect.name: dialect for dialect in (YETI, PHYVERSO, TIDA, ADI)}
