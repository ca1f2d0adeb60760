"""The cable check on the simulated world: what is switched when, and every way to fail."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pytest

from hal.events import InsulationMeasured
from hal.interlock import Insulation
from hal.readings import DcPhase
from secc.conversation import Conversation, Levels, Party, Session, Timeout
from secc.energy import DcSettings
from secc.energy.cable_check import CableCheck
from secc.energy.contactor import Contactor
from secc.energy.effects import Notice, SetSupply, StartInsulationMonitor
from secc.energy.events import InsulationTestProlonged
from secc.energy.insulation import InsulationWatch
from secc.energy.supply import Supply
from secc.session.effects import CableChecked, CheckCable, SetOutput
from secc.session.offer import DcLimits
from tests.board_events import insulation_measured
from tests.energy.bench import CHECKING, KEEP, START, STOP, Bench

SETTINGS = DcSettings(limits=DcLimits(50.0, 500.0, 0.0, 200.0, 60_000.0))
CHECK = CheckCable(425.0, CHECKING)


def bench(settings: DcSettings = SETTINGS) -> Bench:
    bench = Bench(settings)
    bench.world.close_s2()
    bench.run(0.2)
    return bench


def failed(bench: Bench, within: float = 40.0) -> CableChecked:
    checked = bench.answer(CHECK, within)
    assert isinstance(checked, CableChecked)
    assert not checked.passed
    bench.run(3.0)
    assert bench.dead
    return checked


@pytest.mark.case("Q-52")
def test_a_good_cable_is_tested_at_475_volts_and_left_below_60() -> None:
    b = bench()
    number = b.ask(CHECK)
    highest = 0.0
    while number not in b.told:
        b.run(0.01)
        highest = max(highest, b.world.truth()["outlet_volts"])
        assert b.world.truth()["amperes"] == 0.0
    assert highest == pytest.approx(475.0, abs=1.0)
    assert b.told[number] == CableChecked(True, "valid", "1000000 ohms")
    truth = b.world.truth()
    assert truth["contactor_closed"]
    assert not truth["supply_on"]
    assert truth["outlet_volts"] < 60.0
    assert b.insulation is Insulation.VALID
    assert all(setpoint.amperes <= 2.0 for _, setpoint in b.setpoints)


def test_it_does_not_start_without_a_car_in_c() -> None:
    b = Bench(SETTINGS)
    assert "state B" in failed(b, 1.0).detail
    assert "contactor_closed" not in b.world.moments, "the contactor never moved"


@pytest.mark.parametrize("volts", [0.0, -1.0, math.nan, math.inf])
def test_a_car_whose_maximum_is_no_voltage_is_not_checked(volts: float) -> None:
    b = bench()
    assert not b.answer(CheckCable(volts, CHECKING)).passed
    b.run(1.0)
    assert b.setpoints == []
    assert b.dead


def test_a_cable_with_a_fault_is_fault_and_stays_off_until_unplugged() -> None:
    b = bench()
    b.world.inject("insulation_fault")
    assert failed(b).isolation == "fault"
    assert b.insulation is Insulation.FAULT
    assert [fault.code for fault in b.reported] == ["insulation-fault"]
    assert b.reported[0].latched
    b.setpoints.clear()
    assert failed(b, 1.0).isolation == "fault"
    assert b.setpoints == []


def test_a_poor_insulation_is_a_warning_and_passes() -> None:
    b = bench()
    b.world.car.inlet_ohms = 150_000.0
    assert b.answer(CHECK) == CableChecked(True, "warning", "150000 ohms")


@pytest.mark.parametrize(
    ("fault", "detail", "within"),
    [
        ("imd_self_test", "self-test", 20.0),
        ("imd_silent", "self-test", 38.1),
        ("contactor_stuck_open", "contactor", 6.0),
        ("supply_dead", "0 V instead of 475 V", 12.0),
        ("supply_silent", "measurement-stale", 12.0),
    ],
)
def test_what_does_not_work_fails_the_check(fault: str, detail: str, within: float) -> None:
    b = bench()
    b.world.inject(fault)
    assert detail in failed(b, within).detail


def test_a_supply_that_overshoots_never_passes() -> None:
    b = bench()
    b.world.inject("supply_overshoot")
    assert not failed(b).passed


def test_it_ends_within_38_seconds_whatever_is_slow() -> None:
    b = bench()
    b.world.inject("imd_silent")
    number = b.ask(CHECK)
    assert b.run_until(lambda: number in b.told, 38.1) > 20.0


def test_it_has_as_long_as_the_question_says() -> None:
    b = bench()
    b.world.inject("imd_silent")
    number = b.ask(CheckCable(425.0, Timeout("cable check", 12.0, "of a hasty protocol")))
    assert b.run_until(lambda: number in b.told, 12.1) > 11.9
    assert not b.told[number].passed


def test_a_voltage_on_the_bus_before_the_check_fails_it() -> None:
    b = bench()
    b.world.close_relay()
    b.run(0.2)
    assert "before the check" in failed(b, 11.0).detail
    assert b.setpoints == []


def test_an_outlet_without_a_monitor_says_so() -> None:
    b = bench(DcSettings(limits=SETTINGS.limits, insulation_monitor=False))
    assert failed(b, 1.0).isolation == "no_imd"


def test_several_measurements_if_asked_for() -> None:
    b = bench(DcSettings(limits=SETTINGS.limits, isolation_measurements=3))
    one = bench()
    number, other = b.ask(CHECK), one.ask(CHECK)
    longer = b.run_until(lambda: number in b.told, 40.0) - one.run_until(lambda: other in one.told, 40.0)
    assert longer == pytest.approx(2.0, abs=0.2)
    assert b.told[number].passed


def test_a_car_that_leaves_c_in_the_middle_fails_it_and_is_live_no_longer() -> None:
    b = bench()
    number = b.ask(CHECK)
    b.run_until(lambda: b.world.truth()["outlet_volts"] > 400.0, 10.0)
    b.world.close_s2(False)
    b.run_until(lambda: b.dead, 0.12)
    assert not b.told[number].passed


def test_an_end_in_the_middle_answers_both_questions() -> None:
    b = bench()
    check = b.ask(CHECK)
    b.run_until(lambda: b.world.truth()["outlet_volts"] > 400.0, 10.0)
    assert b.answer(STOP, 3.0).done
    assert not b.told[check].passed
    assert b.dead


def test_it_can_be_repeated_after_a_renegotiation_with_the_contactor_closed() -> None:
    b = bench()
    assert b.answer(CHECK).passed
    closed = b.world.moments["contactor_closed"]
    assert b.answer(CHECK).passed
    assert b.world.moments["contactor_closed"] == closed, "a level, not an edge"


@pytest.mark.parametrize("ohms", [150_000.0, 20_000.0])
def test_a_second_check_believes_nothing_that_was_measured_before_the_first(ohms: float) -> None:
    """The resistance has fallen between the two. A megaohm that was measured in time for the first check says nothing about the second."""
    b = bench()
    assert b.answer(CHECK) == CableChecked(True, "valid", "1000000 ohms")
    b.world.car.inlet_ohms = ohms
    b.world.supply.on = False
    number = b.ask(CHECK)
    assert b.insulation is Insulation.UNKNOWN, "the interlock has to forget it, too"
    b.run_until(lambda: number in b.told, 40.0)
    if ohms < SETTINGS.fault_ohms:
        assert not b.told[number].passed
    else:
        assert b.told[number] == CableChecked(True, "warning", "150000 ohms")


def test_a_measurement_that_is_older_than_the_check_does_not_count() -> None:
    """It was taken before, and only its news came late."""
    b = bench()
    number = b.ask(CHECK)
    b.run_until(lambda: b.world.truth()["outlet_volts"] > 470.0, 10.0)
    b.listening = False
    b.run(2.5)
    b.hear(insulation_measured(1e6, b.clock.now() - 10.0))
    b.run(2.0)
    assert number not in b.told
    b.listening = True
    b.run_until(lambda: number in b.told, 10.0)
    assert b.told[number].passed


# --- over a renegotiation ---------------------------------------------------------------------------------------------------------


def charging(settings: DcSettings = SETTINGS) -> Bench:
    b = bench(settings)
    assert b.answer(CHECK).passed
    b.hear(SetOutput(b.world.truth()["battery_volts"], 1.0, DcPhase.PRECHARGE))
    b.run(1.5)
    b.world.close_relay()
    assert b.answer(START).done
    for _ in range(12):
        b.hear(SetOutput(420.0, 50.0, DcPhase.CHARGE))
        b.run(0.25)
    assert b.world.truth()["amperes"] > 40.0
    return b


def renegotiating(settings: DcSettings = SETTINGS) -> Bench:
    """A car that charged and negotiates anew. Its relay is still closed."""
    b = charging(settings)
    assert b.answer(KEEP, 3.0).done
    assert b.world.truth()["amperes"] == 0.0
    assert not b.world.truth()["supply_on"]
    b.setpoints.clear()
    return b


def test_a_car_that_opens_its_contactor_is_tested_as_before() -> None:
    b = renegotiating()
    assert b.world.truth()["contactor_closed"]
    b.world.close_relay(False)
    assert b.answer(CHECK) == CableChecked(True, "valid", "1000000 ohms")
    assert max(setpoint.volts for _, setpoint in b.setpoints) == 475.0
    assert b.reported == []
    assert not b.world.incidents


def test_what_was_measured_without_the_test_voltage_does_not_count() -> None:
    """The monitor runs since the first check. What it found before the second one had its voltage and its self-test does not count for that check."""
    b = renegotiating()
    b.world.close_relay(False)
    b.effects.clear()
    number = b.ask(CHECK)
    b.run_until(lambda: StartInsulationMonitor() in b.effects, 15.0)
    b.world.car.inlet_ohms = 150_000.0
    b.run_until(lambda: number in b.told, 20.0)
    assert b.told[number] == CableChecked(True, "warning", "150000 ohms")


def test_a_car_that_keeps_its_contactor_closed_is_found_out_and_gets_no_test_voltage() -> None:
    """Its battery is the voltage at the output. The monitor measures with it, and the check passes by what it finds now."""
    b = renegotiating()
    b.world.car.inlet_ohms = 200_000.0
    asked_at = b.clock.now()
    assert b.answer(CHECK) == CableChecked(True, "warning", "200000 ohms")
    assert b.clock.now() - asked_at >= 10.0, "a bus that only discharges slowly is not a battery"
    assert b.setpoints == []
    assert b.insulation is Insulation.VALID
    b.hear(SetOutput(b.world.truth()["battery_volts"], 1.0, DcPhase.PRECHARGE))
    b.run(1.0)
    assert b.answer(START).done
    for _ in range(12):
        b.hear(SetOutput(420.0, 50.0, DcPhase.CHARGE))
        b.run(0.25)
    assert b.world.truth()["amperes"] == pytest.approx(50.0, abs=1.0)
    assert b.answer(STOP, 3.0).done
    assert b.reported == []
    assert not b.world.incidents


def test_a_car_that_keeps_its_contactor_closed_fails_with_a_monitor_that_has_fallen_silent() -> None:
    """What it measured before the check is a megaohm; nothing has been measured since."""
    b = renegotiating(replace(SETTINGS, isolation_silence_seconds=100.0))
    b.world.inject("imd_silent")
    assert "reports no measurement" in failed(b, 20.0).detail
    assert b.setpoints == []


def test_a_car_that_keeps_its_contactor_closed_fails_with_a_bad_insulation() -> None:
    b = renegotiating()
    b.world.inject("insulation_fault")
    assert failed(b, 20.0).isolation == "fault"


def test_a_car_that_opens_its_contactor_late_is_tested_all_the_same() -> None:
    b = renegotiating(replace(SETTINGS, isolation_measurements=15))
    number = b.ask(CHECK)
    b.run(11.0)
    assert number not in b.told
    b.world.close_relay(False)
    b.run_until(lambda: number in b.told, 38.0)
    assert b.told[number].passed
    assert max(setpoint.volts for _, setpoint in b.setpoints) == 475.0


def test_a_battery_at_an_output_that_is_not_held_is_a_welded_car() -> None:
    """The outlet's own contactor opened in between: closing it onto a battery would be a short through the supply."""
    b = renegotiating()
    assert b.answer(STOP, 3.0).done
    assert b.world.truth()["outlet_volts"] > 300.0
    assert "before the check" in failed(b, 12.0).detail
    assert not b.world.incidents, "no inrush"


