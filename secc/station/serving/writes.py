"""What an outlet has to store, in order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from secc.errors import SeccError

log = logging.getLogger(__name__)


class Writes:
    """A queue of writes. All calls from the event loop's thread; a write that blocks uses a worker
    thread.
    """

    def __init__(self, outlet: str) -> None:
        self._outlet = outlet
        self._waiting: asyncio.Queue[Callable[[], Awaitable[Any]]] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._records: Writes | None = None

    def put(self, write: Callable[[], Awaitable[Any]]) -> None:
        """Queue ``write``. A write that fails is logged, and the next one is done."""
        self._waiting.put_nowait(write)
        if self._done:
            self._task = asyncio.get_running_loop().create_task(self._write_all(), name=f"{self._outlet} writes")

    def put_record(self, write: Callable[[], Awaitable[Any]]) -> None:
        """As ``put``, but only other records wait for this one: a trace may take long, and sessions
        have to be booked.
        """
        records = self._records = self._records or Writes(self._outlet)

        async def hand_over() -> None:
            records.put(write)

        self.put(hand_over)

    @property
    def idle(self) -> bool:
        """Whether everything is stored."""
        return self._done and (self._records is None or self._records.idle)

    @property
    def _done(self) -> bool:
        return self._task is None or self._task.done()

    async def close(self) -> None:
        """Wait until everything is stored."""
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
        if self._records is not None:
            await self._records.close()

    async def _write_all(self) -> None:
        while not self._waiting.empty():
            write = self._waiting.get_nowait()
            try:
                await write()
            except SeccError as error:
                log.error("outlet %s: %s", self._outlet, error)
            except Exception:
                log.exception("outlet %s: a bug in storing a session", self._outlet)
