"""What was decided about a proved contract leaves the session once, and with a request."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from secc.conversation import Answered, Conversation, Party, Received, Requests, Session, Ticket, Timeout
from secc.errors import Refusal
from secc.session.contract_verdict import ContractVerdict
from secc.session.effects import AuthorizeContract, Decision, Identify, Verdict
from tests.lab_proof import lab_proved

LONG = Timeout("sequence", 60.0, "test")
VERDICT = Verdict(Decision.ACCEPTED)


@dataclass(frozen=True)
class Poll:
    pass


class Scene:
    """A session that asks about a contract and says OK to every Poll."""

    def __init__(self, *, looks: bool = False) -> None:
        self.seen: list[Verdict | None] = []
        self.verdict: ContractVerdict
        self.ticket: Ticket[Verdict]
        self.proved = lab_proved()

        def talk(secc: Party) -> Conversation[None]:
            self.ticket = secc.ask(AuthorizeContract(self.proved))
            self.verdict = ContractVerdict(secc, self.proved, self.ticket)
            while True:
                yield from secc.receive(Poll, within=LONG)
                if looks:
                    self.seen.append(self.verdict.now())
                secc.reply("OK")

        self.session = Session(talk, requests=Requests(lambda request, cause: None, Refusal("out of order", "test")))
        self.session.begin(0.0)

    def identified(self, event: object) -> list[Identify]:
        return [effect for effect in self.session.receive(event, 0.0) if isinstance(effect, Identify)]


def test_the_station_is_told_with_the_request_that_comes_after_the_answer_and_once() -> None:
    scene = Scene()
    assert scene.identified(Received(0, Poll())) == []
    assert scene.identified(Answered(scene.ticket, VERDICT)) == []
    assert scene.identified(Received(0, Poll())) == [Identify(scene.proved, VERDICT)]
    assert scene.identified(Received(0, Poll())) == []


def test_who_looks_at_the_verdict_tells_the_station_no_second_time() -> None:
    scene = Scene(looks=True)
    assert scene.identified(Received(0, Poll())) == []
    scene.session.receive(Answered(scene.ticket, VERDICT), 0.0)
    assert len([*scene.identified(Received(0, Poll())), *scene.identified(Received(0, Poll()))]) == 1
    assert scene.seen == [None, VERDICT, VERDICT]


@pytest.mark.parametrize("decision", [Decision.REJECTED, Decision.NO_ANSWER])
def test_a_refusal_is_told_as_well(decision: Decision) -> None:
    scene = Scene()
    scene.session.receive(Answered(scene.ticket, Verdict(decision)), 0.0)
    assert [effect.verdict.decision for effect in scene.identified(Received(0, Poll()))] == [decision]
