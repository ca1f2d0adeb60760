"""When the collector of garbage looks at all objects: not while power flows. See docs/decisions/event-loop.md for what was measured."""

from __future__ import annotations

import gc
import logging
import resource

log = logging.getLogger(__name__)

LOOK_SECONDS = 60.0
QUIET_SECONDS = 600.0
"""Between two collections, at least."""
GROWN_OCTETS = 64 * 1024 * 1024
"""A station that is never idle collects when its memory has grown by so much since the last time: no known garbage does that."""
YOUNG, MIDDLE, NEVER = 700, 10, 2**31 - 1
"""Thresholds of the three generations (gc.set_threshold)."""


class Collector:
    """Collects all objects when :meth:`look` finds that it may; Python itself goes on with the young ones, which takes a millisecond or two.

    By itself Python looks at all objects again and again while sessions begin, whenever their number has grown by a quarter. Each time the
    interpreter, and with it every outlet's heartbeat, stands still, and next to nothing is freed: what a session leaves behind goes by
    reference counts.
    """

    def __init__(self, now: float) -> None:
        self._collected_at = now
        self._peak = peak()
        gc.set_threshold(YOUNG, MIDDLE, NEVER)

    def look(self, now: float, *, idle: bool) -> bool:
        """To be called now and then. ``idle``: no contactor is closed, and no session runs. Whether it has collected."""
        if now - self._collected_at < QUIET_SECONDS:
            return False
        if not idle and (grown := peak() - self._peak) < GROWN_OCTETS:
            return False
        if not idle:
            log.warning("garbage is collected with power on: memory has grown by %.0f MiB", grown / 2**20)
        self._collected_at = now
        gc.collect()
        self._peak = peak()
        return True


def peak() -> int:
    """The most memory that the process has taken, octets."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
