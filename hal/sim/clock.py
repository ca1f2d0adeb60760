"""Clocks: the event loop's, and one that runs faster.

The world gets its time and its timers from a :class:`Clock` only. On a :class:`VirtualLoop` whole
asyncio programs, the station included, run as fast as they compute: its time jumps from timer to
timer.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, Protocol, TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Call(Protocol):
    """A call scheduled with a clock."""

    def cancel(self) -> None: ...


class Clock(Protocol):
    """Monotonic seconds, and scheduled calls."""

    def now(self) -> float: ...
    def call_at(self, when: float, call: Callable[[], None]) -> Call: ...


class LoopClock:
    """The time of an asyncio event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._loop = loop if loop is not None else asyncio.get_running_loop()

    def now(self) -> float:
        return self._loop.time()

    def call_at(self, when: float, call: Callable[[], None]) -> Call:
        return self._loop.call_at(when, call)


class ScaledClock:
    """Another clock, ``speed`` times as fast."""

    def __init__(self, clock: Clock, speed: float) -> None:
        if not speed > 0:
            raise ValueError(f"a clock cannot run at speed {speed}")
        self._clock = clock
        self.speed = speed

    def now(self) -> float:
        return self._clock.now() * self.speed

    def call_at(self, when: float, call: Callable[[], None]) -> Call:
        return self._clock.call_at(when / self.speed, call)

    def outside(self, when: float) -> float:
        """The moment ``when`` of this clock, on the clock that it was made from."""
        return when / self.speed


class _JumpingSelector(selectors.SelectSelector):
    """Advances the loop's time instead of waiting."""

    def __init__(self) -> None:
        super().__init__()
        self.loop: VirtualLoop | None = None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        loop = self.loop
        if loop is None or timeout is None or timeout <= 0:
            return super().select(timeout)
        if loop.threads:
            # A worker thread needs real time. Virtual time stands still until it ends, which wakes
            # the selector.
            return super().select(1.0)
        ready = super().select(0)
        if not ready:
            loop.jump(timeout)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in which waiting takes no time. Deterministic unless it waits for something
    outside.
    """

    def __init__(self, start: float = 1000.0) -> None:
        self._virtual_now = start
        self.threads = 0
        selector = _JumpingSelector()
        super().__init__(selector)
        selector.loop = self

    def time(self) -> float:
        return self._virtual_now

    def jump(self, seconds: float) -> None:
        """Advance the time."""
        self._virtual_now += seconds

    def run_in_executor(self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:
        """As in any loop; virtual time stands still while the thread runs."""
        future = super().run_in_executor(executor, func, *args)
        self.threads += 1

        def done(_: asyncio.Future[T]) -> None:
            self.threads -= 1

        future.add_done_callback(done)
        return future


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """``asyncio.run`` in virtual time, for tests."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
