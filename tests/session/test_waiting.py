"""How a session lets a car wait: at a pace, for the pilot, for an answer in time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from secc.conversation import (
    Abandon,
    Answered,
    Ask,
    Conversation,
    End,
    Levels,
    Party,
    Question,
    Received,
    Requests,
    Send,
    Session,
    TimedOut,
    Timeout,
)
from secc.errors import Refusal
from secc.session.waiting import Pace, answer_within, limited, pilot_in, refuse_late

LONG = Timeout("sequence", 60.0, "test")
SHORT = Timeout("short", 1.5, "test")
PHASE = Timeout("phase", 1.5, "test", answered=True)
LOOK = Timeout("look", 0.25, "test")


@dataclass(frozen=True)
class Poll:
    pass


@dataclass(frozen=True)
class Work(Question[str]):
    pass


class Scene:
    def __init__(self, talk: Callable[[Party], Conversation[Any]]) -> None:
        self.now = 100.0
        self.said: list[tuple[float, object]] = []
        requests = Requests(lambda request, cause: "FAILED", Refusal("out of order", "test"))
        self.session = Session(talk, requests=requests, now=self.now)
        self._keep(self.session.begin(self.now))

    def hear(self, event: object) -> None:
        self._keep(self.session.receive(event, self.now))

    def until(self, moment: float) -> None:
        while (deadline := self.session.deadline) is not None and deadline.at <= moment:
            self.now = deadline.at
            self._keep(self.session.expire(self.now))
        self.now = moment

    def sent(self) -> list[tuple[float, object]]:
        return [(at, effect.message) for at, effect in self.said if isinstance(effect, Send)]

    def _keep(self, effects: tuple[object, ...]) -> None:
        self.said += [(self.now, effect) for effect in effects]


def test_answers_that_it_takes_longer_go_out_at_a_pace() -> None:
    pace = Pace(Timeout("pace", 0.5, "test"))

    def talk(secc: Party) -> Conversation[None]:
        while True:
            yield from secc.receive(Poll, within=LONG)
            yield from pace.reply(secc, "ongoing")

    scene = Scene(talk)
    for _ in range(3):
        scene.hear(Received(0, Poll()))
        scene.until(scene.now + 0.125)
        if len(scene.sent()) > 1:
            scene.until(scene.now + 0.5)
        else:
            assert scene.sent() == [(100.0, "ongoing")]
            scene.hear(Received(0, Poll()))
            scene.until(100.5)
    assert [at for at, _ in scene.sent()][:2] == [100.0, 100.5]
    assert all(later - at >= 0.5 for (at, _), (later, _) in zip(scene.sent(), scene.sent()[1:], strict=False))


def test_a_car_that_polls_slowly_is_answered_at_once() -> None:
    pace = Pace(Timeout("pace", 0.5, "test"))

    def talk(secc: Party) -> Conversation[None]:
        while True:
            yield from secc.receive(Poll, within=LONG)
            yield from pace.reply(secc, "ongoing")

    scene = Scene(talk)
    for _ in range(3):
        scene.hear(Received(0, Poll()))
        scene.until(scene.now + 1.0)
    assert [at for at, _ in scene.sent()] == [100.0, 101.0, 102.0]


def test_a_request_behind_a_limit_is_late() -> None:
    def talk(secc: Party) -> Conversation[None]:
        limit = secc.limit(SHORT)
        while True:
            yield from secc.receive(Poll, within=LONG)
            refuse_late(secc, limit)
            secc.reply("OK")

    scene = Scene(talk)
    scene.hear(Received(0, Poll()))
    scene.until(101.5)
    assert scene.session.ended is None
    scene.hear(Received(0, Poll()))
    assert [message for _, message in scene.sent()] == ["OK", "FAILED"]
    assert scene.session.ended is not None
    assert scene.session.ended.code == "timer.short"


def phase(secc: Party) -> Conversation[None]:
    pace = Pace(Timeout("pace", 0.5, "test"))
    yield from secc.receive(Poll, within=LONG)
    with limited(secc, PHASE):
        while True:
            yield from pace.reply(secc, "ongoing")
            yield from secc.receive(Poll, within=LONG)


@pytest.mark.parametrize("asks_again_at", [101.5, 101.6, 106.4, None])
def test_the_limit_of_a_phase_runs_from_its_first_request_and_ends_it_by_itself(asks_again_at: float | None) -> None:
    scene = Scene(phase)
    scene.hear(Received(0, Poll()))
    scene.until(101.4)
    scene.hear(Received(0, Poll()))
    assert scene.session.ended is None
    if asks_again_at is not None:
        scene.until(asks_again_at)
        scene.hear(Received(0, Poll()))
    scene.until(107.0)
    answers = ["ongoing", "ongoing", "FAILED"] if asks_again_at is not None else ["ongoing", "ongoing"]
    assert [message for _, message in scene.sent()] == answers
    assert scene.session.ended is not None
    assert scene.session.ended.code == "timer.phase"
    assert scene.said[-1] == (asks_again_at or 106.5, End(scene.session.ended))


def test_a_request_that_is_open_at_the_limit_hears_of_it_at_once() -> None:
    scene = Scene(phase)
    scene.hear(Received(0, Poll()))
    for moment in (100.5, 101.0, 101.45):
        scene.until(moment)
        scene.hear(Received(0, Poll()))
    scene.until(120.0)
    assert scene.sent() == [(100.0, "ongoing"), (100.5, "ongoing"), (101.0, "ongoing"), (101.5, "FAILED")]


def test_a_phase_that_is_over_has_no_limit_any_more() -> None:
    def talk(secc: Party) -> Conversation[None]:
        with limited(secc, PHASE):
            yield from secc.receive(Poll, within=LONG)
        secc.reply("OK")
        yield from secc.receive(Poll, within=LONG)
        secc.reply("OK")

    scene = Scene(talk)
    scene.hear(Received(0, Poll()))
    scene.until(150.0)
    scene.hear(Received(0, Poll()))
    assert [message for _, message in scene.sent()] == ["OK", "OK"]


@pytest.mark.parametrize(("moves_at", "seen_at"), [(100.0, 100.0), (100.3, 100.5), (101.49, None), (None, None)])
def test_the_pilot_is_looked_at_until_its_time_is_over(moves_at: float | None, seen_at: float | None) -> None:
    found: list[tuple[bool, float]] = []

    def talk(secc: Party) -> Conversation[None]:
        yield from secc.receive(Poll, within=LONG)
        found.append(((yield from pilot_in(secc, "C", "D", within=SHORT, every=LOOK)), secc.now))
        secc.reply("OK")
        yield from secc.receive(Poll, within=LONG)

    scene = Scene(talk)
    scene.session.levels = Levels(pilot="C" if moves_at == 100.0 else "B")
    scene.hear(Received(0, Poll()))
    if moves_at is not None:
        scene.until(moves_at)
        scene.session.levels = Levels(pilot="D" if moves_at < 101.49 else "B")
    scene.until(103.0)
    assert found == ([(True, seen_at)] if seen_at is not None else [(False, 101.5)])


def asks(secc: Party) -> Conversation[str]:
    yield from secc.receive(Poll, within=LONG)
    secc.reply((yield from answer_within(secc, Work(), SHORT)))
    yield from secc.receive(Poll, within=LONG)
    return "done"


def asks_before(secc: Party) -> Conversation[str]:
    """The limit has begun earlier than the question: when the car connected."""
    limit = secc.limit(SHORT)
    yield from secc.receive(Poll, within=LONG)
    secc.reply((yield from answer_within(secc, Work(), before=limit)))
    yield from secc.receive(Poll, within=LONG)
    return "done"


@pytest.mark.parametrize("talk", [asks, asks_before])
def test_an_answer_in_time_is_the_answer(talk: Callable[[Party], Conversation[str]]) -> None:
    scene = Scene(talk)
    scene.hear(Received(0, Poll()))
    ask = next(effect for _, effect in scene.said if isinstance(effect, Ask))
    scene.now += 1.0
    scene.hear(Answered(ask.ticket, "done"))
    assert scene.sent() == [(101.0, "done")]


def test_a_question_without_an_answer_in_time_is_abandoned() -> None:
    scene = Scene(asks)
    scene.hear(Received(0, Poll()))
    ask = next(effect for _, effect in scene.said if isinstance(effect, Ask))
    scene.until(101.5)
    assert scene.sent() == [(101.5, None)]
    assert (101.5, Abandon(ask.ticket)) in scene.said


def test_a_limit_that_began_before_the_question_ends_the_wait_for_its_answer() -> None:
    scene = Scene(asks_before)
    scene.until(101.0)
    scene.hear(Received(0, Poll()))
    ask = next(effect for _, effect in scene.said if isinstance(effect, Ask))
    scene.until(101.5)
    assert scene.sent() == [(101.5, None)]
    assert (101.5, Abandon(ask.ticket)) in scene.said


def test_another_deadline_is_not_taken_for_a_missing_answer() -> None:
    def talk(secc: Party) -> Conversation[None]:
        limit = secc.limit(LOOK)

        def over() -> None:
            if secc.now >= limit.at:
                raise TimedOut(limit)

        secc.look(over, lambda: limit)
        yield from answer_within(secc, Work(), SHORT)

    scene = Scene(talk)
    scene.until(100.25)
    assert scene.session.ended is not None
    assert scene.session.ended.code == "timer.look"
