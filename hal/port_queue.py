"""Commands to a port of the hardware, in order, without a caller that waits for them.

One command of a queue is under way, the rest wait. A safe command (supply off, contactor open) drops what waits,
cancels what is under way, and goes at once. Where a newer command makes an older waiting one pointless (a new target
for the supply), it takes its place.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from hal.errors import HalError

log = logging.getLogger(__name__)

Command = Callable[[], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class CommandFailed:
    """A port raised ``HalError`` on ``command``, named by what ordered it; ``text`` is what the port said."""

    command: str
    text: str = ""


@dataclass(slots=True)
class _Order:
    name: str
    command: Command
    done: Callable[[Any], None] | None
    failed: Callable[[CommandFailed], None]
    replaceable: bool


class PortQueue:
    """One port's commands. All calls from the event loop's thread. ``broken`` hears of a bug in a driver."""

    def __init__(self, name: str, *, broken: Callable[[BaseException], None]) -> None:
        self._name = name
        self._broken = broken
        self._waiting: deque[_Order] = deque()
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    def order(
        self,
        name: str,
        command: Command,
        *,
        done: Callable[[Any], None] | None = None,
        failed: Callable[[CommandFailed], None],
        replaceable: bool = False,
        safe: bool = False,
    ) -> None:
        """Queue ``command``. ``done`` hears its result, ``failed`` its HalError; of a command that was dropped neither hears."""
        order = _Order(name, command, done, failed, replaceable)
        if self._closed:
            failed(CommandFailed(name, f"{self._name}: closed"))
            return
        if safe:
            self._waiting.clear()
            if self._task is not None:
                self._task.cancel()
                self._task = None
        elif replaceable and self._waiting and self._waiting[-1].name == name:
            self._waiting.pop()
        self._waiting.append(order)
        self._next()

    def _next(self) -> None:
        if self._task is None and self._waiting:
            order = self._waiting.popleft()
            self._task = asyncio.get_running_loop().create_task(self._run(order), name=f"{self._name}:{order.name}")

    async def _run(self, order: _Order) -> None:
        me = asyncio.current_task()
        try:
            result = await order.command()
        except HalError as error:
            log.warning("%s: %s failed: %s", self._name, order.name, error)
            self._finish(me)
            order.failed(CommandFailed(order.name, str(error)))
        except asyncio.CancelledError:
            raise
        except Exception as error:
            log.exception("%s: a bug in %s", self._name, order.name)
            self._finish(me)
            self._broken(error)
        else:
            self._finish(me)
            if order.done is not None:
                order.done(result)

    def _finish(self, me: asyncio.Task[None] | None) -> None:
        if self._task is me:
            self._task = None
            self._next()

    async def close(self) -> None:
        """Cancel what is under way; from now on every order fails."""
        self._closed = True
        self._waiting.clear()
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
