"""A session is a main conversation and, where a protocol has them, side conversations on streams of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from secc.conversation import (
    ENDLESS,
    Answered,
    Ask,
    Conversation,
    End,
    Event,
    Party,
    Question,
    Reason,
    Received,
    Requests,
    Send,
    Session,
    Severed,
    Side,
    Timeout,
)
from secc.errors import Refusal, SeccError

CHARGING, METERING = 0x8002, 0x8101

LOOP = Timeout("Loop", 2.0, "[test]", since_reply=True)
METERS = Timeout("MeterConfirmation", 10.0, "[test]")


@dataclass(frozen=True)
class Loop:
    amperes: float


@dataclass(frozen=True)
class LoopRes:
    amperes: float
    confirmed: int


@dataclass(frozen=True)
class Stop:
    pass


@dataclass(frozen=True)
class Confirmation:
    number: int


@dataclass(frozen=True)
class ConfirmationRes:
    number: int


@dataclass(frozen=True)
class Refused:
    code: str


@dataclass(frozen=True)
class MeterConfirmed(Event):
    number: int


class Gone(Severed):
    pass


@dataclass(frozen=True)
class Context:
    """Frozen: both conversations see it, neither changes it."""

    outlet: str


def charging(secc: Party, context: Context) -> Conversation[str]:
    confirmed = [0]
    secc.hear(MeterConfirmed, by=lambda event: confirmed.append(event.number))
    while True:
        request = yield from secc.receive(Loop, Stop, within=LOOP)
        secc.reply(LoopRes(getattr(request, "amperes", 0.0), confirmed[-1]))
        if isinstance(request, Stop):
            return context.outlet


def metering(secc: Party, context: Context) -> Conversation[None]:
    number = 0
    while number < 3:
        confirmation = yield from secc.receive(Confirmation, within=METERS)
        if confirmation.number != number + 1:
            raise Refusal("WRONG_NUMBER", "[test]")
        number = confirmation.number
        secc.post(MeterConfirmed(number))
        secc.reply(ConfirmationRes(number))


def refuse(request: Any, cause: Any) -> Refused:
    return Refused(cause.code if isinstance(cause, Refusal) else type(cause).__name__)


def asked_on(*streams: int) -> Requests:
    return Requests(refuse, Refusal("OUT_OF_ORDER", "[test]"), streams=streams)


@pytest.fixture
def session() -> Session:
    context = Context("left")
    session = Session(
        lambda secc: charging(secc, context),
        requests=asked_on(CHARGING),
        sides=[Side(lambda secc: metering(secc, context), asked_on(METERING))],
    )
    assert session.begin(0.0) == ()
    return session


def test_both_streams_are_answered_where_they_were_asked(session: Session) -> None:
    assert session.receive(Received(METERING, Confirmation(1)), 0.1) == (Send(METERING, ConfirmationRes(1)),)
    assert session.receive(Received(CHARGING, Loop(16.0)), 0.2) == (Send(CHARGING, LoopRes(16.0, 1)),)
    effects = session.receive(Received(CHARGING, Stop()), 0.3)
    assert effects == (Send(CHARGING, LoopRes(0.0, 1)), End(Reason("completed", "left")))


def test_a_request_may_be_open_on_each_stream_at_once() -> None:
    done = type("Done", (Event,), {})

    def patient(secc: Party) -> Conversation[None]:
        yield from secc.receive(Loop, within=LOOP)
        yield from secc.receive(done, within=METERS)
        secc.reply(LoopRes(1.0, 0))

    session = Session(
        patient,
        requests=asked_on(CHARGING),
        sides=[Side(lambda secc: metering(secc, Context("left")), asked_on(METERING))],
    )
    session.begin(0.0)
    assert session.receive(Received(CHARGING, Loop(1.0)), 0.1) == ()
    assert session.receive(Received(METERING, Confirmation(1)), 0.2) == (Send(METERING, ConfirmationRes(1)),)
    assert session.receive(done(), 0.3)[0] == Send(CHARGING, LoopRes(1.0, 0))


def test_an_answer_goes_to_the_conversation_that_asked() -> None:
    class Signed(Question[bool]):
        pass

    def asks(secc: Party) -> Conversation[None]:
        request = yield from secc.receive(Confirmation, within=METERS)
        good = yield from secc.receive(secc.ask(Signed()), within=METERS)
        secc.reply(ConfirmationRes(request.number if good else 0))

    session = Session(
        lambda secc: charging(secc, Context("left")),
        requests=asked_on(CHARGING),
        sides=[Side(asks, asked_on(METERING))],
    )
    session.begin(0.0)
    (ask,) = session.receive(Received(METERING, Confirmation(1)), 0.1)
    assert isinstance(ask, Ask)
    assert session.receive(Answered(ask.ticket, True), 0.2) == (Send(METERING, ConfirmationRes(1)),)


def test_a_main_message_on_a_side_stream_is_out_of_order_and_ends_the_session_once(session: Session) -> None:
    effects = session.receive(Received(METERING, Loop(16.0)), 0.1)
    assert [e for e in effects if isinstance(e, Send)] == [Send(METERING, Refused("OUT_OF_ORDER"))]
    assert session.ended is not None


def test_a_stream_nobody_listens_to_changes_nothing(session: Session) -> None:
    assert session.receive(Received(0x8103, Loop(16.0)), 0.1) == ()
    assert session.ended is None


def test_each_conversation_has_its_own_deadline_and_the_nearest_one_counts(session: Session) -> None:
    assert session.deadline is not None
    assert session.deadline.timeout is LOOP
    for now in (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0):
        session.receive(Received(CHARGING, Loop(16.0)), now)
    assert session.deadline.timeout is METERS
    session.expire(10.0)
    assert session.ended is not None
    assert session.ended.code == "timer.MeterConfirmation"


def test_a_refusal_in_a_side_conversation_answers_there_and_ends_all(session: Session) -> None:
    effects = session.receive(Received(METERING, Confirmation(5)), 0.1)
    assert effects[0] == Send(METERING, Refused("WRONG_NUMBER"))
    assert session.ended is not None
    assert session.ended.code == "refused.WRONG_NUMBER"


def test_a_side_conversation_that_is_done_lets_the_main_one_go_on(session: Session) -> None:
    for number in (1, 2, 3):
        session.receive(Received(METERING, Confirmation(number)), 0.1)
    assert session.receive(Received(CHARGING, Loop(1.0)), 0.2) == (Send(CHARGING, LoopRes(1.0, 3)),)


def test_an_interruption_ends_every_conversation(session: Session) -> None:
    ended: list[str] = []

    def noting(name: str) -> Any:
        def talk(secc: Party) -> Conversation[None]:
            try:
                yield from secc.receive(Loop, within=LOOP)
            finally:
                ended.append(name)

        return talk

    session = Session(
        noting("main"),
        requests=asked_on(CHARGING),
        sides=[Side(noting("side"), asked_on(METERING))],
    )
    session.begin(0.0)
    session.receive(Gone(), 0.5)
    assert ended == ["main", "side"]


def test_only_a_side_conversation_posts() -> None:
    def talk(secc: Party) -> Conversation[None]:
        secc.post(MeterConfirmed(1))
        yield from secc.receive(Loop, within=LOOP)

    session = Session(talk, requests=asked_on(CHARGING))
    with pytest.raises(SeccError, match="only a side conversation posts"):
        session.begin(0.0)


def test_messages_of_one_batch_on_two_streams_are_two_conversations_and_neither_is_early(session: Session) -> None:
    assert session.receive(Received(CHARGING, Loop(16.0), batch=5), 0.1) == (Send(CHARGING, LoopRes(16.0, 0)),)
    assert session.receive(Received(METERING, Confirmation(1), batch=5), 0.1) == (Send(METERING, ConfirmationRes(1)),)
    effects = session.receive(Received(METERING, Confirmation(2), batch=5), 0.1)
    assert effects[0] == Send(METERING, Refused("OUT_OF_ORDER"))
    assert session.ended is not None


def test_a_side_conversation_that_nobody_talks_to_may_wait_as_long_as_the_session_lives() -> None:
    def silent(secc: Party) -> Conversation[None]:
        yield from secc.receive(Confirmation, within=ENDLESS)

    session = Session(
        lambda secc: charging(secc, Context("left")),
        requests=asked_on(CHARGING),
        sides=[Side(silent, asked_on(METERING))],
    )
    session.begin(0.0)
    for now in range(1, 1000):
        session.receive(Received(CHARGING, Loop(16.0)), float(now))
    assert session.ended is None
    assert session.deadline is not None
    assert session.deadline.timeout is LOOP


def test_one_conversation_on_several_streams_answers_on_the_stream_of_the_request_and_has_one_open() -> None:
    ac, common = 0x8003, 0x8002

    def talk(secc: Party) -> Conversation[None]:
        yield from secc.receive(Stop, within=LOOP)
        secc.reply(LoopRes(0.0, 0))
        yield from secc.receive(Loop, within=LOOP)
        secc.reply(LoopRes(1.0, 0))
        yield from secc.receive(Loop, within=LOOP)

    session = Session(talk, requests=asked_on(common, ac))
    session.begin(0.0)
    assert session.receive(Received(common, Stop(), batch=1), 0.1) == (Send(common, LoopRes(0.0, 0)),)
    assert session.receive(Received(ac, Loop(1.0), batch=2), 0.2) == (Send(ac, LoopRes(1.0, 0)),)
    effects = session.receive(Received(common, Loop(1.0), batch=2), 0.3)
    assert effects[0] == Send(common, Refused("OUT_OF_ORDER"))
