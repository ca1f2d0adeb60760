"""Values in traces that earlier versions wrote."""

from __future__ import annotations

from hal.readings import DcPhase
from secc.conversation import Ask, Ticket, Timeout
from secc.session.effects import CheckCable, SetOutput, StopPower
from secc.trace.json import plain, revive
from secc.trace.versions import VERSION, reduced, renewed

SWITCHING = Timeout("power off", 4.3, "a clause")


def test_a_question_of_version_1_carries_no_time() -> None:
    now = plain(Ask(Ticket(3, "StopPower"), StopPower(SWITCHING, keep_contactor=True)))
    then = {"type": "StopPower", "keep_contactor": True}
    assert reduced(now, 1) == {"type": "Ask", "ticket": now["ticket"], "question": then}
    assert reduced([now], 1)[0]["question"] == then
    assert reduced(now, VERSION) == now


def test_a_target_of_version_1_calls_its_phase_a_stage() -> None:
    then = {"type": "SetOutput", "volts": 400.0, "amperes": 20.0, "stage": "charge"}
    now = plain(SetOutput(400.0, 20.0, DcPhase.CHARGE))
    assert renewed([then], 1) == [now]
    assert renewed(now, VERSION) == now
    assert revive(renewed(then, 1)) == SetOutput(400.0, 20.0, DcPhase.CHARGE)


def test_what_version_1_has_is_compared() -> None:
    one, other = (plain(CheckCable(volts, SWITCHING)) for volts in (400.0, 500.0))
    assert reduced(one, 1) != reduced(other, 1)
