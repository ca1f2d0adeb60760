"""``python -m tools.bench.watched CONFIG``: the station of ``secc run``, with a watch on its event loop and an account of its simulated boards.

Whenever SIGUSR1 comes, and at the end, what the watch has seen since the last time is written to ``watched.json`` beside the configuration:

* ``hold``: the longest time for which a timer that was due would have had to wait: the turn of the loop, and how late it began. Milliseconds.
* ``cpu``: the longest turn in processor time of the loop's own thread, which other processes do not make longer.
* ``turns``: how many turns there were.
* ``full``: how often the collector looked at all objects, how long that took at most, at how many, and how many it freed.
* ``decodes``: what it took to decode each CurrentDemandReq on the loop's thread. Microseconds.

And since the start ``board``: seconds of processor time that the simulated boards took.

**Board apart.** A simulated board is firmware and world behind a wire (:mod:`hal.sim.link`); in front of the wire is the driver, which a real board
has as well. Its account runs while a command or a heartbeat is in the firmware, and while a call runs that world or firmware have left with the
clock; it stands still while the driver hears what the firmware says. A turn of the loop in which nothing else ran is the board's as a whole: nothing
but the board woke the loop.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import json
import selectors
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from hal.sim.clock import LoopClock
from hal.sim.firmware import Firmware
from hal.sim.link import LocalLink
from secc.config import load
from secc.exi.schema import Schema
from secc.station import station

F = TypeVar("F", bound=Callable[..., Any])


class Boards:
    """The account of the simulated boards; all in the loop's thread."""

    def __init__(self) -> None:
        self.spent = 0.0
        self._began: float | None = None
        self._spent_before = 0.0
        self._handles = self._own = 0

    def switch(self, call: F, *, inside: bool) -> F:
        """The account runs (``inside``), or stands still, while this runs; then it goes on as before."""

        @functools.wraps(call)
        def counted(*arguments: Any, **named: Any) -> Any:
            before = self._began is not None
            self._run(inside)
            try:
                return call(*arguments, **named)
            finally:
                self._run(before)

        return counted  # type: ignore[return-value]  # the same parameters, the same answer

    def _run(self, on: bool) -> None:
        if on == (self._began is not None):
            return
        now = time.thread_time()
        if self._began is not None:
            self.spent += now - self._began
        self._began = now if on else None

    def turned(self, cpu: float) -> None:
        """A turn of the loop has ended that took so much processor time, with the wait before it."""
        if self._own and self._own == self._handles:
            self.spent = self._spent_before + cpu
        self._spent_before, self._handles, self._own = self.spent, 0, 0

    def account(self) -> None:
        """From now on, for all boards of this process."""
        for name in ("submit", "beat"):
            setattr(Firmware, name, self.switch(getattr(Firmware, name), inside=True))
        LocalLink.say = self.switch(LocalLink.say, inside=False)  # type: ignore[method-assign]
        leave, run = LoopClock.call_at, asyncio.Handle._run

        def call_at(clock: LoopClock, when: float, call: Callable[[], None]) -> Any:
            def due() -> None:
                self._own += 1
                ours()

            ours = self.switch(call, inside=True)
            return leave(clock, when, due)

        def counted(handle: asyncio.Handle) -> None:
            self._handles += 1
            run(handle)

        for owner, name, with_account in ((LoopClock, "call_at", call_at), (asyncio.Handle, "_run", counted)):
            setattr(owner, name, with_account)


class Watch(selectors.DefaultSelector):
    """Where the loop waits: between two waits lies a turn."""

    def __init__(self, boards: Boards) -> None:
        super().__init__()
        self._boards = boards
        self._began = self._cpu = self._waited_cpu = 0.0
        self._late = 0.0
        self.clear()

    def clear(self) -> None:
        self.hold = self.cpu = 0.0
        self.turns = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        now, cpu = time.monotonic(), time.thread_time()
        if self._began:
            self.hold = max(self.hold, self._late + now - self._began)
            self.cpu = max(self.cpu, cpu - self._cpu)
            self.turns += 1
            self._boards.turned(cpu - self._waited_cpu)
        self._waited_cpu = cpu
        ready = super().select(timeout)
        self._began, self._cpu = time.monotonic(), time.thread_time()
        # Events that wake the loop may have waited for the interpreter as well; only where nothing was ready it is known for how long.
        waited = self._began - now
        self._late = max(0.0, waited - timeout) if timeout is not None and (not ready or timeout <= 0) else 0.0
        return ready


class Collections:
    """What the collector did to all objects."""

    def __init__(self) -> None:
        self._began = 0.0
        self.clear()
        gc.callbacks.append(self._heard)

    def clear(self) -> None:
        self.count, self.longest, self.objects, self.freed = 0, 0.0, 0, 0

    def _heard(self, phase: str, info: dict[str, int]) -> None:
        if info["generation"] != 2:
            return
        if phase == "start":
            self._objects = len(gc.get_objects(2))
            self._began = time.thread_time()
            return
        self.count += 1
        self.freed += info["collected"]
        self.objects = max(self.objects, self._objects)
        self.longest = max(self.longest, time.thread_time() - self._began)


def decoding() -> list[float]:
    """Grows with every CurrentDemandReq that the loop's thread decodes."""
    found: list[float] = []
    decode = Schema.decode_at_once

    def timed(schema: Schema[Any], *arguments: Any, **named: Any) -> Any:
        began = time.perf_counter()
        message = decode(schema, *arguments, **named)
        took = time.perf_counter() - began
        if type(getattr(message, "body", None)).__name__ == "CurrentDemandReq":
            found.append(1e6 * took)
        return message

    Schema.decode_at_once = timed  # type: ignore[assignment, method-assign]  # with the time
    return found


def main() -> int:
    configuration = Path(sys.argv[1])
    boards = Boards()
    watch, collections, decodes = Watch(boards), Collections(), decoding()
    report = configuration.parent / "watched.json"
    boards.account()

    def tell() -> None:
        facts: dict[str, Any] = {
            "board": boards.spent,
            "hold": 1000.0 * watch.hold,
            "cpu": 1000.0 * watch.cpu,
            "turns": watch.turns,
            "full": {
                "count": collections.count,
                "longest": 1000.0 * collections.longest,
                "objects": collections.objects,
                "freed": collections.freed,
            },
            "decodes": decodes[:],
        }
        beside = report.with_suffix(".new")
        beside.write_text(json.dumps(facts))
        beside.replace(report)
        watch.clear()
        collections.clear()
        decodes.clear()

    async def serve(*arguments: Any) -> int:
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, tell)
        try:
            return await served(*arguments)
        finally:
            tell()

    served, station.serve = station.serve, serve  # type: ignore[assignment]  # with a watch on it

    def run(program: Any) -> Any:
        with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(watch)) as runner:
            return runner.run(program)

    asyncio.run = run  # type: ignore[assignment]  # with the watch in the place of its selector
    return station.run(load(configuration, {}))


if __name__ == "__main__":
    sys.exit(main())
