"""One timer for all calls that a process makes ten times a second: the event loop wakes once for them.

Guards feed and watch their boards with it, and power paths look at levels. Reasons:
``docs/decisions/beat.md``.
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
"""Ten ticks a second. A board may expect five heartbeats a second at most."""

TOGETHER: Final = 8
TURN_SECONDS: Final = 0.0005
"""A turn of the event loop makes ``TOGETHER`` calls, and further ones until ``TURN_SECONDS`` have
passed. All calls of a hundred outlets in one turn would delay the answers to all cars.
"""


class Ticker:
    """Makes the calls that have joined ten times a second, in the order in which they joined. For the
    event loop's thread.

    A call that raises is made again with the next tick, and delays no other call. Only the first of
    its errors in a row is logged.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._calls: dict[Callable[[], None], int] = {}
        self.ticks = 0
        """Ticks so far. The event loop runs a tick last in its turn, as it does with timers."""
        self._due: deque[Callable[[], None]] = deque()
        """Calls of this tick that are not made yet."""
        self._failing: set[Callable[[], None]] = set()
        """Calls that raised when they were last made. They are not logged ten times a second."""
        self._timer: asyncio.TimerHandle | None = None

    def join(self, call: Callable[[], None], *, every: int = 1) -> None:
        """Make this call with every tick from now on, or with each ``every``-th. May be repeated."""
        self._calls[call] = every
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(TICK_SECONDS, self._tick)

    def leave(self, call: Callable[[], None]) -> None:
        """Stop making this call at once. A call that has not joined is ignored."""
        self._calls.pop(call, None)
        self._failing.discard(call)
        if not self._calls and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(TICK_SECONDS, self._tick)
        # A tick that takes longer than a tenth of a second replaces the next one; otherwise the calls
        # that joined last would never be made.
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
                        log.exception("a bug in a call that is made ten times a second")
                else:
                    if self._failing:
                        self._failing.discard(call)
        if self._due:
            asyncio.get_running_loop().call_soon(self._go_on)
