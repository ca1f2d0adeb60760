"""What many cars say at once is taken a little a turn, and in order. (A-RES-09)"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from hal.ticker import Ticker
from secc.station.shared.pace import TURN_SECONDS, Pace


class Time:
    """Processor time that passes when a call says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def spend(self, seconds: float) -> None:
        self.now += seconds


def run(story: Callable[[Pace, Time, list[str]], None], turns: int = 100) -> list[str]:
    """What was done, with a stroke for each turn of the loop."""
    done: list[str] = []

    async def main() -> None:
        time = Time()
        story(Pace(Ticker(), time), time, done)
        for _ in range(turns):
            done.append("|")
            await asyncio.sleep(0)

    asyncio.run(main())
    while done and done[-1] == "|":
        done.pop()
    return done


@pytest.mark.case("A-RES-09", "A-EXI-11")
def test_a_turn_of_the_loop_has_room_for_a_little_and_timers_come_between() -> None:
    """Fifty messages at once must not be one turn: the heartbeats of all boards would wait for its end."""

    def story(pace: Pace, time: Time, done: list[str]) -> None:
        for number in range(7):

            def call(number: int = number) -> None:
                done.append(str(number))
                time.spend(0.6 * TURN_SECONDS)

            pace.take(call)

    assert "".join(run(story)) == "01|23|45|6"


def test_a_quiet_station_answers_at_once() -> None:
    def story(pace: Pace, time: Time, done: list[str]) -> None:
        pace.take(lambda: done.append("now"))
        done.append("then")

    assert run(story) == ["now", "then"]


def test_a_quiet_station_has_no_turn_of_the_loop_for_it() -> None:
    """One message, and the loop sleeps again: nothing waits for a turn."""

    async def main() -> None:
        loop: Any = asyncio.get_running_loop()
        Pace(Ticker(), Time()).take(lambda: None)
        assert not loop._ready

    asyncio.run(main())


def test_what_was_spent_before_a_tick_is_no_turn_of_this_one() -> None:
    """A car that says a little each tenth of a second never waits for a turn of the loop of its own."""

    async def main() -> None:
        loop: Any = asyncio.get_running_loop()
        ticker, time, done = Ticker(), Time(), 0
        pace = Pace(ticker, time)

        def call() -> None:
            nonlocal done
            done += 1
            time.spend(0.6 * TURN_SECONDS)

        for number in range(1, 11):
            pace.take(call)
            assert done == number
            ticker.ticks += 1
        assert not loop._ready

    asyncio.run(main())


def test_who_goes_on_comes_behind_those_who_wait() -> None:
    """The next slice of a flood has its turn after the other outlets."""

    def story(pace: Pace, time: Time, done: list[str]) -> None:
        def flood(times: int = 3) -> None:
            done.append("f")
            time.spend(TURN_SECONDS)
            if times > 1:
                pace.take(lambda: flood(times - 1))

        pace.take(flood)
        pace.take(lambda: done.append("a"))
        pace.take(lambda: done.append("b"))

    assert "".join(run(story)) == "f|f|abf"


def test_a_bug_in_one_does_not_stop_the_others(caplog: pytest.LogCaptureFixture) -> None:
    def story(pace: Pace, time: Time, done: list[str]) -> None:
        def broken() -> None:
            time.spend(TURN_SECONDS)
            raise ValueError("a bug")

        with pytest.raises(ValueError, match="a bug"):
            pace.take(broken)
        pace.take(broken)
        pace.take(lambda: done.append("next"))

    assert "".join(run(story)) == "||next"
    assert "a bug" in caplog.text
