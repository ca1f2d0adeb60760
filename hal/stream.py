"""One sender, many readers: how a driver pushes its events."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

from hal.errors import HalLost

T = TypeVar("T")


class Stream(Generic[T]):
    """An async iterator over what is published from its creation on. Bounded: a reader that stops reading is told so."""

    def __init__(self, limit: int) -> None:
        self._items: deque[T] = deque()
        self._limit = limit
        self._overrun = False
        self._closed = False
        self._wake: asyncio.Future[None] | None = None

    def push(self, item: T) -> None:
        if len(self._items) >= self._limit:
            # Late events are worse than none here: an old pilot state must not be taken for the present one.
            self._items.clear()
            self._overrun = True
        self._items.append(item)
        self._ring()

    def lose(self) -> None:
        """Tell the reader that he has missed some."""
        self._items.clear()
        self._overrun = True
        self._ring()

    def close(self) -> None:
        self._closed = True
        self._ring()

    def _ring(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def __aiter__(self) -> Stream[T]:
        return self

    async def __anext__(self) -> T:
        while True:
            if self._overrun:
                self._overrun = False
                raise HalLost("this reader of the board's events was too slow and has missed some")
            if self._items:
                return self._items.popleft()
            if self._closed:
                raise StopAsyncIteration
            self._wake = asyncio.get_running_loop().create_future()
            await self._wake

    async def aclose(self) -> None:
        """No more for this reader."""
        self.close()

    @property
    def closed(self) -> bool:
        return self._closed


class Broadcast(Generic[T]):
    """The sending end. All calls from the event loop's thread."""

    def __init__(self, limit: int = 1024) -> None:
        self._streams: list[Stream[T]] = []
        self._limit = limit

    def stream(self) -> Stream[T]:
        stream: Stream[T] = Stream(self._limit)
        self._streams.append(stream)
        return stream

    def publish(self, item: T) -> None:
        self._streams = [stream for stream in self._streams if not stream.closed]
        for stream in self._streams:
            stream.push(item)

    def lose(self) -> None:
        """Something was missed before it came here: every reader is told so."""
        for stream in self._streams:
            stream.lose()

    def close(self) -> None:
        for stream in self._streams:
            stream.close()
        self._streams.clear()
