"""How late a busy machine wakes its processes: what a bound on the real clock has to forgive."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

STEP_SECONDS = 0.01


class Lateness:
    """The longest that a sleeping thread of this process was woken too late, in seconds."""

    def __init__(self) -> None:
        self.worst = 0.0

    def watch(self, over: threading.Event) -> None:
        while not over.is_set():
            due = time.monotonic() + STEP_SECONDS
            time.sleep(STEP_SECONDS)
            self.worst = max(self.worst, time.monotonic() - due)


@contextlib.contextmanager
def watched() -> Iterator[Lateness]:
    """Measures while the block runs. What is timed has to be another process, or to let go of the interpreter while it takes its time."""
    lateness, over = Lateness(), threading.Event()
    thread = threading.Thread(target=lateness.watch, args=(over,), daemon=True)
    thread.start()
    try:
        yield lateness
    finally:
        over.set()
        thread.join()
