"""A pilot driven by Linux: PWM for the generator, an ADC for the peaks, GPIO for contactor,
feedback, lock and stop.

For evaluation boards. Linux does not guarantee to open within 100 ms, and does not open at all when
it hangs: such a board needs an interlock in hardware (pilot and emergency stop in the coil's
circuit), hence ``opens_itself=False``.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Final

from hal.boards.driven import COMMAND_SECONDS, DrivenBoard, Outlet
from hal.boards.sampling import Debounce
from hal.boards.troubles import PILOT_DIODE, PILOT_SHORT
from hal.drivers_kit import within
from hal.errors import HalError, HalUnsupported
from hal.faults import Trouble
from hal.linux.gpio import InputLine, OutputLine
from hal.linux.sysfs import Adc, Pwm
from hal.readings import BoardCapabilities, LockState, PilotReading, PilotState, Severity

log = logging.getLogger(__name__)

SAMPLE_SECONDS: Final = 0.008
"""Two equal samples settle a state: 16 ms, which leaves time to open."""

MISSES: Final = 6
"""The board is lost after this many failed samples in a row, 50 ms."""

RETRY_SECONDS: Final = 0.5
STALLED_SECONDS: Final = 0.1
"""The event loop was so late that it may have missed an edge, and did not supervise the contactor.
"""

STALLED: Final = Trouble("pilot_unwatched", Severity.WARNING, "the pilot was not measured for more than 100 ms")


class LinuxBoard(DrivenBoard):
    """``high`` and ``low`` measure the pilot's peaks. ``feedback``: the contactor's mirror contact,
    active when closed; without it the contactor is assumed to follow its commands, and welding is
    not found. ``gate``: pulls the pilot to 0 V (state E).
    """

    def __init__(
        self,
        name: str,
        outlet: Outlet,
        *,
        generator: Pwm,
        high: Adc,
        low: Adc,
        contactor: OutputLine,
        feedback: InputLine | None = None,
        gate: OutputLine | None = None,
        bolt: OutputLine | None = None,
        bolt_feedback: InputLine | None = None,
    ) -> None:
        super().__init__(
            name, outlet, BoardCapabilities(opens_itself=False, heartbeat_seconds=1.0), supports_e=gate is not None
        )
        self._generator = generator
        self._high, self._low = high, low
        self._contactor = contactor
        self._mirror = feedback
        self._gate = gate
        self._bolt, self._bolt_mirror = bolt, bolt_feedback
        self._bolt_moved = asyncio.Event()
        self._debounce = Debounce()
        self._duty: float | None = 1.0
        self._ticker: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._missed = 0

    async def _start(self) -> None:
        log.warning(
            "board %s is driven by Linux alone: it needs an interlock in hardware and is for the bench only", self.name
        )
        self._contactor.set(False)
        self._put(1.0)
        if self._mirror is not None:
            self._mirror.on_change = self.hear_contactor
        if self._bolt_mirror is not None:
            self._bolt_mirror.on_change = self._hear_bolt
            self._hear_bolt(self._bolt_mirror.active)
        self._due = self._loop.time()
        for _ in range(2):  # settle the state before the first report
            self._debounce.sample(self._high.volts(), self._low.volts(), self._duty)
            await asyncio.sleep(SAMPLE_SECONDS)
        self._recover()
        self._due = self._loop.time()
        self._sample()

    async def _stop(self) -> None:
        if self._ticker is not None:
            self._ticker.cancel()
        try:
            self._contactor.set(False)
            self._put(1.0)
        finally:
            contacts = (self._mirror, self._bolt_mirror)
            for part in (self._contactor, self._gate, self._bolt, self._high, self._low, *contacts):
                if part is not None:
                    part.close()

    def _recover(self) -> None:
        self.levels.confirm(self._loop.time())
        self.levels.recover()
        self.hear_contactor(self._mirror.active if self._mirror is not None else False)
        self._note()

    # --- the pilot ---

    def _sample(self) -> None:
        now = self._loop.time()
        late = now - self._due
        self._due = now + SAMPLE_SECONDS
        self._ticker = self._loop.call_at(self._due, self._sample)
        try:
            high, low = self._high.volts(), self._low.volts()
        except HalError as error:
            self._miss(error)
            return
        if not self.healthy:
            self._come_back()
            return
        self._missed = 0
        self.levels.confirm(now)
        self.report(STALLED, late > STALLED_SECONDS)
        self._debounce.sample(high, low, self._duty)
        self._note(high, low)

    def _note(self, high: float | None = None, low: float | None = None) -> None:
        settled = self._debounce.settled
        self.report(PILOT_SHORT, settled.short)
        self.report(PILOT_DIODE, settled.diode)
        if settled.state is PilotState.A:
            self.faults.forget(PILOT_DIODE.code)
        self.hear_pilot(PilotReading(settled.state, 0.0, self._loop.time(), self._duty, high, low))

    def _miss(self, error: HalError) -> None:
        self._missed += 1
        if self._missed >= MISSES and self.healthy:
            self._debounce.lost()
            self.hear_pilot(PilotReading(PilotState.UNKNOWN, 0.0, self._loop.time(), self._duty))
            self.lose(f"the pilot cannot be measured: {error}")
            with contextlib.suppress(HalError):
                self._contactor.set(False)
        if not self.healthy:
            self._due = self._loop.time() + RETRY_SECONDS
            if self._ticker is not None:
                self._ticker.cancel()
            self._ticker = self._loop.call_at(self._due, self._sample)

    def _come_back(self) -> None:
        """The pilot can be measured again: start from the safe state."""
        try:
            self._contactor.set(False)
            self._put(1.0)
        except HalError as error:
            self._miss(error)
            return
        self._missed = 0
        self._debounce = Debounce()
        self._recover()

    def _put(self, duty: float | None) -> None:
        if self._gate is not None:
            self._gate.set(duty is None)
        if duty is not None:
            self._generator.drive(duty)
        self._duty = duty

    async def _drive(self, duty: float | None) -> None:
        if duty == self._duty:
            return
        self._put(duty)

    # --- contactor and lock ---

    def _switch(self, closed: bool) -> None:
        self._contactor.set(closed)
        if self._mirror is None:
            self._loop.call_soon(self._believe)

    def _believe(self) -> None:
        if self.healthy:
            self.hear_contactor(self.commanded)

    async def move_lock(self, locked: bool) -> None:
        self.demand()
        if self._bolt is None:
            raise HalUnsupported("board.toml names no lock")
        self._bolt.set(locked)
        if self._bolt_mirror is None:
            self._hear_bolt(locked)
            return
        async with within(COMMAND_SECONDS, "the lock does not confirm"):
            while self._bolt_mirror.active is not locked:
                self._bolt_moved.clear()
                await self._bolt_moved.wait()
        self._hear_bolt(locked)

    def _hear_bolt(self, locked: bool) -> None:
        self._bolt_moved.set()
        self.levels.note_lock(LockState.LOCKED if locked else LockState.UNLOCKED)
