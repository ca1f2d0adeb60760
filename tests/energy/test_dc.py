"""DC: precharge, charging, supervision and every way to stop, judged by the world's true contactor and current."""

from __future__ import annotations

import itertools
import math

import pytest

from hal.events import BoardEvent, BoardLost
from hal.guard import ConsentLost
from hal.port_queue import CommandFailed
from hal.readings import DcPhase, Severity
from secc.energy import DcSettings
from secc.energy.effects import Notice
from secc.session.effects import CheckCable, OpenContactor, SetOutput
from secc.session.events import LimitChanged, Unplugged
from secc.session.offer import DcLimits
from tests.board_events import door_changed, emergency_stop_changed, fault_raised, insulation_measured
from tests.energy.bench import CHECKING, START, STOP, Bench

SETTINGS = DcSettings(limits=DcLimits(50.0, 500.0, 0.0, 200.0, 60_000.0))
CHECK = CheckCable(425.0, CHECKING)


def checked() -> Bench:
    b = Bench(SETTINGS)
    b.world.close_s2()
    b.run(0.2)
    assert b.answer(CHECK).passed
    return b


def precharged() -> Bench:
    b = checked()
    for _ in range(8):
        b.hear(SetOutput(b.world.truth()["battery_volts"], 1.0, DcPhase.PRECHARGE))
        b.run(0.25)
    assert b.levels.volts == pytest.approx(b.world.truth()["battery_volts"], abs=1.0)
    b.world.close_relay()
    return b


def charging(amperes: float = 100.0, seconds: float = 5.0) -> Bench:
    b = precharged()
    assert b.answer(START).done
    charge(b, amperes, seconds)
    return b


def charge(b: Bench, amperes: float, seconds: float, volts: float = 420.0) -> None:
    end = b.clock.now() + seconds
    while b.clock.now() < end:
        b.hear(SetOutput(volts, amperes, DcPhase.CHARGE))
        b.run(0.25)


def test_a_whole_charge_in_order() -> None:
    b = charging()
    assert b.world.truth()["amperes"] == pytest.approx(100.0, abs=1.0)
    assert b.answer(STOP, 3.0).done
    assert b.dead
    assert not b.world.incidents, "neither inrush nor opened under load"
    assert b.reported == []
    b.unplug()
    assert b.ended is not None
    assert b.ended.reason.code == "severed.unplugged"


@pytest.mark.case("A-PWR-02")
@pytest.mark.parametrize("amperes", [400.0, 2.0, 0.0, -5.0])
def test_precharge_gives_two_amperes_whatever_is_asked(amperes: float) -> None:
    b = checked()
    b.setpoints.clear()
    b.hear(SetOutput(350.0, amperes, DcPhase.PRECHARGE))
    b.run(2.0)
    assert b.levels.volts == pytest.approx(350.0, abs=1.0)
    assert {setpoint.amperes for _, setpoint in b.setpoints} == {2.0}


def test_precharge_follows_the_target_of_every_request() -> None:
    b = checked()
    for volts in (300.0, 380.0, 340.0):
        b.hear(SetOutput(volts, 1.0, DcPhase.PRECHARGE))
        b.run(1.5)
        assert b.levels.volts == pytest.approx(volts, abs=1.0)


@pytest.mark.case("A-PWR-01")
@pytest.mark.parametrize("volts", [math.nan, math.inf, -math.inf, -20.0, 0.0])
def test_a_voltage_that_means_nothing_is_ignored(volts: float) -> None:
    b = checked()
    b.setpoints.clear()
    b.hear(SetOutput(volts, 1.0, DcPhase.PRECHARGE))
    b.run(1.0)
    assert b.setpoints == []
    assert b.notices == [Notice.TARGET_IGNORED]


def test_a_voltage_above_the_cars_maximum_is_clamped_to_it() -> None:
    b = checked()
    b.hear(SetOutput(1e6, 1.0, DcPhase.PRECHARGE))
    b.run(2.0)
    assert b.levels.volts == pytest.approx(425.0, abs=1.0)
    assert b.reported == []


@pytest.mark.case("A-SES-05")
def test_power_before_cable_check_or_precharge_is_refused_and_the_output_stays_off() -> None:
    b = Bench(SETTINGS)
    b.world.close_s2()
    b.run(0.2)
    assert not b.answer(START, 1.0).done
    b.hear(SetOutput(400.0, 100.0, DcPhase.CHARGE))
    b.hear(SetOutput(400.0, 2.0, DcPhase.PRECHARGE))
    b.run(1.0)
    assert b.setpoints == []
    assert not b.answer(START, 1.0).done
    assert b.answer(CHECK).passed
    assert not b.answer(START, 1.0).done, "no precharge yet"
    b.setpoints.clear()
    b.hear(SetOutput(400.0, 100.0, DcPhase.CHARGE))
    b.run(1.0)
    assert b.setpoints == []


