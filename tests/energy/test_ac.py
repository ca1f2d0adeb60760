"""AC: the contactor closes for a car in C or D and opens behind it, judged by the world's true contactor."""

from __future__ import annotations

import math

import pytest

from hal.guard import ConsentLost
from hal.readings import DcPhase, Severity
from secc.conversation import Timeout
from secc.energy import AcSettings
from secc.energy.effects import AllowPower, Notice, SetOvercurrent
from secc.session.effects import CheckCable, OpenContactor, SetOutput, StartPower, StopPower
from secc.session.events import LimitChanged, Unplugged
from secc.session.offer import AcLimits
from tests.board_events import fault_raised
from tests.energy.bench import CHECKING, START, STOP, Bench

SETTINGS = AcSettings(limits=AcLimits())


def on() -> Bench:
    b = Bench(SETTINGS)
    b.world.close_s2()
    b.run(0.2)
    assert b.answer(START, 1.0).done
    assert b.world.truth()["contactor_closed"]
    return b


def test_a_whole_charge_in_order() -> None:
    b = on()
    b.run(5.0)
    assert b.world.watts() == pytest.approx(11_040.0)
    stop = b.ask(STOP)
    b.run(0.25)
    assert stop not in b.told, "the car has its time to open its switch"
    b.world.close_s2(False)
    b.run_until(lambda: stop in b.told, 0.3)
    assert b.told[stop].done
    assert b.dead
    assert b.reported == []


def test_the_car_may_take_its_time_until_state_c() -> None:
    b = Bench(SETTINGS)
    start = b.ask(START)
    b.run(2.5)
    assert start not in b.told
    assert not b.world.truth()["contactor_closed"]
    b.world.close_s2()
    b.run_until(lambda: start in b.told, 0.3)
    assert b.told[start].done


def test_a_car_that_does_not_come_to_c_gets_no_power() -> None:
    b = Bench(SETTINGS)
    assert not b.answer(START, 3.1).done
    assert not any(isinstance(effect, AllowPower) for effect in b.effects)
    b.world.close_s2()
    b.run(2.0)
    assert b.dead, "too late is too late"


HASTY = Timeout("power on or off", 1.0, "of a hasty protocol")


def test_switching_on_has_as_long_as_the_question_says() -> None:
    b = Bench(SETTINGS)
    assert not b.answer(StartPower(HASTY), 1.1).done
    b.world.close_s2()
    b.run(2.0)
    assert b.dead


def test_a_car_gets_no_longer_to_open_its_switch_than_the_question_says() -> None:
    b = on()
    stop = b.ask(StopPower(HASTY))
    b.run(0.9)
    assert b.world.truth()["contactor_closed"]
    b.run_until(lambda: b.dead, 0.3)
    assert stop in b.told, "and the answer is there in time, whatever it can say"


def test_state_d_counts_as_c() -> None:
    b = Bench(SETTINGS)
    b.world.close_s2(ventilation=True)
    b.run(0.2)
    assert b.answer(START, 1.0).done


def test_a_contactor_that_does_not_close_fails_within_the_time_of_the_answer() -> None:
    b = Bench(SETTINGS)
    b.world.inject("contactor_stuck_open")
    start = b.ask(START)
    b.run(2.0)
    b.world.close_s2()
    assert b.run_until(lambda: start in b.told, 2.4) > 0.0
    assert not b.told[start].done
    b.run(1.0)
    assert b.dead


def test_starting_with_the_contactor_closed_is_a_level_not_an_edge() -> None:
    b = on()
    closed = b.world.moments["contactor_closed"]
    assert b.answer(START, 0.1).done
    assert b.world.moments["contactor_closed"] == closed


def test_a_car_that_does_not_open_its_switch_is_opened_under_load_after_three_seconds() -> None:
    b = on()
    stop = b.ask(STOP)
    b.run(2.9)
    assert b.world.truth()["contactor_closed"]
    b.run_until(lambda: stop in b.told, 0.3)
    assert b.told[stop].done
    assert b.dead


