"""PowerDelivery: power on, power off within 1.5 s, and every reason not to."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from secc.conversation import Abandon
from secc.din.messages import ChargingProfile, DC_EVErrorCode, DC_EVSEStatusCode, ResponseCode
from secc.session.effects import Milestone, OpenContactor, PowerReported, Reach, Remark, StartPower, StopPower
from secc.session.events import StopRequested
from tests.dialogue import LATER
from tests.din_car import END, EVERY_REQUEST, OFFER, START, STOP, Car, delivery, profile

POWER = replace(OFFER, watts_limit=20_000.0)


def due(message: str = "PowerDelivery(true)") -> Car:
    return Car(POWER).drive(until=message)


def milestones(car: Car) -> list[Milestone]:
    return [reach.milestone for reach in car.all(Reach)]


# --- on ---------------------------------------------------------------------------------------------------------------------------


@pytest.mark.case("DIN-14", "Q-46")
def test_power_is_on_when_the_power_path_says_so() -> None:
    car = due()
    car.answers[StartPower] = LATER
    car.tells(START)
    car.wait(1.0)
    assert len(car.outbox) == len(car.heard)
    car.answer(StartPower, PowerReported(True))
    body = car.outbox[-1][1].message
    assert body.response_code is ResponseCode.OK
    assert body.evse_status.evse_status_code is DC_EVSEStatusCode.EVSE_READY
    assert milestones(car)[-1] is Milestone.POWER_ON


@pytest.mark.parametrize("report", [LATER, PowerReported(False, "not ready")])
def test_power_that_does_not_come_is_told_within_the_cars_two_seconds(report: Any) -> None:
    car = due()
    car.answers[StartPower] = report
    assert car.says(START).response_code is ResponseCode.FAILED_POWER_DELIVERY_NOT_APPLIED
    assert car.heard[-1].seconds <= 1.5
    assert car.all(OpenContactor)
    assert bool(car.all(Abandon)) is (report is LATER)


@pytest.mark.parametrize(
    ("volts", "code"),
    [
        (0.0, ResponseCode.FAILED_EVSE_PRESENT_VOLTAGE_TO_LOW),
        (59.9, ResponseCode.FAILED_EVSE_PRESENT_VOLTAGE_TO_LOW),
        (60.0, ResponseCode.OK),
        (379.0, ResponseCode.OK),
        (math.nan, ResponseCode.FAILED),
    ],
)
def test_power_without_voltage_is_refused(volts: float, code: ResponseCode) -> None:
    car = due()
    car.levels = replace(car.levels, volts=volts)
    assert car.says(START).response_code is code
    assert bool(car.asked(StartPower)) is (code is ResponseCode.OK)


def test_voltage_that_still_rises_is_waited_for() -> None:
    car = due()
    car.levels = replace(car.levels, volts=40.0)
    car.tells(START)
    car.wait(1.0)
    assert not car.asked(StartPower)
    car.levels = replace(car.levels, volts=300.0, measured_at=car.now)
    car.wait(0.1)
    body = car.outbox[-1][1].message
    assert body.response_code is ResponseCode.OK
    assert car.asked(StartPower)


@pytest.mark.case("A-SES-14")
@pytest.mark.parametrize("meanwhile", [True, False])
def test_who_ends_charging_before_it_begins_keeps_power_off(meanwhile: bool) -> None:
    car = due()
    if not meanwhile:
        car.hear(StopRequested("driver"))
    car.answers[StartPower] = LATER
    car.tells(START)
    if meanwhile:
        car.hear(StopRequested("driver"))
        car.answer(StartPower, PowerReported(True))
    assert car.outbox[-1][1].message.response_code is ResponseCode.FAILED_POWER_DELIVERY_NOT_APPLIED
    assert car.all(OpenContactor)
    assert Milestone.POWER_ON not in milestones(car)


@pytest.mark.parametrize("tuple_id", [0, 2, -1, 32_767])
def test_a_profile_of_another_schedule_is_refused(tuple_id: int) -> None:
    body = due().says(delivery(ready=True, plan=profile((0, 1), tuple_id=tuple_id)))
    assert body.response_code is ResponseCode.FAILED_TARIFF_SELECTION_INVALID


@pytest.mark.parametrize("good", [profile((0, 20_000)), profile((0, 20_000), (3600, 0), (86_400, 0)), profile((0, 0))])
def test_a_profile_within_the_schedule_is_accepted(good: ChargingProfile) -> None:
    assert due().says(delivery(ready=True, plan=good)).response_code is ResponseCode.OK


BAD = [
    profile((0, 20_201)),
    profile((0, -1)),
    profile((0, 1), (0, 1)),
    profile((10, 1), (5, 1)),
    profile((0, 1), (86_400, 1)),
]


@pytest.mark.case("Q-45")
@pytest.mark.parametrize("bad", BAD)
def test_a_profile_beyond_the_schedule_is_refused_unless_it_is_tolerated(bad: ChargingProfile) -> None:
    car = due()
    assert car.says(delivery(ready=True, plan=bad)).response_code is ResponseCode.FAILED_CHARGING_PROFILE_INVALID
    assert car.asked(StartPower) == []
    lenient = Car(replace(POWER, tolerances=frozenset({"Q-45"}))).drive(until="PowerDelivery(true)")
    assert lenient.says(delivery(ready=True, plan=bad)).response_code is ResponseCode.OK
    assert [remark.code for remark in lenient.all(Remark)] == ["Q-45"]


@pytest.mark.parametrize(
    ("strict", "code"), [(False, ResponseCode.OK), (True, ResponseCode.FAILED_CHARGING_PROFILE_INVALID)]
)
def test_a_profile_may_be_one_percent_above_unless_strict(strict: bool, code: ResponseCode) -> None:
    car = Car(replace(POWER, strict=strict)).drive(until="PowerDelivery(true)")
    assert car.says(delivery(ready=True, plan=profile((0, 20_200)))).response_code is code


def test_power_that_is_on_cannot_be_switched_on() -> None:
    assert due("PowerDelivery(false)").says(START).response_code is ResponseCode.FAILED


# --- off --------------------------------------------------------------------------------------------------------------------------


@pytest.mark.case("DIN-14")
def test_power_is_off_when_the_power_path_says_so_and_no_current_flows() -> None:
    car = due("PowerDelivery(false)")
    car.keeps(20.0)
    car.tells(STOP)
    car.wait(0.5)
    car.answer(StopPower, PowerReported(True))
    assert len(car.outbox) == len(car.heard), "the current still flows"
    car.levels = replace(car.levels, amperes=5.0)
    car.wait(0.1)
    assert car.outbox[-1][1].message.response_code is ResponseCode.OK
    assert milestones(car)[-1] is Milestone.POWER_OFF


@pytest.mark.parametrize("amperes", [5.1, -5.1, 125.0, math.nan, math.inf])
@pytest.mark.parametrize("report", [LATER, PowerReported(True)])
def test_it_is_never_ok_while_current_flows(amperes: float, report: Any) -> None:
    car = due("PowerDelivery(false)")
    car.keeps(amperes)
    car.answers[StopPower] = report
    body = car.says(STOP)
    assert body.response_code is ResponseCode.FAILED
    assert car.heard[-1].seconds == pytest.approx(1.4, abs=0.01)
    assert car.all(OpenContactor)
    assert car.code == "refused.FAILED"
    assert Milestone.POWER_OFF not in milestones(car)


def test_it_is_never_ok_by_an_old_measurement() -> None:
    car = due("PowerDelivery(false)")
    car.keeps(0.0)
    car.measuring = False
    assert car.says(STOP).response_code is ResponseCode.FAILED
    assert car.all(OpenContactor)


@pytest.mark.parametrize("amperes", [0.0, 5.0, -5.0])
def test_a_path_that_needs_longer_than_the_car_waits_goes_on_without_the_session(amperes: float) -> None:
    car = due("PowerDelivery(false)")
    car.keeps(amperes)
    assert car.says(STOP).response_code is ResponseCode.OK
    assert car.heard[-1].seconds == pytest.approx(1.4, abs=0.01)
    assert car.pending == []
    assert car.says(END).response_code is ResponseCode.OK
    assert car.all(OpenContactor)


def test_a_path_that_does_not_switch_off_is_told_at_once() -> None:
    car = due("PowerDelivery(false)")
    car.keeps(0.0)
    car.answers[StopPower] = PowerReported(False, "contactor welded")
    assert car.says(STOP).response_code is ResponseCode.FAILED
    assert car.heard[-1].seconds == 0.0
    assert "contactor welded" in car.ended.detail if car.ended else False
    assert car.all(OpenContactor)


@pytest.mark.parametrize("message", ["PowerDelivery(true)", "PowerDelivery(false)"])
def test_a_car_may_stop_before_it_has_charged(message: str) -> None:
    car = due(message)
    assert car.says(STOP).response_code is ResponseCode.OK
    assert len(car.asked(StopPower)) == 1
    assert car.says(EVERY_REQUEST["WeldingDetection"]).response_code is ResponseCode.OK


def test_what_the_car_complains_of_does_not_keep_power_on() -> None:
    for error in DC_EVErrorCode:
        car = due("PowerDelivery(false)")
        assert car.says(delivery(ready=False, error=error)).response_code is ResponseCode.OK
