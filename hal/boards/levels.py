"""The last readings of a board, with their times, and the events for changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

from hal.errors import HalLost
from hal.events import (
    BoardEvent,
    BoardLost,
    BoardRecovered,
    CableChanged,
    ContactorChanged,
    DoorChanged,
    EmergencyStopChanged,
    LockChanged,
    PilotChanged,
)
from hal.faults import ActiveFaults
from hal.readings import (
    BoardCapabilities,
    CableReading,
    ContactorReading,
    ContactorState,
    InputsReading,
    LockReading,
    LockState,
    PilotReading,
    PilotState,
)
from hal.stream import Broadcast


class Levels:
    """All readings of one board. ``now`` returns monotonic seconds; each change is published once.

    ``at`` of a ``note_...``: when it was measured, if the board reports that; otherwise now.
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
        self.faults = ActiveFaults(self.events.publish, now)

    # --- readings ---

    def confirm(self, at: float) -> None:
        """The board was heard at this moment: the last pilot and contactor readings are confirmed."""
        self.heard = at
        if self.healthy:
            pilot, contactor = self.pilot, self.contactor
            # Without dataclasses.replace(), which takes twice as long: boards are heard up to 125
            # times a second.
            if pilot.at < at:
                self.pilot = PilotReading(pilot.state, pilot.since, at, pilot.duty, pilot.high_volts, pilot.low_volts)
            if contactor.at < at:
                self.contactor = ContactorReading(contactor.state, at)

    def note_pilot(self, reading: PilotReading) -> None:
        """Note a measurement. Sets ``since`` to the time of the first one with this state."""
        changed = reading.state is not self.pilot.state
        self.pilot = replace(reading, since=reading.at if changed else self.pilot.since)
        if changed:
            self.events.publish(PilotChanged(self.pilot))

    def note_contactor(self, state: ContactorState, at: float | None = None) -> None:
        before, self.contactor = self.contactor, ContactorReading(state, self._now() if at is None else at)
        if state is not before.state:
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
        before, self.cable = self.cable, CableReading(amperes, self._now())
        if amperes != before.amperes:
            self.events.publish(CableChanged(self.cable))

    def note_lock(self, state: LockState, at: float | None = None) -> None:
        before, self.lock = self.lock, LockReading(state, self._now() if at is None else at)
        if state is not before.state:
            self.events.publish(LockChanged(self.lock))

    # --- whether it answers ---

    def lose(self, text: str) -> None:
        """The board does not answer; published once."""
        if self.healthy:
            self.healthy, self.lost = False, True
            self.events.publish(BoardLost(text, self._now()))

    def recover(self) -> None:
        """The board answers, from its safe state."""
        self.healthy = True
        if self.lost:
            self.lost = False
            self.events.publish(BoardRecovered(self._now()))


class LevelBoard:
    """Base of boards that store their readings. Made on a running event loop; all calls from its
    thread.
    """

    def __init__(self, name: str, capabilities: BoardCapabilities) -> None:
        self.name, self.capabilities = name, capabilities
        self.closed = False
        self._loop = asyncio.get_running_loop()
        self.levels = Levels(self._loop.time)

    @property
    def healthy(self) -> bool:
        return self.levels.healthy

    def events(self) -> AsyncIterator[BoardEvent]:
        return self.levels.events.stream()

    def demand(self) -> None:
        """Raises HalLost unless the board answers."""
        if not self.healthy:
            raise HalLost(f"board {self.name} is not open, or does not answer")

    def _usable(self) -> None:
        """Raises HalLost once the board is closed: make another one."""
        if self.closed:
            raise HalLost("this board is closed")

    def _fall_silent(self) -> None:
        """The board is closed: its readings no longer count, and its events end."""
        self.levels.healthy = False
        self.levels.events.close()