def test_a_precharge_in_the_middle_of_charging_is_out_of_turn() -> None:
    b = charging()
    b.hear(SetOutput(420.0, 2.0, DcPhase.PRECHARGE))
    assert b.notices == [Notice.TARGET_IGNORED]
    assert b.world.truth()["amperes"] == pytest.approx(100.0, abs=1.0)


def test_starting_twice_is_starting_once() -> None:
    b = charging()
    assert b.answer(START, 1.0).done
    assert b.world.truth()["amperes"] == pytest.approx(100.0, abs=1.0)


@pytest.mark.case("A-PWR-03")
def test_current_rises_at_25_amperes_a_second_and_falls_at_once() -> None:
    b = precharged()
    assert b.answer(START).done
    b.setpoints.clear()
    for _ in range(60):
        b.hear(SetOutput(420.0, 200.0 if _ % 2 else 150.0, DcPhase.CHARGE))
        b.run(0.05)
    rising = [(at, setpoint.amperes) for at, setpoint in b.setpoints]
    assert rising[-1][1] == pytest.approx(25.0 * 3.0, abs=4.0)
    for (before, low), (after, high) in itertools.pairwise(rising):
        assert high - low <= 25.0 * (after - before) + 0.02
    b.hear(SetOutput(420.0, 10.0, DcPhase.CHARGE))
    assert b.setpoints[-1][1].amperes == 10.0


@pytest.mark.case("A-PWR-01", "A-PWR-05")
@pytest.mark.parametrize("amperes", [-100.0, 0.0])
def test_a_negative_current_is_none(amperes: float) -> None:
    b = charging()
    b.hear(SetOutput(420.0, amperes, DcPhase.CHARGE))
    assert b.setpoints[-1][1].amperes == 0.0


@pytest.mark.parametrize("amperes", [math.nan, math.inf])
def test_a_current_that_is_no_number_is_ignored_and_does_not_count_as_a_target(amperes: float) -> None:
    b = charging()
    for _ in range(24):
        b.hear(SetOutput(420.0, amperes, DcPhase.CHARGE))
        b.run(0.25)
    assert b.setpoints[-1][1].amperes == 0.0, "stale after five seconds"


@pytest.mark.case("A-PWR-04")
def test_the_power_limit_of_the_moment_applies_at_once_and_always_wins() -> None:
    b = charging(150.0, 7.0)
    assert b.world.truth()["watts"] > 50_000.0
    b.hear(LimitChanged(20_000.0))
    at, setpoint = b.setpoints[-1]
    assert at == b.clock.now()
    assert setpoint.amperes * b.levels.volts <= 20_000.0
    b.run(1.5)
    for _ in range(40):
        charge(b, 150.0, 0.25)
        assert b.world.truth()["watts"] <= 20_000.0
    assert b.world.truth()["watts"] > 19_000.0
    b.hear(LimitChanged(None))
    charge(b, 150.0, 5.0)
    assert 50_000.0 < b.world.truth()["watts"] <= 60_000.0, "what the hardware can"


@pytest.mark.parametrize("watts", [0.0, -1.0, math.nan, math.inf])
def test_a_power_limit_of_nothing_stops_the_current_and_not_the_session(watts: float) -> None:
    b = charging()
    b.hear(LimitChanged(watts))
    charge(b, 100.0, 2.0)
    assert b.world.truth()["amperes"] == 0.0
    assert b.world.truth()["contactor_closed"]
    assert b.reported == []


@pytest.mark.case("A-SES-09")
def test_without_targets_the_current_is_zero_after_five_seconds_and_comes_back_with_them() -> None:
    b = charging()
    b.run(4.5)
    assert b.world.truth()["amperes"] > 99.0
    b.run(1.7)
    assert b.world.truth()["amperes"] == 0.0
    assert b.notices == [Notice.TARGET_STALE]
    b.hear(SetOutput(420.0, 50.0, DcPhase.CHARGE))
    assert b.setpoints[-1][1].amperes <= 3.0, "from zero, by the ramp"
    charge(b, 50.0, 3.0)
    assert b.world.truth()["amperes"] == pytest.approx(50.0, abs=1.0)
    assert b.notices == [Notice.TARGET_STALE, Notice.TARGET_FRESH]


