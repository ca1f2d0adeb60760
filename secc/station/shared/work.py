"""The one thread of the process for Python work that takes longer than 100 µs.

Twenty threads that run Python starve the event loop for half a second and more, because each keeps
the interpreter for five milliseconds; a single one costs the loop ten to twenty. So what would hold
the loop (decoding of larger messages, contract chains, compiling, rendering traces) queues here,
for every outlet. Work that releases the interpreter (private keys, handshakes, disks) has threads
of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Executor, Future, InvalidStateError
from typing import Any, ParamSpec, TypeVar, cast

P = ParamSpec("P")
T = TypeVar("T")

PAUSE_SECONDS = 0.0002
"""Pause between two calls or steps, in which the event loop takes the interpreter at once."""


SWITCH_SECONDS = 0.001
"""Python's switch interval. With the default of 5 ms each system call of the loop waits that long
while this thread decodes.
"""


def share_interpreter() -> None:
    """Let no thread keep the interpreter for long while another one waits for it."""
    sys.setswitchinterval(SWITCH_SECONDS)


class _Job:
    """A call, or the steps of one, and the future of its result."""

    __slots__ = ("call", "future", "steps")

    def __init__(self, call: Callable[[], Any]) -> None:
        self.call = call
        self.future: Future[Any] = Future()
        self.steps: Iterator[None] | None = None


class WorkThread(Executor):
    """``submit`` queues a short call that a caller waits for; short calls run in order.

    ``long.submit`` queues a generator function: its steps run one by one while no short call waits,
    and its return value is the result. Both are executors for ``loop.run_in_executor``.
    """

    def __init__(self, name: str = "python-work") -> None:
        self.long: Executor = _Long(self)
        self._name = name
        self._turn = threading.Condition()
        self._short: deque[_Job] = deque()
        self._long: deque[_Job] = deque()
        self._thread: threading.Thread | None = None
        self._closed = False

    def submit(self, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Raises RuntimeError after ``shutdown``."""
        return self._put(self._short, _Job(lambda: call(*args, **kwargs)))

    def in_steps(self, call: Callable[..., Generator[None, None, T]], *args: Any) -> asyncio.Future[T]:
        """Run a generator function by ``long``. Returns a future of the event loop."""
        return cast("asyncio.Future[T]", asyncio.get_running_loop().run_in_executor(self.long, call, *args))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls. Queued ones are done first; with ``cancel_futures`` only the step
        under way is.
        """
        with self._turn:
            self._closed = True
            if cancel_futures:
                for job in (*self._short, *self._long):
                    # A job that ends at this moment keeps its result.
                    if not job.future.cancel():
                        with contextlib.suppress(InvalidStateError):
                            job.future.set_exception(RuntimeError(f"{self._name} is closed"))
                self._short.clear()
                self._long.clear()
            self._turn.notify()
        if wait and self._thread is not None:
            self._thread.join()

    def _put(self, queue: deque[_Job], job: _Job) -> Future[Any]:
        with self._turn:
            if self._closed:
                raise RuntimeError(f"{self._name} is closed")
            queue.append(job)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            self._turn.notify()
        return job.future

    def _run(self) -> None:
        while True:
            with self._turn:
                while not (self._short or self._long):
                    if self._closed:
                        return
                    self._turn.wait()
                short = bool(self._short)
                job = self._short.popleft() if short else self._long[0]
            if short:
                _do(job)
            else:
                over = _step(job)
                with self._turn:
                    if over and self._long and self._long[0] is job:
                        self._long.popleft()
            # The waiting thread must not keep data of a car's message.
            del job
            time.sleep(PAUSE_SECONDS)


class _Long(Executor):
    """The queue of long work, as an executor."""

    def __init__(self, work: WorkThread) -> None:
        self._work = work

    def submit(self, call: Callable[P, Any], /, *args: P.args, **kwargs: P.kwargs) -> Future[Any]:
        return self._work._put(self._work._long, _Job(lambda: call(*args, **kwargs)))


def _do(job: _Job) -> None:
    if not job.future.set_running_or_notify_cancel():
        return
    try:
        result = job.call()
    except BaseException as error:  # noqa: BLE001  # the caller that waits gets it
        job.future.set_exception(_bare(error))
    else:
        job.future.set_result(result)


def _bare(error: BaseException) -> BaseException:
    """Returns the error without the frame that caught it. That frame holds the future, and the
    future the error, so both would stay until the next collection.
    """
    return error.with_traceback(error.__traceback__ and error.__traceback__.tb_next)


def _step(job: _Job) -> bool:
    """Run one step. Returns True after the last."""
    try:
        if job.steps is None:
            if not job.future.set_running_or_notify_cancel():
                return True
            job.steps = iter(job.call())
        next(job.steps)
    except StopIteration as end:
        result, error = end.value, None
    except BaseException as raised:  # noqa: BLE001  # the same
        result, error = None, _bare(raised)
    else:
        return False
    # ``shutdown`` may have set an error already.
    with contextlib.suppress(InvalidStateError):
        if error is None:
            job.future.set_result(result)
        else:
            job.future.set_exception(error)
    return True
