"""Watches one board: feeds its heartbeat, and switches power off when the interlock withdraws its consent.

It does not ask a session. The power path asks for consent with :meth:`Guard.ask` and uses the
guarded ports :attr:`Guard.ac` and :attr:`Guard.dc`, which close nothing without it. A consent that
was lost does not come back by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable

from frozen import dataclass
from hal.errors import HalError, HalLost, HalTimeout
from hal.events import BoardEvent, BoardLost, BoardRecovered, FaultRaised, InsulationMeasured
from hal.guarded import GuardedAcPower, GuardedDcPower
from hal.interlock import DENIED, Circumstances, Consent, Insulation, Interlock, Purpose
from hal.ports import Board
from hal.readings import PilotState
from hal.ticker import TICK_SECONDS, Ticker

log = logging.getLogger(__name__)

UNLOADING_SECONDS = 0.04
"""Time for the supply's current to fall before an immediate opening. The whole opening has 100 ms,
with debouncing and the contactor's release.
"""

OFF_SECONDS = 2.5
OPENING_SECONDS = 1.5
"""Time for supply and contactor to confirm a command: what a port promises, and its transport. The
command may be one that the power path gave.
"""

CLOSING_SECONDS = 3.0
"""Time for the opening at the end of the watch. A supply may take two seconds to switch off."""

FAULT_OHMS = 100_000.0
"""Insulation below this is faulty, whichever device measured it. IEC 61851-23"""


@dataclass(frozen=True, slots=True)
class ConsentLost:
    """The interlock refused or withdrew its consent; ``reasons`` are for a log."""

    reasons: str


class Guard:
    """Keeps one board safe while :meth:`run` is running. All calls from the event loop's thread.

    It sends a heartbeat and looks at the board with every tick of ``ticker``, which guards may
    share. ``on_revoked`` is called for each consent that was held and is withdrawn, ``on_turn`` with
    the time of each tick that came in time, whatever the board does with the heartbeat (for a
    service watchdog).
    """

    def __init__(
        self,
        board: Board,
        interlock: Interlock | None = None,
        *,
        ticker: Ticker | None = None,
        on_revoked: Callable[[Consent], None] | None = None,
        on_turn: Callable[[float], None] | None = None,
    ) -> None:
        self._board = board
        self._interlock = interlock if interlock is not None else Interlock()
        self._on_revoked = on_revoked
        self._on_turn = on_turn
        self._loop = asyncio.get_running_loop()
        self._asked = Purpose.NONE
        self._insulation = Insulation.UNKNOWN
        self._last_turn: float | None = None
        self._last_beat: float | None = None
        self._running = False
        self._withheld = False
        self._opening: asyncio.Task[None] | None = None
        self._opening_at_once = False
        self._ticker = ticker if ticker is not None else Ticker()
        self.ac = GuardedAcPower(board.ac, self, board.name) if board.ac is not None else None
        self.dc = GuardedDcPower(board.dc, self, board.name) if board.dc is not None else None
        self._ports: tuple[GuardedAcPower | GuardedDcPower, ...] = tuple(filter(None, (self.ac, self.dc)))

    # For the power path

    @property
    def asked(self) -> Purpose:
        """What was asked for and granted; NONE if nothing was, or if it was withdrawn."""
        return self._asked

    @property
    def consent(self) -> Consent:
        """The interlock's decision now."""
        return self._consent(self._asked)

    def ask(self, purpose: Purpose) -> Consent:
        """Ask for power. A consent holds until :meth:`release`, or until the interlock withdraws it. A
        refusal has its reasons and changes nothing. A cable check that begins forgets the finding
        of the one before.
        """
        consent = self._consent(purpose)
        if consent:
            self._asked = purpose
            if purpose is Purpose.CABLE_CHECK:
                self._insulation = Insulation.UNKNOWN
        return consent

    def release(self) -> None:
        """End the use of power: switch the supply off, then open the contactors. May be called without a
        consent.
        """
        if self._asked is not Purpose.NONE:
            self._asked = Purpose.NONE
            # The caller may have commanded all that a moment ago: one command is enough.
            self._take_away(self._consent(Purpose.NONE), join=True)

    def insulation(self, finding: Insulation) -> None:
        """Take the result of a cable check. It holds until the next one begins or the car is unplugged.
        The guard hears bad measurements by itself.
        """
        self._insulation = finding
        self._evaluate()

    # The watch

    async def run(self) -> None:
        """Watch until the board is closed or this task is cancelled. Power is off at the end."""
        self._running = True
        self._last_turn = self._loop.time()
        try:
            self._turn()
            self._ticker.join(self._turn)
            while True:
                # Events were missed: read the levels anew and begin another stream.
                with contextlib.suppress(HalLost):
                    async for event in self._board.events():
                        self._hear(event)
                        self._evaluate()
                    return
                self._doubt()
                self._evaluate()
        finally:
            self._running = False
            self._ticker.leave(self._turn)
            self._asked = Purpose.NONE
            self._take_away(DENIED)
            if self._opening is not None:
                # A board that does not answer gets no more heartbeats, and opens by itself.
                await asyncio.wait((self._opening,), timeout=CLOSING_SECONDS)
                self._opening.cancel()

    def _hear(self, event: BoardEvent) -> None:
        match event:
            case InsulationMeasured(reading) if reading.ohms < FAULT_OHMS:
                self._insulation = Insulation.FAULT
            case BoardLost() | BoardRecovered() | FaultRaised():
                # Earlier commands may be lost or undone.
                self._doubt()
            case _:
                pass

    def _turn(self) -> None:
        """Send a heartbeat, if the event loop was not held up and no opening has failed."""
        now = self._loop.time()
        late = self._last_turn is None or now - self._last_turn > self._interlock.limits.heartbeat_seconds
        self._last_turn = now
        self._evaluate()
        if not late and self._on_turn is not None:
            self._on_turn(now)
        if late or self._withheld:
            log.warning("heartbeat withheld: %s", "the event loop was held up" if late else "the board did not open")
            return
        try:
            self._board.beat()
        except HalError as error:
            log.debug("heartbeat not taken: %s", error)
            return
        self._last_beat = now

    def _circumstances(self, purpose: Purpose) -> Circumstances:
        board = self._board
        if not board.healthy:
            return Circumstances(purpose, last_beat=self._last_beat, held=self._asked is not Purpose.NONE)
        return Circumstances(
            asked=purpose,
            pilot=board.pilot.reading,
            inputs=board.inputs.reading,
            faults=board.faults.active,
            board_healthy=True,
            lock=None if board.lock is None else board.lock.reading.state,
            last_beat=self._last_beat,
            insulation=self._insulation,
            held=self._asked is not Purpose.NONE,
        )

    def _consent(self, purpose: Purpose) -> Consent:
        if not self._running:
            return DENIED
        circumstances = self._circumstances(purpose)
        return self._interlock.consent(circumstances, self._loop.time())

    def _evaluate(self) -> None:
        board = self._board
        # Each plug-in has insulation of its own.
        if board.healthy and board.pilot.reading.state is PilotState.A:
            self._insulation = Insulation.UNKNOWN
        if self._asked is Purpose.NONE:
            now = self._loop.time()
            if [port for port in self._ports if port.stays_closed(now)]:
                # Closed without a consent: by a driver's bug, or because a command was lost.
                self._take_away(self._consent(Purpose.NONE), join=True)
            return
        consent = self._consent(self._asked)
        if not consent.allowed:
            self._asked = Purpose.NONE
            log.warning("power off: %s", consent)
            self._take_away(consent)
            if self._on_revoked is not None:
                self._on_revoked(consent)

    # Switching off

    def _take_away(self, consent: Consent, *, join: bool = False) -> None:
        """``join``: a command to open that is under way counts as this one."""
        immediate = consent.immediate
        if self._opening is not None and not self._opening.done():
            if self._opening_at_once or not immediate:
                return
            # An emergency does not wait for an orderly opening.
            self._opening.cancel()
        if immediate:
            # An emergency commands anew, whatever was confirmed before.
            self._doubt(under_way=not join)
        self._opening_at_once = immediate
        self._opening = self._loop.create_task(self._open(immediate))

    def _doubt(self, *, under_way: bool = True) -> None:
        for port in self._ports:
            port.doubt(under_way=under_way)

    async def _open(self, immediate: bool) -> None:
        """Switch the supply off and open the contactors. A board that does not confirm gets no heartbeat,
        and opens by itself.
        """
        while True:
            try:
                await self._command_open(immediate)
            except Exception as error:
                if not self._board.healthy:
                    # It cannot be commanded, and its own watchdog opens. When it is back, a
                    # contactor that is closed is commanded anew.
                    self._withheld = False
                    return
                log.error(
                    "opening failed, withholding the heartbeat: %s", error, exc_info=not isinstance(error, HalError)
                )
                self._withheld = True
                await asyncio.sleep(TICK_SECONDS)
                self._doubt()
            else:
                self._withheld = False
                return

    async def _command_open(self, immediate: bool) -> None:
        """Command both ports, then wait for both. Raises the error of a contactor's port; HalTimeout
        without an answer.
        """
        openings = [self.ac.allow(False, "interlock")] if self.ac is not None else []
        if self.dc is not None:
            # A supply that does not obey is a fault of the board; the contactor opens in any case.
            off = self.dc.off()
            await asyncio.wait((off,), timeout=UNLOADING_SECONDS if immediate else OFF_SECONDS)
            openings.append(self.dc.set_contactor(False))
        for error in await asyncio.gather(*map(_confirmed, openings), return_exceptions=True):
            if error is not None:
                raise error


async def _confirmed(opening: asyncio.Future[None]) -> None:
    try:
        async with asyncio.timeout(OPENING_SECONDS):
            await opening
    except TimeoutError:
        raise HalTimeout(f"the contactor's command is not confirmed within {OPENING_SECONDS:g} s") from None
