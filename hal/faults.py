"""Hardware faults: how they begin, end and latch, which events are faults, and which are active at
a board.

An open door, a pressed emergency stop and a board that does not answer count as faults, like those
that the board reports.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from frozen import dataclass
from hal.errors import HalRejected
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
"""A driver raised an error that drivers must not raise: its readings cannot be trusted."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """A kind of fault. ``latched``: it stays active after its cause has ended, until it is cleared."""

    code: str
    severity: Severity
    text: str
    latched: bool = False


class ActiveFaults:
    """The active faults of one board or part; implements ``hal.ports.Faults``.

    ``tell`` is called once when a fault begins and once when it ends. ``now``: the clock of
    ``Fault.at``; None: the event loop's.
    """

    def __init__(
        self, tell: Callable[[BoardEvent], None] = lambda event: None, now: Callable[[], float] | None = None
    ) -> None:
        self.tell = tell
        self._now = now
        self.active: tuple[Fault, ...] = ()
        self._active: dict[str, Fault] = {}
        self._causes: set[str] = set()

    def __contains__(self, code: object) -> bool:
        return code in self._active

    @property
    def emergency(self) -> str:
        """Returns the codes of the faults that forbid power, as text; empty if there is none."""
        return ", ".join(fault.code for fault in self._active.values() if fault.severity is Severity.EMERGENCY)

    def caused(self, code: str) -> bool:
        return code in self._causes

    def begin(self, trouble: Trouble) -> None:
        """The cause has begun. An active fault is replaced only by a more severe or a latched one."""
        self._causes.add(trouble.code)
        before = self._active.get(trouble.code)
        if before is None or before.severity < trouble.severity or before.latched < trouble.latched:
            at = self._now() if self._now is not None else asyncio.get_running_loop().time()
            self.note(Fault(trouble.code, trouble.severity, trouble.text, trouble.latched, at))

    def note(self, fault: Fault) -> None:
        """Note a fault as the hardware reports it."""
        if fault != self._active.get(fault.code):
            self._active[fault.code] = fault
            self.active = tuple(self._active.values())
            self.tell(FaultRaised(fault))

    def end(self, code: str) -> None:
        """The cause has ended, and with it the fault, unless the fault is latched."""
        self._causes.discard(code)
        if code in self._active and not self._active[code].latched:
            self.forget(code)

    def report(self, trouble: Trouble, there: bool) -> None:
        """Begin or end a fault whose cause is reported as a level."""
        if there:
            self.begin(trouble)
        else:
            self.end(trouble.code)

    def forget(self, code: str) -> None:
        """End the fault, latched or not."""
        self._causes.discard(code)
        fault = self._active.pop(code, None)
        if fault is not None:
            self.active = tuple(self._active.values())
            self.tell(FaultCleared(fault))

    async def clear(self, code: str) -> None:
        """End a latched fault. Raises HalRejected while its cause lasts; no error if the fault is
        not active.
        """
        if self.caused(code):
            raise HalRejected(f"the cause of {code} is still there")
        self.forget(code)


def fault_of(event: BoardEvent) -> Fault | None:
    """Returns the fault that begins with this event; None for any other event."""
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
    """Returns the code of the fault that ends with this event; None for any other event."""
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
    """Returns the faults that are active now, those from before the car came included; none without
    a board.
    """
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
    """Returns the event that the station publishes for a board whose driver has a bug."""
    return FaultRaised(_emergency(DRIVER_BUG, type(error).__name__, at))


def _emergency(code: str, text: str, at: float) -> Fault:
    return Fault(code, Severity.EMERGENCY, text, latched=False, at=at)
