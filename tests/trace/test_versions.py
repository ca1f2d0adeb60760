"""Values of traces that earlier versions wrote."""

from __future__ import annotations

from secc.conversation import Ask, Ticket, Timeout
from secc.session.effects import CheckCable, StopPower
from secc.trace.json import plain
from secc.trace.versions import VERSION, reduced

SWITCHING = Timeout("power off", 4.3, "a clause")


def test_a_question_of_version_1_carries_no_time() -> None:
    now = plain(Ask(Ticket(3, "StopPower"), StopPower(SWITCHING, keep_contactor=True)))
    then = {"type": "StopPower", "keep_contactor": True}
    assert reduced(now, 1) == {"type": "Ask", "ticket": now["ticket"], "question": then}
    assert reduced([now], 1)[0]["question"] == then
    assert reduced(now, VERSION) == now


def test_what_version_1_has_is_compared() -> None:
    one, other = (plain(CheckCable(volts, SWITCHING)) for volts in (400.0, 500.0))
    assert reduced(one, 1) != reduced(other, 1)
