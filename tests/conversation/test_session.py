"""The promises of the core, one by one, on a protocol small enough to see through (``docs/core.md`` lists them)."""

from __future__ import annotations

import gc
import itertools
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from secc.conversation import (
    ENDLESS,
    FAREWELL,
    MAIN,
    Abandon,
    Answered,
    Ask,
    Conversation,
    Deadline,
    Effect,
    Emergency,
    End,
    Event,
    Levels,
    Party,
    Question,
    Reason,
    Received,
    Requests,
    Send,
    Session,
    Severed,
    Ticket,
    TimedOut,
    Timeout,
)
from secc.errors import Refusal, SeccError

SEQUENCE = Timeout("Sequence", 60.0, "[test]", since_reply=True)
ONGOING = Timeout("Ongoing", 55.0, "[test]")
SHORT = Timeout("Short", 1.5, "[test]")


@dataclass(frozen=True)
class Hello:
    text: str = ""


@dataclass(frozen=True)
class Work:
    amount: int = 1


@dataclass(frozen=True)
class Res:
    text: str


@dataclass(frozen=True)
class Refused:
    request: str
    cause: str


@dataclass(frozen=True)
class Close(Effect):
    pass


@dataclass(frozen=True)
class Open(Effect):
    safe: ClassVar[bool] = True


@dataclass(frozen=True)
class MayI(Question[bool]):
    who: str


@dataclass(frozen=True)
class Tapped(Event):
    card: str


class Closed(Event):
    pass


class Gone(Severed):
    reason: ClassVar[str] = "gone"


class Told(Severed):
    reason: ClassVar[str] = "told"
    answerable: ClassVar[bool] = True


class Smoke(Emergency):
    reason: ClassVar[str] = "smoke"


def refuse(request: Any, cause: Any) -> Refused:
    text = cause.code if isinstance(cause, Refusal) else type(cause).__name__
    return Refused(type(request).__name__, text)


OUT_OF_ORDER = Refusal("OUT_OF_ORDER", "[test]")


def session_of(talk: Callable[[Party], Conversation[Any]], **options: Any) -> Session:
    rules = {name: options.pop(name) for name in ("admit", "check") if name in options}
    requests = Requests(options.pop("refuse", refuse), OUT_OF_ORDER, **rules)
    return Session(talk, requests=requests, safe=(Open(),), **options)


def message(body: object, stream: int = MAIN) -> Received:
    return Received(stream, body)


def sent(effects: tuple[Effect, ...]) -> list[Any]:
    return [effect.message for effect in effects if isinstance(effect, Send)]


def greet(secc: Party) -> Conversation[str]:
    yield from secc.receive(Hello, within=SEQUENCE)
    secc.reply(Res("hello"))
    work = yield from secc.receive(Work, within=SEQUENCE)
    secc.do(Close())
    secc.reply(Res(f"worked {work.amount}"))
    return "greeted"


# --- talking ------------------------------------------------------------------------------------------------------------


def test_a_conversation_reads_from_top_to_bottom() -> None:
    session = session_of(greet)
    assert session.begin(0.0) == ()
    assert session.waiting_for == (Hello,)
    assert session.receive(message(Hello()), 1.0) == (Send(MAIN, Res("hello")),)
    assert session.receive(message(Work(3)), 2.0) == (
        Close(),
        Send(MAIN, Res("worked 3")),
        Open(),
        End(Reason("completed", "greeted")),
    )
    assert session.ended is not None
    assert session.ended.well
    assert session.result == "greeted"
    assert session.deadline is None
    assert not session.waiting_for


def test_nothing_comes_out_of_a_session_that_has_ended() -> None:
    session = session_of(greet)
    session.begin(0.0)
    session.receive(Gone(), 1.0)
    assert session.receive(message(Hello()), 2.0) == ()
    assert session.receive(Smoke(), 2.0) == ()
    assert session.expire(500.0) == ()
    assert session.fail(RuntimeError("late")) == ()


# --- legality -------------------------------------------------------------------------------------------------------------


