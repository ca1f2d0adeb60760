"""One sender, many readers: how a driver pushes its events."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

from hal.errors import HalError, HalLost

T = TypeVar("T")


class Stream(Generic[T]):
    """An async iterator over the items published after its creation. Bounded: a reader that is too
    slow gets HalLost, or with ``drops_oldest`` loses the oldest items.
    """

    def __init__(self, limit: int, *, drops_oldest: bool = False) -> None:
        self.closed = False
        self._items: deque[T] = deque(maxlen=limit)
        self._drops_oldest = drops_oldest
        self._error: HalError | None = None
        self._wake: asyncio.Future[None] | None = None

    def push(self, item: T) -> None:
        if len(self._items) == self._items.maxlen and not self._drops_oldest:
            # An old pilot state must not be taken for the present one.
            self.lose()
        self._items.append(item)
        self._ring()

    def lose(self, error: HalError | None = None) -> None:
        """Drop the waiting items and raise ``error`` at the reader: items were missed, or none come
        for now.
        """
        self._items.clear()
        self._error = error or HalLost("this reader of the board's events was too slow and has missed some")
        self._ring()

    def close(self) -> None:
        self.closed = True
        self._ring()

    def _ring(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def __aiter__(self) -> Stream[T]:
        return self

    async def __anext__(self) -> T:
        while True:
            if self._error is not None:
                error, self._error = self._error, None
                raise error
            if self._items:
                return self._items.popleft()
            if self.closed:
                raise StopAsyncIteration
            self._wake = asyncio.get_running_loop().create_future()
            await self._wake


class Broadcast(Generic[T]):
    """The sending end. All calls from the event loop's thread."""

    def __init__(self, limit: int = 1024, *, drops_oldest: bool = False) -> None:
        self._streams: list[Stream[T]] = []
        self._limit, self._drops_oldest = limit, drops_oldest
        self._closed = False

    def stream(self) -> Stream[T]:
        """Returns a new reader; it ends at once if the broadcast is closed."""
        stream: Stream[T] = Stream(self._limit, drops_oldest=self._drops_oldest)
        stream.closed = self._closed
        self._streams = [*(each for each in self._streams if not each.closed), stream]
        return stream

    def publish(self, item: T) -> None:
        self._streams = [stream for stream in self._streams if not stream.closed]
        for stream in self._streams:
            stream.push(item)

    def lose(self, error: HalError | None = None) -> None:
        """Items were missed before they came here: raise ``error`` at every reader."""
        for stream in self._streams:
            stream.lose(error)

    def close(self) -> None:
        self._closed = True
        for stream in self._streams:
            stream.close()
        self._streams.clear()
