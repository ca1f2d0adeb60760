"""The board of one outlet: opens it, guards it, and passes its events to the conversations."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Final, TypeVar

from hal import events
from hal.errors import HalError
from hal.events import BoardEvent
from hal.faults import EMERGENCY_STOP, driver_bug, fault_of, standing
from hal.guard import ConsentLost, Guard
from hal.open import open_hal
from hal.ports import Board, Meter
from hal.readings import Severity
from secc.config import OutletSettings
from secc.conversation import Levels
from secc.station.serving.levels import levels_of
from secc.station.serving.router import Router
from secc.station.serving.supplies import Path, path_of
from secc.station.shared.services import Services

T = TypeVar("T")

log = logging.getLogger(__name__)

OPEN_SECONDS = 10.0
"""Limit for a board to open, twice what drivers promise. The station is ready when all boards have
opened or failed.
"""
METER_SECONDS = 5.0
"""Limit for a reading of the meter. The end of a session is booked after it, and the beginning of
the next one after that.
"""
COMMAND_SECONDS: Final = 1.0
"""Limit of the meter's start record: a metering receipt waits for the session's beginning to be booked."""
BOARD_RETRY_SECONDS = 5.0
SETTLE_STEP_SECONDS = 0.02


class Hardware:
    """One outlet's board from ``open`` to ``close``; ``board`` and ``guard`` are None until it
    opens. All calls from the event loop's thread.
    """

    def __init__(
        self, settings: OutletSettings, services: Services, router: Router, publish: Callable[..., None]
    ) -> None:
        self.name = settings.name
        self.board: Board | None = None
        self.guard: Guard | None = None
        self._settings = settings
        self._services = services
        self._path: Path | None = None
        """The power path of the board."""
        self._router = router
        self._publish = publish
        self._loop = asyncio.get_running_loop()
        self._tasks: list[asyncio.Task[None]] = []
        self._bugs: set[str] = set()
        self._closing = False

    # Start and stop

    async def open(self, came: Callable[[], None]) -> None:
        """Open the board; one that does not open is tried again in the background. ``came`` is
        called when it is open: the first plug-in may begin.
        """
        if not await self._try(came):
            self._tasks.append(asyncio.create_task(self._retry(came), name=f"{self.name} board"))

    async def _try(self, came: Callable[[], None]) -> bool:
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                board = await open_hal(self._settings.hal, name=self.name)
        except (HalError, TimeoutError) as error:
            text = str(error) or f"not within {OPEN_SECONDS:g} s"
            log.error("outlet %s: the board does not open: %s", self.name, text)
            return False
        except Exception:
            # Other outlets have their own boards and go on.
            log.exception("outlet %s: a bug in opening the board", self.name)
            return False
        self._take(board)
        came()
        return True

    async def _retry(self, came: Callable[[], None]) -> None:
        while True:
            await asyncio.sleep(BOARD_RETRY_SECONDS)
            if await self._try(came):
                return

    def _take(self, board: Board) -> None:
        self.board = board
        self._path = path_of(self._settings.transfers, board)
        self.guard = guard = Guard(
            board,
            ticker=self._services.ticker,
            # The interlock took a consent back; the guard already switches power off.
            on_revoked=lambda consent: self._router.tell(ConsentLost(str(consent))),
            on_turn=partial(self._services.turned, self.name),
        )
        # Take the stream before the first look at the levels, so that no change is missed between
        # the two.
        stream = board.events()
        watch = asyncio.create_task(guard.run(), name=f"{self.name} guard")
        watch.add_done_callback(self._guard_ended)
        self._tasks += [watch, asyncio.create_task(self._listen(board, stream), name=f"{self.name} board events")]

    async def settle(self, seconds: float) -> None:
        """Wait until the contactor is open, ``seconds`` at most; the guard opens it in any case
        when its task ends.
        """
        for _ in range(round(seconds / SETTLE_STEP_SECONDS)):
            if self.levels().contactor != "closed":
                return
            await asyncio.sleep(SETTLE_STEP_SECONDS)

    async def close(self) -> None:
        """Switch power off, whatever is under way, and close the board."""
        self._closing = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._services.unguarded(self.name)
        if self.board is not None:
            await self.board.close()

    # State

    def levels(self) -> Levels:
        """Returns the levels of this moment; unknown ones if the driver fails."""
        try:
            return levels_of(self.board, self._path)
        except Exception as error:  # noqa: BLE001  # it is logged, and reported as a fault
            self._note_bug("its levels", error)
            return Levels()

    async def read_meter(self) -> float | None:
        """Returns the watt hours of the billing meter, read now; None without a meter, or if it
        does not answer.
        """
        reading = await self._metered(METER_SECONDS, lambda meter: meter.read())
        return None if reading is None else reading.watt_hours_import

    async def begin_metering(self, transaction: str) -> bytes | None:
        """Begin a transaction of the meter. Returns its signed start record; None without one."""
        return await self._metered(COMMAND_SECONDS, lambda meter: meter.begin(transaction))

    async def end_metering(self, transaction: str) -> bytes | None:
        """End it. Returns the signed end record; None without one."""
        return await self._metered(METER_SECONDS, lambda meter: meter.end(transaction))

    async def _metered(self, seconds: float, ask: Callable[[Meter], Awaitable[T]]) -> T | None:
        """Returns the meter's answer; None without a meter, or if it does not answer in time."""
        meter = self.board.meter if self.board is not None else None
        if meter is None:
            return None
        try:
            async with asyncio.timeout(seconds):
                return await ask(meter)
        except (HalError, TimeoutError) as error:
            text = str(error) or f"no answer in {seconds:g} s"
            log.warning("outlet %s: the meter cannot be read: %s", self.name, text)
            return None
        except Exception as error:  # noqa: BLE001  # the same
            self._note_bug("the meter", error)
            return None

    @property
    def faults(self) -> tuple[str, ...]:
        """Codes of the board's faults, without the emergency stop."""
        return tuple(fault.code for fault in standing(self.board) if fault.code != EMERGENCY_STOP)

    @property
    def forbidding(self) -> str:
        """The faults that keep power off now, in words; empty without one."""
        return ", ".join(
            fault.text if fault.code == EMERGENCY_STOP else f"{fault.code}: {fault.text}"
            for fault in standing(self.board)
            if fault.severity is not Severity.WARNING
        )

    # Events

    async def _listen(self, board: Board, stream: AsyncIterator[BoardEvent]) -> None:
        while True:
            try:
                async for event in stream:
                    self._carefully(type(event).__name__, partial(self._pass_on, event))
                return
            except HalError as error:
                log.warning("outlet %s: %s", self.name, error)
                stream = board.events()
                self._carefully("what was missed", partial(self._catch_up, board))

    def _catch_up(self, board: Board) -> None:
        """Events were missed: tell the conversations the faults and the pilot of now."""
        self._router.tell(*map(events.FaultRaised, standing(board)), events.PilotChanged(board.pilot.reading))

    def _carefully(self, what: str, step: Callable[[], None]) -> None:
        try:
            step()
        except Exception as error:
            # The next event may be the emergency stop: go on listening after any failure.
            log.exception("outlet %s: a bug in handling %s", self.name, what)
            self.broken(error)

    def _pass_on(self, event: BoardEvent) -> None:
        match event:
            case events.PilotChanged(reading):
                self._publish("pilot", state=reading.state.value)
            case events.ContactorChanged(reading):
                self._publish("contactor", state=reading.state.value)
                log.info("outlet %s: contactor %s", self.name, reading.state.value)
            case events.FaultCleared(fault):
                log.info("outlet %s: fault cleared: %s", self.name, fault.code)
            case events.EmergencyStopChanged(stopped):
                log.warning("outlet %s: emergency stop %s", self.name, "pressed" if stopped else "released")
                self._publish("emergency-stop", stopped=stopped)
            case events.TokenPresented():
                self._publish("token")
            case _ if (raised := fault_of(event)) is not None:
                log.warning("outlet %s: fault %s: %s", self.name, raised.code, raised.text)
                self._publish("fault", code=raised.code, text=raised.text)
        self._router.tell(event)

    def broken(self, error: BaseException) -> None:
        """Report a bug of a driver as a fault of the board: its readings cannot be relied on."""
        self._pass_on(driver_bug(error, self._loop.time()))

    def _note_bug(self, what: str, error: Exception) -> None:
        """Log a bug in a reading once, and report it outside of the step that reads."""
        if what not in self._bugs:
            self._bugs.add(what)
            log.error("outlet %s: a bug in reading %s", self.name, what, exc_info=error)
            self._loop.call_soon(self.broken, error)

    def _guard_ended(self, task: asyncio.Task[None]) -> None:
        """Without its guard the board gets no heartbeat and opens by itself; tell the conversations
        why.
        """
        if task.cancelled() or self._closing:
            return
        error = task.exception()
        if error is not None:
            log.error("outlet %s: the guard of the board failed", self.name, exc_info=error)
            self.broken(error)