def test_a_message_not_waited_for_becomes_the_sequence_refusal_inside_the_conversation() -> None:
    seen: list[str] = []

    def talk(secc: Party) -> Conversation[None]:
        try:
            yield from secc.receive(Hello, within=SEQUENCE)
        except Refusal as refusal:
            seen.append(refusal.code)
            raise

    session = session_of(talk)
    session.begin(0.0)
    effects = session.receive(message(Work()), 1.0)
    assert seen == ["OUT_OF_ORDER"]
    assert effects[:2] == (Open(), Send(MAIN, Refused("Work", "OUT_OF_ORDER")))
    assert session.ended == Reason("refused", "OUT_OF_ORDER", "[test]", "Work: ")


def test_a_refusal_that_all_sessions_share_keeps_nothing_of_any() -> None:
    """Its traceback grew with each session, and kept what was in their frames: a contract in PaymentDetailsReq, for one."""
    for _ in range(3):
        session = session_of(greet)
        session.begin(now=0.0)
        session.receive(message(Work(1)), now=0.1)
        assert session.ended is not None
        assert session.ended.kind == "refused"
        assert OUT_OF_ORDER.__traceback__ is None
        assert OUT_OF_ORDER.__context__ is None


def test_what_admit_refuses_never_reaches_the_phase() -> None:
    foreign = Refusal("UNKNOWN_SESSION", "[test]")
    session = session_of(greet, admit=lambda received: foreign if received.message == Hello("foreign") else None)
    session.begin(0.0)
    assert sent(session.receive(message(Hello("foreign")), 1.0)) == [Refused("Hello", "UNKNOWN_SESSION")]


def test_admission_is_judged_before_the_order() -> None:
    foreign = Refusal("UNKNOWN_SESSION", "[test]")
    session = session_of(greet, admit=lambda received: foreign)
    session.begin(0.0)
    assert sent(session.receive(message(Work()), 1.0)) == [Refused("Work", "UNKNOWN_SESSION")]


# --- answers belong to questions -------------------------------------------------------------------------------------------


def asking(secc: Party) -> Conversation[bool]:
    yield from secc.receive(Hello, within=SEQUENCE)
    first = secc.ask(MayI("first"))
    second = secc.ask(MayI("second"))
    secc.reply(Res("wait"))
    verdict = yield from secc.receive(second, within=SHORT)
    secc.abandon(first)
    yield from secc.receive(Work, within=SEQUENCE)
    secc.reply(Res(f"second says {verdict} and {secc.answer(second)}, first says {secc.answer(first)}"))
    return verdict


def test_an_answer_reaches_its_own_question_only() -> None:
    session = session_of(asking, tickets=itertools.count(7))
    session.begin(0.0)
    effects = session.receive(message(Hello()), 1.0)
    asks = [effect for effect in effects if isinstance(effect, Ask)]
    assert [ask.question for ask in asks] == [MayI("first"), MayI("second")]
    assert [ask.ticket.number for ask in asks] == [7, 8]
    assert session.receive(Answered(Ticket(99, "MayI"), True), 1.1) == ()
    assert session.receive(Answered(asks[1].ticket, False), 1.2) == (Abandon(asks[0].ticket),)
    # Late, twice, or for a question given up: dropped.
    assert session.receive(Answered(asks[1].ticket, True), 1.3) == ()
    assert session.receive(Answered(asks[0].ticket, True), 1.3) == ()
    assert sent(session.receive(message(Work()), 1.4)) == [Res("second says False and False, first says None")]


def test_an_answer_that_came_early_is_there_when_it_is_waited_for() -> None:
    def talk(secc: Party) -> Conversation[bool]:
        ticket = secc.ask(MayI("early"))
        yield from secc.receive(Hello, within=SEQUENCE)
        verdict = yield from secc.receive(ticket, within=SHORT)
        secc.reply(Res(str(verdict)))
        return verdict

    session = session_of(talk)
    (ask,) = session.begin(0.0)
    assert isinstance(ask, Ask)
    assert session.receive(Answered(ask.ticket, True), 0.5) == ()
    assert sent(session.receive(message(Hello()), 1.0)) == [Res("True")]


def test_an_answer_to_another_open_question_does_not_end_the_wait() -> None:
    session = session_of(asking)
    session.begin(0.0)
    first, second = (e.ticket for e in session.receive(message(Hello()), 1.0) if isinstance(e, Ask))
    assert session.receive(Answered(first, True), 1.1) == ()
    assert session.waiting_for == (), "nothing but the second answer is waited for"
    session.receive(Answered(second, False), 1.2)
    assert sent(session.receive(message(Work()), 1.3)) == [Res("second says False and False, first says None")]


