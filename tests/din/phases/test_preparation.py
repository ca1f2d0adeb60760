"""CableCheck and PreCharge."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from hal.readings import DcPhase
from secc.din.messages import DC_EVSEStatusCode, EVSEProcessing, IsolationLevel, ResponseCode, UnitSymbol
from secc.session.effects import CableChecked, CheckCable, OpenContactor, Remark, SetOutput
from secc.session.events import OngoingForced
from secc.session.offer import DcLimits
from tests.dialogue import LATER
from tests.din_car import EVERY_REQUEST, OFFER, START, Car, amperes, precharge, volts, without_unit

CHECK = EVERY_REQUEST["CableCheck"]


def checking() -> Car:
    car = Car().drive(until="CableCheck")
    car.answers[CheckCable] = LATER
    return car


@pytest.mark.case("DIN-12")
@pytest.mark.parametrize(("found", "told"), [("valid", IsolationLevel.VALID), ("warning", IsolationLevel.WARNING)])
def test_the_cable_is_checked_at_the_cars_voltage_and_the_car_told_when_it_is_good(
    found: Any, told: IsolationLevel
) -> None:
    car = checking()
    for _ in range(3):
        body = car.says(CHECK)
        assert (body.response_code, body.evse_processing) == (ResponseCode.OK, EVSEProcessing.ONGOING)
        status = body.dc_evse_status
        assert status.evse_status_code is DC_EVSEStatusCode.EVSE_ISOLATION_MONITORING_ACTIVE
        assert status.evse_isolation_status is IsolationLevel.INVALID
    (question,) = car.asked(CheckCable)
    assert question.ev_maximum_volts == 450.0
    car.answer(CheckCable, CableChecked(True, found))
    body = car.says(CHECK)
    assert body.evse_processing is EVSEProcessing.FINISHED
    status = body.dc_evse_status
    assert (status.evse_status_code, status.evse_isolation_status) == (DC_EVSEStatusCode.EVSE_READY, told)


@pytest.mark.case("DIN-12")
@pytest.mark.parametrize(
    "finding",
    [
        CableChecked(False, "fault", "80 ohms"),
        CableChecked(False, "invalid", "no"),
        CableChecked(False, "no_imd"),
        # DIN cannot say it: a station without a monitor does not deliver.
        CableChecked(True, "no_imd"),
    ],
)
def test_a_cable_that_is_not_good_ends_the_session(finding: CableChecked) -> None:
    car = checking()
    car.says(CHECK)
    car.answer(CheckCable, finding)
    body = car.says(CHECK)
    assert body.response_code is ResponseCode.FAILED
    assert body.dc_evse_status.evse_status_code is DC_EVSEStatusCode.EVSE_MALFUNCTION
    assert car.all(OpenContactor)


def test_the_check_has_38_seconds() -> None:
    car = checking()
    begun = car.now
    car.polls(CHECK, every=1.0, within=60.0)
    assert car.code == "timer.V2G_SECC_CableCheck_Performance_Time"
    assert 37.0 <= car.now - begun <= 39.0
    assert car.pending == []
    assert car.all(OpenContactor)


def test_a_car_that_stays_in_b_is_refused_after_one_and_a_half_seconds() -> None:
    car = checking()
    car.follows = False
    assert car.says(CHECK).response_code is ResponseCode.FAILED
    assert car.heard[-1].seconds == pytest.approx(1.5, abs=0.1)
    assert car.asked(CheckCable) == []


@pytest.mark.parametrize("pilot", ["C", "D"])
def test_a_car_may_come_to_c_or_d_with_its_request(pilot: str) -> None:
    car = checking()
    car.follows = False
    car.tells(CHECK)
    car.wait(1.0)
    assert car.asked(CheckCable) == []
    car.pilot = pilot
    car.wait(0.1)
    assert len(car.asked(CheckCable)) == 1


def test_a_lab_holds_a_good_cable_in_ongoing() -> None:
    car = Car().drive(until="CableCheck")
    car.hear(OngoingForced("CableCheck", on=True))
    for _ in range(3):
        assert car.says(CHECK).evse_processing is EVSEProcessing.ONGOING
    car.hear(OngoingForced("CableCheck", on=False))
    assert car.says(CHECK).evse_processing is EVSEProcessing.FINISHED


# --- PreCharge --------------------------------------------------------------------------------------------------------------------


@pytest.mark.case("DIN-13", "Q-49", "Q-51", "Q-53", "A-PWR-02")
def test_the_target_of_every_request_is_followed_with_two_amperes_at_most() -> None:
    car = Car().drive(until="PreCharge")
    for target, current, served in ((500.0, 10.0, 2.0), (380.0, 0.0, 2.0), (381.0, 1.0, 1.0)):
        before = car.levels.volts
        body = car.says(precharge(target, current))
        assert (body.response_code, body.evse_present_voltage) == (ResponseCode.OK, volts(before))
        assert body.dc_evse_status.evse_status_code is DC_EVSEStatusCode.EVSE_READY
        assert body.dc_evse_status.evse_isolation_status is IsolationLevel.VALID
        # 450 V is the car's own limit.
        assert car.all(SetOutput)[-1] == SetOutput(min(target, 450.0), served, DcPhase.PRECHARGE)
    assert [remark.code for remark in car.all(Remark)] == ["Q-51", "Q-49"]


@pytest.mark.case("Q-50")
def test_a_low_target_is_raised_on_request() -> None:
    car = Car(replace(OFFER, tolerances=frozenset({"Q-50"}))).drive(until="PreCharge")
    car.says(precharge(-5.0))
    assert car.all(SetOutput)[-1].volts == DcLimits().minimum_volts


@pytest.mark.case("DIN-27")
def test_units_may_be_left_out_and_must_not_be_wrong() -> None:
    car = Car().drive(until="PreCharge")
    bare = replace(
        precharge(), ev_target_voltage=without_unit(volts(380.0)), ev_target_current=without_unit(amperes(1.0))
    )
    assert car.says(bare).response_code is ResponseCode.OK
    assert car.all(SetOutput)[-1].volts == 380.0
    wrong = replace(precharge(), ev_target_voltage=replace(volts(380.0), unit=UnitSymbol.A))
    assert car.says(wrong).response_code is ResponseCode.FAILED
    assert car.all(OpenContactor)


@pytest.mark.case("Q-54")
@pytest.mark.parametrize("stale", [True, False])
def test_a_measurement_that_may_not_be_told_ends_the_session(stale: bool) -> None:
    car = Car().drive(until="PreCharge")
    if stale:
        car.measuring = False
        car.wait(1.1)
    else:
        car.levels = replace(car.levels, volts=math.nan)
    body = car.says(precharge())
    assert body.response_code is ResponseCode.FAILED
    assert body.dc_evse_status.evse_status_code is DC_EVSEStatusCode.EVSE_MALFUNCTION


def test_a_precharge_that_does_not_end_is_ended() -> None:
    car = Car().drive(until="PreCharge")
    begun = car.now
    car.polls(precharge(), every=0.5, within=30.0)
    assert car.code == "timer.V2G_SECC_PreCharge_Limit"
    assert 20.0 <= car.now - begun <= 21.0


def test_the_car_ends_precharge_by_power_delivery() -> None:
    car = Car().drive(until="PreCharge")
    assert car.says(START).response_code is ResponseCode.FAILED_SEQUENCE_ERROR
    car = Car().drive(until="PowerDelivery(true)")
    assert car.says(START).response_code is ResponseCode.OK
