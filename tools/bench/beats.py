"""Wake-ups, timers and calls of a station with one outlet in a second: the beats of docs/performance.md.

A turn counts if code of the station or of the simulated board ran in it; timers count without the
board's. :mod:`tools.bench.inside` says which calls count.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Final
from unittest import mock

from secc.station.serving.connection import V2gConnection
from tools.evcc.behaviour import Behaviour

from .figures import Section
from .inside import OURS, OUTSIDE, UNNAMED, caller, charge, is_stations, run, station
from .stations import BenchFailed, Ground

SECONDS = 3.0
"""Time of a count. After five seconds of silence the station takes the current of the car away."""
QUIET_SECONDS = 4.0
SETTLED_SECONDS = 15.0
"""After this time the current is the one that the car asks for."""
LOOKING_SECONDS = 0.01
GOAL: Final = {"idle": 12, "charging, no message": 13, "charging, ten requests a second": 24}
"""Turns a second."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Counts a second."""

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
        if event != "call" or not file.startswith(OURS) or file.startswith(OUTSIDE) or caller(frame) is None:
            return
        self._ran = True
        self._calls += is_stations(file) and frame.f_code.co_name not in UNNAMED

    async def during(self, seconds: float) -> Rate:
        """Count for so many seconds of virtual time."""
        loop: Any = asyncio.get_running_loop()
        run_once, call_at, cancel = loop._run_once, loop.call_at, asyncio.TimerHandle.cancel

        def turned() -> None:
            self._ran = False
            run_once()
            self._turns += self._ran

        def armed(*arguments: Any, **named: Any) -> asyncio.TimerHandle:
            self._armed += is_stations(caller(sys._getframe(1)))
            handle: asyncio.TimerHandle = call_at(*arguments, **named)
            return handle

        def cancelled(handle: asyncio.TimerHandle) -> None:
            self._cancelled += is_stations(caller(sys._getframe(1)))
            cancel(handle)

        with (
            mock.patch.object(loop, "_run_once", turned),
            mock.patch.object(loop, "call_at", armed),
            mock.patch.object(asyncio.TimerHandle, "cancel", cancelled),
        ):
            # A generator that is collected runs once more, also one of an earlier session.
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


def idle(ground: Ground) -> Rate:
    """Count at an outlet without a car."""

    async def main() -> Rate:
        async with station(ground.configure(1)[0]):
            await asyncio.sleep(QUIET_SECONDS)
            return await Beats().during(SECONDS)

    return run(main())


def charging(ground: Ground, *, silent: bool) -> Rate:
    """Count while a DC car charges with a steady current: between two messages if ``silent``, otherwise with ten
    requests a second.
    """
    configuration, (place,) = ground.configure(1, tls=False)
    behaviour = Behaviour(loop_seconds=QUIET_SECONDS if silent else 0.1)

    async def main() -> Rate:
        async with _listened(configuration) as heard_at:
            loop = asyncio.get_running_loop()
            car = asyncio.create_task(charge(ground, place, behaviour))
            try:
                # The cable check takes five seconds and polls; after it there is only the charging loop.
                await asyncio.sleep(SETTLED_SECONDS + 2 * QUIET_SECONDS)
                while silent and loop.time() - heard_at() > LOOKING_SECONDS:  # noqa: ASYNC110  # there is no event for it
                    await asyncio.sleep(LOOKING_SECONDS)
                if silent:
                    await asyncio.sleep(QUIET_SECONDS - SECONDS - 0.5)
                before = heard_at()
                rate = await Beats().during(SECONDS)
                if car.done() or (heard_at() == before) is not silent:
                    raise BenchFailed("the car does not charge, or not at the wanted rate")
                return rate
            finally:
                car.cancel()
                await asyncio.gather(car, return_exceptions=True)

    return run(main())


@contextlib.asynccontextmanager
async def _listened(configuration: Path) -> AsyncIterator[Callable[[], float]]:
    """Run a station; the yielded function returns the time of the car's last octets."""
    at = [0.0]
    arrived = V2gConnection.data_received

    def received(connection: V2gConnection, data: bytes) -> None:
        at[0] = asyncio.get_running_loop().time()
        arrived(connection, data)

    with mock.patch.object(V2gConnection, "data_received", received):
        async with station(configuration):
            yield lambda: at[0]


def rates(ground: Ground) -> dict[str, Rate]:
    """Count all three."""
    return {
        "idle": idle(ground),
        "charging, no message": charging(ground, silent=True),
        "charging, ten requests a second": charging(ground, silent=False),
    }


def measure(ground: Ground, *, quick: bool) -> Section:
    """Returns the table of beats; the same with ``quick``."""
    section = Section("beats", "What a station of one outlet does in a second")
    for what, rate in rates(ground).items():
        goal = GOAL[what]
        note = f"{rate.cancelled:.0f} timers cancelled"
        section.add(what, str(rate), goal=f"at most {goal} turns", met=rate.turns <= goal, note=note)
    return section