@pytest.mark.parametrize(("monitoring", "self_tested"), [(False, True), (True, False), (False, False)])
def test_beside_a_battery_the_monitor_has_to_run_and_to_have_passed_its_self_test(
    monitoring: bool, self_tested: bool
) -> None:
    """No sequence of ours leads there; the check does not build on that."""
    results: list[CableChecked] = []

    def talk(party: Party) -> Conversation[None]:
        supply, contactor, insulation = Supply(party, SETTINGS), Contactor(party), InsulationWatch(party, SETTINGS)
        insulation.running, insulation.self_tested = monitoring, self_tested
        party.hear(InsulationMeasured, by=lambda event: insulation.take(event.reading))
        check = CableCheck(party, SETTINGS, supply, contactor, insulation, volts=475.0, within=CHECKING, held=True)
        results.append((yield from check.run()))

    session = Session(talk, now=0.0)
    now = 0.0
    session.levels = Levels("C", "closed", 380.0, 0.0, now)
    session.begin(now)
    while session.ended is None:
        assert now < 20.0
        now += 0.05
        session.levels = Levels("C", "closed", 380.0, 0.0, now)
        session.expire(now)
        session.receive(insulation_measured(1e6, now), now)
    assert not results[0].passed
    assert "monitor does not run" in results[0].detail