@pytest.mark.parametrize("ending", [Gone(), Told(), Smoke()])
def test_every_open_question_is_abandoned_when_the_session_ends(ending: Event) -> None:
    session = session_of(asking)
    session.begin(0.0)
    tickets = [e.ticket for e in session.receive(message(Hello()), 1.0) if isinstance(e, Ask)]
    effects = session.receive(ending, 2.0)
    assert [e.ticket for e in effects if isinstance(e, Abandon)] == tickets
    # The verdict that comes now opens nothing.
    assert session.receive(Answered(tickets[1], True), 2.1) == ()


def test_tickets_of_two_sessions_never_match() -> None:
    first, second = session_of(asking), session_of(asking)
    for session in (first, second):
        session.begin(0.0)
    late = [e.ticket for e in first.receive(message(Hello()), 1.0) if isinstance(e, Ask)][1]
    second.receive(message(Hello()), 1.0)
    first.receive(Gone(), 1.1)
    assert second.receive(Answered(late, True), 1.2) == ()
    assert second.waiting_for == ()
    assert second.ended is None


# --- one request, one answer -----------------------------------------------------------------------------------------------


def test_answering_twice_is_a_bug() -> None:
    def talk(secc: Party) -> Conversation[None]:
        yield from secc.receive(Hello, within=SEQUENCE)
        secc.reply(Res("once"))
        secc.reply(Res("twice"))

    session = session_of(talk)
    session.begin(0.0)
    with pytest.raises(SeccError, match="answers no open request") as bug:
        session.receive(message(Hello()), 1.0)
    effects = session.fail(bug.value)
    assert sent(effects) == [Res("once")]
    assert Open() in effects
    assert session.ended is not None
    assert session.ended.kind == "bug"


def test_a_conversation_that_ends_without_its_answer_still_answers() -> None:
    def talk(secc: Party) -> Conversation[None]:
        yield from secc.receive(Hello, within=SEQUENCE)

    session = session_of(talk)
    session.begin(0.0)
    assert sent(session.receive(message(Hello()), 1.0)) == [Refused("Hello", "SeccError")]
    assert session.ended is not None
    assert session.ended.code == "bug.Unanswered"


def slow(secc: Party) -> Conversation[None]:
    yield from secc.receive(Hello, within=SEQUENCE)
    secc.do(Close())
    yield from secc.receive(Closed, within=SHORT)
    secc.reply(Res("closed"))
    yield from secc.receive(Work, within=SEQUENCE)
    secc.reply(Res("worked"))


ENDINGS: dict[str, tuple[Callable[[Session], tuple[Effect, ...]], list[Any]]] = {
    "timed out": (lambda s: s.expire(2.5), [Refused("Hello", "TimedOut")]),
    "severed": (lambda s: s.receive(Gone(), 1.5), []),
    "severed, line alive": (lambda s: s.receive(Told(), 1.5), [Refused("Hello", "Interrupted")]),
    "emergency": (lambda s: s.receive(Smoke(), 1.5), [Refused("Hello", "Smoke")]),
    "bug": (lambda s: s.fail(RuntimeError("bug")), [Refused("Hello", "RuntimeError")]),
}


@pytest.mark.parametrize("name", ENDINGS)
def test_every_ending_answers_the_open_request_once_and_is_safe(name: str) -> None:
    session = session_of(slow)
    session.begin(0.0)
    assert session.receive(message(Hello()), 1.0) == (Close(),)
    end, answers = ENDINGS[name]
    effects = end(session)
    assert effects.count(Open()) == 1
    assert sent(effects) == answers
    assert [e for e in effects if isinstance(e, End)] == [End(session.ended)] if session.ended else False
    if answers:
        # No power while the answer is on its way.
        assert effects.index(Open()) < effects.index(Send(MAIN, answers[0]))


def test_the_sequence_timeout_says_nothing() -> None:
    session = session_of(greet)
    session.begin(0.0)
    session.receive(message(Hello()), 1.0)
    assert session.deadline == Deadline(61.0, SEQUENCE)
    assert session.expire(60.9) == ()
    assert session.expire(61.0) == (Open(), End(Reason("timer", "Sequence", "[test]", "Sequence (60 s) [test]")))