@pytest.mark.case("A-SES-09")
def test_a_car_that_charges_from_the_precharge_and_says_nothing_gets_no_current() -> None:
    """No PowerDelivery was asked for, so nothing of it is booked."""
    b = precharged()
    b.hear(SetOutput(b.world.truth()["battery_volts"] + 20.0, 1.0, DcPhase.PRECHARGE))
    b.run(4.0)
    assert b.world.truth()["amperes"] > 1.0
    b.run(2.0)
    before = b.world.truth()["delivered_watt_hours"]
    b.run(60.0)
    assert b.world.truth()["contactor_closed"]
    assert b.world.truth()["delivered_watt_hours"] - before < 0.1
    assert b.levels.volts == pytest.approx(b.world.truth()["battery_volts"], abs=25.0)


@pytest.mark.case("A-SES-14")
def test_with_no_target_for_70_seconds_it_goes_off_by_itself() -> None:
    """The session of a silent car ends after 60 s by its own timer. Until then there is voltage without current: ISO 15118-2 lets a car be silent."""
    b = charging()
    b.run(6.8)
    for _ in range(60):
        assert b.world.truth()["amperes"] == 0.0
        assert b.world.truth()["contactor_closed"]
        b.run(1.0)
    b.run(4.0)
    assert b.dead
    assert [fault.code for fault in b.reported] == ["target-lost"]
    assert b.reported[0].latched is False


def test_an_insulation_that_goes_bad_while_charging_is_an_emergency() -> None:
    b = charging()
    b.hear(insulation_measured(50_000.0, b.clock.now()))
    b.run_until(lambda: b.dead, 0.15)
    assert [fault.code for fault in b.reported] == ["insulation-fault"]
    assert not b.answer(CHECK, 1.0).passed


def test_a_measurement_that_is_no_number_is_a_bad_one() -> None:
    b = charging()
    b.hear(insulation_measured(math.nan, b.clock.now()))
    b.run_until(lambda: b.dead, 0.15)


def test_a_monitor_that_falls_silent_ends_charging() -> None:
    b = charging()
    b.world.inject("imd_silent")
    charge(b, 100.0, 12.0)
    assert b.dead
    assert [fault.code for fault in b.reported] == ["insulation-monitor-silent"]


def test_stale_measurements_end_charging() -> None:
    b = charging()
    b.world.inject("supply_silent")
    charge(b, 100.0, 1.5)
    assert [fault.code for fault in b.reported] == ["measurement-stale"]
    b.run(3.0)
    assert b.dead


def test_over_voltage_ends_charging() -> None:
    b = charging(20.0)
    b.world.close_relay(False)  # load dump: the supply alone on the cable
    b.world.inject("supply_overshoot")
    charge(b, 20.0, 2.0)
    assert [fault.code for fault in b.reported] == ["over-voltage"]
    assert b.dead


def test_a_voltage_slightly_above_the_cars_maximum_has_its_grace() -> None:
    b = charging(20.0)
    b.hear(SetOutput(425.0, 20.0, DcPhase.CHARGE))
    b.world.close_relay(False)
    b.world.supply.overshoot = 1.05
    charge(b, 20.0, 0.25)
    b.world.supply.overshoot = 1.0
    charge(b, 20.0, 2.0)
    assert b.reported == []
    b.world.supply.overshoot = 1.05
    charge(b, 20.0, 1.5, volts=425.0)
    assert [fault.code for fault in b.reported] == ["over-voltage"]


def test_a_stop_waits_until_the_current_is_safe() -> None:
    b = charging(150.0, 7.0)
    b.world.supply.off_per_second = 100.0
    number = b.ask(STOP)
    lowest = math.inf
    while number not in b.told:
        b.run(0.01)
        if b.world.truth()["contactor_closed"]:
            lowest = min(lowest, b.world.truth()["amperes"])
    assert b.told[number].done
    assert lowest < 6.0
    assert not b.world.incidents


def test_a_supply_that_does_not_switch_off_is_a_fault_and_the_contactor_opens_all_the_same() -> None:
    b = charging()
    b.world.inject("supply_runaway")
    assert b.answer(STOP, 4.0).done
    assert not b.world.truth()["contactor_closed"]
    assert [fault.code for fault in b.reported] == ["supply-not-off"]


def test_a_welded_contactor_is_a_fault_until_service() -> None:
    b = charging()
    b.world.inject("weld")
    report = b.answer(STOP, 4.0)
    assert not report.done
    assert [fault.code for fault in b.reported] == ["contactor-welded"]
    assert not b.world.truth()["supply_on"]
    assert not b.answer(CHECK, 1.0).passed


