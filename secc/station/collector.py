"""When the garbage collector looks at all objects: not while power flows.
``docs/decisions/event-loop.md`` has the measurements.
"""

from __future__ import annotations

import gc
import logging
import resource

log = logging.getLogger(__name__)

LOOK_SECONDS = 60.0
QUIET_SECONDS = 600.0
"""Least time between two collections."""
GROWN_OCTETS = 64 * 1024 * 1024
"""A station that is never idle collects when its memory has grown by this much since the last
collection. No known garbage grows that far.
"""
YOUNG, MIDDLE, NEVER = 700, 10, 2**31 - 1
"""Thresholds of the three generations (``gc.set_threshold``)."""


class Collector:
    """Collects all objects when :meth:`look` allows it. Python itself collects only young objects,
    which takes a millisecond or two.

    Otherwise Python would look at all objects whenever their number has grown by a quarter, which
    is often while sessions begin. Each time the interpreter stands still, with every outlet's
    heartbeat, and almost nothing is freed, because reference counts free what a session leaves
    behind.
    """

    def __init__(self, now: float) -> None:
        self._collected_at = now
        self._peak = peak()
        gc.set_threshold(YOUNG, MIDDLE, NEVER)

    def look(self, now: float, *, idle: bool) -> bool:
        """Collect if it is time. ``idle``: no contactor is closed, and no session runs. Returns
        whether it has collected.
        """
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
    """Returns the most memory that the process has taken, in octets."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