def test_a_second_request_before_our_answer_is_refused_after_the_first_is_settled() -> None:
    session = session_of(slow)
    session.begin(0.0)
    assert session.receive(message(Hello()), 1.0) == (Close(),)
    assert session.receive(message(Work()), 1.1) == ()
    assert session.receive(message(Work(2)), 1.2) == ()
    effects = session.receive(Closed(), 1.3)
    # The command had gone out, so what compensates it goes out as well.
    assert effects == (
        Send(MAIN, Res("closed")),
        Open(),
        Send(MAIN, Refused("Work", "OUT_OF_ORDER")),
        End(Reason("refused", "OUT_OF_ORDER", "[test]", "Work: sent before the answer to the last request")),
    )


def test_a_request_that_stood_in_the_same_octets_behind_another_is_too_early_even_after_the_answer() -> None:
    session = session_of(greet)
    session.begin(0.0)
    assert sent(session.receive(Received(MAIN, Hello(), batch=7), 1.0)) == [Res("hello")]
    effects = session.receive(Received(MAIN, Work(), batch=7), 1.0)
    assert effects[:2] == (Open(), Send(MAIN, Refused("Work", "OUT_OF_ORDER")))
    assert Close() not in effects


def test_a_request_that_was_sent_before_the_session_began_is_too_early() -> None:
    """It stood behind the hello, so nothing had been agreed on."""
    session = Session(greet, requests=Requests(refuse, OUT_OF_ORDER, batch=3), safe=(Open(),))
    session.begin(0.0)
    assert sent(session.receive(Received(MAIN, Hello(), batch=3), 1.0)) == [Refused("Hello", "OUT_OF_ORDER")]


def test_requests_of_other_batches_or_of_none_are_in_time() -> None:
    session = session_of(greet)
    session.begin(0.0)
    assert sent(session.receive(Received(MAIN, Hello(), batch=1), 1.0)) == [Res("hello")]
    assert sent(session.receive(Received(MAIN, Work(), batch=2), 1.1)) == [Res("worked 1")]
    session = session_of(greet)
    session.begin(0.0)
    session.receive(message(Hello()), 1.0)
    assert sent(session.receive(message(Work()), 1.1)) == [Res("worked 1")]


def test_facets_are_checked_after_the_order_and_inside_the_conversation() -> None:
    broken = Refusal("BROKEN", "[test]")
    seen: list[str] = []

    def talk(secc: Party) -> Conversation[None]:
        try:
            yield from secc.receive(Hello, within=SEQUENCE)
        except Refusal as refusal:
            seen.append(refusal.code)
            raise

    for body, code in ((Hello("broken"), "BROKEN"), (Work(), "OUT_OF_ORDER")):
        session = session_of(talk, check=lambda message: broken)
        session.begin(0.0)
        assert sent(session.receive(message(body), 1.0)) == [Refused(type(body).__name__, code)]
    assert seen == ["BROKEN", "OUT_OF_ORDER"]


def test_an_early_request_of_a_session_that_ends_gets_no_answer_of_its_own() -> None:
    session = session_of(slow)
    session.begin(0.0)
    session.receive(message(Hello()), 1.0)
    session.receive(message(Work()), 1.1)
    assert sent(session.receive(Smoke(), 1.2)) == [Refused("Hello", "Smoke")]


def test_a_refusal_table_with_a_bug_does_not_stop_the_ending() -> None:
    def broken(request: Any, cause: Any) -> object:
        raise KeyError("table")

    session = session_of(greet, refuse=broken)
    session.begin(0.0)
    effects = session.receive(message(Work()), 1.0)
    assert session.ended is not None
    assert session.ended.code == "bug.KeyError"
    assert effects == (Open(), End(session.ended))


# --- interruption ---------------------------------------------------------------------------------------------------------


def test_no_phase_catches_an_interruption() -> None:
    caught: list[str] = []

    def talk(secc: Party) -> Conversation[None]:
        try:
            yield from secc.receive(Hello, within=SEQUENCE)
        except Exception as error:
            caught.append(type(error).__name__)

    session = session_of(talk)
    session.begin(0.0)
    session.receive(Gone(), 1.0)
    assert caught == []
    assert session.ended == Reason("severed", "gone")


