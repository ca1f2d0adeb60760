"""CableCheck and PreCharge."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hal.readings import DcPhase
from secc.conversation import Abandon
from secc.iso2 import timing
from secc.iso2.messages import (
    CableCheckReq,
    DC_EVSEStatusCode,
    EVSENotification,
    EVSEProcessing,
    IsolationLevel,
    ResponseCode,
)
from secc.session.effects import CableChecked, CheckCable, OpenContactor, SetOutput
from secc.session.events import OngoingForced, StopRequested
from tests.dialogue import LATER
from tests.iso2_car import RENEGOTIATE, START, Car, dc_delivery, dc_parameters, ev_status, precharge, volts

CHECK = CableCheckReq(dc_ev_status=ev_status())
FINISHED, ONGOING = EVSEProcessing.FINISHED, EVSEProcessing.ONGOING


def due(message: str = "CableCheck") -> Car:
    car = Car()
    car.answers[CheckCable] = LATER if message == "CableCheck" else car.answers[CheckCable]
    return car.drive(until=message)


# --- CableCheck ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pilot", ["C", "D"])
def test_the_cable_is_checked_while_the_car_asks(pilot: str) -> None:
    car = due()
    car.follows = False
    car.pilot = pilot
    for _ in range(3):
        body = car.says(CHECK)
        assert (body.response_code, body.evse_processing) == (ResponseCode.OK, ONGOING)
        assert body.dc_evse_status.evse_status_code is DC_EVSEStatusCode.EVSE_ISOLATION_MONITORING_ACTIVE
        assert body.dc_evse_status.evse_isolation_status is None
        car.wait(1.0)
    car.answer(CheckCable, CableChecked(True, "valid"))
    body = car.says(CHECK)
    assert (body.response_code, body.evse_processing) == (ResponseCode.OK, FINISHED)
    assert body.dc_evse_status.evse_status_code is DC_EVSEStatusCode.EVSE_READY
    assert body.dc_evse_status.evse_isolation_status is IsolationLevel.VALID
    assert car.asked(CheckCable) == [CheckCable(450.0, timing.CABLE_CHECK)]


@pytest.mark.parametrize("pilot", ["A", "B", "E", "F", "?"])
def test_without_the_pilot_in_c_or_d_there_is_no_check(pilot: str) -> None:
    car = due()
    car.follows = False
    car.pilot = pilot
    body = car.says(CHECK)
    assert body.response_code is ResponseCode.FAILED
    assert car.heard[-1].seconds == pytest.approx(1.5, abs=0.06)
    assert car.asked(CheckCable) == []
    assert car.all(OpenContactor)


def test_a_car_that_is_a_little_late_is_waited_for() -> None:
    car = due()
    car.follows = False
    car.tells(CHECK)
    car.wait(1.2)
    assert len(car.outbox) == len(car.heard), "nothing said yet"
    car.pilot = "C"
    car.wait(0.1)
    assert car.outbox[-1][1].message.evse_processing is ONGOING


def test_a_warning_is_passed_on_and_charges() -> None:
    car = due()
    car.says(CHECK)
    car.answer(CheckCable, CableChecked(True, "warning"))
    body = car.says(CHECK)
    assert body.evse_processing is FINISHED
    assert body.dc_evse_status.evse_isolation_status is IsolationLevel.WARNING
    assert car.says(precharge()).dc_evse_status.evse_isolation_status is IsolationLevel.WARNING


@pytest.mark.parametrize("isolation", ["fault", "invalid", "no_imd"])
def test_a_cable_that_is_not_safe_ends_it(isolation: Any) -> None:
    car = due()
    car.says(CHECK)
    car.answer(CheckCable, CableChecked(False, isolation, "40 kOhm"))
    body = car.says(CHECK)
    assert body.response_code is ResponseCode.FAILED
    assert body.dc_evse_status.evse_status_code is DC_EVSEStatusCode.EVSE_MALFUNCTION
    assert car.ended is not None
    assert "40 kOhm" in car.ended.detail


def test_a_check_that_does_not_end_is_given_up_before_the_car_does() -> None:
    car = due()
    begun = car.now
    body = car.polls(CHECK, every=0.5, within=45.0)
    assert body.response_code is ResponseCode.FAILED
    assert car.now - begun < 40.0
    assert car.code == "timer.V2G_SECC_CableCheck_Performance_Time"
    assert car.all(Abandon)


def test_a_check_that_does_not_end_is_given_up_although_the_car_is_silent() -> None:
    car = due()
    car.says(CHECK)
    car.wait(37.5)
    assert car.says(CHECK).evse_processing is ONGOING
    car.wait(1.0)
    assert car.all(OpenContactor)
    assert car.all(Abandon)
    car.wait(5.0)
    assert car.code == "timer.V2G_SECC_CableCheck_Performance_Time"


def test_a_lab_can_hold_the_cable_check_in_ongoing_but_not_make_a_bad_cable_good() -> None:
    car = due()
    car.hear(OngoingForced("CableCheck", on=True))
    car.says(CHECK)
    car.answer(CheckCable, CableChecked(True, "valid"))
    assert car.says(CHECK).evse_processing is ONGOING
    car.hear(OngoingForced("CableCheck", on=False))
    assert car.says(CHECK).evse_processing is FINISHED


# --- PreCharge ----------------------------------------------------------------------------------------------------------------


@pytest.mark.case("Q-53")
def test_the_voltage_told_is_the_one_measured() -> None:
    car = due("PreCharge")
    car.levels = replace(car.levels, volts=37.5)
    body = car.says(precharge(380.0))
    assert (body.response_code, body.evse_present_voltage) == (ResponseCode.OK, volts(37.5))
    assert body.dc_evse_status.evse_status_code is DC_EVSEStatusCode.EVSE_READY
    assert car.says(precharge(380.0)).evse_present_voltage == volts(380.0)


@pytest.mark.case("I2X-25", "Q-49", "Q-55", "Q-50")
@pytest.mark.parametrize(
    ("target", "served"), [(380.0, 380.0), (120.0, 120.0), (0.0, 0.0), (-20.0, 0.0), (900.0, 450.0), (32_000.0, 450.0)]
)
def test_each_request_may_name_another_target_within_what_the_car_bears(target: float, served: float) -> None:
    car = due("PreCharge")
    car.says(precharge(300.0))
    car.says(precharge(target))
    assert [output.volts for output in car.all(SetOutput)] == [300.0, served]


@pytest.mark.case("Q-51", "A-PWR-02")
@pytest.mark.parametrize(
    ("asked", "served"), [(0.0, 2.0), (0.5, 0.5), (2.0, 2.0), (2.1, 2.0), (400.0, 2.0), (-5.0, 2.0)]
)
def test_never_more_than_two_amperes(asked: float, served: float) -> None:
    car = due("PreCharge")
    car.says(precharge(380.0, asked))
    assert car.all(SetOutput) == [SetOutput(380.0, served, DcPhase.PRECHARGE)]


@pytest.mark.case("Q-54")
@pytest.mark.parametrize("changes", [{"measured_at": -1e9}, {"volts": float("nan")}, {"volts": float("inf")}])
def test_a_measurement_that_is_none_is_a_malfunction(changes: dict[str, float]) -> None:
    car = due("PreCharge")
    car.measuring = False
    car.levels = replace(car.levels, **changes)  # type: ignore[arg-type]  # of Levels
    body = car.says(precharge())
    assert body.response_code is ResponseCode.FAILED
    assert body.dc_evse_status.evse_status_code is DC_EVSEStatusCode.EVSE_MALFUNCTION
    assert car.all(SetOutput) == []


@pytest.mark.case("A-SES-08")
def test_a_precharge_without_end_is_ended() -> None:
    car = due("PreCharge")
    begun = car.now
    car.polls(precharge(), every=0.1, within=25.0)
    assert car.now - begun == pytest.approx(20.0, abs=0.5)


def test_a_stop_that_is_wanted_is_told_and_power_is_not_started_any_more() -> None:
    car = due("PreCharge")
    car.hear(StopRequested("driver"))
    status = car.says(precharge()).dc_evse_status
    assert status.evse_notification is EVSENotification.STOP_CHARGING
    assert status.evse_status_code is DC_EVSEStatusCode.EVSE_SHUTDOWN
    assert car.says(dc_delivery(START)).response_code is ResponseCode.FAILED_POWER_DELIVERY_NOT_APPLIED


@pytest.mark.case("I2X-26", "D5", "Q-60")
def test_after_a_renegotiation_the_cable_is_checked_again() -> None:
    car = Car().drive(until="PowerDelivery(Stop)")
    assert car.says(dc_delivery(RENEGOTIATE)).response_code is ResponseCode.OK
    assert car.says(dc_parameters()).response_code is ResponseCode.OK
    assert car.cable_check().evse_processing is FINISHED
    assert len(car.asked(CheckCable)) == 2
    car.finish("CableCheck")
    assert car.code == "completed.terminated"


@pytest.mark.case("I2X-27", "Q-60")
@pytest.mark.parametrize("shortcut", [dc_delivery(START), precharge()])
def test_a_renegotiated_session_has_no_short_cut(shortcut: Any) -> None:
    car = Car().drive(until="PowerDelivery(Stop)")
    car.says(dc_delivery(RENEGOTIATE))
    car.says(dc_parameters())
    assert car.says(shortcut).response_code is ResponseCode.FAILED_SEQUENCE_ERROR
