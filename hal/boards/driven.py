"""Common part of boards behind a driver: permission, heartbeat, supervision of the contactor,
commands.

A driver adds its board's protocol. This class repeats what the board supervises by itself, and is
stricter where the board's documents say nothing: a permission ends when the pilot leaves C or D,
with every emergency, and when the heartbeat stops.
"""

from __future__ import annotations

import abc
import asyncio
import contextlib
import logging
from typing import Self

from frozen import dataclass
from hal.address import Values
from hal.boards import ports
from hal.boards.levels import LevelBoard
from hal.boards.troubles import HEARTBEAT_LOST, STUCK_OPEN, WELDED
from hal.errors import HalError, HalLost, HalRejected, HalUnsupported
from hal.faults import Trouble
from hal.linux.gpio import InputLine
from hal.ports import Meter
from hal.readings import AcCapabilities, BoardCapabilities, ContactorState, PilotReading, Severity

log = logging.getLogger(__name__)

COMMAND_SECONDS = 1.0
BEAT_SECONDS = 0.7
"""Without a beat for this long the driver opens; leaves 300 ms of the second for the wire and the
contactor.
"""

WELD_SECONDS = 0.3
CLOSE_SECONDS = 1.0
LATE_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Outlet:
    """An AC outlet as installed. ``socket``: the cable belongs to the car and has a proximity
    resistor.
    """

    volts: float = 230.0
    phases: int = 3
    min_amperes: float = 6.0
    max_amperes: float = 32.0
    socket: bool = False
    lock: bool = False
    switches_phases: bool = False

    @classmethod
    def read(cls, values: Values, phases: int, max_amperes: float, **rest: bool) -> Outlet:
        """Read ``volts``, ``phases`` and ``max_amperes`` of an address or a table; the arguments
        are the defaults of the last two.
        """
        found = values.integer("phases", 1, 3, phases)
        if found == 2:
            raise values.wrong("phases", "1 or 3: an outlet has one phase or three")
        volts = values.number("volts", 100.0, 300.0, 230.0)
        return cls(volts, found, max_amperes=values.number("max_amperes", 6.0, 80.0, max_amperes), **rest)

    @property
    def capabilities(self) -> AcCapabilities:
        return AcCapabilities(self.phases, self.volts, self.min_amperes, self.max_amperes, self.switches_phases)