def test_a_phase_that_waits_on_after_an_interruption_is_a_bug_and_safe() -> None:
    def talk(secc: Party) -> Conversation[None]:
        try:
            yield from secc.receive(Hello, within=SEQUENCE)
        except BaseException:
            yield from secc.receive(Work, within=SEQUENCE)

    session = session_of(talk)
    session.begin(0.0)
    with pytest.raises(SeccError, match="waits on after Gone") as bug:
        session.receive(Gone(), 1.0)
    assert Open() in session.fail(bug.value)
    assert session.ended is not None


def test_a_clean_up_with_a_bug_does_not_stop_the_ending() -> None:
    def talk(secc: Party) -> Conversation[None]:
        try:
            yield from secc.receive(Hello, within=SEQUENCE)
        finally:
            raise ValueError("clean-up")

    session = session_of(talk)
    session.begin(0.0)
    effects = session.fail(RuntimeError("something else"))
    assert session.ended is not None
    assert session.ended.code == "bug.ValueError"
    assert effects == (Open(), End(session.ended))


def test_an_emergency_with_no_open_request_answers_the_next_one() -> None:
    session = session_of(greet)
    session.begin(0.0)
    session.receive(message(Hello()), 1.0)
    assert session.receive(Smoke(), 2.0) == (Open(),)
    assert session.ended is None
    assert session.deadline == Deadline(2.0 + FAREWELL.seconds, FAREWELL)
    effects = session.receive(message(Work()), 3.0)
    assert sent(effects) == [Refused("Work", "Smoke")]
    assert session.ended is not None
    assert session.ended.code == "emergency.smoke"
    assert effects.count(Open()) == 0


@pytest.mark.parametrize("ending", [Smoke(), Gone()])
def test_nothing_comes_before_the_safe_effects_not_even_a_clean_up(ending: Event) -> None:
    def talk(secc: Party) -> Conversation[None]:
        try:
            yield from secc.receive(Hello, within=SEQUENCE)
        finally:
            secc.do(Close())

    session = session_of(talk)
    session.begin(0.0)
    assert session.receive(ending, 1.0)[0] == Open()


def test_an_emergency_waits_five_seconds_for_the_next_request() -> None:
    session = session_of(greet)
    session.begin(0.0)
    session.receive(Smoke(), 2.0)
    assert session.expire(6.9) == ()
    (end,) = session.expire(7.0)
    assert isinstance(end, End)
    assert end.reason.code == "emergency.smoke"


def test_a_lost_connection_after_an_emergency_does_not_change_the_reason() -> None:
    session = session_of(greet)
    session.begin(0.0)
    session.receive(Smoke(), 2.0)
    session.receive(Gone(), 2.5)
    assert session.ended is not None
    assert session.ended.code == "emergency.smoke"


def test_a_second_emergency_changes_nothing() -> None:
    session = session_of(greet)
    session.begin(0.0)
    assert session.receive(Smoke(), 2.0) == (Open(),)
    assert session.receive(Smoke(), 3.0) == ()
    assert session.deadline == Deadline(7.0, FAREWELL)


# --- hearing --------------------------------------------------------------------------------------------------------------


def test_what_is_heard_reaches_its_handler_wherever_the_conversation_waits_and_what_is_not_heard_is_dropped() -> None:
    heard: list[object] = []

    def talk(secc: Party) -> Conversation[None]:
        secc.hear(Tapped, by=heard.append)
        yield from secc.receive(Hello, within=SEQUENCE)
        secc.reply(Res("hello"))
        yield from secc.receive(Work, within=SEQUENCE)
        secc.reply(Res("worked"))

    session = session_of(talk)
    session.begin(0.0)
    assert session.hears == {Tapped}
    session.receive(Tapped("one"), 0.1)
    session.receive(Closed(), 0.2)
    assert sent(session.receive(message(Hello()), 1.0)) == [Res("hello")]
    session.receive(Tapped("two"), 1.1)
    assert heard == [Tapped("one"), Tapped("two")]
    assert session.waiting_for == (Work,)


def test_a_wait_for_the_kind_comes_before_its_handler() -> None:
    heard: list[object] = []

    def talk(secc: Party) -> Conversation[str]:
        secc.hear(Tapped, by=heard.append)
        tapped = yield from secc.receive(Tapped, within=SHORT)
        return tapped.card

    session = session_of(talk)
    session.begin(0.0)
    session.receive(Tapped("card"), 0.1)
    assert (session.result, heard) == ("card", [])