def test_a_welded_contactor_is_told_and_stays_a_fault() -> None:
    b = on()
    b.world.inject("weld")
    b.world.close_s2(False)
    assert not b.answer(STOP, 1.0).done
    assert [fault.code for fault in b.reported] == ["contactor-welded"]
    b.world.close_s2()
    b.run(0.2)
    assert not b.answer(START, 0.1).done


def test_a_car_may_pause_and_go_on() -> None:
    b = on()
    b.world.close_s2(False)
    b.run_until(lambda: b.dead, 0.1)
    b.run(60.0)
    b.world.close_s2()
    b.run_until(lambda: b.world.truth()["contactor_closed"], 3.0)
    b.run(1.0)
    assert b.notices == [Notice.CAR_PAUSED, Notice.CAR_RESUMED]
    assert b.reported == []


def test_a_contactor_that_welds_in_a_pause_is_a_fault() -> None:
    b = on()
    b.world.inject("weld")
    b.world.close_s2(False)
    b.run(1.0)
    assert [fault.code for fault in b.reported] == ["contactor-welded"]


def test_after_a_stop_nothing_closes_again_without_a_start() -> None:
    b = on()
    b.world.close_s2(False)
    assert b.answer(STOP, 1.0).done
    b.world.close_s2()
    b.run(5.0)
    assert b.dead
    assert b.answer(START, 1.0).done


def test_the_end_of_the_session_opens_at_once_also_in_the_middle_of_a_stop() -> None:
    b = on()
    b.hear(OpenContactor())
    b.run_until(lambda: b.dead, 0.1)
    b = on()
    b.ask(STOP)
    b.run(0.5)
    b.hear(OpenContactor())
    b.run_until(lambda: b.dead, 0.15)


def test_an_end_asked_for_while_starting_answers_both() -> None:
    b = Bench(SETTINGS)
    start = b.ask(START)
    b.run(0.5)
    assert b.answer(STOP, 1.0).done
    assert not b.told[start].done


def test_emergency_stop_and_unplugging() -> None:
    b = on()
    b.world.press_emergency_stop()
    b.run_until(lambda: b.dead, 0.1)
    b = on()
    b.unplug()
    b.run_until(lambda: b.dead, 0.1)
    assert b.ended is not None


def test_an_emergency_in_the_middle_of_a_stop_does_not_wait_for_the_car() -> None:
    b = on()
    b.ask(STOP)
    b.run(0.2)
    b.hear(fault_raised("residual-current", Severity.EMERGENCY))
    b.run_until(lambda: b.dead, 0.15)


def test_an_interlock_that_says_no_with_the_car_in_c_is_reported() -> None:
    b = on()
    b.hear(ConsentLost("the door is open"))
    b.run_until(lambda: b.dead, 0.1)
    assert [fault.code for fault in b.reported] == ["interlock"]


def test_the_protection_follows_the_limit_up_at_once_and_down_after_the_cars_time() -> None:
    b = on()
    assert _overcurrents(b) == [32.0]
    b.hear(LimitChanged(11_040.0))
    b.run(4.9)
    assert _overcurrents(b) == [32.0]
    b.run(0.3)
    assert _overcurrents(b) == [32.0, 16.0]
    b.hear(LimitChanged(None))
    assert _overcurrents(b) == [32.0, 16.0, 32.0]
    b.hear(LimitChanged(math.nan))
    b.run(5.2)
    assert _overcurrents(b)[-1] == 1.0


def test_what_belongs_to_dc_is_answered_and_changes_nothing() -> None:
    b = on()
    assert not b.answer(CheckCable(400.0, CHECKING), 0.1).passed
    b.hear(SetOutput(400.0, 100.0, DcPhase.CHARGE))
    b.run(1.0)
    assert b.notices == [Notice.TARGET_IGNORED]
    assert b.world.truth()["contactor_closed"]


def test_unplugged_before_anything() -> None:
    b = Bench(SETTINGS)
    b.hear(Unplugged())
    assert b.ended is not None
    assert b.dead


def _overcurrents(b: Bench) -> list[float]:
    return [effect.amperes for effect in b.effects if isinstance(effect, SetOvercurrent)]
