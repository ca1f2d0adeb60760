"""``python -m tools.bench.watched CONFIG``: the station of ``secc run``, with a watch on its event loop.

Whenever SIGUSR1 comes, and at the end, what the watch has seen since the last time is written to ``holds.json`` beside the configuration:

* ``hold``: the longest time for which a timer that was due would have had to wait: the turn of the loop, and how late it began. Milliseconds.
* ``cpu``: the longest turn in processor time of the loop's own thread, which other processes do not make longer.
* ``full``: how often the collector looked at all objects, how long that took at most, at how many, and how many it freed.
"""

from __future__ import annotations

import asyncio
import gc
import json
import selectors
import signal
import sys
import time
from pathlib import Path
from typing import Any

from secc.config import load
from secc.station import station


class Watch(selectors.DefaultSelector):
    """Where the loop waits: between two waits lies a turn."""

    def __init__(self) -> None:
        super().__init__()
        self._began = self._cpu = 0.0
        self._late = 0.0
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
        ready = super().select(timeout)
        self._began, self._cpu = time.monotonic(), time.thread_time()
        # Events that wake the loop may have waited for the interpreter as well; only where nothing was ready it is known for how long.
        waited = self._began - now
        self._late = max(0.0, waited - timeout) if timeout is not None and (not ready or timeout <= 0) else 0.0
        return ready


class Collections:
    """What the collector did to all objects."""

    def __init__(self) -> None:
        self._began = 0.0
        self.clear()
        gc.callbacks.append(self._heard)

    def clear(self) -> None:
        self.count, self.longest, self.objects, self.freed = 0, 0.0, 0, 0

    def _heard(self, phase: str, info: dict[str, int]) -> None:
        if info["generation"] != 2:
            return
        if phase == "start":
            self._objects = len(gc.get_objects(2))
            self._began = time.thread_time()
            return
        self.count += 1
        self.freed += info["collected"]
        self.objects = max(self.objects, self._objects)
        self.longest = max(self.longest, time.thread_time() - self._began)


def main() -> int:
    configuration = Path(sys.argv[1])
    watch, collections = Watch(), Collections()
    report = configuration.parent / "holds.json"

    def tell() -> None:
        facts: dict[str, Any] = {
            "hold": 1000.0 * watch.hold,
            "cpu": 1000.0 * watch.cpu,
            "turns": watch.turns,
            "full": {
                "count": collections.count,
                "longest": 1000.0 * collections.longest,
                "objects": collections.objects,
                "freed": collections.freed,
            },
        }
        beside = report.with_suffix(".new")
        beside.write_text(json.dumps(facts))
        beside.replace(report)
        watch.clear()
        collections.clear()

    async def serve(*arguments: Any) -> int:
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, tell)
        try:
            return await served(*arguments)
        finally:
            tell()

    served, station.serve = station.serve, serve  # type: ignore[assignment]  # with a watch on it

    def run(program: Any) -> Any:
        with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(watch)) as runner:
            return runner.run(program)

    asyncio.run = run  # type: ignore[assignment]  # with the watch in the place of its selector
    return station.run(load(configuration, {}))


if __name__ == "__main__":
    sys.exit(main())