def test_handlers_go_by_the_exact_type_and_waits_by_what_a_thing_is() -> None:
    class Tapped2(Tapped):
        pass

    heard: list[object] = []

    def talk(secc: Party) -> Conversation[str]:
        secc.hear(Tapped, by=heard.append)
        yield from secc.until(lambda: bool(heard), within=SHORT)
        tapped = yield from secc.receive(Tapped, within=SHORT)
        return tapped.card

    session = session_of(talk)
    session.begin(0.0)
    session.receive(Tapped2("sub"), 0.1)
    assert heard == []
    session.receive(Tapped("exact"), 0.2)
    assert heard == [Tapped("exact")]
    session.receive(Tapped2("sub"), 0.3)
    assert session.result == "sub"


def test_what_a_handler_raises_is_raised_where_the_conversation_waits() -> None:
    def full(tapped: Tapped) -> None:
        raise Refusal("TOO_MANY", "[test]", tapped.card)

    def talk(secc: Party) -> Conversation[str]:
        secc.hear(Tapped, by=full)
        try:
            yield from secc.receive(Hello, within=SEQUENCE)
        except Refusal as refusal:
            return refusal.detail
        return ""

    session = session_of(talk)
    session.begin(0.0)
    session.receive(Tapped("card"), 0.1)
    assert session.result == "card"


def test_hearing_changes_a_handler_for_a_while_and_names_nothing_new() -> None:
    outer: list[object] = []
    inner: list[object] = []

    def talk(secc: Party) -> Conversation[None]:
        secc.hear(Tapped, by=outer.append)
        with pytest.raises(SeccError, match="Closed: call hear"), secc.hearing(Closed):
            pass
        with secc.hearing(Tapped, by=inner.append):
            yield from secc.receive(Hello, within=SEQUENCE)
            secc.reply(Res("hello"))
        yield from secc.receive(Work, within=SEQUENCE)
        secc.reply(Res("worked"))

    session = session_of(talk)
    session.begin(0.0)
    session.receive(Tapped("one"), 0.1)
    session.receive(message(Hello()), 0.2)
    session.receive(Tapped("two"), 0.3)
    assert (inner, outer) == ([Tapped("one")], [Tapped("two")])


def test_a_look_comes_after_every_step_and_when_it_is_due() -> None:
    looked: list[float] = []

    def talk(secc: Party) -> Conversation[None]:
        secc.hear(Tapped)
        with secc.looking(lambda: looked.append(secc.now), lambda: Deadline((looked or [0.0])[-1] + 1.0, SHORT)):
            yield from secc.receive(Hello, within=SEQUENCE)
        secc.reply(Res("hello"))
        yield from secc.receive(Work, within=SEQUENCE)
        secc.reply(Res("worked"))

    session = session_of(talk)
    session.begin(0.0)
    assert session.deadline == Deadline(1.0, SHORT)
    session.expire(1.0)
    session.receive(Tapped("card"), 1.5)
    session.receive(message(Hello()), 2.0)
    assert looked == [1.0, 1.5, 2.0]
    assert session.deadline == Deadline(62.0, SEQUENCE)


def test_of_a_look_and_a_wait_that_are_due_together_the_wait_counts() -> None:
    def talk(secc: Party) -> Conversation[str]:
        secc.look(lambda: None, lambda: Deadline(1.5, ONGOING))
        try:
            yield from secc.receive(Hello, within=SHORT)
        except TimedOut as late:
            return late.deadline.timeout.name
        return ""

    session = session_of(talk)
    session.begin(0.0)
    session.expire(1.5)
    assert session.result == "Short"


# --- conditions -----------------------------------------------------------------------------------------------------------


def test_until_looks_at_its_condition_after_every_step_and_gives_up_in_time() -> None:
    for tapped in (True, False):
        cards: list[Tapped] = []

        def talk(secc: Party, cards: list[Tapped] = cards) -> Conversation[bool]:
            secc.hear(Tapped, by=cards.append)
            return (yield from secc.until(lambda: bool(cards), within=SHORT))

        session = session_of(talk)
        session.begin(0.0)
        if tapped:
            session.receive(Tapped("card"), 1.0)
        else:
            session.expire(1.5)
        assert session.result is tapped


