"""How often a station of one outlet wakes up in a second, and what it does then: what docs/performance.md calls beats.

A turn is one of the event loop in which code of the station or of the simulated board ran. Calls are counted as in :mod:`tools.bench.walks`:
functions of files in ``secc``, ``hal`` or ``certs``, the simulated board apart. Timers are those of these calls, the board's apart as well.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import inspect
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Final
from unittest import mock

from hal.sim.clock import VirtualLoop
from hal.sim.panel import Panel
from secc.station.serving.connection import V2gConnection
from tools.evcc.behaviour import Behaviour

from .figures import Section
from .inside import charge, run, station
from .stations import BenchFailed, Ground
from .walks import BOARD, CAR, OURS, UNNAMED

WORLD: Final = frozenset({inspect.getfile(VirtualLoop), inspect.getfile(Panel)})
"""Virtual time, and the car's hand on the simulated world: neither is the station's, nor its board's."""
SECONDS = 3.0
"""So long is counted. A car that is silent for longer has its current taken away."""
QUIET_SECONDS = 4.0
SETTLED_SECONDS = 15.0
"""After so long the current has risen to what the car asks for."""
LOOKING_SECONDS = 0.01
GOAL: Final = {"idle": 12, "charging, no message": 13, "charging, ten requests a second": 24}
"""Turns a second."""


@dataclass(frozen=True, slots=True)
class Rate:
    """What happens in a second."""

    turns: float
    armed: float
    cancelled: float
    calls: float

    def __str__(self) -> str:
        return f"{self.turns:.0f} turns, {self.armed:.0f} timers, {self.calls:.0f} calls"


class Beats:
    """Counts turns, timers and calls."""

    def __init__(self) -> None:
        self._ran = False
        self._turns = self._armed = self._cancelled = self._calls = 0

    def _note(self, frame: FrameType, event: str, _: Any) -> None:
        file = frame.f_code.co_filename
        if event != "call" or not file.startswith(OURS) or file in WORLD or _of(frame) is None:
            return
        self._ran = True
        self._calls += not file.startswith(BOARD) and frame.f_code.co_name not in UNNAMED

    async def during(self, seconds: float) -> Rate:
        """Count for this long."""
        loop: Any = asyncio.get_running_loop()
        run_once, call_at, cancel = loop._run_once, loop.call_at, asyncio.TimerHandle.cancel

        def turned() -> None:
            self._ran = False
            run_once()
            self._turns += self._ran

        def armed(*arguments: Any, **named: Any) -> asyncio.TimerHandle:
            self._armed += _stations(sys._getframe(1))
            handle: asyncio.TimerHandle = call_at(*arguments, **named)
            return handle

        def cancelled(handle: asyncio.TimerHandle) -> None:
            self._cancelled += _stations(sys._getframe(1))
            cancel(handle)

        with (
            mock.patch.object(loop, "_run_once", turned),
            mock.patch.object(loop, "call_at", armed),
            mock.patch.object(asyncio.TimerHandle, "cancel", cancelled),
        ):
            # A generator that is collected as garbage goes on once more, whosever it was.
            gc.collect()
            gc.disable()
            sys.setprofile(self._note)
            try:
                await asyncio.sleep(seconds)
            finally:
                sys.setprofile(None)
                gc.enable()
        counted = self._turns, self._armed, self._cancelled, self._calls
        return Rate(*(round(count / seconds, 1) for count in counted))


def _of(frame: FrameType | None) -> str | None:
    """The file of ours nearest to this frame. None where the car, or its hand on the simulated world, stands behind it."""
    found = None
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(CAR) or file in WORLD:
            return None if file != __file__ else found
        if found is None and file.startswith(OURS):
            found = file
        frame = frame.f_back
    return found


def _stations(frame: FrameType) -> bool:
    """Whether the station called this, its board apart."""
    file = _of(frame)
    return file is not None and not file.startswith(BOARD)


def idle(ground: Ground) -> Rate:
    """An outlet without a car."""

    async def main() -> Rate:
        async with station(ground.configure(1)[0]):
            await asyncio.sleep(QUIET_SECONDS)
            return await Beats().during(SECONDS)

    return run(main())


def charging(ground: Ground, *, silent: bool) -> Rate:
    """A DC car that charges with a steady current. ``silent``: counted is while it says nothing, else it asks ten times a second."""
    configuration, (place,) = ground.configure(1, tls=False)
    behaviour = Behaviour(loop_seconds=QUIET_SECONDS if silent else 0.1)

    async def main() -> Rate:
        async with _listened(configuration) as heard_at:
            loop = asyncio.get_running_loop()
            car = asyncio.create_task(charge(ground, place, behaviour))
            try:
                # The cable check takes five seconds and has polls of its own; from then on there is the charging loop alone.
                await asyncio.sleep(SETTLED_SECONDS + 2 * QUIET_SECONDS)
                while silent and loop.time() - heard_at() > LOOKING_SECONDS:  # noqa: ASYNC110  # the car's own time, which nothing tells
                    await asyncio.sleep(LOOKING_SECONDS)
                if silent:
                    await asyncio.sleep(QUIET_SECONDS - SECONDS - 0.5)
                before = heard_at()
                rate = await Beats().during(SECONDS)
                if car.done() or (heard_at() == before) is not silent:
                    raise BenchFailed("the car does not charge as it was told")
                return rate
            finally:
                car.cancel()
                await asyncio.gather(car, return_exceptions=True)

    return run(main())


@contextlib.asynccontextmanager
async def _listened(configuration: Path) -> AsyncIterator[Callable[[], float]]:
    """A station, and when it has heard its car last."""
    at = [0.0]
    arrived = V2gConnection.data_received

    def received(connection: V2gConnection, data: bytes) -> None:
        at[0] = asyncio.get_running_loop().time()
        arrived(connection, data)

    with mock.patch.object(V2gConnection, "data_received", received):
        async with station(configuration):
            yield lambda: at[0]


def rates(ground: Ground) -> dict[str, Rate]:
    """All three."""
    return {
        "idle": idle(ground),
        "charging, no message": charging(ground, silent=True),
        "charging, ten requests a second": charging(ground, silent=False),
    }


def measure(ground: Ground, *, quick: bool) -> Section:
    """The same, quick or not: nothing is timed."""
    section = Section("beats", "What a station of one outlet does in a second")
    for what, rate in rates(ground).items():
        goal = GOAL[what]
        section.add(
            what,
            str(rate),
            goal=f"at most {goal} turns",
            met=rate.turns <= goal,
            note=f"{rate.cancelled:.0f} timers cancelled",
        )
    return section
