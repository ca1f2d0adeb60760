"""Commands to a port of the hardware, in order; their callers do not wait.

One command of a queue is under way, the rest wait. A safe command (supply off, contactor open)
drops what waits, cancels what is under way, and goes at once. A newer command that is
``replaceable`` (a new target for the supply) replaces an older one that still waits.

Several callers may want a port to be safe, and one command is enough for them: a safe command
ordered ``once`` is joined while it is under way, and not repeated while it holds. It holds from its
confirmation until another command is sent, or until its effect may have ended.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import field
from typing import Any

from frozen import dataclass
from hal.errors import HalError, HalLost, HalRejected

log = logging.getLogger(__name__)

Command = Callable[[], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class CommandFailed:
    """A port raised ``HalError`` on ``command``, by the name it was ordered under; ``text`` is the
    error's.
    """

    command: str
    text: str = ""


class Overtaken(HalRejected):
    """The command was dropped: a safe one overtook it, a newer one replaced it, or the queue was
    closed.
    """


class Called(asyncio.Future[Any]):
    """The result of a command. ``complaint`` is a done callback for an error alone: a command that
    succeeds needs no further turn of the loop to report it.
    """

    complaint: Callable[[Called], None] | None = None


@dataclasses.dataclass(slots=True, eq=False)
class _Order:
    name: str
    command: Command
    replaceable: bool
    safe: bool
    heard: list[Called] = field(default_factory=list)
    """The future of each caller that joined."""
    doubted: bool = False

    @property
    def wanted(self) -> bool:
        """False if every caller that waited has been cancelled."""
        return self.safe or not all(called.cancelled() for called in self.heard)

    def settle(self, result: Any, error: Exception | None = None) -> None:
        """Give every caller the result, or the error."""
        heard, self.heard = self.heard, []
        for called in heard:
            if called.done():
                continue
            if error is None:
                called.set_result(result)
                continue
            if called.complaint is not None:
                called.add_done_callback(called.complaint)
            called.set_exception(error)
            # It has been logged: a failed future need not be awaited.
            called.exception()


class PortQueue:
    """One port's commands. All calls from the event loop's thread. ``broken`` is called with bugs
    in a driver (:meth:`order`).
    """

    def __init__(self, name: str, *, broken: Callable[[BaseException], None] = lambda _: None) -> None:
        self._name = name
        self._broken = broken
        self._waiting: deque[_Order] = deque()
        self._going: _Order | None = None
        self._task: asyncio.Task[None] | None = None
        self._held: tuple[str, float] | None = None
        """The last command, if it was a safe one and is confirmed, with the time of its
        confirmation.
        """
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
        """Queue ``command``, and report its outcome as :func:`tell` does."""
        called = self.call(name, command, replaceable=replaceable, safe=safe)
        tell(called, name, done=done, failed=failed, broken=self._broken)

    def call(
        self, name: str, command: Command, *, replaceable: bool = False, safe: bool = False, once: bool = False
    ) -> Called:
        """Queue ``command``, named ``name``. Returns the future of its result, which always
        completes.

        ``once`` is for safe commands: not sent if the same one is under way or holds. Cancelling
        the future takes back a command that waits and is not safe; a command under way goes on,
        because others may have joined. The future raises what the port raises, and Overtaken.
        """
        called = Called(loop=asyncio.get_running_loop())
        order = _Order(name, command, replaceable, safe, [called])
        if self._closed:
            order.settle(None, HalLost(f"{self._name}: closed"))
        elif safe:
            self._overtake(order, once=once)
        else:
            if replaceable and self._waiting and self._waiting[-1].name == name:
                self._waiting.pop().settle(None, Overtaken(f"{self._name}: a newer {name} replaced it"))
            self._waiting.append(order)
            self._next()
        return called

    def _overtake(self, order: _Order, *, once: bool) -> None:
        self._drop(f"{order.name} has come")
        going = self._going
        if once and self._held is not None and self._held[0] == order.name:
            order.settle(None)
            return
        if going is not None and going.safe and going.name == order.name:
            if once and not going.doubted:
                going.heard += order.heard
                return
            # It is sent anew. Callers that wait for the one before get the result of this one.
            order.heard, going.heard = going.heard + order.heard, []
        self._cut(f"{order.name} has come")
        self._waiting.append(order)
        self._next()

    def _drop(self, reason: str) -> None:
        waiting = list(self._waiting)
        self._waiting.clear()
        for order in waiting:
            order.settle(None, Overtaken(f"{self._name}: {reason}"))

    def _cut(self, reason: str) -> asyncio.Task[None] | None:
        """Cancel what is under way."""
        going, task = self._going, self._task
        self._going = self._task = None
        if going is not None and task is not None:
            task.cancel()
            task.add_done_callback(self._cut_short)
            going.settle(None, Overtaken(f"{self._name}: {reason}"))
        return task

    def _cut_short(self, task: asyncio.Task[None]) -> None:
        """A driver that ignored the cancelling may have sent its command after the safe command
        that overtook it.
        """
        if not task.cancelled():
            self.doubt()

    def _next(self) -> None:
        while self._task is None and self._waiting:
            order = self._waiting.popleft()
            if order.wanted:
                self._going = order
                self._held = None
                name = f"{self._name}:{order.name}"
                self._task = asyncio.get_running_loop().create_task(self._run(order), name=name)

    async def _run(self, order: _Order) -> None:
        result: Any = None
        error: Exception | None = None
        try:
            result = await order.command()
        except HalError as failure:
            log.warning("%s: %s failed: %s", self._name, order.name, failure)
            error = failure
        except asyncio.CancelledError:
            if self._going is not order:
                raise
            error = HalLost(f"{self._name}: {order.name} was cut short")
        except Exception as bug:
            log.exception("%s: a bug in %s", self._name, order.name)
            error = bug
        if self._going is order:
            self._going = self._task = None
            if order.safe and error is None and not order.doubted:
                self._held = (order.name, asyncio.get_running_loop().time())
            self._next()
        order.settle(result, error)

    # What holds

    def doubt(self, *, under_way: bool = True) -> None:
        """The port may no longer be in the confirmed state: send the next safe command in any case.

        ``under_way``: a command that is under way is not joined either.
        """
        self._held = None
        if self._going is not None:
            self._going.doubted |= under_way

    @property
    def held_since(self) -> float | None:
        """When the safe command that holds was confirmed (monotonic seconds); None if none holds."""
        return self._held[1] if self._held is not None else None

    async def close(self) -> None:
        """Cancel the command that is under way; every later order fails."""
        self._closed = True
        self._drop("closed")
        task = self._cut("closed")
        if task is not None:
            await asyncio.gather(task, return_exceptions=True)


def tell(
    called: Called,
    name: str,
    *,
    done: Callable[[Any], None] | None = None,
    failed: Callable[[CommandFailed], None],
    broken: Callable[[BaseException], None],
) -> None:
    """Report the outcome of a command: its result, the port's error, or a bug in the driver.

    A command that was dropped or taken back is not reported.
    """

    def told(called: asyncio.Future[Any]) -> None:
        if called.cancelled():
            return
        match called.exception():
            case None:
                if done is not None:
                    done(called.result())
            case Overtaken():
                pass
            case HalError() as error:
                failed(CommandFailed(name, str(error)))
            case bug:
                broken(bug)

    if done is None and not called.done():
        called.complaint = told
    else:
        called.add_done_callback(told)
