"""WeldingDetection and SessionStop."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import pytest

from secc.iso2.messages import ChargingSession, ResponseCode, SessionStopReq, WeldingDetectionReq
from secc.session.effects import OpenContactor
from tests.iso2_car import AC_EIM, DC_EIM, TERMINATE, Car, ev_status, given_id, volts

WELDING = WeldingDetectionReq(dc_ev_status=ev_status())


def due() -> Car:
    return Car(DC_EIM).drive(until="WeldingDetection")


@pytest.mark.case("I2-WD-01", "Q-64")
def test_the_car_looks_as_often_as_it_likes() -> None:
    car = due()
    for measured in (390.0, 120.5, 3.0):
        car.levels = replace(car.levels, volts=measured)
        body = car.says(WELDING)
        assert (body.response_code, body.evse_present_voltage) == (ResponseCode.OK, volts(measured))
        car.wait(1.0)
    assert car.says(TERMINATE).response_code is ResponseCode.OK
    assert car.code == "completed.terminated"


@pytest.mark.case("Q-65")
def test_or_not_at_all() -> None:
    car = due()
    assert car.says(TERMINATE).response_code is ResponseCode.OK
    assert car.code == "completed.terminated"


@pytest.mark.parametrize("request_", [WELDING, pytest.param(TERMINATE, marks=pytest.mark.case("I2-STOP-09"))])
@pytest.mark.parametrize("pilot", ["C", "D", "E", "?"])
def test_both_want_the_pilot_in_b(request_: Any, pilot: str) -> None:
    car = due()
    car.pilot = pilot
    assert car.says(request_).response_code is ResponseCode.FAILED
    assert car.heard[-1].seconds == pytest.approx(1.5, abs=0.06)
    assert car.all(OpenContactor)


def test_a_car_that_is_a_little_late_with_b_is_waited_for() -> None:
    car = due()
    car.pilot = "C"
    car.tells(WELDING)
    car.wait(1.0)
    car.pilot = "B"
    car.wait(0.1)
    assert car.outbox[-1][1].message.response_code is ResponseCode.OK


def test_welding_detection_without_end_is_ended() -> None:
    car = due()
    begun = car.now
    car.polls(WELDING, every=0.5, within=70.0)
    assert car.now - begun == pytest.approx(60.0, abs=1.0)
    assert car.code == "timer.V2G_SECC_WeldingDetection_Limit"


def test_ac_ends_with_session_stop() -> None:
    car = Car(AC_EIM).drive(until="SessionStop")
    # Whatever the pilot says: the contactor is open.
    car.pilot = "C"
    assert car.says(TERMINATE).response_code is ResponseCode.OK
    assert car.code == "completed.terminated"


@pytest.mark.parametrize("offer", [AC_EIM, DC_EIM])
def test_a_pause_is_answered_and_ends_the_session(offer: Any) -> None:
    car = Car(offer).drive(until="SessionStop")
    body = car.says(SessionStopReq(charging_session=ChargingSession.PAUSE))
    assert body.response_code is ResponseCode.OK
    assert car.ended is not None
    assert car.ended.well


def test_many_sessions_one_after_the_other_leave_nothing_behind() -> None:
    ids = set()
    for _ in range(20):
        car = Car(DC_EIM, entropy=os.urandom).drive()
        ids.add(given_id(car.station))
        assert car.code == "completed.terminated"
    assert len(ids) == 20
