"""WeldingDetection and SessionStop."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from secc.din.messages import DC_EVSEStatusCode, ResponseCode
from secc.session.effects import Milestone, OpenContactor, PowerReported, Reach, StopPower
from secc.session.events import StopRequested
from tests.dialogue import LATER
from tests.din_car import END, EVERY_REQUEST, STOP, Car, volts

WELDING = EVERY_REQUEST["WeldingDetection"]


@pytest.mark.case("DIN-17", "Q-64")
def test_the_car_may_test_its_contactors_several_times() -> None:
    car = Car().drive(until="WeldingDetection")
    for left in (360.0, 200.0, 40.0):
        car.levels = replace(car.levels, volts=left)
        body = car.says(WELDING)
        assert (body.response_code, body.evse_present_voltage) == (ResponseCode.OK, volts(left))
        assert body.dc_evse_status.evse_status_code is DC_EVSEStatusCode.EVSE_NOT_READY
        car.wait(1.0)
    assert car.says(END).response_code is ResponseCode.OK
    assert car.code == "completed.terminated"


@pytest.mark.case("DIN-18", "Q-65")
def test_the_car_may_leave_it_out() -> None:
    car = Car().drive(until="WeldingDetection")
    assert car.says(END).response_code is ResponseCode.OK
    assert car.code == "completed.terminated"


def test_it_does_not_go_on_for_ever() -> None:
    car = Car().drive(until="WeldingDetection")
    begun = car.now
    car.polls(WELDING, every=1.0, within=70.0)
    assert car.code == "timer.V2G_SECC_WeldingDetection_Limit"
    assert 60.0 <= car.now - begun <= 62.0


@pytest.mark.parametrize("request_", [WELDING, END], ids=["WeldingDetection", "SessionStop"])
def test_both_need_the_pilot_in_b(request_: object) -> None:
    car = Car().drive(until="WeldingDetection")
    car.pilot = "C"
    body = car.says(request_)  # type: ignore[arg-type]  # a request
    assert body.response_code is ResponseCode.FAILED
    assert car.heard[-1].seconds == pytest.approx(1.5, abs=0.1)
    assert car.all(OpenContactor)


@pytest.mark.case("DIN-19")
def test_session_stop_ends_the_session_and_there_is_no_pause() -> None:
    car = Car().drive(until="SessionStop")
    assert car.says(END).response_code is ResponseCode.OK
    assert [reach.milestone for reach in car.all(Reach)][-1] is Milestone.STOPPED
    assert not [effect for _, effect in car.said if type(effect).__name__ in ("KeepForResume", "Resume")]
    assert car.all(OpenContactor)


@pytest.mark.case("Q-37", "Q-38")
@pytest.mark.parametrize("due", ["PreCharge", "PowerDelivery(true)", "CurrentDemand", "PowerDelivery(false)"])
@pytest.mark.parametrize("report", [LATER, PowerReported(True), PowerReported(False)])
def test_a_stop_out_of_order_switches_off_within_the_time_for_the_answer(due: str, report: object) -> None:
    car = Car().drive(until=due)
    car.keeps(5.0)
    car.answers[StopPower] = report
    car.hear(StopRequested("driver"))
    assert car.says(END).response_code is ResponseCode.OK
    assert car.heard[-1].seconds <= 1.5
    assert len(car.asked(StopPower)) == 1
    assert car.code == "completed.stopped-early"
    assert car.all(OpenContactor)


@pytest.mark.case("Q-38")
@pytest.mark.parametrize("report", [LATER, PowerReported(True), PowerReported(False)])
@pytest.mark.parametrize("amperes", [5.1, 72.0, -72.0, math.nan])
def test_a_stop_from_the_loop_is_not_ok_while_current_flows(amperes: float, report: object) -> None:
    car = Car().drive(until="PowerDelivery(false)")
    car.keeps(amperes)
    car.answers[StopPower] = report
    assert car.says(END).response_code is ResponseCode.FAILED
    assert car.heard[-1].seconds <= 1.5
    assert car.code == "refused.FAILED"
    assert car.all(OpenContactor)


@pytest.mark.case("Q-34")
def test_a_stop_before_the_power_path_is_asked_for_anything_asks_it_nothing() -> None:
    car = Car().drive(until="ServiceDiscovery")
    assert car.says(END).response_code is ResponseCode.OK
    assert car.asked(StopPower) == []
    assert car.code == "completed.stopped-early"


def test_after_power_is_off_it_is_not_switched_off_again() -> None:
    car = Car().drive(until="PowerDelivery(false)")
    car.says(STOP)
    car.says(WELDING)
    car.says(END)
    assert len(car.asked(StopPower)) == 1
