"""The cable check on the simulated world: what is switched when, and every way to fail."""

from __future__ import annotations

import itertools
import math

import pytest

from hal.interlock import Insulation
from secc.energy import DcSettings, Notice, SetSupply
from secc.session.effects import CableChecked, CheckCable, StopPower
from secc.session.offer import DcLimits
from tests.energy.bench import Bench

SETTINGS = DcSettings(limits=DcLimits(50.0, 500.0, 0.0, 200.0, 60_000.0))
CHECK = CheckCable(ev_maximum_volts=425.0)


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


def test_a_good_cable_is_tested_at_475_volts_and_left_below_60() -> None:
    """Q-52"""
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
    assert not b.answer(CheckCable(volts)).passed
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
    assert b.answer(StopPower(), 3.0).done
    assert not b.told[check].passed
    assert b.dead


def test_it_can_be_repeated_after_a_renegotiation_with_the_contactor_closed() -> None:
    b = bench()
    assert b.answer(CHECK).passed
    closed = b.world.moments["contactor_closed"]
    assert b.answer(CHECK).passed
    assert b.world.moments["contactor_closed"] == closed, "a level, not an edge"


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
