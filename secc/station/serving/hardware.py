"""The board of one outlet: brought up and waited for, guarded, listened to; what it says in the words of the conversations."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any, Protocol

from hal import ports
from hal.errors import HalError
from hal.guard import Guard
from hal.interlock import Consent
from hal.open import open_hal
from hal.ports import Board
from secc import energy, outlet
from secc.conversation import Event, Levels
from secc.station.serving.levels import levels_of
from secc.station.serving.pilot import PilotPerformer
from secc.station.serving.power import PowerPerformer

log = logging.getLogger(__name__)

BOARD_RETRY_SECONDS = 5.0
SETTLE_SECONDS = 3.0
SETTLE_STEP_SECONDS = 0.02
"""How long contactors and queues get to come to rest when the station goes down."""
CONNECTED = ("B", "C", "D")


class Ears(Protocol):
    """Who hears what the board says."""

    def board_came(self) -> None:
        """The board is open: the first plug-in may begin."""
        ...

    def car_connected(self) -> None:
        """The pilot shows a car."""
        ...

    def pilot_changed(self) -> None:
        """The pilot has another state, of which power path and plug-in know already."""
        ...

    def tell_power(self, *events: Event) -> None: ...
    def tell_plug(self, *events: Event) -> None: ...
    def publish(self, event: str, **facts: Any) -> None: ...
    def beat(self) -> None: ...


class Hardware:
    """One outlet's board from ``open`` to ``close``; None of it is there before it answers. All calls from the event loop's thread."""

    def __init__(self, name: str, address: str, ears: Ears) -> None:
        self.name = name
        self.board: Board | None = None
        self.guard: Guard | None = None
        self.power: PowerPerformer | None = None
        self.pilot: PilotPerformer | None = None
        self._address = address
        self._ears = ears
        self._loop = asyncio.get_running_loop()
        self._tasks: list[asyncio.Task[None]] = []
        self._bugs: set[str] = set()
        self._closing = False

    # Coming up and going down

    async def open(self) -> None:
        """A board that does not open is tried again in the background."""
        if not await self._try():
            self._tasks.append(asyncio.create_task(self._retry(), name=f"{self.name} board"))

    async def _try(self) -> bool:
        try:
            board = await open_hal(self._address, name=self.name)
        except HalError as error:
            log.error("outlet %s: the board does not open: %s", self.name, error)
            return False
        self._take(board)
        return True

    async def _retry(self) -> None:
        while True:
            await asyncio.sleep(BOARD_RETRY_SECONDS)
            if await self._try():
                return

    def _take(self, board: Board) -> None:
        self.board = board
        self.guard = guard = Guard(board, on_revoked=self._revoked, on_beat=self._ears.beat)
        self.power = PowerPerformer(self.name, board, guard, self._ears.tell_power, self.broken)
        self.pilot = PilotPerformer(self.name, board, self._ears.tell_plug, self.broken)
        # The stream is taken before the levels are looked at, so that no change falls between the two.
        events = board.events()
        watch = asyncio.create_task(guard.run(), name=f"{self.name} guard")
        watch.add_done_callback(self._guard_ended)
        self._tasks += [watch, asyncio.create_task(self._listen(board, events), name=f"{self.name} board events")]
        self._ears.board_came()

    async def settle(self) -> None:
        """Wait until the contactor is open; the guard opens it all the same when its task ends."""
        for _ in range(round(SETTLE_SECONDS / SETTLE_STEP_SECONDS)):
            if self.levels().contactor != "closed":
                return
            await asyncio.sleep(SETTLE_STEP_SECONDS)

    async def close(self) -> None:
        """Power off, whatever is under way, and let go of the board."""
        self._closing = True
        for performer in (self.power, self.pilot):
            if performer is not None:
                await performer.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.board is not None:
            await self.board.close()

    # How it is

    def levels(self) -> Levels:
        """What is true now. A driver that cannot say it without a bug says nothing that may be built on."""
        try:
            return levels_of(self.board)
        except Exception as error:  # noqa: BLE001  # it is logged, and ends what is under way
            self._note_bug("its levels", error)
            return Levels()

    async def read_meter(self) -> float | None:
        """Watt hours that the billing meter has counted, read now; None where there is no meter or it does not answer."""
        meter = self.board.meter if self.board is not None else None
        if meter is None:
            return None
        try:
            return (await meter.read()).watt_hours_import
        except HalError as error:
            log.warning("outlet %s: the meter cannot be read: %s", self.name, error)
            return None
        except Exception as error:  # noqa: BLE001  # the same
            self._note_bug("the meter", error)
            return None

    @property
    def faults(self) -> tuple[str, ...]:
        """Codes of what is wrong with the board now."""
        return tuple(fault.code for fault in self.standing() if isinstance(fault, outlet.FaultRaised))

    @property
    def forbidding(self) -> str:
        """What of ``standing`` keeps power off, in words; empty if nothing does."""
        found = [
            "the emergency stop is pressed"
            if isinstance(event, outlet.EmergencyStopChanged)
            else f"{event.code}: {event.text}"
            for event in self.standing()
            if isinstance(event, outlet.EmergencyStopChanged)
            or (isinstance(event, outlet.FaultRaised) and event.severity is not ports.Severity.WARNING)
        ]
        return ", ".join(found)

    def standing(self) -> tuple[Event, ...]:
        """What forbids power at this moment, as the plug-in hears it: what was wrong before a car came is wrong for it too."""
        board = self.board
        if board is None:
            return ()
        if not board.healthy:
            return (_raised("board-lost", "the board does not answer"),)
        found: list[Event] = [_raised(fault.code, fault.text, fault.severity) for fault in board.faults.active]
        if board.inputs.reading.door_open:
            found.append(_raised("door-open", "the housing is open"))
        if board.inputs.reading.emergency_stopped:
            found.append(outlet.EmergencyStopChanged(True))
        return tuple(found)

    # What it says

    async def _listen(self, board: Board, events: AsyncIterator[ports.BoardEvent]) -> None:
        while True:
            try:
                async for event in events:
                    self._heard(event)
                return
            except HalError as error:
                log.warning("outlet %s: %s", self.name, error)
                events = board.events()
                self._catch_up()

    def _catch_up(self) -> None:
        """Some events were missed: what they said stands in the levels."""
        self._ears.tell_power(energy.PilotChanged(), energy.ContactorReported())
        for event in self.standing():
            if isinstance(event, outlet.FaultRaised):
                self._ears.tell_power(energy.FaultReported(event.code, event.severity, event.text))
            self._ears.tell_plug(event)
        self._tell_cable()
        self._ears.tell_plug(
            outlet.LockReported(self.locked), outlet.PilotChanged(self.levels().pilot), outlet.ContactorReported()
        )
        self._ears.pilot_changed()

    def _heard(self, event: ports.BoardEvent) -> None:
        try:
            self._pass_on(event)
        except Exception as error:
            # Whoever stumbled, the next event may be the emergency stop: the listening goes on.
            log.exception("outlet %s: a bug in hearing %s", self.name, type(event).__name__)
            self.broken(error)

    def _pass_on(self, event: ports.BoardEvent) -> None:
        ears = self._ears
        match event:
            case ports.PilotChanged(reading):
                ears.publish("pilot", state=reading.state.value)
                if reading.state.connected:
                    ears.car_connected()
                ears.tell_power(energy.PilotChanged())
                self._tell_cable()
                ears.tell_plug(outlet.PilotChanged(reading.state.value))
                ears.pilot_changed()
            case ports.ContactorChanged(reading):
                ears.publish("contactor", state=reading.state.value)
                log.info("outlet %s: contactor %s", self.name, reading.state.value)
                ears.tell_power(energy.ContactorReported())
                ears.tell_plug(outlet.ContactorReported())
            case ports.CableChanged():
                self._tell_cable()
            case ports.LockChanged(reading):
                ears.tell_plug(outlet.LockReported(reading.state is ports.LockState.LOCKED))
            case ports.InsulationMeasured(reading):
                ears.tell_power(energy.IsolationReported(reading.ohms, reading.at))
            case ports.FaultRaised(fault):
                self._fault(fault.code, fault.severity, fault.text)
            case ports.FaultCleared(fault):
                log.info("outlet %s: fault cleared: %s", self.name, fault.code)
                ears.tell_plug(outlet.FaultCleared(fault.code))
            case ports.EmergencyStopChanged(stopped):
                log.warning("outlet %s: emergency stop %s", self.name, "pressed" if stopped else "released")
                ears.publish("emergency-stop", stopped=stopped)
                if stopped:
                    ears.tell_power(energy.FaultReported("emergency-stop", ports.Severity.EMERGENCY))
                ears.tell_plug(outlet.EmergencyStopChanged(stopped))
            case ports.DoorChanged(is_open):
                if is_open:
                    self._fault("door-open", ports.Severity.EMERGENCY, "the housing is open")
                else:
                    ears.tell_plug(outlet.FaultCleared("door-open"))
            case ports.BoardLost(text):
                self._fault("board-lost", ports.Severity.EMERGENCY, text)
            case ports.BoardRecovered():
                ears.tell_plug(outlet.FaultCleared("board-lost"))
            case ports.TokenPresented(token):
                ears.publish("token")
                ears.tell_plug(outlet.TokenPresented(token.kind, token.value))
            case ports.StopPressed():
                ears.tell_plug(outlet.StopPressed())
            case _:
                pass

    def _tell_cable(self) -> None:
        self._ears.tell_plug(outlet.CableRated(self.cable_amperes()))

    def cable_amperes(self) -> float | None:
        """What the cable in the socket may carry; 0.0 for none that the socket knows, None where there is no socket."""
        board = self.board
        if board is None or board.proximity is None:
            return None
        return board.proximity.reading.amperes or 0.0

    @property
    def locked(self) -> bool:
        board = self.board
        return board is not None and board.lock is not None and board.lock.reading.state is ports.LockState.LOCKED

    def _fault(self, code: str, severity: ports.Severity, text: str) -> None:
        log.warning("outlet %s: fault %s: %s", self.name, code, text)
        self._ears.publish("fault", code=code, text=text)
        self._ears.tell_power(energy.FaultReported(code, severity, text))
        self._ears.tell_plug(outlet.FaultRaised(code, severity, text))

    def _revoked(self, consent: Consent) -> None:
        if self.power is not None:
            self.power.revoked(str(consent))

    def broken(self, error: BaseException) -> None:
        """A driver of the hardware has a bug: nothing it says can be relied on."""
        self._fault("driver-bug", ports.Severity.EMERGENCY, type(error).__name__)

    def _note_bug(self, what: str, error: Exception) -> None:
        """Read before every step of a conversation, so it is told outside of them, and once."""
        if what not in self._bugs:
            self._bugs.add(what)
            log.error("outlet %s: a bug in reading %s", self.name, what, exc_info=error)
            self._loop.call_soon(self.broken, error)

    def _guard_ended(self, task: asyncio.Task[None]) -> None:
        """Without its guard the board gets no heartbeat and opens by itself; the car hears why."""
        if task.cancelled() or self._closing:
            return
        error = task.exception()
        if error is not None:
            log.error("outlet %s: the guard of the board failed", self.name, exc_info=error)
            self.broken(error)


def _raised(code: str, text: str, severity: ports.Severity = ports.Severity.EMERGENCY) -> outlet.FaultRaised:
    return outlet.FaultRaised(code, severity, text)
