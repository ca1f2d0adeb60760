"""Which events of a board are faults, and what stands against power at a board: one reading of it for everybody.

An open door, a pressed emergency stop and a board that does not answer are faults like those that the board names itself.
"""

from __future__ import annotations

from typing import Final

from hal.events import (
    BoardEvent,
    BoardLost,
    BoardRecovered,
    DoorChanged,
    EmergencyStopChanged,
    FaultCleared,
    FaultRaised,
)
from hal.ports import Board
from hal.readings import Fault, Severity

EMERGENCY_STOP: Final = "emergency-stop"
DOOR_OPEN: Final = "door-open"
BOARD_LOST: Final = "board-lost"
DRIVER_BUG: Final = "driver-bug"
"""A driver raised what no driver may raise: nothing that it says can be relied on."""


def fault_of(event: BoardEvent) -> Fault | None:
    """The fault that begins with this event; None where it is no fault, or ends one."""
    match event:
        case FaultRaised(fault):
            return fault
        case EmergencyStopChanged(stopped=True, at=at):
            return _emergency(EMERGENCY_STOP, "the emergency stop is pressed", at)
        case DoorChanged(open=True, at=at):
            return _emergency(DOOR_OPEN, "the housing is open", at)
        case BoardLost(text, at):
            return _emergency(BOARD_LOST, text, at)
        case _:
            return None


def cleared_by(event: BoardEvent) -> str | None:
    """The code of the fault that ends with this event; None where it ends none."""
    match event:
        case FaultCleared(fault):
            return fault.code
        case EmergencyStopChanged(stopped=False):
            return EMERGENCY_STOP
        case DoorChanged(open=False):
            return DOOR_OPEN
        case BoardRecovered():
            return BOARD_LOST
        case _:
            return None


def standing(board: Board | None) -> tuple[Fault, ...]:
    """What is wrong at this moment: what was wrong before a car came is wrong for it too. Nothing where no board is there."""
    if board is None:
        return ()
    if not board.healthy:
        return (_emergency(BOARD_LOST, "the board does not answer", float("-inf")),)
    found = list(board.faults.active)
    inputs = board.inputs.reading
    if inputs.door_open:
        found.append(_emergency(DOOR_OPEN, "the housing is open", inputs.at))
    if inputs.emergency_stopped:
        found.append(_emergency(EMERGENCY_STOP, "the emergency stop is pressed", inputs.at))
    return tuple(found)


def driver_bug(error: BaseException, at: float) -> FaultRaised:
    """What the station says in the place of a board whose driver has a bug."""
    return FaultRaised(_emergency(DRIVER_BUG, type(error).__name__, at))


def _emergency(code: str, text: str, at: float) -> Fault:
    return Fault(code, Severity.EMERGENCY, text, latched=False, at=at)