def test_until_looks_at_levels_as_often_as_is_said() -> None:
    def talk(secc: Party) -> Conversation[bool]:
        look = Timeout("look", 0.1, "[test]")
        return (yield from secc.until(lambda: secc.levels.contactor == "closed", within=SHORT, every=look))

    session = session_of(talk)
    session.begin(0.0)
    session.expire(0.1)
    session.levels = Levels(contactor="closed")
    assert session.deadline is not None
    assert session.deadline.at == pytest.approx(0.2)
    session.expire(0.2)
    assert session.result is True


def test_until_with_a_time_that_is_over_does_not_wait() -> None:
    def talk(secc: Party) -> Conversation[tuple[bool, bool]]:
        over = Deadline(secc.now - 1.0, SHORT)
        first = yield from secc.until(lambda: False, before=over)
        second = yield from secc.until(lambda: True, before=over)
        return first, second

    session = session_of(talk)
    session.begin(5.0)
    assert session.result == (False, True)


def test_the_answer_to_any_open_question_wakes_until() -> None:
    def talk(secc: Party) -> Conversation[bool | None]:
        ticket = secc.ask(MayI("card"))
        yield from secc.until(lambda: secc.answer(ticket) is not None, within=SHORT)
        return secc.answer(ticket)

    session = session_of(talk)
    (ask,) = session.begin(0.0)
    assert isinstance(ask, Ask)
    session.receive(Answered(ask.ticket, True), 0.5)
    assert session.result is True


def test_an_endless_wait_is_said_in_words_and_has_no_deadline() -> None:
    def talk(secc: Party) -> Conversation[str]:
        secc.hear(Tapped)
        yield from secc.until(lambda: secc.levels.contactor == "closed", within=ENDLESS)
        return (yield from secc.receive(Tapped, within=ENDLESS)).card

    session = session_of(talk)
    session.begin(0.0)
    assert session.deadline is None
    session.levels = Levels(contactor="closed")
    session.receive(Tapped("first"), 1e6)
    assert session.deadline is None
    session.receive(Tapped("second"), 2e6)
    assert session.result == "second"


def test_rest_lets_time_pass_whatever_is_heard_meanwhile() -> None:
    def talk(secc: Party) -> Conversation[float]:
        secc.hear(Tapped)
        yield from secc.rest(SHORT)
        return secc.now

    session = session_of(talk)
    session.begin(0.0)
    session.receive(Tapped("card"), 1.0)
    session.expire(1.5)
    assert session.result == 1.5


# --- levels ---------------------------------------------------------------------------------------------------------------


def test_a_contactor_that_is_already_closed_is_not_waited_for() -> None:
    def talk(secc: Party) -> Conversation[None]:
        yield from secc.receive(Hello, within=SEQUENCE)
        if secc.levels.contactor != "closed":
            yield from secc.receive(Closed, within=SHORT)
        secc.reply(Res("closed"))

    session = session_of(talk)
    session.begin(0.0)
    session.levels = Levels(contactor="closed")
    assert sent(session.receive(message(Hello()), 1.0)) == [Res("closed")]


# --- time -----------------------------------------------------------------------------------------------------------------


def test_the_sequence_timer_runs_from_our_last_reply_whatever_is_noted_meanwhile() -> None:
    def talk(secc: Party) -> Conversation[None]:
        yield from secc.receive(Hello, within=SEQUENCE)
        secc.reply(Res("hello"))
        while not isinstance((yield from secc.receive(Work, Tapped, within=SEQUENCE)), Work):
            pass
        secc.reply(Res("worked"))

    session = session_of(talk)
    session.begin(0.0)
    session.receive(message(Hello()), 10.0)
    for now in (20.0, 40.0, 69.0):
        session.receive(Tapped("card"), now)
        assert session.deadline == Deadline(70.0, SEQUENCE)
    assert session.expire(70.0)
    assert session.ended is not None
    assert session.ended.code == "timer.Sequence"


