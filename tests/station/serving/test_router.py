"""One outlet's conversations at the router: what they say is performed, found, answered, heard, each by its table, and every ending is safe."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, ClassVar
from unittest import mock

import pytest

from hal.sim.clock import run_virtual
from secc.conversation import (
    ENDLESS,
    Asked,
    Conversation,
    Effect,
    End,
    Event,
    Levels,
    Party,
    Question,
    Session,
    Severed,
    Tell,
    TimedOut,
    Timeout,
)
from secc.station.serving.router import Router, Seat

SOON = Timeout("soon", 5.0, "test")


@dataclass(frozen=True)
class Light(Effect):
    on: bool


@dataclass(frozen=True)
class Dark(Effect):
    safe: ClassVar[bool] = True


@dataclass(frozen=True)
class Knocked(Event):
    times: int = 1


@dataclass(frozen=True)
class Ring(Effect):
    """Heard by all that hear it."""


@dataclass(frozen=True)
class IsOpen(Question[bool]):
    """For a conversation."""


@dataclass(frozen=True)
class Weigh(Question[float]):
    """For a task."""


@dataclass(frozen=True)
class Unknown(Effect):
    pass


class Gone(Severed):
    pass


def session(talk: Callable[[Party], Conversation[Any]]) -> Session:
    return Session(talk, safe=(Dark(),))


class House:
    """A router, and what was performed."""

    def __init__(self) -> None:
        self.performed: list[object] = []
        self.ended: list[str] = []
        self.looked = 0
        self.router = Router("house", levels=self.levels)
        self.router.performs(Light, Dark, by=self.performed.append)
        self.router.relays(Ring)
        self.router.answers(IsOpen, otherwise=lambda question: False)

    def levels(self) -> Levels:
        self.looked += 1
        return Levels(pilot="B")

    def join(
        self, talk: Callable[[Party], Conversation[Any]], name: str = "talk", *, answers: tuple[type[Any], ...] = ()
    ) -> Seat:
        seat = self.router.join(
            name, session(talk), answers=answers, ended=lambda end: self.ended.append(f"{name} {end.reason.code}")
        )
        seat.begin()
        return seat


def in_house(story: Callable[[House], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        house = House()
        await story(house)
        await house.router.close()

    run_virtual(main())


def test_an_effect_has_one_performer_by_its_exact_type_and_what_has_none_ends_the_session_safely() -> None:
    def talk(party: Party) -> Conversation[None]:
        party.hear(Knocked, by=lambda knocked: party.do(Unknown()))
        party.do(Light(True))
        yield from party.until(lambda: False, within=ENDLESS)

    async def story(house: House) -> None:
        seat = house.join(talk)
        assert house.performed == [Light(True)]
        seat.hear(Knocked())
        assert house.performed == [Light(True), Dark()]
        assert house.ended == ["talk bug.TypeError"]
        assert house.router.seats == []
        with pytest.raises(ValueError, match="Light has its place"):
            house.router.performs(Light, by=print)

    in_house(story)


def test_what_only_one_conversation_may_want_is_performed_for_it_alone() -> None:
    def talk(party: Party) -> Conversation[None]:
        party.do(Unknown())
        yield from party.until(lambda: False, within=ENDLESS)

    async def story(house: House) -> None:
        seat = house.router.join("one", session(talk))
        seat.performs[Unknown] = house.performed.append
        seat.begin()
        assert house.performed == [Unknown()]
        house.join(talk, "other")
        assert house.ended == ["other bug.TypeError"]

    in_house(story)


def test_what_one_conversation_says_is_heard_by_another_only_after_it_has_finished_speaking() -> None:
    order: list[str] = []

    def speaker(party: Party) -> Conversation[None]:
        yield from party.receive(Knocked, within=ENDLESS)
        party.do(Ring())
        party.do(Light(True))
        order.append("spoken")
        yield from party.until(lambda: False, within=ENDLESS)

    def hearer(party: Party) -> Conversation[None]:
        party.hear(Ring, by=lambda ring: order.append("heard"))
        yield from party.until(lambda: False, within=ENDLESS)

    async def story(house: House) -> None:
        house.router.taps(Ring, by=lambda ring: order.append("tapped"))
        house.join(hearer, "hearer")
        house.join(speaker, "speaker").hear(Knocked())
        assert order == ["spoken", "tapped", "heard"]
        assert house.performed == [Light(True)]

    in_house(story)


def test_an_effect_that_is_relayed_and_that_no_conversation_hears_is_dropped() -> None:
    def talk(party: Party) -> Conversation[None]:
        party.do(Ring())
        yield from party.until(lambda: False, within=ENDLESS)

    async def story(house: House) -> None:
        assert house.join(talk).alive

    in_house(story)


def test_events_go_to_those_that_hear_them_by_exact_type() -> None:
    heard: list[int] = []

    class Louder(Knocked):
        pass

    def hearer(party: Party) -> Conversation[None]:
        party.hear(Knocked, by=lambda knocked: heard.append(knocked.times))
        yield from party.until(lambda: False, within=ENDLESS)

    def deaf(party: Party) -> Conversation[None]:
        yield from party.receive(Knocked, within=ENDLESS)

    async def story(house: House) -> None:
        house.join(hearer)
        waiting = house.join(deaf, "deaf")
        house.router.tell(Knocked(3), Louder(4))
        assert heard == [3]
        assert waiting.alive, "what is not declared is not routed"

    in_house(story)


def asking(question: Question[Any], answers: list[Any]) -> Callable[[Party], Conversation[None]]:
    def talk(party: Party) -> Conversation[None]:
        ticket = party.ask(question)
        answers.append((yield from party.receive(ticket, within=SOON)))

    return talk


def answering(party: Party) -> Conversation[None]:
    while True:
        asked = yield from party.receive(Asked, Knocked, within=ENDLESS)
        if isinstance(asked, Asked):
            party.do(Tell(asked.ticket, True))


def test_an_event_reaches_all_that_hear_it_before_what_one_of_them_says_about_it() -> None:
    heard: list[str] = []

    def first(party: Party) -> Conversation[None]:
        party.hear(Knocked, by=lambda knocked: party.do(Ring()))
        yield from party.until(lambda: False, within=ENDLESS)

    def second(party: Party) -> Conversation[None]:
        party.hear(Knocked, Ring, by=lambda event: heard.append(type(event).__name__))
        yield from party.until(lambda: False, within=ENDLESS)

    async def story(house: House) -> None:
        house.join(first)
        house.join(second)
        house.router.tell(Knocked(), Knocked())
        assert heard == ["Knocked", "Ring", "Knocked", "Ring"]

    in_house(story)


def test_a_question_reaches_the_conversation_that_answers_it_and_the_answer_the_one_that_asked() -> None:
    async def story(house: House) -> None:
        told: list[Any] = []
        house.router.told(IsOpen, by=lambda question, answer: told.append(answer))
        house.join(answering, "answering", answers=(IsOpen,))
        answers: list[Any] = []
        house.join(asking(IsOpen(), answers), "asking")
        assert answers == [True]
        assert told == [True]

    in_house(story)


def test_a_question_that_no_conversation_answers_has_an_answer_all_the_same() -> None:
    async def story(house: House) -> None:
        answers: list[Any] = []
        house.join(asking(IsOpen(), answers))
        assert answers == [False]

    in_house(story)


def test_who_ends_with_a_question_unanswered_leaves_an_answer_behind() -> None:
    def never(party: Party) -> Conversation[None]:
        yield from party.receive(Asked, within=ENDLESS)
        yield from party.until(lambda: False, within=ENDLESS)

    async def story(house: House) -> None:
        answers: list[Any] = []
        other = house.join(never, "never", answers=(IsOpen,))
        house.join(asking(IsOpen(), answers))
        assert answers == []
        other.hear(Gone())
        assert answers == [False]

    in_house(story)


def test_a_task_finds_answers_and_is_cancelled_where_the_question_is_abandoned() -> None:
    async def story(house: House) -> None:
        cancelled: list[bool] = []

        async def weigh(question: Weigh) -> float:
            try:
                await asyncio.sleep(3.0)
            except asyncio.CancelledError:
                cancelled.append(True)
                raise
            return 2.5

        house.router.finds(Weigh, by=weigh)
        answers: list[Any] = []
        house.join(asking(Weigh(), answers), "patient")
        other = house.join(asking(Weigh(), answers), "impatient")
        await asyncio.sleep(1.0)
        other.hear(Gone())
        await asyncio.sleep(3.0)
        assert answers == [2.5]
        assert cancelled == [True]

    in_house(story)


def test_nothing_holds_a_question_that_was_given_up() -> None:
    """It may be about a contract, and that goes with the session, not with the next collection of garbage."""
    found: list[weakref.ref[Weigh]] = []

    async def story(house: House) -> None:
        async def weigh(question: Weigh) -> float:
            await asyncio.sleep(3.0)
            return 2.5

        house.router.finds(Weigh, by=weigh)
        question = Weigh()
        found.append(weakref.ref(question))
        seat = house.join(asking(question, []))
        del question
        await asyncio.sleep(1.0)
        assert found[0]() is not None
        seat.hear(Gone())
        del seat
        await asyncio.sleep(1.0)

    gc.disable()
    try:
        in_house(story)
        assert found[0]() is None
    finally:
        gc.enable()


def test_a_bug_in_finding_an_answer_ends_the_conversation_that_asked() -> None:
    async def story(house: House) -> None:
        async def weigh(question: Weigh) -> float:
            raise ZeroDivisionError("scales")

        house.router.finds(Weigh, by=weigh)
        house.join(asking(Weigh(), []))
        await asyncio.sleep(0.1)
        assert house.ended == ["talk bug.ZeroDivisionError"]
        assert house.performed == [Dark()]

    in_house(story)


def test_a_question_without_a_place_in_the_table_ends_the_session_safely() -> None:
    async def story(house: House) -> None:
        house.join(asking(Weigh(), []))
        assert house.ended == ["talk bug.TypeError"]

    in_house(story)


def test_what_is_made_safe_after_something_was_switched_on_in_the_same_step_stays_safe() -> None:
    def talk(party: Party) -> Conversation[None]:
        yield from party.receive(Knocked, within=SOON)
        party.do(Light(True))

    async def story(house: House) -> None:
        house.join(talk).hear(Knocked())
        assert house.performed == [Light(True), Dark()]
        assert house.ended == ["talk completed.completed"]

    in_house(story)


def test_a_deadline_is_kept_without_anybody_asking() -> None:
    def talk(party: Party) -> Conversation[None]:
        yield from party.receive(Knocked, within=SOON)

    async def story(house: House) -> None:
        house.join(talk)
        await asyncio.sleep(4.9)
        assert house.ended == []
        await asyncio.sleep(0.2)
        assert house.ended == ["talk timer.soon"]

    in_house(story)


def test_a_deadline_that_moves_away_needs_no_new_timer_and_one_that_comes_nearer_is_kept() -> None:
    def talk(party: Party) -> Conversation[None]:
        for _ in range(10):
            yield from party.receive(Knocked, within=SOON)
        yield from party.receive(Knocked, within=Timeout("at once", 0.05, "test"))

    async def story(house: House) -> None:
        loop: Any = asyncio.get_running_loop()
        seat, armed, call_at = house.join(talk), 0, loop.call_at

        def counted(*arguments: Any, **named: Any) -> Any:
            nonlocal armed
            armed += 1
            return call_at(*arguments, **named)

        def knock() -> None:
            with mock.patch.object(loop, "call_at", counted):
                seat.hear(Knocked())

        for _ in range(9):
            await asyncio.sleep(0.5)
            knock()
        assert armed == 0
        await asyncio.sleep(4.9)
        assert house.ended == [], "the first timer rang long ago, before the deadline of now"
        knock()
        assert armed == 1
        await asyncio.sleep(0.25)
        assert house.ended == ["talk timer.at once"]

    in_house(story)


def test_a_bug_in_a_conversation_makes_it_safe_and_is_not_let_out() -> None:
    def talk(party: Party) -> Conversation[None]:
        yield from party.receive(Knocked, within=SOON)
        raise ZeroDivisionError("a bug")

    async def story(house: House) -> None:
        seat = house.join(talk)
        seat.hear(Knocked())
        assert house.performed == [Dark()]
        assert house.ended == ["talk bug.ZeroDivisionError"]
        seat.hear(Knocked())
        assert len(house.ended) == 1

    in_house(story)


def test_an_effect_that_cannot_be_performed_ends_the_session_safely() -> None:
    def talk(party: Party) -> Conversation[None]:
        party.do(Light(True))
        yield from party.receive(Knocked, within=SOON)

    async def story(house: House) -> None:
        def broken(light: Light) -> None:
            raise OSError("no lamp")

        seat = house.router.join("talk", session(talk), ended=lambda end: house.ended.append(end.reason.code))
        seat.performs[Light] = broken
        seat.begin()
        assert house.performed == [Dark()]
        assert house.ended == ["bug.OSError"]

    in_house(story)


def test_a_seat_that_is_stopped_hears_nothing_and_does_not_expire() -> None:
    def talk(party: Party) -> Conversation[None]:
        try:
            yield from party.receive(Knocked, within=SOON)
        except TimedOut:
            party.do(Light(True))

    async def story(house: House) -> None:
        seat = house.join(talk)
        seat.stop()
        seat.hear(Knocked())
        await asyncio.sleep(6.0)
        assert (house.performed, house.ended, house.router.seats) == ([], [], [])

    in_house(story)


def test_levels_are_read_once_for_a_run_of_steps() -> None:
    def speaker(party: Party) -> Conversation[None]:
        party.hear(Knocked, by=lambda knocked: party.do(Ring()))
        yield from party.until(lambda: False, within=ENDLESS)

    def hearer(party: Party) -> Conversation[None]:
        party.hear(Ring)
        yield from party.until(lambda: False, within=ENDLESS)

    async def story(house: House) -> None:
        for number in range(5):
            house.join(hearer, f"hearer {number}")
        seat = house.join(speaker)
        before = house.looked
        seat.hear(Knocked())
        assert house.looked == before + 1
        seat.hear(Knocked())
        assert house.looked == before + 2

    in_house(story)


def test_who_watches_sees_events_and_effects_and_its_bugs_stop_nothing() -> None:
    seen: list[tuple[object, tuple[Effect, ...]]] = []

    def talk(party: Party) -> Conversation[None]:
        party.do(Light(True))
        yield from party.receive(Knocked, within=SOON)
        party.do(Light(False))

    async def story(house: House) -> None:
        def watch(seat: Seat, now: float, event: object, effects: tuple[Effect, ...]) -> None:
            seen.append((event, effects))
            raise ValueError("a bug in looking on")

        seat = house.router.join("talk", session(talk), watch=watch)
        seat.begin()
        seat.hear(Knocked())
        assert seen[0] == (None, (Light(True),))
        assert seen[1][0] == Knocked()
        assert isinstance(seen[1][1][-1], End)
        assert house.performed == [Light(True), Light(False), Dark()]

    in_house(story)


def test_a_bug_in_hearing_of_an_end_keeps_nothing_from_the_others() -> None:
    heard: list[str] = []

    def ending(party: Party) -> Conversation[None]:
        yield from party.receive(Knocked, within=ENDLESS)
        party.do(Ring())

    def hearer(party: Party) -> Conversation[None]:
        party.hear(Ring, by=lambda ring: heard.append("rung"))
        yield from party.until(lambda: False, within=ENDLESS)

    def broken(end: End) -> None:
        raise ZeroDivisionError("planted")

    async def story(house: House) -> None:
        house.join(hearer, "hearer")
        seat = house.router.join("ending", session(ending), ended=broken)
        seat.begin()
        seat.hear(Knocked())
        assert heard == ["rung"]

    in_house(story)


def test_a_bug_in_being_told_of_an_event_keeps_it_from_no_conversation() -> None:
    heard: list[int] = []

    def hearer(party: Party) -> Conversation[None]:
        party.hear(Knocked, by=lambda knocked: heard.append(knocked.times))
        yield from party.until(lambda: False, within=ENDLESS)

    def broken(knocked: Knocked) -> None:
        raise ZeroDivisionError("planted")

    async def story(house: House) -> None:
        house.router.taps(Knocked, by=broken)
        house.join(hearer)
        house.router.tell(Knocked(2))
        assert heard == [2]

    in_house(story)


def test_the_wiring_says_who_performs_answers_and_is_told() -> None:
    async def story(house: House) -> None:
        house.router.taps(Ring, by=print)
        table = house.router.wiring()
        assert table["Ring"] == ["all that hear it", "tells print"]
        assert table["IsOpen"] == ["the one that answers it"]
        assert "Light" in table

    in_house(story)
