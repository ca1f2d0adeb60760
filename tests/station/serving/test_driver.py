"""The driver: order, timers, and bugs that cost one session only."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import ClassVar

from hal.sim.clock import run_virtual
from secc.conversation import (
    Conversation,
    Effect,
    End,
    Event,
    Levels,
    Party,
    Requests,
    Session,
    Timeout,
)
from secc.errors import Refusal
from secc.station.serving.driver import Driver, Turns

SOON = Timeout("soon", 5.0, "test")


@dataclass(frozen=True, slots=True)
class Light(Effect):
    on: bool


@dataclass(frozen=True, slots=True)
class Dark(Effect):
    safe: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Knocked(Event):
    times: int = 1


def session(talk: object) -> Session:
    return Session(
        talk,  # type: ignore[arg-type]  # every talk of this file is a generator function of a Party
        requests=Requests(lambda request, cause: None, Refusal("FAILED", "test")),
        safe=(Dark(),),
    )


def drive(talk: object, *, turns: Turns | None = None) -> tuple[Driver, list[object], list[End]]:
    performed: list[object] = []
    ended: list[End] = []
    driver = Driver(
        "test",
        session(talk),
        turns=turns or Turns(),
        perform=performed.append,
        levels=Levels,
        ended=ended.append,
    )
    return driver, performed, ended


def test_what_is_made_safe_after_something_was_switched_on_in_the_same_step_stays_safe() -> None:
    def talk(party: Party) -> Conversation[None]:
        yield from party.receive(Knocked, within=SOON)
        party.do(Light(True))

    async def main() -> None:
        driver, performed, ended = drive(talk)
        driver.begin()
        driver.hear(Knocked())
        assert performed == [Light(True), Dark()]
        assert [end.reason.code for end in ended] == ["completed.completed"]

    run_virtual(main())


def test_a_deadline_is_kept_without_anybody_asking() -> None:
    def talk(party: Party) -> Conversation[None]:
        yield from party.receive(Knocked, within=SOON)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        driver, _, ended = drive(talk)
        started = loop.time()
        driver.begin()
        while not ended:
            await asyncio.sleep(0.5)
        assert ended[0].reason.code == "timer.soon"
        assert 5.0 <= loop.time() - started < 6.0

    run_virtual(main())


def test_a_bug_in_a_conversation_makes_it_safe_and_is_not_let_out() -> None:
    def talk(party: Party) -> Conversation[None]:
        yield from party.receive(Knocked, within=SOON)
        raise ZeroDivisionError("a bug")

    async def main() -> None:
        driver, performed, ended = drive(talk)
        driver.begin()
        driver.hear(Knocked())
        assert performed == [Dark()]
        assert ended[0].reason.code == "bug.ZeroDivisionError"
        driver.hear(Knocked())
        assert len(ended) == 1

    run_virtual(main())


def test_an_effect_that_cannot_be_performed_ends_the_session_safely() -> None:
    def talk(party: Party) -> Conversation[None]:
        party.do(Light(True))
        yield from party.receive(Knocked, within=SOON)

    async def main() -> None:
        performed: list[object] = []
        ended: list[End] = []

        def perform(effect: Effect) -> None:
            if isinstance(effect, Light):
                raise OSError("no lamp")
            performed.append(effect)

        driver = Driver("test", session(talk), turns=Turns(), perform=perform, levels=Levels, ended=ended.append)
        driver.begin()
        assert performed == [Dark()]
        assert ended[0].reason.code == "bug.OSError"

    run_virtual(main())


def test_what_one_conversation_says_is_heard_by_another_only_after_it_has_finished_speaking() -> None:
    turns = Turns()
    order: list[str] = []

    def first(party: Party) -> Conversation[None]:
        yield from party.receive(Knocked, within=SOON)
        party.do(Light(True))
        party.do(Light(False))
        yield from party.receive(Knocked, within=SOON)

    def second(party: Party) -> Conversation[None]:
        while True:
            knocked = yield from party.receive(Knocked, within=SOON)
            order.append(f"heard {knocked.times}")

    async def main() -> None:
        other, _, _ = drive(second, turns=turns)

        def perform(effect: Effect) -> None:
            order.append(f"performed {effect}")
            other.hear(Knocked(len(order)))

        driver = Driver("first", session(first), turns=turns, perform=perform, levels=Levels)
        other.begin()
        driver.begin()
        driver.hear(Knocked())
        assert order == ["performed Light(on=True)", "performed Light(on=False)", "heard 1", "heard 2"]

    run_virtual(main())
