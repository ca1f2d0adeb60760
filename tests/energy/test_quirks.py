"""Tolerances of the DC power path: a cable that is not checked again, and an insulation monitor that pauses."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hal.readings import DcPhase
from secc.energy import DcSettings
from secc.energy.effects import StartInsulationMonitor, StopInsulationMonitor
from secc.session.effects import CableChecked, KeepCable, Remark, SetOutput
from tests.board_events import insulation_measured
from tests.energy.bench import KEEP, START, STOP, Bench
from tests.energy.test_cable_check import CHECK, SETTINGS, bench, charging, renegotiating

AGAIN = KeepCable(425.0)
PAUSING = replace(SETTINGS, pause_insulation_monitor=True)


def charges(b: Bench, amperes: float = 50.0, seconds: float = 3.0) -> None:
    for _ in range(int(seconds / 0.25)):
        b.hear(SetOutput(420.0, amperes, DcPhase.CHARGE))
        b.run(0.25)


def codes(b: Bench) -> list[str]:
    return [effect.code for effect in b.effects if isinstance(effect, Remark)]


# --- no second cable check ---------------------------------------------------------------------------------------------


@pytest.mark.case("Q-60")
@pytest.mark.parametrize("precharges", [False, True])
def test_a_car_that_kept_its_contactor_closed_goes_on_with_its_cable(precharges: bool) -> None:
    b = renegotiating()
    assert b.answer(AGAIN, 1.5) == CableChecked(True, "valid", "1000000 ohms")
    if precharges:
        b.hear(SetOutput(b.world.truth()["battery_volts"], 1.0, DcPhase.PRECHARGE))
        b.run(0.5)
    assert b.answer(START).done
    charges(b)
    assert b.world.truth()["amperes"] == pytest.approx(50.0, abs=1.0)
    assert b.answer(STOP, 3.0).done
    assert b.reported == []
    assert not b.world.incidents


@pytest.mark.case("Q-60")
def test_the_output_stays_at_the_batterys_voltage_until_the_car_closes_its_contactor_again() -> None:
    b = renegotiating()
    battery = b.world.truth()["battery_volts"]
    assert b.answer(AGAIN, 1.5).passed
    b.world.close_relay(False)
    b.run(3.0)
    assert b.world.truth()["outlet_volts"] == pytest.approx(battery, abs=20.0)
    b.world.close_relay()
    assert b.answer(START).done
    charges(b)
    assert not b.world.incidents


@pytest.mark.case("Q-60")
def test_an_output_that_has_discharged_needs_the_cable_check() -> None:
    b = renegotiating()
    b.world.close_relay(False)
    b.run_until(lambda: b.world.truth()["outlet_volts"] < 300.0, 15.0)
    assert not b.answer(AGAIN, 1.5).passed
    assert not b.answer(START, 1.0).done
    assert b.setpoints == []
    assert b.answer(CHECK).passed


@pytest.mark.case("Q-60")
def test_a_cable_that_was_never_checked_is_not_kept() -> None:
    b = bench()
    assert not b.answer(AGAIN, 1.5).passed
    assert not b.answer(START, 1.0).done
    assert not b.world.truth()["contactor_closed"]


@pytest.mark.case("Q-60")
@pytest.mark.parametrize("stage", ["checked", "charging", "stopped"])
def test_only_a_renegotiation_keeps_a_cable(stage: str) -> None:
    b = bench() if stage == "checked" else charging()
    if stage == "checked":
        assert b.answer(CHECK).passed
    if stage == "stopped":
        assert b.answer(STOP, 4.0).done
    assert not b.answer(AGAIN, 1.5).passed


@pytest.mark.case("Q-60")
def test_a_bad_insulation_meanwhile_ends_it() -> None:
    b = renegotiating()
    b.world.inject("insulation_fault")
    b.run(3.0)
    assert not b.answer(AGAIN, 1.5).passed
    assert b.dead


@pytest.mark.case("Q-60")
def test_a_fault_while_it_is_decided_is_the_answer() -> None:
    b = renegotiating()
    number = b.ask(AGAIN)
    assert number not in b.told
    b.hear(insulation_measured(10_000.0, b.clock.now()))
    b.run_until(lambda: number in b.told, 2.0)
    assert (b.told[number].passed, b.told[number].isolation) == (False, "fault")
    b.run(3.0)
    assert b.dead


@pytest.mark.case("Q-60")
def test_a_battery_above_the_new_limit_of_the_car_is_not_kept() -> None:
    b = renegotiating()
    assert not b.answer(KeepCable(b.world.truth()["battery_volts"] - 10.0), 1.5).passed
    assert b.setpoints == []


# --- the monitor pauses -------------------------------------------------------------------------------------------------


def paused(settings: DcSettings = PAUSING) -> Bench:
    b = bench(settings)
    assert b.answer(CHECK).passed
    return b


def monitored(b: Bench) -> bool:
    orders = [effect for effect in b.effects if isinstance(effect, StartInsulationMonitor | StopInsulationMonitor)]
    return isinstance(orders[-1], StartInsulationMonitor)


def started(b: Bench) -> Bench:
    b.hear(SetOutput(b.world.truth()["battery_volts"], 1.0, DcPhase.PRECHARGE))
    b.run(1.5)
    b.world.close_relay()
    assert b.answer(START).done
    return b


@pytest.mark.case("Q-68")
def test_the_monitor_pauses_from_the_cable_check_to_the_first_current() -> None:
    b = paused()
    assert not monitored(b)
    assert codes(b) == ["Q-68"]
    started(b)
    assert not monitored(b), "no current yet"
    charges(b, seconds=1.0)
    assert b.world.truth()["amperes"] > 1.0
    assert monitored(b)
    b.world.inject("insulation_fault")
    b.run(3.0)
    assert [fault.code for fault in b.reported] == ["insulation-fault"]
    assert b.dead


@pytest.mark.case("Q-68")
def test_a_car_that_draws_nothing_does_not_prolong_the_pause() -> None:
    b = started(paused())
    charges(b, amperes=0.0, seconds=9.5)
    assert not monitored(b)
    charges(b, amperes=0.0, seconds=1.0)
    assert monitored(b)
    assert b.reported == []


@pytest.mark.case("Q-68")
def test_the_pause_ends_with_a_renegotiation_before_any_current() -> None:
    b = started(paused())
    assert b.answer(KEEP, 3.0).done
    b.run(0.2)
    assert monitored(b)


@pytest.mark.case("Q-68")
def test_a_monitor_that_does_not_come_back_ends_charging() -> None:
    b = started(paused())
    b.world.inject("imd_silent")
    charges(b, seconds=12.0)
    assert [fault.code for fault in b.reported] == ["insulation-monitor-silent"]
    assert b.dead


@pytest.mark.case("Q-68")
def test_a_car_that_stops_before_any_current_leaves_no_pause_behind() -> None:
    b = started(paused())
    assert b.answer(STOP, 4.0).done
    b.world.close_relay(False)
    b.run(1.0)
    assert not monitored(b)
    b.settings = SETTINGS
    assert b.answer(CHECK).passed


@pytest.mark.case("Q-68")
def test_without_the_tolerance_it_never_pauses() -> None:
    b = charging()
    assert StopInsulationMonitor() not in b.effects
    assert codes(b) == []


# --- whatever is asked, in any order --------------------------------------------------------------------------------------------

STEPS = ("check", "hold", "again", "start", "stop", "precharge", "charge", "close", "open", "wait", "bad insulation")


@pytest.mark.case("Q-60", "Q-68")
@given(st.booleans(), st.lists(st.sampled_from(STEPS), min_size=4, max_size=14))
@settings(max_examples=40, deadline=None)
def test_nothing_flows_through_a_cable_that_was_not_checked(pauses: bool, steps: list[str]) -> None:
    """The car closes its contactor where it may: within 20 V. No order of questions makes an inrush, or current without a check."""
    b, checked = bench(PAUSING if pauses else SETTINGS), False
    for step in steps:
        truth = b.world.truth()
        match step:
            case "check":
                checked = b.answer(CHECK, 45.0).passed or checked
            case "again":
                kept = b.answer(AGAIN, 1.5).passed
                assert checked or not kept
            case "start":
                done = b.answer(START, 5.0).done
                assert checked or not done
            case "hold" | "stop":
                b.answer(KEEP if step == "hold" else STOP, 6.0)
            case "precharge":
                for _ in range(6):
                    b.hear(SetOutput(truth["battery_volts"], 1.0, DcPhase.PRECHARGE))
                    b.run(0.25)
            case "charge":
                charges(b, seconds=1.5)
            case "close":
                if abs(truth["outlet_volts"] - truth["battery_volts"]) < 20.0:
                    b.world.close_relay()
            case "open":
                if truth["amperes"] < 1.0:
                    b.world.close_relay(False)
            case "bad insulation":
                b.world.inject("insulation_fault")
            case _:
                b.run(1.0)
        assert checked or b.world.truth()["amperes"] == 0.0
    assert not b.world.incidents
