from __future__ import annotations

import asyncio
import time

import pytest

from hal.sim.clock import LoopClock, ScaledClock, VirtualLoop, run_virtual
from tests.virtual_clock import VirtualClock


def test_virtual_calls_run_in_order_each_at_its_moment() -> None:
    clock = VirtualClock(10.0)
    seen: list[tuple[str, float]] = []
    clock.call_at(12.0, lambda: seen.append(("late", clock.now())))
    clock.call_at(11.0, lambda: seen.append(("first", clock.now())))
    clock.call_at(11.0, lambda: clock.call_at(11.5, lambda: seen.append(("from a call", clock.now()))))
    clock.call_at(11.2, lambda: seen.append(("never", clock.now()))).cancel()
    clock.call_at(1.0, lambda: seen.append(("overdue", clock.now())))
    clock.advance(1.75)
    assert seen == [("overdue", 10.0), ("first", 11.0), ("from a call", 11.5)]
    assert clock.now() == 11.75
    clock.advance(0.25)
    assert seen[-1] == ("late", 12.0)


def test_time_has_one_direction() -> None:
    with pytest.raises(ValueError, match="advance"):
        VirtualClock().advance(-1.0)
    with pytest.raises(ValueError, match="speed"):
        ScaledClock(VirtualClock(), 0.0)


def test_a_scaled_clock_runs_faster_and_knows_the_time_outside() -> None:
    outside = VirtualClock(100.0)
    clock = ScaledClock(outside, 60.0)
    begun = clock.now()
    seen: list[float] = []
    clock.call_at(begun + 30.0, lambda: seen.append(outside.now()))
    outside.advance(1.0)
    assert clock.now() - begun == pytest.approx(60.0)
    assert seen == [pytest.approx(100.5)]
    assert clock.outside(clock.now()) == pytest.approx(101.0)


def test_a_virtual_loop_waits_an_hour_in_no_time() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 1800.0)
        await asyncio.sleep(1800.0)
        return loop.time() - begun

    begun = time.monotonic()
    assert run_virtual(main()) == pytest.approx(3600.0)
    # A hundredth of it: however busy the machine is, nothing has slept.
    assert time.monotonic() - begun < 36.0


def test_virtual_time_stands_still_while_a_thread_works() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        begun = loop.time()
        sleeper = asyncio.create_task(asyncio.sleep(10.0))
        assert await asyncio.to_thread(lambda: loop.time() - begun) == 0.0
        assert loop.time() == begun
        assert loop.threads == 0
        await sleeper

    run_virtual(main())


def test_sockets_are_served_before_time_jumps() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()

        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.readline())
            writer.close()

        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        begun = loop.time()
        writer.write(b"hello\n")
        assert await asyncio.wait_for(reader.readline(), 5.0) == b"hello\n"
        assert loop.time() - begun < 5.0
        writer.close()
        server.close()

    run_virtual(main())


def test_the_loop_clock_is_the_loops_time() -> None:
    async def main() -> None:
        clock = LoopClock()
        done = asyncio.Event()
        begun = clock.now()
        clock.call_at(begun + 5.0, done.set)
        await done.wait()
        assert clock.now() - begun == pytest.approx(5.0)

    run_virtual(main())
