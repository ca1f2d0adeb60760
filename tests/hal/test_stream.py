from __future__ import annotations

import asyncio

import pytest

from hal.errors import HalLost
from hal.stream import Broadcast


def test_a_reader_hears_all_from_its_creation_on_and_then_the_end() -> None:
    async def main() -> None:
        source: Broadcast[int] = Broadcast()
        source.publish(1)
        stream = source.stream()
        source.publish(2)
        source.publish(3)
        source.close()
        assert [item async for item in stream] == [2, 3]

    asyncio.run(main())


def test_a_reader_that_is_too_slow_is_told_so_and_hears_only_what_is_fresh() -> None:
    async def main() -> None:
        source: Broadcast[int] = Broadcast(limit=4)
        stream = source.stream()
        for item in range(10):
            source.publish(item)
        with pytest.raises(HalLost):
            await anext(stream)
        assert await anext(stream) == 8
        assert await anext(stream) == 9

    asyncio.run(main())


def test_a_waiting_reader_wakes_and_a_closed_one_is_forgotten() -> None:
    async def main() -> None:
        source: Broadcast[str] = Broadcast()
        stream = source.stream()
        waiting = asyncio.create_task(anext(stream))
        await asyncio.sleep(0)
        source.publish("news")
        assert await waiting == "news"
        stream.close()
        source.publish("more")
        with pytest.raises(StopAsyncIteration):
            await anext(stream)

    asyncio.run(main())


def test_what_was_missed_before_it_came_is_told_to_every_reader() -> None:
    async def main() -> None:
        source: Broadcast[int] = Broadcast()
        readers = [source.stream(), source.stream()]
        source.publish(1)
        source.lose()
        source.publish(2)
        for reader in readers:
            with pytest.raises(HalLost):
                await anext(reader)
            assert await anext(reader) == 2

    asyncio.run(main())
