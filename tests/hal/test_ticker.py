"""One timer for all: every call has its turn, whatever the others do, and the event loop comes round between them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from hal.sim.clock import VirtualLoop, run_virtual
from hal.ticker import TICK_SECONDS, TOGETHER, TURN_SECONDS, Ticker


def run(story: Callable[[Ticker], Awaitable[None]]) -> None:
    async def main() -> None:
        await story(Ticker())

    run_virtual(main())


def test_every_call_is_made_ten_times_a_second_in_the_order_in_which_they_joined() -> None:
    async def story(ticker: Ticker) -> None:
        made: list[str] = []
        for name in "abc":
            ticker.join(lambda name=name: made.append(name))  # type: ignore[misc]  # a default binds the loop's value
        await asyncio.sleep(10.05)
        assert made == list("abc") * 100

    run(story)


def test_a_call_joins_once_and_is_not_made_any_more_once_it_has_left() -> None:
    async def story(ticker: Ticker) -> None:
        made: list[str] = []

        def first() -> None:
            made.append("first")
            ticker.leave(second)

        def second() -> None:
            made.append("second")

        ticker.join(first)
        ticker.join(second)
        ticker.join(first)
        await asyncio.sleep(1.05 * TICK_SECONDS)
        assert made == ["first"], "it left in the same tick, before its turn"
        ticker.leave(first)
        ticker.leave(first)
        await asyncio.sleep(10 * TICK_SECONDS)
        assert made == ["first"]
        ticker.join(second)
        await asyncio.sleep(1.05 * TICK_SECONDS)
        assert made == ["first", "second"]

    run(story)


def test_a_call_may_be_made_with_each_tenth_tick_only() -> None:
    async def story(ticker: Ticker) -> None:
        loop, often, seldom = asyncio.get_running_loop(), [], []
        ticker.join(lambda: often.append(loop.time()))
        ticker.join(lambda: seldom.append(loop.time()), every=10)
        await asyncio.sleep(30.5 * TICK_SECONDS)
        assert seldom == often[9::10]
        assert len(seldom) == 3

    run(story)


@pytest.mark.parametrize("error", [ZeroDivisionError("planted"), asyncio.CancelledError("planted")])
def test_a_bug_in_one_call_costs_no_other_its_turn(error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    async def story(ticker: Ticker) -> None:
        made: list[str] = []

        def broken() -> None:
            made.append("broken")
            raise error

        ticker.join(lambda: made.append("before"))
        ticker.join(broken)
        ticker.join(lambda: made.append("behind"))
        await asyncio.sleep(2.05 * TICK_SECONDS)
        assert made == ["before", "broken", "behind"] * 2
        assert "planted" in caplog.text

    run(story)


def test_a_bug_is_logged_once_until_it_has_gone(caplog: pytest.LogCaptureFixture) -> None:
    async def story(ticker: Ticker) -> None:
        good = False

        def broken() -> None:
            if not good:
                raise ZeroDivisionError("planted")

        async def logged() -> int:
            caplog.clear()
            await asyncio.sleep(100 * TICK_SECONDS)
            return caplog.text.count("ZeroDivisionError: planted")

        ticker.join(lambda: None)
        ticker.join(broken)
        assert [await logged(), await logged()] == [1, 0]
        good = True
        assert await logged() == 0
        good = False
        assert await logged() == 1
        ticker.leave(broken)
        ticker.join(broken)
        assert await logged() == 1

    run(story)


@pytest.mark.parametrize(("takes", "together"), [(TURN_SECONDS, TOGETHER), (TURN_SECONDS / 11.5, 12)])
def test_the_event_loop_comes_round_between_a_few_calls_and_the_next(takes: float, together: int) -> None:
    """More of them where they take little."""

    async def main() -> None:
        loop: Any = asyncio.get_running_loop()
        run_once, turn, in_turn = loop._run_once, 0, []

        def counted() -> None:
            nonlocal turn
            turn += 1
            run_once()

        loop._run_once = counted
        ticker = Ticker(clock=lambda: takes * len(in_turn))
        for _ in range(3 * together - 1):
            ticker.join(lambda: in_turn.append(turn))
        await asyncio.sleep(1.05 * TICK_SECONDS)
        assert [one - in_turn[0] for one in in_turn] == [0] * together + [1] * together + [2] * (together - 1)

    run_virtual(main())


def test_a_tick_that_takes_longer_than_its_time_gives_every_call_its_turn_before_the_next() -> None:
    """On a machine that is too slow for its outlets all get their calls less often; none is left out."""

    async def story(ticker: Ticker) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        made: list[int] = []

        def slow(number: int) -> None:
            made.append(number)
            loop.jump(0.4 * TICK_SECONDS)

        count = 2 * TOGETHER + 1
        for number in range(count):
            ticker.join(lambda number=number: slow(number))  # type: ignore[misc]  # a default binds the loop's value
        while len(made) < 3 * count:
            await asyncio.sleep(TICK_SECONDS)
        assert made[: 3 * count] == list(range(count)) * 3

    run(story)
