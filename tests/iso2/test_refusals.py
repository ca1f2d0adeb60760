"""The one table of refusals: every request, every reason, and always a response that the schema allows."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from secc.conversation import Deadline, Levels, TimedOut
from secc.errors import Refusal
from secc.iso2 import timing
from secc.iso2.messages import BODY_ELEMENTS, SCHEMA, MessageHeader, ResponseCode, V2G_Message
from secc.iso2.refusals import AUTHORIZATION_CODES, DECISIONS, Malfunction, answer, refused
from secc.iso2.session_state import SessionState
from secc.session.effects import Decision
from secc.session.events import EmergencyStopped, Fault
from secc.session.offer import Transfer
from tests.iso2_car import AC_EIM, DC_EIM
from tests.iso2_states import EVERY_REQUEST

CAUSES: dict[str, Any] = {
    **{code.value: Refusal(code, "[test]") for code in ResponseCode if code.startswith("FAILED")},
    "a code that is none": Refusal("FAILED_Nonsense", "[test]"),
    "malfunction": Malfunction("a fan"),
    "emergency stop": EmergencyStopped(),
    "fault": Fault("supply-lost"),
    "timer": TimedOut(Deadline(1.0, timing.ONGOING)),
    "bug": RuntimeError("a bug"),
}
LEVELS = [Levels(volts=400.0, amperes=12.0), Levels(volts=float("nan"), amperes=float("inf"))]


def states() -> list[SessionState]:
    agreed = SessionState(AC_EIM)
    agreed.terms.transfer = Transfer.AC_SINGLE_PHASE
    return [SessionState(DC_EIM), SessionState(AC_EIM), agreed]


@pytest.mark.case("I2X-36")
@pytest.mark.parametrize("request_", EVERY_REQUEST.values(), ids=EVERY_REQUEST.keys())
def test_every_refusal_is_its_own_response_and_schema_valid(request_: Any) -> None:
    for (name, cause), state, levels in itertools.product(CAUSES.items(), states(), LEVELS):
        body = answer(request_, cause, state, levels)
        assert type(body).__name__ == type(request_).__name__.removesuffix("Req") + "Res", name
        octets = SCHEMA.encode(V2G_Message(header=MessageHeader(session_id=bytes(8)), body=body))
        assert SCHEMA.decode(octets).body == body
        code = body.response_code  # type: ignore[union-attr]  # every response has one
        if not isinstance(cause, EmergencyStopped | Fault):
            assert code.startswith("FAILED")
        if isinstance(cause, Refusal) and cause.code in list(ResponseCode):
            assert code == cause.code


def test_every_request_has_its_entry() -> None:
    requests = {cls for cls in BODY_ELEMENTS if cls.__name__.endswith("Req")}
    assert {type(request) for request in EVERY_REQUEST.values()} == requests


def test_what_is_no_request_is_not_answered() -> None:
    for cls in BODY_ELEMENTS:
        if cls.__name__.endswith("Res"):
            assert answer(object.__new__(cls), CAUSES["bug"], SessionState(DC_EIM), LEVELS[0]) is None


@pytest.mark.parametrize("decision", DECISIONS)
def test_the_detail_of_a_refused_contract_names_the_decision(decision: Decision) -> None:
    assert decision.value in refused(decision, "").detail
    assert decision.value in refused(decision, "more").detail
    in_authorization = refused(decision, "", in_authorization=True)
    assert in_authorization.code in AUTHORIZATION_CODES
