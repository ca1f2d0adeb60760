"""A fixed number of whole sessions of the fuzzing run, and its own judgements on stations that are broken on purpose. ``make fuzz`` runs more."""

from __future__ import annotations

from typing import Any

import pytest

from secc.conversation import Conversation, Effect
from secc.iso2.messages import AuthorizationReq
from secc.iso2.phases.authorization import finished
from secc.iso2.session_state import next_request
from secc.session.effects import OpenContactor
from secc.session.signature import Form
from tests.fuzz import sessions
from tests.world_outlet import WorldOutlet

SESSIONS = 150
BROKEN = 60


@pytest.mark.case("A-EXI-03", "A-SES-04", "A-SES-05", "A-SES-14")
def test_sessions_on_a_bad_line_end_with_the_power_off_and_give_none_without_consent() -> None:
    found = sessions.run(SESSIONS, 15118)
    assert found.wrong == []
    assert found.sessions >= SESSIONS
    assert found.charged > SESSIONS // 5
    assert found.receipts > 0
    assert {"completed.terminated", "completed.pause", "severed.connection-closed", "refused.FAILED_SequenceError"} <= {
        *found.ends
    }
    assert {"PowerDeliveryReq", "CurrentDemandReq", "ChargingStatusReq", "SessionStopReq"} <= set(found.requests)


def wrong() -> set[str]:
    """What is found in some sessions of a station that is broken."""
    return {one.rpartition(": ")[2] for one in sessions.run(BROKEN, 1).wrong}


def test_a_station_that_believes_any_signature_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("secc.session.proof.verify", lambda *_: Form.XMLDSIG)
    assert "power without consent" in wrong()


def test_a_station_that_waits_for_no_card_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def authorization(secc: Any, state: Any) -> Conversation[None]:
        yield from next_request(secc, AuthorizationReq)
        secc.reply(finished())

    monkeypatch.setattr("secc.iso2.conversation.external_authorization", authorization)
    assert "power without consent" in wrong()


def test_a_station_that_leaves_the_contactor_closed_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    perform = WorldOutlet.perform

    def deaf(outlet: WorldOutlet, effect: Effect) -> None:
        if not isinstance(effect, OpenContactor):
            perform(outlet, effect)

    monkeypatch.setattr(WorldOutlet, "perform", deaf)
    assert any("power after the end" in one for one in sessions.run(BROKEN, 1).wrong)


def test_a_step_that_takes_long_is_found_by_the_processor_time_that_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "LONGEST_SECONDS", 0.0)
    assert any("a step of" in one for one in sessions.run(1, 1).wrong)
    # On the wall it takes long as well where the machine does something else: that alone is not a finding.
    found = sessions.Found(1)
    clock = iter(range(1000))
    monkeypatch.setattr(sessions, "LONGEST_SECONDS", 0.5)
    sessions.one(found, 1, lambda: float(next(clock)))
    assert found.wrong == []
    assert found.longest < 0.5
