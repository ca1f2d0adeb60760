"""A contactor opens, or stays closed, by the current that is measured behind a supply that was switched off."""

from __future__ import annotations

import pytest

from secc.conversation import Tell
from secc.energy.effects import OpenDcContactor, ReleasePower, StopInsulationMonitor, SwitchSupplyOff
from secc.session.effects import ReportFault, StopPower
from tests.energy.bench import KEEP, STOP
from tests.energy.blind import Blind, charging_blindly


def stopping_at(amperes: float, stop: StopPower = STOP) -> Blind:
    """A supply whose current does not fall below this."""
    blind = charging_blindly()
    blind.amperes = amperes
    blind.ask(3, stop)
    assert blind.said(SwitchSupplyOff)
    return blind


@pytest.mark.parametrize("amperes", [20.0, -20.0, 5.0, -5.0])
def test_the_contactor_waits_for_a_current_that_it_may_break(amperes: float) -> None:
    """5 A and more are not broken before the supply has had its 2 s, whichever way they flow."""
    blind = stopping_at(amperes)
    blind.run(1.8)
    assert blind.said(OpenDcContactor) == []
    blind.run(0.4)
    assert blind.said(OpenDcContactor), "the lesser evil"
    assert [fault.code for fault in blind.said(ReportFault)] == ["supply-not-off"]


@pytest.mark.parametrize("amperes", [4.9, -4.9])
def test_the_contactor_opens_when_the_current_may_be_broken(amperes: float) -> None:
    blind = stopping_at(20.0)
    blind.run(0.5)
    blind.amperes = amperes
    blind.run(0.15)
    assert blind.said(OpenDcContactor), "the current is a level, and nothing but the tick tells of it"
    blind.contactor = "open"
    blind.run(0.2)
    assert blind.said(ReportFault) == []


@pytest.mark.parametrize("amperes", [20.0, -20.0])
def test_a_contactor_that_would_stay_closed_over_a_renegotiation_opens_where_the_current_does_not_fall(
    amperes: float,
) -> None:
    blind = stopping_at(amperes, KEEP)
    blind.run(1.8)
    assert blind.said(OpenDcContactor) == []
    blind.run(0.4)
    assert blind.said(OpenDcContactor)
    assert [fault.code for fault in blind.said(ReportFault)] == ["supply-not-off"]
    assert [tell.answer.done for tell in blind.said(Tell)] == [False]


def test_a_contactor_stays_closed_over_a_renegotiation() -> None:
    blind = stopping_at(20.0, KEEP)
    blind.run(0.5)
    blind.amperes = 0.0
    blind.run(5.0)
    assert [tell.answer.done for tell in blind.said(Tell)] == [True]
    assert blind.said(OpenDcContactor) == blind.said(ReleasePower) == blind.said(StopInsulationMonitor) == []
