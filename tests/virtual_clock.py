"""A clock for tests without an event loop."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable

from hal.sim.clock import Call


class _Entry:
    __slots__ = ("call",)

    def __init__(self, call: Callable[[], None]) -> None:
        self.call: Callable[[], None] | None = call

    def cancel(self) -> None:
        self.call = None


class VirtualClock:
    """Time that passes only when :meth:`advance` says so; calls run in order of their moment, each at exactly that moment."""

    def __init__(self, start: float = 0.0) -> None:
        self._now = start
        self._order = itertools.count()
        self._calls: list[tuple[float, int, _Entry]] = []

    def now(self) -> float:
        return self._now

    def call_at(self, when: float, call: Callable[[], None]) -> Call:
        entry = _Entry(call)
        heapq.heappush(self._calls, (max(when, self._now), next(self._order), entry))
        return entry

    def advance(self, seconds: float) -> None:
        """Let this much time pass. ValueError for a negative amount: time has one direction."""
        if seconds < 0:
            raise ValueError(f"cannot advance by {seconds} s")
        end = self._now + seconds
        while self._calls and self._calls[0][0] <= end:
            when, _, entry = heapq.heappop(self._calls)
            if entry.call is not None:
                self._now = when
                entry.call()
        self._now = end
