"""A contactor opens, or stays closed, by the current that is measured behind a supply that was switched off."""

from __future__ import annotations

import pytest

from hal.readings import DcPhase
from secc.conversation import Tell
from secc.energy.effects import OpenDcContactor, ReleasePower, SetSupply, StopInsulationMonitor, SwitchSupplyOff
from secc.session.effects import ReportFault, SetOutput, StopPower
from secc.session.events import LimitChanged
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


def ramping() -> Blind:
    """A car that gets 60 of the 150 A that it asks for, and more with each tick."""
    blind = charging_blindly()
    blind.hear(SetOutput(420.0, 150.0, DcPhase.CHARGE))
    blind.run(2.0)
    assert 55.0 < blind.said(SetSupply)[-1].amperes < 65.0
    blind.effects.clear()
    return blind


def test_a_setpoint_rises_with_ticks_however_often_the_car_asks() -> None:
    blind = ramping()
    for amperes in (151.0, 152.0, 153.0, 152.5):
        blind.hear(SetOutput(420.0, amperes, DcPhase.CHARGE))
    assert blind.said(SetSupply) == []
    blind.run(1.0)
    given = [setpoint.amperes for setpoint in blind.said(SetSupply)]
    assert len(given) == 10
    assert given == sorted(given)


@pytest.mark.parametrize(("volts", "amperes"), [(420.0, 20.0), (350.0, 150.0), (420.0, 0.0)])
def test_a_setpoint_falls_at_once(volts: float, amperes: float) -> None:
    """Between two ticks: what a car does not bear any more it must not get for another tenth of a second."""
    blind = ramping()
    blind.hear(SetOutput(volts, amperes, DcPhase.CHARGE))
    (setpoint,) = blind.said(SetSupply)
    assert setpoint.volts == volts
    assert setpoint.amperes <= max(amperes, 65.0)
    assert amperes > 65.0 or setpoint.amperes == amperes


def test_a_lowered_power_limit_counts_at_once() -> None:
    blind = ramping()
    blind.hear(LimitChanged(8_000.0))
    (setpoint,) = blind.said(SetSupply)
    assert 15.0 < setpoint.amperes <= 8_000.0 / 380.0