def test_a_supply_that_does_not_switch_off_is_not_held() -> None:
    b = charging()
    b.world.inject("supply_runaway")
    assert not b.answer(KEEP, 4.4).done, "within the time of PowerDeliveryRes"
    b.run(2.5)
    assert not b.world.truth()["contactor_closed"]
    assert [fault.code for fault in b.reported] == ["command-failed", "supply-not-off"]


def test_a_current_out_of_nowhere_ends_the_waiting_for_new_terms() -> None:
    b = renegotiating()
    b.world.inject("supply_runaway")
    b.run_until(lambda: not b.world.truth()["contactor_closed"], 1.0)
    assert [fault.code for fault in b.reported] == ["supply-not-off"]


def test_nothing_is_delivered_and_nothing_stays_held_for_ever_while_a_car_negotiates() -> None:
    b = renegotiating()
    b.hear(SetOutput(420.0, 50.0, DcPhase.CHARGE))
    b.hear(SetOutput(420.0, 2.0, DcPhase.PRECHARGE))
    assert not b.answer(START, 1.0).done
    assert b.setpoints == []
    b.run(75.0)
    assert not b.world.truth()["contactor_closed"]
    assert [fault.code for fault in b.reported] == ["target-lost"]


def test_it_can_be_repeated_after_one_that_failed_for_a_passing_reason() -> None:
    b = bench()
    b.world.close_relay()
    b.run(0.2)
    failed(b, 11.0)
    b.world.close_relay(False)
    b.run(2.0)
    assert b.answer(CHECK).passed


