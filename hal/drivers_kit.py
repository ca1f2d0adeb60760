"""Parts of an outlet with separate drivers: a meter on a bus, an insulation monitor, a supply.

:mod:`hal.compose` combines them with a board that has the pilot. A part polls its device by itself,
reports events through ``tell``, and keeps trying when the device does not answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol

from hal.errors import HalError, HalLost, HalTimeout
from hal.events import BoardEvent
from hal.faults import ActiveFaults

log = logging.getLogger(__name__)

Tell = Callable[[BoardEvent], None]

FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 10.0


class Part(Protocol):
    """The interface of a part to :mod:`hal.compose`, beside its port."""

    async def open(self, tell: Tell) -> None:
        """Begin; at most 4 s. A device that does not answer is a fault and not an error, unless the
        part says otherwise.

        Raises HalUnsupported and HalRejected for a configuration that can never work.
        """

    async def close(self) -> None:
        """Leave the device in its safe state, and release it. Never raises."""

    @property
    def faults(self) -> ActiveFaults: ...


@contextlib.asynccontextmanager
async def within(seconds: float, text: str, error: type[HalError] = HalTimeout) -> AsyncIterator[None]:
    """Cancel the block after this time, and raise ``error`` with ``text``."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise error(text) from None


class Poller:
    """Polls a device periodically, with growing pauses while it does not answer.

    ``lost`` is called once when there has been no good answer for ``patience`` seconds, ``found``
    at the first one after that. ``period`` may be changed at any time; :meth:`wake` polls at once.
    """

    def __init__(
        self,
        ask: Callable[[], Awaitable[object]],
        *,
        period: float,
        patience: float,
        lost: Callable[[HalError], None],
        found: Callable[[], None],
    ) -> None:
        self.period = period
        self.patience = patience
        self._ask = ask
        self._lost = lost
        self._found = found
        self._is_lost = False
        self._failures = 0
        self._answered_at: float | None = None
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Poll once, then go on in the background. A device that does not answer the first time is
        lost from the start.
        """
        await self._turn()
        self._task = asyncio.get_running_loop().create_task(self._run(), name="poller")

    async def stop(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    @property
    def running(self) -> bool:
        return self._task is not None

    def wake(self) -> None:
        """Poll now instead of after the pause."""
        self._wake.set()

    async def _run(self) -> None:
        while True:
            pause = self.period
            if self._failures:
                pause = min(FIRST_PAUSE_SECONDS * 2.0 ** min(self._failures - 1, 10), LONGEST_PAUSE_SECONDS)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            self._wake.clear()
            await self._turn()

    async def _turn(self) -> None:
        try:
            await self._ask()
        except HalError as error:
            self._failed(error)
        except Exception as error:  # a bug in a driver must not end the polling of its device
            log.exception("polling failed")
            self._failed(HalLost(f"the driver failed: {error!r}"))
        else:
            self._failures = 0
            self._answered_at = asyncio.get_running_loop().time()
            if self._is_lost:
                self._is_lost = False
                self._found()

    def _failed(self, error: HalError) -> None:
        self._failures += 1
        log.debug("no good answer (%d in a row): %s", self._failures, error)
        now = asyncio.get_running_loop().time()
        silent = self._answered_at is None or now - self._answered_at >= self.patience
        if silent and not self._is_lost:
            self._is_lost = True
            self._lost(error)
