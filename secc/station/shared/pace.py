"""What comes from cars is handled in order, for a bounded time in each turn of the event loop.

The loop runs everything that is ready before it looks at its timers again. Messages, or ends of
connections, of fifty outlets at the same moment would make one turn of fifty milliseconds or more,
and delay the heartbeats of all boards.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

from hal.ticker import Ticker

TURN_SECONDS = 0.002
"""Processor time of a turn for what cars say: about two of the longest steps."""


class Pace:
    """Shared by all connections of a station. ``take`` runs a call now, or after earlier ones;
    always in order.
    """

    def __init__(self, ticker: Ticker, clock: Callable[[], float] = time.thread_time) -> None:
        self._ticker = ticker
        self._tick = 0
        self._clock = clock
        self._waiting: deque[Callable[[], None]] = deque()
        self._spent = 0.0
        """Processor time since a call had to wait, or since the last tick. Turns that are over since
        then count, too, so that the end of a turn needs no call.
        """
        self._ahead: asyncio.Handle | None = None
        """The beginning of the loop's next turn, if a call waits for it."""
        self._running = False

    def take(self, call: Callable[[], None]) -> None:
        """Run a call: at once if this turn has time left and no call waits. A call made within a
        call always waits.
        """
        if self._tick != self._ticker.ticks:
            self._tick, self._spent = self._ticker.ticks, 0.0
        if self._running or self._waiting or self._spent >= TURN_SECONDS:
            self._waiting.append(call)
            if self._ahead is None:
                self._ahead = asyncio.get_running_loop().call_soon(self._turn)
        else:
            self._run(call)

    def _turn(self) -> None:
        self._ahead = None
        self._spent = 0.0
        try:
            while self._waiting and self._spent < TURN_SECONDS:
                self._run(self._waiting.popleft())
        finally:
            # Also after a bug, which the loop logs.
            if self._waiting and self._ahead is None:
                self._ahead = asyncio.get_running_loop().call_soon(self._turn)

    def _run(self, call: Callable[[], None]) -> None:
        self._running = True
        began = self._clock()
        try:
            call()
        finally:
            self._running = False
            self._spent += self._clock() - began
