"""The one table of refusals: every request, every reason, and always a response that the schema allows."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from secc.conversation import Deadline, Levels, TimedOut
from secc.din import timing
from secc.din.messages import BODY_ELEMENTS, SCHEMA, DC_EVSEStatusCode, MessageHeader, ResponseCode, V2G_Message
from secc.din.refusals import answer
from secc.din.session_state import SessionState
from secc.errors import Refusal
from secc.session.events import EmergencyStopped, Fault
from secc.session.measured import Malfunction
from tests.din_car import EVERY_REQUEST, OFFER

CAUSES: dict[str, Any] = {
    **{code.value: Refusal(code, "[test]") for code in ResponseCode if code.startswith("FAILED")},
    "a code that is none": Refusal("FAILED_Nonsense", "[test]"),
    "malfunction": Malfunction("a fan"),
    "emergency stop": EmergencyStopped(),
    "fault": Fault("supply-lost"),
    "timer": TimedOut(Deadline(1.0, timing.ONGOING)),
    "bug": RuntimeError("a bug"),
}
STATUS = {
    "malfunction": DC_EVSEStatusCode.EVSE_MALFUNCTION,
    "emergency stop": DC_EVSEStatusCode.EVSE_EMERGENCY_SHUTDOWN,
    "fault": DC_EVSEStatusCode.EVSE_MALFUNCTION,
}
LEVELS = [Levels(volts=400.0, amperes=12.0), Levels(volts=float("nan"), amperes=float("inf"))]


@pytest.mark.case("DIN-16", "DIN-20")
@pytest.mark.parametrize("request_", EVERY_REQUEST.values(), ids=EVERY_REQUEST.keys())
def test_every_refusal_is_its_own_response_and_schema_valid(request_: Any) -> None:
    for (name, cause), levels in itertools.product(CAUSES.items(), LEVELS):
        body: Any = answer(request_, cause, SessionState(OFFER), levels)
        assert type(body).__name__ == type(request_).__name__.removesuffix("Req") + "Res", name
        octets = SCHEMA.encode(V2G_Message(header=MessageHeader(session_id=bytes(8)), body=body))
        assert SCHEMA.decode(octets).body == body
        code = body.response_code
        assert code == cause.code if isinstance(cause, Refusal) and cause.code in list(ResponseCode) else "FAILED"
        assert code.startswith("FAILED"), "nothing is OK once the session is over"
        status = getattr(body, "dc_evse_status", None) or getattr(body, "evse_status", None)
        if status is not None:
            assert status.evse_status_code is STATUS.get(name, DC_EVSEStatusCode.EVSE_SHUTDOWN)


def test_every_request_has_its_entry() -> None:
    requests = {cls for cls in BODY_ELEMENTS if cls.__name__.endswith("Req")}
    assert {type(request) for request in EVERY_REQUEST.values()} == requests
    assert len(requests) == 17


def test_what_is_no_request_is_not_answered() -> None:
    for cls in BODY_ELEMENTS:
        if cls.__name__.endswith("Res"):
            assert answer(object.__new__(cls), CAUSES["bug"], SessionState(OFFER), LEVELS[0]) is None
