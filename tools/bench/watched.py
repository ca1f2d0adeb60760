"""``python -m tools.bench.watched CONFIG``: ``secc run`` with a watch on its event loop and an account of its
simulated boards.

On SIGUSR1 and at the end it writes to ``watched.json`` beside the configuration, since the last time:

* ``hold``: the longest time that a due timer had to wait, in milliseconds: the longest turn of the
  loop and the time by which it began late.
* ``cpu``: the longest turn in milliseconds of the loop's thread, which other processes cannot make
  longer.
* ``turns``: the number of turns.
* ``full``: the number of full collections, and the longest of them in milliseconds.
* ``decodes``: the times of decoding CurrentDemandReq on the loop's thread, in microseconds.

``board`` is the processor time of the simulated boards since the start, in seconds.

**Board apart.** A simulated board is firmware and world behind a wire (:mod:`hal.sim.link`). The
driver in front of the wire belongs to the station: a real board has one, too. The account runs while
the firmware performs a command or a heartbeat, and while a timer of world or firmware runs; it stops
while the driver hears the firmware. A turn of the loop in which nothing else ran counts for the
board as a whole, because only the board woke the loop.
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
    """The account of the simulated boards, in the loop's thread."""

    def __init__(self) -> None:
        self.spent = 0.0
        self._began: float | None = None
        self._spent_before = 0.0
        self._handles = self._own = 0

    def switch(self, call: F, *, inside: bool) -> F:
        """Returns ``call`` such that the account runs (``inside``) or stops during it, and afterwards goes on as
        before.
        """

        @functools.wraps(call)
        def counted(*arguments: Any, **named: Any) -> Any:
            before = self._began is not None
            self._run(inside)
            try:
                return call(*arguments, **named)
            finally:
                self._run(before)

        return counted  # type: ignore[return-value]  # the same parameters and result

    def _run(self, on: bool) -> None:
        if on == (self._began is not None):
            return
        now = time.thread_time()
        if self._began is not None:
            self.spent += now - self._began
        self._began = now if on else None

    def turned(self, cpu: float) -> None:
        """A turn of the loop has ended; it and the wait before it took so much processor time."""
        if self._own and self._own == self._handles:
            self.spent = self._spent_before + cpu
        self._spent_before, self._handles, self._own = self.spent, 0, 0

    def account(self) -> None:
        """Begin the account of all boards of this process."""
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

        LoopClock.call_at = call_at  # type: ignore[assignment, method-assign]
        asyncio.Handle._run = counted  # type: ignore[assignment, method-assign]


class Watch(selectors.DefaultSelector):
    """The loop's selector: a turn lies between two waits."""

    def __init__(self, boards: Boards) -> None:
        super().__init__()
        self._boards = boards
        self._began = self._cpu = self._waited_cpu = self._late = 0.0
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
        # If an event was ready, the time for which it waited is not known.
        waited = self._began - now
        self._late = max(0.0, waited - timeout) if timeout is not None and (not ready or timeout <= 0) else 0.0
        return ready


class Collections:
    """The full collections of the garbage collector."""

    def __init__(self) -> None:
        self._began = 0.0
        self.clear()
        gc.callbacks.append(self._heard)

    def clear(self) -> None:
        self.count, self.longest = 0, 0.0

    def _heard(self, phase: str, info: dict[str, int]) -> None:
        if info["generation"] != 2:
            return
        if phase == "start":
            self._began = time.thread_time()
            return
        self.count += 1
        self.longest = max(self.longest, time.thread_time() - self._began)


def decoding() -> list[float]:
    """Returns a list that grows with every CurrentDemandReq that the loop's thread decodes."""
    found: list[float] = []
    decode = Schema.decode_at_once

    def timed(schema: Schema[Any], *arguments: Any, **named: Any) -> Any:
        began = time.perf_counter()
        message = decode(schema, *arguments, **named)
        took = time.perf_counter() - began
        if type(getattr(message, "body", None)).__name__ == "CurrentDemandReq":
            found.append(1e6 * took)
        return message

    Schema.decode_at_once = timed  # type: ignore[assignment, method-assign]  # the same, timed
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
            "full": {"count": collections.count, "longest": 1000.0 * collections.longest},
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

    served, station.serve = station.serve, serve  # type: ignore[assignment]  # the same, watched

    def run(program: Any) -> Any:
        with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(watch)) as runner:
            return runner.run(program)

    asyncio.run = run  # type: ignore[assignment]  # with the watch as its selector
    return station.run(load(configuration, {}))


if __name__ == "__main__":
    sys.exit(main())
