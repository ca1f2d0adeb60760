"""The one writer of traces of the process.

Sessions that end by one cause end together, and all of them want their trace written while other cars still charge. So there is one writer: it
renders in steps on the thread for Python work, stores on the thread of the disk, and does one trace after the other.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

from secc.station.shared.heap import trim
from secc.station.shared.work import WorkThread
from secc.trace.files import TraceDirectory, render

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Waiting:
    name: str
    lines: Iterator[str]
    octets: int
    stored: asyncio.Future[Path | None]


class TraceWriter:
    """All calls from the event loop's thread. ``disk`` is a single thread."""

    def __init__(self, directory: TraceDirectory, work: WorkThread, disk: Executor) -> None:
        self._directory = directory
        self._work = work
        self._disk = disk
        self._waiting: deque[_Waiting] = deque()
        self._task: asyncio.Task[None] | None = None

    async def write(self, name: str, lines: Iterator[str], octets: int) -> Path | None:
        """Render and store a trace whose ring took about so many octets of memory; where it lies. Raises StorageFailed.

        None if it was given up: more wait than the directory may hold, and of those the oldest go first, as they would there.
        """
        waiting = _Waiting(name, lines, octets, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._give_up()
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._write_all(), name="traces")
        return await waiting.stored

    def _give_up(self) -> None:
        total = sum(one.octets for one in self._waiting)
        while total > self._directory.cap_octets and len(self._waiting) > 1:
            oldest = self._waiting.popleft()
            total -= oldest.octets
            log.warning("trace dropped, too many wait to be written: %s", oldest.name)
            _settle(oldest, None)

    async def _write_all(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            one = self._waiting.popleft()
            try:
                octets = await self._work.in_steps(render, one.lines, self._directory.cap_octets)
                path = await loop.run_in_executor(self._disk, self._store, one.name, octets)
            except Exception as error:  # noqa: BLE001  # the caller that waits gets it
                _settle(one, error)
            else:
                _settle(one, path)
            del one

    def _store(self, name: str, octets: bytes) -> Path:
        """On the disk's thread; behind the last, what rendering took of memory is given back."""
        try:
            return self._directory.store(name, octets)
        finally:
            if not self._waiting:
                trim()


def _settle(waiting: _Waiting, result: Path | Exception | None) -> None:
    if waiting.stored.done():
        return  # no caller waits any more
    if isinstance(result, Exception):
        waiting.stored.set_exception(result)
    else:
        waiting.stored.set_result(result)