def test_the_voltage_rises_no_faster_than_its_ramp() -> None:
    b = bench()
    assert b.answer(CHECK).passed
    rising = [(at, setpoint.volts) for at, setpoint in b.setpoints if isinstance(setpoint, SetSupply)]
    for (before, low), (after, high) in itertools.pairwise(rising):
        assert high - low <= 500.0 * (after - before) + 0.2
    assert Notice.TARGET_IGNORED not in b.notices


# --- A lab prolongs the test ----------------------------------------------------------------------------------------------------


def prolonged(seconds: float) -> Bench:
    return bench(replace(SETTINGS, insulation_seconds=seconds))


def test_a_prolonged_test_stays_at_its_voltage_and_passes() -> None:
    b, plain = prolonged(20.0), bench()
    number, other = b.ask(CHECK), plain.ask(CHECK)
    longer = b.run_until(lambda: number in b.told, 40.0) - plain.run_until(lambda: other in plain.told, 40.0)
    assert 18.0 < longer <= 20.0
    assert b.told[number] == CableChecked(True, "valid", "1000000 ohms")
    assert b.world.truth()["outlet_volts"] < 60.0


@pytest.mark.parametrize("ohms", [150_000.0, 20_000.0])
def test_what_the_monitor_measures_last_in_a_prolonged_test_counts(ohms: float) -> None:
    b = prolonged(20.0)
    number = b.ask(CHECK)
    b.run(15.0)
    assert number not in b.told
    b.world.car.inlet_ohms = ohms
    b.run_until(lambda: number in b.told, 12.0)
    if ohms < SETTINGS.fault_ohms:
        assert b.told[number].isolation == "fault"
        b.run(3.0)
        assert b.dead
    else:
        assert b.told[number] == CableChecked(True, "warning", "150000 ohms")


def test_a_test_that_is_longer_than_the_check_fails_it() -> None:
    assert "longer than the time" in failed(prolonged(60.0), 40.0).detail


def test_an_order_during_the_plug_in_counts_from_the_next_check() -> None:
    b = bench()
    assert b.answer(CHECK).passed
    b.hear(InsulationTestProlonged(15.0))
    number = b.ask(CHECK)
    assert 15.0 < b.run_until(lambda: number in b.told, 40.0) < 25.0
    b.hear(InsulationTestProlonged(0.0))
    number = b.ask(CHECK)
    assert b.run_until(lambda: number in b.told, 40.0) < 10.0
