"""A conversation within another one: it has a party of its own, and dies with the outer one."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import pytest

from secc.conversation import (
    ENDLESS,
    Abandon,
    Answered,
    Ask,
    Child,
    Conversation,
    Deadline,
    Effect,
    Event,
    Levels,
    Party,
    Question,
    Session,
    Severed,
    TimedOut,
    Timeout,
)
from secc.errors import SeccError

SHORT = Timeout("Short", 1.5, "[test]")
LONG = Timeout("Long", 9.0, "[test]")


@dataclass(frozen=True)
class Sound(Event):
    car: str


@dataclass(frozen=True)
class Say(Effect):
    text: str


@dataclass(frozen=True)
class IsUp(Question[bool]):
    car: str


class Gone(Severed):
    pass


class Failed(Exception):
    pass


class Line:
    """An outer conversation that begins an inner one for each car, and relays what it hears."""

    def __init__(self, inner: Any, *, expects: tuple[type[Exception], ...] = (TimedOut, Failed)) -> None:
        self.inner, self.expects = inner, expects
        self.cars: dict[str, Child[Any]] = {}
        self.ended: list[tuple[str, Any]] = []
        self.session = Session(self.talk, tickets=itertools.count(1))
        self.session.begin(0.0)

    def talk(self, party: Party) -> Conversation[None]:
        self.party = party
        party.hear(Sound, by=self.relay)
        yield from party.until(lambda: False, within=ENDLESS)

    def relay(self, sound: Sound) -> None:
        if sound.car not in self.cars:
            name = sound.car
            self.cars[name] = self.party.spawn(
                lambda party: self.inner(party, name), lambda how: self.ended.append((name, how)), expects=self.expects
            )
        else:
            self.cars[sound.car].hear(sound)


def sounding(party: Party, car: str) -> Conversation[str]:
    party.do(Say(f"{car} begins"))
    yield from party.receive(Sound, within=SHORT)
    return f"{car} at {party.now:g} in {party.levels.pilot}"


def test_it_speaks_hears_and_ends_with_the_time_and_the_levels_of_the_outer_one() -> None:
    line = Line(sounding)
    assert line.session.receive(Sound("red"), 1.0) == (Say("red begins"),)
    line.session.levels = Levels(pilot="B")
    line.session.receive(Sound("red"), 2.0)
    assert line.ended == [("red", "red at 2 in B")]
    assert not line.cars["red"].alive
    assert not line.cars["red"].hear(Sound("red"))


def test_each_has_its_own_deadline_and_a_failure_that_is_expected_ends_it_alone() -> None:
    line = Line(sounding)
    line.session.receive(Sound("red"), 1.0)
    line.session.receive(Sound("blue"), 2.0)
    assert line.session.deadline == Deadline(2.5, SHORT)
    line.session.expire(2.5)
    ((name, how),) = line.ended
    assert (name, type(how)) == ("red", TimedOut)
    assert line.session.deadline == Deadline(3.5, SHORT)
    line.session.receive(Sound("blue"), 3.0)
    assert line.ended[1] == ("blue", "blue at 3 in ?")
    assert line.session.deadline is None


def test_two_that_are_due_together_both_end() -> None:
    line = Line(sounding)
    line.session.receive(Sound("red"), 1.0)
    line.session.receive(Sound("blue"), 1.0)
    line.session.expire(2.5)
    assert [name for name, _ in line.ended] == ["red", "blue"]


def test_one_that_has_ended_when_it_was_begun_is_told() -> None:
    def at_once(party: Party, car: str) -> Conversation[str]:
        return car
        yield

    line = Line(at_once)
    line.session.receive(Sound("red"), 1.0)
    assert line.ended == [("red", "red")]


def raising(party: Party, car: str) -> Conversation[None]:
    yield from party.receive(Sound, within=SHORT)
    raise Failed(car)


def test_one_that_raises_what_is_not_expected_is_gone_and_raises_where_the_outer_one_waits() -> None:
    line = Line(raising, expects=(TimedOut,))
    line.session.receive(Sound("red"), 1.0)
    with pytest.raises(Failed):
        line.session.receive(Sound("red"), 1.1)
    assert not line.cars["red"].alive
    assert line.ended == []
    assert line.session.fail(Failed("red"))
    assert line.session.ended is not None
    assert line.session.ended.code == "bug.Failed"


def test_one_that_raised_leaves_nothing_that_comes_due_later() -> None:
    line = Line(raising)
    line.session.receive(Sound("red"), 1.0)
    line.session.receive(Sound("red"), 1.1)
    assert [type(how) for _, how in line.ended] == [Failed]
    assert line.session.deadline is None
    assert line.session.expire(100.0) == ()


def asking(party: Party, car: str) -> Conversation[bool]:
    ticket = party.ask(IsUp(car))
    return (yield from party.receive(ticket, within=LONG))


def test_answers_reach_the_one_that_asked() -> None:
    line = Line(asking)
    (red,) = line.session.receive(Sound("red"), 1.0)
    (blue,) = line.session.receive(Sound("blue"), 1.0)
    assert isinstance(red, Ask)
    assert isinstance(blue, Ask)
    assert red.ticket != blue.ticket
    line.session.receive(Answered(blue.ticket, True), 1.1)
    line.session.receive(Answered(red.ticket, False), 1.2)
    assert line.ended == [("blue", True), ("red", False)]


@pytest.mark.parametrize("how", ["closed", "timed out", "outer gone"])
def test_open_questions_are_abandoned_however_it_ends(how: str) -> None:
    line = Line(asking)
    (ask,) = line.session.receive(Sound("red"), 1.0)
    assert isinstance(ask, Ask)
    if how == "closed":
        line.cars["red"].close()
        effects = line.session.receive(Sound("blue"), 1.1)
        assert effects[0] == Abandon(ask.ticket)
    elif how == "timed out":
        assert line.session.expire(10.0) == (Abandon(ask.ticket),)
    else:
        assert line.session.receive(Gone(), 1.1)[0] == Abandon(ask.ticket)
    # An answer that comes all the same changes nothing.
    line.session.receive(Answered(ask.ticket, True), 11.0)
    assert [outcome for outcome in line.ended if outcome[1] is True] == []


def test_one_that_waits_again_for_the_deadline_that_passed_is_an_error_and_no_endless_loop() -> None:
    def stubborn(party: Party, car: str) -> Conversation[None]:
        limit = party.limit(SHORT)
        while True:
            try:
                yield from party.receive(Sound, before=limit)
            except TimedOut:
                continue

    line = Line(stubborn)
    line.session.receive(Sound("red"), 1.0)
    with pytest.raises(SeccError, match="waits again"):
        line.session.expire(3.0)


def test_handlers_of_the_outer_one_are_not_inherited() -> None:
    heard: list[str] = []

    def deaf(party: Party, car: str) -> Conversation[None]:
        yield from party.until(lambda: False, within=LONG)

    line = Line(deaf)
    line.session.receive(Sound("red"), 1.0)
    assert not line.cars["red"].hear(Sound("red"))
    assert heard == []
