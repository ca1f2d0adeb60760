"""In a setup state a car may stop instead of what is due."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from secc.conversation import Conversation, Party, Received, Requests, Session, Timeout
from secc.errors import Refusal
from secc.session.effects import OpenContactor, Remark
from secc.session.setup_states import SetupStates, Stopped

LONG = Timeout("sequence", 60.0, "test")


@dataclass(frozen=True)
class Hello:
    pass


@dataclass(frozen=True)
class Other:
    pass


@dataclass(frozen=True)
class Stop:
    pass


def heard(*messages: object) -> tuple[Session, list[Any], list[object]]:
    """The session, what it said, and what its phase was given."""
    given: list[object] = []
    next_request = SetupStates(Stop, LONG, {Hello: "Q-34"})

    def talk(secc: Party) -> Conversation[str]:
        try:
            given.append((yield from next_request(secc, Hello)))
            secc.reply("OK")
            given.append((yield from next_request(secc, Other, Hello)))
            secc.reply("OK")
        except Stopped as stopped:
            secc.reply(str(stopped))
            return "stopped"
        return "done"

    requests = Requests(lambda request, cause: "FAILED", Refusal("out of order", "test"))
    session = Session(talk, requests=requests, safe=(OpenContactor(),), now=0.0)
    said = list(session.begin(0.0))
    for message in messages:
        said += session.receive(Received(0, message), 1.0)
    return session, said, given


def test_what_is_due_is_given_to_the_phase() -> None:
    session, _, given = heard(Hello(), Hello())
    assert given == [Hello(), Hello()]
    assert session.result == "done"


@pytest.mark.case("Q-34", "Q-37")
def test_a_stop_is_raised_and_remarked_where_it_has_a_quirk() -> None:
    session, said, given = heard(Stop())
    assert (session.result, given) == ("stopped", [])
    assert [effect for effect in said if isinstance(effect, Remark)] == [Remark("Q-34", "Stop where Hello is due")]
    session, said, given = heard(Hello(), Stop())
    assert (session.result, given) == ("stopped", [Hello()])
    assert not any(isinstance(effect, Remark) for effect in said)


def test_everything_else_is_out_of_order_and_silence_is_a_timeout() -> None:
    session, _, given = heard(Other())
    assert session.ended is not None
    assert (session.ended.code, given) == ("refused.out of order", [])
    session, _, _ = heard()
    session.expire(60.0)
    assert session.ended is not None
    assert session.ended.code == "timer.sequence"
