"""What a board last said, with its time, and the events that follow from what has changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from hal.events import (
    BoardEvent,
    BoardLost,
    BoardRecovered,
    CableChanged,
    ContactorChanged,
    DoorChanged,
    EmergencyStopChanged,
    FaultCleared,
    FaultRaised,
    LockChanged,
    PilotChanged,
)
from hal.readings import (
    CableReading,
    ContactorReading,
    ContactorState,
    Fault,
    InputsReading,
    LockReading,
    LockState,
    PilotReading,
    PilotState,
    Severity,
)
from hal.stream import Broadcast


@dataclass(frozen=True, slots=True)
class Trouble:
    """A fault as a board can have it. ``latched``: stays when its cause has gone, until it is cleared."""

    code: str
    severity: Severity
    text: str
    latched: bool = False


class Levels:
    """All readings of one board, stored. ``now`` tells monotonic seconds; every change is published once.

    ``at`` of a ``note_...``: when it was measured, where the board tells; else this moment.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.events: Broadcast[BoardEvent] = Broadcast()
        self.healthy = False
        self.lost = False
        self.heard = 0.0
        self.pilot = PilotReading(PilotState.UNKNOWN, 0.0, 0.0)
        self.contactor = ContactorReading(ContactorState.UNKNOWN, 0.0)
        self.inputs = InputsReading(False, False, 0.0)
        self.cable = CableReading(None, 0.0)
        self.lock = LockReading(LockState.UNKNOWN, 0.0)
        self.faults: tuple[Fault, ...] = ()
        self._causes: set[str] = set()

    # --- readings ---

    def confirm(self, at: float) -> None:
        """The board was heard at this moment: pilot and contactor are still as it last said."""
        self.heard = at
        if self.healthy:
            pilot, contactor = self.pilot, self.contactor
            # Written out: boards are heard up to 125 times a second, and dataclasses.replace() takes twice as long.
            if pilot.at < at:
                self.pilot = PilotReading(pilot.state, pilot.since, at, pilot.duty, pilot.high_volts, pilot.low_volts)
            if contactor.at < at:
                self.contactor = ContactorReading(contactor.state, at)

    @property
    def emergency(self) -> str:
        """Codes of the faults that forbid power, for a person; empty where there is none."""
        return ", ".join(fault.code for fault in self.faults if fault.severity is Severity.EMERGENCY)

    def note_pilot(self, reading: PilotReading) -> None:
        """Note a measurement. Its ``since`` is told here: the moment of the first one with this state."""
        changed = reading.state is not self.pilot.state
        self.pilot = replace(reading, since=reading.at if changed else self.pilot.since)
        if changed:
            self.events.publish(PilotChanged(self.pilot))

    def note_contactor(self, state: ContactorState, at: float | None = None) -> None:
        changed = state is not self.contactor.state
        self.contactor = ContactorReading(state, self._now() if at is None else at)
        if changed:
            self.events.publish(ContactorChanged(self.contactor))

    def note_inputs(
        self, *, emergency_stopped: bool | None = None, door_open: bool | None = None, at: float | None = None
    ) -> None:
        before, at = self.inputs, self._now() if at is None else at
        stopped = before.emergency_stopped if emergency_stopped is None else emergency_stopped
        opened = before.door_open if door_open is None else door_open
        self.inputs = InputsReading(stopped, opened, at)
        if stopped != before.emergency_stopped:
            self.events.publish(EmergencyStopChanged(stopped, at))
        if opened != before.door_open:
            self.events.publish(DoorChanged(opened, at))

    def note_cable(self, amperes: float | None) -> None:
        changed = amperes != self.cable.amperes
        self.cable = CableReading(amperes, self._now())
        if changed:
            self.events.publish(CableChanged(self.cable))

    def note_lock(self, state: LockState, at: float | None = None) -> None:
        changed = state is not self.lock.state
        self.lock = LockReading(state, self._now() if at is None else at)
        if changed:
            self.events.publish(LockChanged(self.lock))

    # --- faults ---

    def begin(self, trouble: Trouble) -> None:
        """The cause of this fault is there."""
        self._causes.add(trouble.code)
        if self._fault(trouble.code) is None:
            self.note_fault(Fault(trouble.code, trouble.severity, trouble.text, trouble.latched, self._now()))

    def note_fault(self, fault: Fault) -> None:
        """A fault as the board itself tells it."""
        before = self._fault(fault.code)
        if fault != before:
            self.faults = (*(each for each in self.faults if each is not before), fault)
            self.events.publish(FaultRaised(fault))

    def _fault(self, code: str) -> Fault | None:
        return next((fault for fault in self.faults if fault.code == code), None)

    def end(self, code: str) -> None:
        """The cause has gone; so has the fault, unless it is latched."""
        self._causes.discard(code)
        fault = self._fault(code)
        if fault is not None and not fault.latched:
            self.forget(code)

    def caused(self, code: str) -> bool:
        return code in self._causes

    def forget(self, code: str) -> None:
        """The fault is over, latched or not."""
        self._causes.discard(code)
        fault = self._fault(code)
        if fault is not None:
            self.faults = tuple(each for each in self.faults if each is not fault)
            self.events.publish(FaultCleared(fault))

    # --- whether it answers ---

    def lose(self, text: str) -> None:
        """The board does not answer; said once."""
        if self.healthy:
            self.healthy, self.lost = False, True
            self.events.publish(BoardLost(text, self._now()))

    def recover(self) -> None:
        """The board answers, from its safe state."""
        self.healthy = True
        if self.lost:
            self.lost = False
            self.events.publish(BoardRecovered(self._now()))