def test_a_contactor_that_welded_before_lets_nothing_begin() -> None:
    b = charging()
    b.world.inject("weld")
    b.answer(STOP, 4.0)
    b.unplug()
    b.world.plug_in()
    b.world.close_s2()
    b.run(0.2)
    b.begin()
    b.run(0.2)
    assert [fault.code for fault in b.reported] == ["contactor-welded"]
    assert not b.answer(CHECK, 1.0).passed


def test_stopping_twice_and_from_nowhere_is_fine() -> None:
    b = charging()
    assert b.answer(STOP, 3.0).done
    assert b.answer(STOP, 3.0).done
    fresh = Bench(SETTINGS)
    assert fresh.answer(STOP, 1.0).done


def test_after_a_stop_the_same_car_can_charge_again() -> None:
    b = charging()
    assert b.answer(STOP, 3.0).done
    b.world.close_relay(False)
    b.run(2.0)
    assert b.answer(CHECK).passed


@pytest.mark.case("A-NET-09")
def test_the_end_of_the_session_switches_off_within_a_second() -> None:
    b = charging()
    b.hear(OpenContactor())
    b.run_until(lambda: b.dead, 1.0)
    assert not b.world.incidents
    b.hear(OpenContactor())
    b.run(1.0)
    assert b.reported == []


def test_a_question_of_a_session_that_is_over_switches_nothing_on() -> None:
    b = charging()
    b.world.supply.off_per_second = 60.0
    stop = b.ask(STOP)
    check = b.ask(CHECK)
    b.hear(OpenContactor())
    b.run(10.0)
    assert check not in b.told
    assert stop in b.told
    assert b.dead


@pytest.mark.case("A-PHY-02")
def test_a_pilot_that_leaves_c_while_charging_is_off_at_once() -> None:
    b = charging()
    b.world.close_s2(False)
    b.run_until(lambda: b.dead, 0.1)
    b.run(1.0)
    assert [fault.code for fault in b.reported] == ["pilot-left"]


def test_the_emergency_stop_is_off_at_once_and_reported_elsewhere() -> None:
    b = charging()
    b.world.press_emergency_stop()
    b.run_until(lambda: b.dead, 0.1)
    b.run(1.0)
    assert {fault.code for fault in b.reported} <= {"interlock"}
    assert not b.answer(CHECK, 10.0).passed


@pytest.mark.parametrize(
    "event", [fault_raised("over-temperature"), emergency_stop_changed(), door_changed(), BoardLost("silent", 0.0)]
)
def test_a_board_that_says_emergency_is_off_at_once(event: BoardEvent) -> None:
    b = charging()
    b.hear(event)
    b.run_until(lambda: b.dead, 0.15)
    assert b.reported == [], "the V2G session hears of it elsewhere"


@pytest.mark.parametrize("event", [emergency_stop_changed(False), door_changed(False)])
def test_a_fault_that_ends_switches_nothing(event: BoardEvent) -> None:
    b = charging()
    b.hear(event)
    charge(b, 100.0, 1.0)
    assert b.world.truth()["amperes"] > 99.0


def test_an_emergency_hurries_a_stop_that_is_under_way() -> None:
    b = charging()
    b.world.inject("supply_runaway")
    b.ask(STOP)
    b.run(0.2)
    b.hear(fault_raised("over-temperature", Severity.EMERGENCY))
    b.run_until(lambda: not b.world.truth()["contactor_closed"], 0.2)


def test_a_fault_that_asks_for_an_end_in_good_order_is_left_to_the_session() -> None:
    b = charging()
    b.hear(fault_raised("over-temperature", Severity.STOP))
    charge(b, 100.0, 1.0)
    assert b.world.truth()["amperes"] > 99.0


@pytest.mark.parametrize("event", [ConsentLost("the door is open"), CommandFailed("SetSupply", "no answer")])
def test_an_interlock_or_a_port_that_says_no_ends_it(event: ConsentLost | CommandFailed) -> None:
    b = charging()
    b.hear(event)
    b.run_until(lambda: b.dead, 1.0)
    assert b.reported[0].code in ("interlock", "command-failed")


def test_a_contactor_that_opens_by_itself_is_noticed() -> None:
    b = charging()
    b.board.safety.trip()
    b.run_until(lambda: b.dead, 0.2)
    b.run(0.5)
    assert [fault.code for fault in b.reported] == ["contactor-opened"]


def test_unplugging_ends_the_conversation_and_everything_with_it() -> None:
    b = charging()
    b.hear(Unplugged())
    b.run_until(lambda: b.dead, 0.2)
    assert b.ended is not None


def test_a_bug_ends_it_as_safely() -> None:
    b = charging()
    for effect in b.session.fail(ValueError("a bug")):
        b._perform(effect)
    b.run_until(lambda: b.dead, 0.2)