def test_a_timer_that_is_to_be_answered_gives_the_next_request_its_answer() -> None:
    patience = Timeout("Patience", 1.0, "[test]", answered=True)

    def talk(secc: Party) -> Conversation[None]:
        yield from secc.receive(Hello, within=patience)

    session = session_of(talk)
    session.begin(0.0)
    assert session.expire(1.0) == (Open(),)
    assert session.deadline == Deadline(1.0 + FAREWELL.seconds, FAREWELL)
    assert sent(session.receive(message(Hello()), 2.0)) == [Refused("Hello", "TimedOut")]
    assert session.ended is not None
    assert session.ended.code == "timer.Patience"


def test_within_restarts_with_each_wait_and_before_spans_them() -> None:
    deadlines: list[Deadline] = []

    def talk(secc: Party) -> Conversation[str]:
        yield from secc.receive(Hello, within=SEQUENCE)
        limit = secc.limit(ONGOING)
        try:
            while True:
                secc.reply(Res("ongoing"))
                deadlines.append(limit)
                yield from secc.receive(Hello, within=SHORT, before=limit)
        except TimedOut as late:
            return late.deadline.timeout.name

    session = session_of(talk)
    session.begin(0.0)
    now = 1.0
    while session.ended is None and now < 100.0:
        session.receive(message(Hello()), now)
        if session.ended is None:
            assert session.deadline == min(Deadline(now + 1.5, SHORT), Deadline(56.0, ONGOING), key=lambda d: d.at)
        now += 1.0
    assert session.result == "Ongoing"
    assert len(set(deadlines)) == 1


def test_a_deadline_that_passed_counts_before_the_event_that_comes_after_it() -> None:
    session = session_of(greet)
    session.begin(0.0)
    assert sent(session.receive(message(Hello()), 60.0)) == []
    assert session.ended is not None
    assert session.ended.code == "timer.Sequence"


def test_a_wait_without_a_deadline_is_an_error() -> None:
    def talk(secc: Party) -> Conversation[None]:
        yield from secc.receive(Hello)

    with pytest.raises(SeccError, match="without a deadline"):
        session_of(talk).begin(0.0)


def test_waiting_again_for_the_deadline_that_passed_is_an_error_and_no_endless_loop() -> None:
    def talk(secc: Party) -> Conversation[None]:
        limit = secc.limit(SHORT)
        while True:
            try:
                yield from secc.receive(Hello, before=limit)
            except TimedOut:
                continue

    session = session_of(talk)
    session.begin(0.0)
    with pytest.raises(SeccError, match="waits again"):
        session.expire(2.0)


# --- nothing is kept --------------------------------------------------------------------------------------------------------


def test_nothing_that_was_said_is_held_when_the_session_is_gone() -> None:
    class Secret:
        pass

    @dataclass(frozen=True)
    class Carries:
        secret: Secret

    @dataclass(frozen=True)
    class Noted(Event):
        secret: Secret

    def talk(secc: Party) -> Conversation[None]:
        kept = yield from secc.receive(Carries, within=SEQUENCE)
        ticket = secc.ask(MayI("secret"))
        answer = yield from secc.receive(ticket, within=SHORT)
        secc.reply(Res("ok"))
        yield from secc.receive(Work, within=SEQUENCE)
        del kept, answer

    secrets = [Secret(), Secret(), Secret()]
    alive = [weakref.ref(secret) for secret in secrets]
    session = session_of(talk)
    session.begin(0.0)
    (ask,) = session.receive(message(Carries(secrets[0])), 1.0)
    assert isinstance(ask, Ask)
    session.receive(Answered(ask.ticket, secrets[1]), 1.1)
    session.receive(Noted(secrets[2]), 1.2)
    session.receive(Gone(), 2.0)
    secrets.clear()
    gc.collect()
    assert [ref() for ref in alive] == [None, None, None]


def test_a_session_that_is_over_is_no_garbage_where_its_refusals_refer_to_it() -> None:
    def talk(secc: Party) -> Conversation[None]:
        yield from secc.receive(Work, within=SEQUENCE)
        secc.reply(Res("ok"))

    def made() -> Session:
        requests = Requests(lambda request, cause: Res(str(session.levels)), OUT_OF_ORDER)
        session = Session(talk, requests=requests)
        return session

    session = made()
    alive = weakref.ref(session)
    gc.disable()
    try:
        session.begin(0.0)
        session.receive(message(Work(1)), 1.0)
        assert session.ended is not None
        del session
        assert alive() is None
    finally:
        gc.enable()