class DrivenBoard(LevelBoard, abc.ABC):
    """One AC outlet behind a driver."""

    plc = None
    dc = None
    imd = None
    tokens = None

    def __init__(self, name: str, outlet: Outlet, capabilities: BoardCapabilities, *, supports_e: bool = False) -> None:
        super().__init__(name, capabilities)
        self.permitted = False
        self.commanded = False
        self.feedback: bool | None = None
        self._was_closed = False
        self._last_beat: float | None = None
        self._inputs: list[InputLine] = []
        self._stops: dict[str, bool] = {}
        self._beat_check: asyncio.TimerHandle | None = None
        self._contactor_check: asyncio.TimerHandle | None = None
        self.pilot = ports.Pilot(self, supports_e=supports_e)
        self.inputs = ports.BoardInputs(self)
        self.faults = self.levels.faults
        self.indicator = ports.LoggedIndicator(name)
        self.proximity = ports.Proximity(self) if outlet.socket else None
        self.ac = ports.Ac(self, outlet.capabilities)
        self.lock = ports.PlugLock(self) if outlet.lock else None

    # --- what a driver adds ---

    @abc.abstractmethod
    async def _start(self) -> None:
        """Connect and start in the safe state; the driver then calls :meth:`Levels.recover`. Raises
        HalError.
        """

    @abc.abstractmethod
    async def _stop(self) -> None:
        """Go to the safe state and release the hardware. May raise HalError, which the caller
        ignores.
        """

    @abc.abstractmethod
    async def _drive(self, duty: float | None) -> None:
        """Drive the pilot. Returns when that is confirmed; raises HalTimeout after a second."""

    @abc.abstractmethod
    def _switch(self, closed: bool) -> None:
        """Command the contactor now. Raises HalError if the board cannot be reached."""

    def wire(self, *, emergency_stop: InputLine | None = None, door: InputLine | None = None) -> None:
        """Use contacts on GPIO lines, for boards whose protocol does not have them. Their levels
        count from now on.
        """
        if emergency_stop is not None:
            emergency_stop.on_change = lambda active: self.hear_inputs(emergency_stopped=active, source="contact")
            self.hear_inputs(emergency_stopped=emergency_stop.active, source="contact")
            self._inputs.append(emergency_stop)
        if door is not None:
            door.on_change = lambda active: self.hear_inputs(door_open=active)
            self.hear_inputs(door_open=door.active)
            self._inputs.append(door)

    @property
    def meter(self) -> Meter | None:
        """The board's meter, or None."""
        return None

    async def limit(self, amperes: float) -> None:
        """Trip above this current. A board without current sensors relies on its breaker."""
        self.demand()

    async def switch_phases(self, phases: int) -> None:
        raise HalUnsupported("this board does not switch phases")

    async def test_residual_current(self) -> bool:
        raise HalUnsupported("this board has no self-test of a residual-current device")

    async def move_lock(self, locked: bool) -> None:
        raise HalUnsupported("this board has no lock")

    # --- the board ---

    async def open(self) -> None:
        self._usable()
        await self._start()

    async def opened(self) -> Self:
        """Open the board and return it. Raises HalError after closing everything."""
        try:
            await self.open()
        except BaseException:
            await self.close()
            raise
        return self

    async def close(self) -> None:
        if self.closed:
            return
        self.closed = True
        self.permitted = self.commanded = False
        for timer in (self._beat_check, self._contactor_check):
            if timer is not None:
                timer.cancel()
        # A board that does not answer gets no command.
        with contextlib.suppress(HalError):
            await self._stop()
        for contact in self._inputs:
            contact.close()
        self._fall_silent()

    def beat(self) -> None:
        self._usable()
        self._last_beat = self._loop.time()
        if self._beat_check is None:
            self._beat_check = self._loop.call_at(self._last_beat + BEAT_SECONDS, self._check_beat)
        self.faults.end(HEARTBEAT_LOST.code)
        if not self.healthy:
            raise HalLost(f"board {self.name} does not answer")

    @property
    def beating(self) -> bool:
        """Whether the last beat is fresh."""
        return self._last_beat is not None and self._loop.time() - self._last_beat < BEAT_SECONDS

    @property
    def abandoned(self) -> bool:
        """Whether there were beats and they have stopped."""
        return self._last_beat is not None and not self.beating

    def _check_beat(self) -> None:
        self._beat_check = None
        if self._last_beat is None:
            return
        due = self._last_beat + BEAT_SECONDS
        if self._loop.time() < due:
            self._beat_check = self._loop.call_at(due, self._check_beat)
        else:
            self.fail(HEARTBEAT_LOST)

    # --- commands ---

    async def drive(self, duty: float | None) -> None:
        self.demand()
        await self._drive(duty)

    async def permit(self, on: bool, reason: str) -> None:
        """Give or end the permission: while it lasts the contactor follows the pilot."""
        if not on:
            log.debug("board %s: no more power (%s)", self.name, reason)
            self.permitted = False
            self.demand()
            self._command(False, anyhow=True)
            return
        self.demand()
        against = self.against()
        if against:
            raise HalRejected(f"no power: {against}")
        log.debug("board %s: power allowed (%s)", self.name, reason)
        self.permitted = True
        self.settle()

    def against(self) -> str:
        """Returns the reason against power; empty if there is none. Ignores the pilot, which may
        still become ready.
        """
        if not self.healthy:
            return "the board does not answer"
        if self.levels.inputs.emergency_stopped:
            return "emergency stop"
        if self.levels.inputs.door_open:
            return "door open"
        if not self.beating:
            return "no heartbeat"
        return f"fault {self.faults.emergency}" if self.faults.emergency else ""

    # --- reports of the driver ---

    def fail(self, trouble: Trouble) -> None:
        """Begin a fault. An EMERGENCY trips before the fault is published."""
        if trouble.severity is Severity.EMERGENCY:
            self.trip()
        self.faults.begin(trouble)

    def report(self, trouble: Trouble, there: bool) -> None:
        """Begin or end a fault that the board reports as a level."""
        if there:
            self.fail(trouble)
        else:
            self.faults.end(trouble.code)

    def hear_pilot(self, reading: PilotReading) -> None:
        """Note a measured pilot state."""
        state = reading.state
        ready = self.levels.pilot.state.ready
        # Before the event is published: its readers must not see a permission that has ended.
        if (ready and not state.ready) or not state.connected:
            self.trip()
        self.levels.note_pilot(reading)
        self.settle()

    def hear_inputs(
        self, *, emergency_stopped: bool | None = None, door_open: bool | None = None, source: str = "board"
    ) -> None:
        """Note the inputs by one ``source``. The stop counts as pressed while any source says so."""
        if emergency_stopped is not None:
            self._stops[source] = emergency_stopped
            emergency_stopped = any(self._stops.values())
        if emergency_stopped or door_open:
            self.trip()
        self.levels.note_inputs(emergency_stopped=emergency_stopped, door_open=door_open)

    def hear_contactor(self, closed: bool | None) -> None:
        """Note the feedback; None if it is not conclusive."""
        # The board opened by itself for a reason: it must not close again by itself.
        if self._was_closed and not closed and self.commanded:
            self.trip()
        self._was_closed = closed is True
        self.feedback = closed
        if closed is False:
            self.faults.end(WELDED.code)
        if closed and not self.commanded and self._contactor_check is None:
            self._watch_contactor(WELD_SECONDS)
        self._settle_contactor()

    def lose(self, text: str) -> None:
        """The board does not answer: drop its state."""
        self.permitted = self.commanded = False
        self.feedback = None
        self._was_closed = False
        if self.healthy:
            log.warning("board %s: %s", self.name, text)
            self.levels.lose(text)
            self.levels.note_contactor(ContactorState.UNKNOWN)

    # --- the contactor ---

    def trip(self) -> None:
        """Switch the power off and end the permission."""
        self.permitted = False
        self._command(False)

    def settle(self) -> None:
        """Close if permitted and nothing stands against it."""
        if self.permitted and self.against():
            self.permitted = False
        self._command(self.permitted and self.levels.pilot.state.ready)

    def _command(self, closed: bool, *, anyhow: bool = False) -> None:
        if closed is self.commanded and not anyhow:
            return
        if closed is not self.commanded:
            self.commanded = closed
            self._watch_contactor(CLOSE_SECONDS if closed else WELD_SECONDS)
        try:
            self._switch(closed)
        except HalError as error:
            # The board did not get the command: end the permission. The driver's supervision of the
            # line reports the rest.
            self.permitted = self.commanded = False
            if anyhow:
                raise
            log.warning("board %s did not get a command: %s", self.name, error)

    def _watch_contactor(self, seconds: float) -> None:
        if self._contactor_check is not None:
            self._contactor_check.cancel()
        due = self._loop.time() + seconds
        self._contactor_check = self._loop.call_at(due, self._check_contactor, due, seconds)

    def _check_contactor(self, due: float, seconds: float) -> None:
        self._contactor_check = None
        if not self.healthy:
            return
        if self._loop.time() - due > LATE_SECONDS:
            # The event loop was held up and the board's messages wait to be read, so the contactor
            # may be right.
            self._watch_contactor(seconds)
            return
        if self.feedback and not self.commanded:
            self.fail(WELDED)
            self._settle_contactor()
        elif self.commanded and not self.feedback:
            self.trip()
            self.fail(STUCK_OPEN)
            self.faults.end(STUCK_OPEN.code)

    def _settle_contactor(self) -> None:
        if self.feedback is None:
            state = ContactorState.UNKNOWN
        elif self.feedback:
            state = ContactorState.WELDED if self.faults.caused(WELDED.code) else ContactorState.CLOSED
        else:
            state = ContactorState.OPEN
        self.levels.note_contactor(state)
