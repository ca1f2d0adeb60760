"""A board whose power port takes its time, loses commands and notes them, in a simulated world that has pilot and inputs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hal.errors import HalTimeout
from hal.guard import Guard
from hal.interlock import Insulation, Purpose
from hal.open import open_sim
from hal.readings import ContactorReading, ContactorState, DcPhase, DcPresent
from hal.sim.board import SimBoard
from hal.sim.options import parse
from hal.sim.world import DC_LIMITS, World
from tests.hal.heard_beats import beats_of

FEEDBACK_SECONDS = 0.03


class SlowDc:
    """A DC port. Commands take effect ``before`` seconds after they begin, and are confirmed ``after`` seconds later.

    ``began`` and ``executed`` note them; ``faults`` is what becomes of the next ones: "" (well), "lost" (no effect, no
    answer), "unconfirmed" (no answer), "hangs" (nothing ever), "bug".
    """

    capabilities = DC_LIMITS
    present = DcPresent(0.0, 0.0, 0.0)

    def __init__(self) -> None:
        self.before = self.after = 0.0
        self.faults: list[str] = []
        self.began: list[str] = []
        self.executed: list[str] = []
        self.on = self.closed = False
        self.moved_at = 0.0
        self._loop = asyncio.get_running_loop()

    @property
    def contactor(self) -> ContactorReading:
        """The feedback, which lags."""
        now = self._loop.time()
        closed = self.closed if now >= self.moved_at + FEEDBACK_SECONDS else not self.closed
        return ContactorReading(ContactorState.CLOSED if closed else ContactorState.OPEN, now)

    async def set_target(self, volts: float, amperes: float, phase: DcPhase) -> None:
        await self._take("target")
        self.on = True

    async def off(self) -> None:
        await self._take("off")

    async def set_contactor(self, closed: bool) -> None:
        await self._take("close" if closed else "open")

    async def _take(self, name: str) -> None:
        fault = self.faults.pop(0) if self.faults else ""
        self.began.append(name)
        if fault == "hangs":
            await self._loop.create_future()
        await asyncio.sleep(self.before)
        if fault == "bug":
            raise ZeroDivisionError
        if fault == "lost":
            raise HalTimeout("no answer")
        self.executed.append(name)
        if name in ("target", "off"):
            self.on = name == "target"
        elif self.closed is not (name == "close"):
            self.closed, self.moved_at = name == "close", self._loop.time()
        await asyncio.sleep(self.after)
        if fault == "unconfirmed":
            raise HalTimeout("no answer")


class SlowBench:
    """A guard over it, and a car in state C."""

    def __init__(self, board: SimBoard, port: SlowDc, guard: Guard) -> None:
        assert board.world is not None and guard.dc is not None
        self.board = board
        self.port = port
        self.guard = guard
        self.dc = guard.dc
        self.world: World = board.world
        self.beats: list[float] = []

    async def charge(self) -> None:
        """Power may flow; what has been commanded so far is forgotten by the notes."""
        self.guard.insulation(Insulation.VALID)
        assert self.guard.ask(Purpose.DC)
        await self.dc.set_contactor(True)
        await self.dc.set_target(400.0, 10.0, DcPhase.CHARGE)
        await asyncio.sleep(0.5)
        self.port.began.clear()
        self.port.executed.clear()


@asynccontextmanager
async def slow_bench() -> AsyncIterator[SlowBench]:
    board = await open_sim(parse("?car=plugged"))
    port = SlowDc()
    board.dc = port  # type: ignore[assignment]  # in the place of the simulated one
    beats = beats_of(board)
    guard = Guard(board)
    it = SlowBench(board, port, guard)
    it.beats = beats
    watch = asyncio.create_task(guard.run())
    await board.pilot.set_duty(0.05)
    it.world.close_s2()
    await asyncio.sleep(0.3)
    try:
        yield it
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)
        await board.close()
