"""One timer for everything that a process does ten times a second, so that the event loop wakes once for all of it.

Guards feed and watch their boards with it, power paths look at their levels. ``docs/decisions/beat.md`` says why it is built so.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Final

log = logging.getLogger(__name__)

TICK_SECONDS: Final = 0.1
"""Ten a second: twice the least that a board may expect of heartbeats."""

TOGETHER: Final = 8
TURN_SECONDS: Final = 0.0005
"""So many calls are made in one turn of the event loop, and more of them until so much time has passed: those of idle outlets take little. All calls
of a hundred outlets in one turn would hold up every car's answer."""


class Ticker:
    """Makes the calls that have joined, ten times a second and in the order in which they joined. To be used from the event loop's thread.

    A call that raises is logged, the first time in a row, and is made again with the next tick; it costs no other call its turn.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._calls: dict[Callable[[], None], int] = {}
        self.ticks = 0
        """How many there were. A tick comes last in its turn of the event loop, as timers do."""
        self._due: deque[Callable[[], None]] = deque()
        """Those that this tick has not come to yet."""
        self._failing: set[Callable[[], None]] = set()
        """Those that raised when they were last made. Logged ten times a second they would push everything else out of the log."""
        self._timer: asyncio.TimerHandle | None = None

    def join(self, call: Callable[[], None], *, every: int = 1) -> None:
        """From now on make this call with every tick, or with each of so many. Harmless when repeated."""
        self._calls[call] = every
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(TICK_SECONDS, self._tick)

    def leave(self, call: Callable[[], None]) -> None:
        """Do not make this call any more, from this moment on. Harmless when it has not joined."""
        self._calls.pop(call, None)
        self._failing.discard(call)
        if not self._calls and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(TICK_SECONDS, self._tick)
        # Where a tick takes longer than a tenth of a second the next one is left out, so that the last to join are called, too.
        if not self._due:
            self.ticks += 1
            self._due.extend([call for call, every in self._calls.items() if self.ticks % every == 0])
            self._go_on()

    def _go_on(self) -> None:
        until, made = self._clock() + TURN_SECONDS, 0
        while self._due and (made < TOGETHER or self._clock() < until):
            call, made = self._due.popleft(), made + 1
            if call in self._calls:
                try:
                    call()
                except (Exception, asyncio.CancelledError):
                    if call not in self._failing:
                        self._failing.add(call)
                        log.exception("a bug in what is done ten times a second")
                else:
                    if self._failing:
                        self._failing.discard(call)
        if self._due:
            asyncio.get_running_loop().call_soon(self._go_on)
