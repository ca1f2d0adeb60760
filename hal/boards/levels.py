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
    """All readings of one board. ``now`` tells monotonic seconds; every change is published once."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.events: Broadcast[BoardEvent] = Broadcast()
        self.healthy = False
        self.lost = False
        self.heard = 0.0
        self._pilot = PilotReading(PilotState.UNKNOWN, 0.0, 0.0)
        self._contactor = ContactorReading(ContactorState.UNKNOWN, 0.0)
        self.inputs = InputsReading(False, False, 0.0)
        self.cable = CableReading(None, 0.0)
        self.lock = LockReading(LockState.UNKNOWN, 0.0)
        self._faults: dict[str, Fault] = {}
        self._causes: set[str] = set()

    # --- readings ---

    @property
    def pilot(self) -> PilotReading:
        """The last change, confirmed by whatever was heard since."""
        return replace(self._pilot, at=max(self._pilot.at, self.heard)) if self.healthy else self._pilot

    @property
    def contactor(self) -> ContactorReading:
        """The same of the contactor."""
        return replace(self._contactor, at=max(self._contactor.at, self.heard)) if self.healthy else self._contactor

    @property
    def faults(self) -> tuple[Fault, ...]:
        return tuple(self._faults.values())

    @property
    def emergency(self) -> str:
        """Codes of the faults that forbid power, for a person; empty where there is none."""
        return ", ".join(fault.code for fault in self._faults.values() if fault.severity is Severity.EMERGENCY)

    def note_pilot(
        self,
        state: PilotState,
        duty: float | None,
        *,
        high_volts: float | None = None,
        low_volts: float | None = None,
        at: float | None = None,
    ) -> bool:
        """Note a measurement. True: the state is another one than before."""
        at = self._now() if at is None else at
        changed = state is not self._pilot.state
        since = at if changed else self._pilot.since
        self._pilot = PilotReading(state, since, at, duty, high_volts, low_volts)
        if changed:
            self.events.publish(PilotChanged(self._pilot))
        return changed

    def note_contactor(self, state: ContactorState) -> None:
        changed = state is not self._contactor.state
        self._contactor = ContactorReading(state, self._now())
        if changed:
            self.events.publish(ContactorChanged(self._contactor))

    def note_inputs(self, *, emergency_stopped: bool | None = None, door_open: bool | None = None) -> None:
        before, at = self.inputs, self._now()
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

    def note_lock(self, state: LockState) -> None:
        changed = state is not self.lock.state
        self.lock = LockReading(state, self._now())
        if changed:
            self.events.publish(LockChanged(self.lock))

    # --- faults ---

    def begin(self, trouble: Trouble) -> bool:
        """The cause of this fault is there. True: it is a new fault."""
        self._causes.add(trouble.code)
        if trouble.code in self._faults:
            return False
        fault = Fault(trouble.code, trouble.severity, trouble.text, trouble.latched, self._now())
        self._faults[trouble.code] = fault
        self.events.publish(FaultRaised(fault))
        return True

    def end(self, code: str) -> None:
        """The cause has gone; so has the fault, unless it is latched."""
        self._causes.discard(code)
        fault = self._faults.get(code)
        if fault is not None and not fault.latched:
            self.forget(code)

    def caused(self, code: str) -> bool:
        return code in self._causes

    def forget(self, code: str) -> None:
        """The fault is over, latched or not."""
        self._causes.discard(code)
        fault = self._faults.pop(code, None)
        if fault is not None:
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
