"""The one writer of traces of the process.

Sessions that end by one cause end together, and their traces are written while other cars still
charge. So one writer renders them one after the other, in steps on the thread for Python work, and
stores them on the thread of the disk.

The memory of waiting traces has a limit, because a full ring takes a tenth of a second of processor
time to render. Beyond it the oldest trace of a session that ended well is dropped, or else the
oldest trace.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

from secc.session.durable import StorageFailed
from secc.station.shared.heap import trim
from secc.station.shared.work import WorkThread
from secc.trace.files import TraceDirectory, render

log = logging.getLogger(__name__)

FIRST_SECONDS = 0.2
"""From the end of a session to the rendering: contactors open first."""


@dataclass(slots=True, eq=False)
class _Waiting:
    name: str
    octets: int
    lines: Iterator[str]
    well: bool
    stored: asyncio.Future[Path | None]

    def settle(self, path: Path | None) -> None:
        if not self.stored.done():
            self.stored.set_result(path)


class TraceWriter:
    """All calls from the event loop's thread. ``disk`` is a single thread; ``most_octets`` limits
    the memory of waiting traces.
    """

    def __init__(self, directory: TraceDirectory, work: WorkThread, disk: Executor, most_octets: int) -> None:
        self._directory = directory
        self._work = work
        self._disk = disk
        self._most_octets = most_octets
        self._waiting: deque[_Waiting] = deque()
        self._task: asyncio.Task[None] | None = None

    def put(self, name: str, octets: int, lines: Iterator[str], *, well: bool) -> asyncio.Future[Path | None]:
        """Render and store a trace whose ring has about ``octets`` of memory; ``well``: its session
        ended well.

        The result is the file; None if the trace was dropped or could not be written, which is
        logged.
        """
        waiting = _Waiting(name, octets, lines, well, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        while len(self._waiting) > 1 and sum(one.octets for one in self._waiting) > self._most_octets:
            dropped = next((one for one in self._waiting if one.well), self._waiting[0])
            self._waiting.remove(dropped)
            log.warning("trace dropped, too many wait to be written: %s", dropped.name)
            dropped.settle(None)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._write_all(), name="traces")
        return waiting.stored

    async def _write_all(self) -> None:
        await asyncio.sleep(FIRST_SECONDS)
        while self._waiting:
            one = self._waiting.popleft()
            path = None
            # Log it here: an error that is passed on keeps the frames in which it was raised, and
            # with them data of the car.
            try:
                path = await self._write(one.name, one.lines)
            except StorageFailed as error:
                log.error("trace not written: %s", error)
            except Exception:
                log.exception("a bug in writing trace %s", one.name)
            one.settle(path)
            del one

    async def _write(self, name: str, lines: Iterator[str]) -> Path:
        octets = await self._work.in_steps(render, lines, self._directory.cap_octets)
        return await asyncio.get_running_loop().run_in_executor(self._disk, self._store, name, octets)

    def _store(self, name: str, octets: bytes) -> Path:
        """Runs on the disk's thread. After the last trace it returns free memory to the system."""
        try:
            return self._directory.store(name, octets)
        finally:
            if not self._waiting:
                trim()
