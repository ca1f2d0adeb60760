"""When the collector of garbage looks at all objects: not while power flows. See docs/decisions/event-loop.md for what was measured."""

from __future__ import annotations

import gc
import logging

log = logging.getLogger(__name__)

LOOK_SECONDS = 60.0
QUIET_SECONDS = 600.0
"""While nothing is going on, all objects are looked at this often."""
LONGEST_SECONDS = 24 * 3600.0
"""A station that always charges somewhere collects once a day all the same, so that no garbage in circles grows for ever."""
NEVER = 2**31 - 1


class Collector:
    """Collects all objects when :meth:`look` finds that it may; Python itself goes on with the young ones, which takes a millisecond or two.

    By itself Python looks at all objects again and again while sessions begin, whenever their number has grown by a quarter. Each time the
    interpreter, and with it every outlet's heartbeat, stands still, and next to nothing is freed: what a session leaves behind goes by
    reference counts.
    """

    def __init__(self, now: float) -> None:
        self._collected_at = now
        young, middle, _ = gc.get_threshold()
        gc.set_threshold(young, middle, NEVER)

    def look(self, now: float, *, idle: bool) -> bool:
        """To be called now and then. ``idle``: no contactor is closed, and no session runs. Whether it has collected."""
        since = now - self._collected_at
        if since < (QUIET_SECONDS if idle else LONGEST_SECONDS):
            return False
        if not idle:
            log.info("garbage is collected with power on: there was no quiet moment for %.0f hours", since / 3600.0)
        self._collected_at = now
        gc.collect()
        return True
