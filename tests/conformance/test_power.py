"""Rows from ChargeParameterDiscovery to SessionStop: a world whose pilot, contactor and supply move."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from secc.config import LabOrders
from secc.iso2.messages import (
    CableCheckReq,
    ChargingProfile,
    ChargingStatusReq,
    DC_EVErrorCode,
    DC_EVSEStatusCode,
    EVSEProcessing,
    ProfileEntry,
    ResponseCode,
)
from secc.session.offer import MeterDetail
from tests.conformance.places import Place, ac, at, dc
from tests.conformance.tester import Tester
from tests.iso2_car import (
    RENEGOTIATE,
    START,
    STOP,
    ac_parameters,
    dc_delivery,
    dc_parameters,
    delivery,
    ev_status,
    watts,
)

START_DUE, STOP_DUE = "PowerDelivery(Start)", "PowerDelivery(Stop)"
CHECK = CableCheckReq(dc_ev_status=ev_status())
FINISHED, ONGOING = EVSEProcessing.FINISHED, EVSEProcessing.ONGOING
DC_STATUS = DC_EVSEStatusCode


# --- PowerDelivery ------------------------------------------------------------------------------------------------------------


def profile(power: float) -> ChargingProfile:
    entry = ProfileEntry(charging_profile_entry_start=0, charging_profile_entry_max_power=watts(power))
    return ChargingProfile(profile_entry=(entry,))


@pytest.mark.parametrize(
    "ventilation",
    [
        pytest.param(False, id="C", marks=pytest.mark.case("I2-PD-01")),
        pytest.param(True, id="D", marks=pytest.mark.case("I2-PD-02")),
    ],
)
def test_ac_starts_when_the_car_is_in_c_or_d(ventilation: bool, tmp_path: Path) -> None:
    async def act(tester: Tester) -> None:
        assert not tester.world.contactor.closed
        began = asyncio.get_running_loop().time()
        await tester.sends(tester.octets(delivery(START, profile(11_000.0))))
        await tester.silent(0.2)
        assert not tester.world.contactor.closed, "the car is still in B"
        tester.world.close_s2(ventilation=ventilation)
        body = await tester.answered(began)
        assert body.response_code is ResponseCode.OK
        assert tester.world.contactor.closed, "OK before the contactor has closed"
        assert tester.seconds < 4.5

    at(ac(START_DUE), tmp_path, act)


@pytest.mark.case("I2X-29")
def test_a_contactor_that_does_not_close_is_told_in_time(tmp_path: Path) -> None:
    async def act(tester: Tester) -> None:
        tester.world.inject("contactor_stuck_open")
        began = asyncio.get_running_loop().time()
        await tester.sends(tester.octets(delivery(START)))
        tester.world.close_s2()
        body = await tester.answered(began)
        assert body.response_code is ResponseCode.FAILED_CONTACTOR_ERROR
        assert 0.0 < tester.seconds <= 4.5
        await tester.ended()

    at(ac(START_DUE), tmp_path, act)


@pytest.mark.case("I2-PD-14")
def test_dc_starts_from_the_precharge(tmp_path: Path) -> None:
    async def act(tester: Tester) -> None:
        request = replace(dc_delivery(START), charging_profile=profile(10_000.0))
        assert (await tester.says(request)).response_code is ResponseCode.OK
        tester.world.close_relay()
        for _ in range(30):
            assert (await tester.says(tester.demand())).response_code is ResponseCode.OK
            await asyncio.sleep(0.1)
        assert tester.world.present()[1] > 10.0

    at(dc(START_DUE), tmp_path, act)


@pytest.mark.parametrize(
    "place",
    [
        pytest.param(ac(STOP_DUE), marks=pytest.mark.case("I2-PD-03")),
        pytest.param(dc(STOP_DUE), marks=pytest.mark.case("I2-PD-24")),
    ],
    ids=str,
)
def test_the_car_may_renegotiate_in_the_loop(place: Place, tmp_path: Path) -> None:
    async def act(tester: Tester) -> None:
        body = await tester.renegotiates()
        assert type(body.evse_status).__name__ == ("DC_EVSEStatus" if tester.dc else "AC_EVSEStatus")
        await asyncio.sleep(0.5)
        # AC goes on; a DC supply is switched off for the cable check.
        assert tester.world.contactor.closed
        assert tester.world.truth()["supply_on"] is False

    at(place, tmp_path, act)


@pytest.mark.case("I2-PD-04", "I2X-30")
def test_ac_starts_again_after_a_renegotiation(tmp_path: Path) -> None:
    async def act(tester: Tester) -> None:
        await tester.renegotiates()
        assert (await tester.says(ac_parameters())).evse_processing is FINISHED
        assert tester.world.contactor.closed
        assert (await tester.says(delivery(START))).response_code is ResponseCode.OK
        assert tester.seconds == pytest.approx(0.0, abs=0.001), "nothing has to close"
        assert tester.world.contactor.closed
        assert (await tester.says(ChargingStatusReq())).response_code is ResponseCode.OK
        await tester.drive(after="ChargingStatus")
        assert await tester.scene.ended() == ["completed.terminated"]

    at(ac(STOP_DUE), tmp_path, act)


@pytest.mark.case("I2-PD-25", "I2X-26")
def test_dc_starts_again_after_cable_check_and_precharge(tmp_path: Path) -> None:
    async def act(tester: Tester) -> None:
        tester.world.close_relay(False)
        await tester.renegotiates()
        assert (await tester.says(dc_parameters())).evse_processing is FINISHED
        assert (await tester.cable_check()).evse_processing is FINISHED
        assert (await tester.pre_charge()).response_code is ResponseCode.OK
        assert (await tester.start()).response_code is ResponseCode.OK
        for _ in range(30):
            assert (await tester.says(tester.demand())).response_code is ResponseCode.OK
            await asyncio.sleep(0.1)
        assert tester.world.present()[1] > 10.0
        await tester.drive(after="CurrentDemand")
        assert await tester.scene.ended() == ["completed.terminated"]

    at(dc(STOP_DUE), tmp_path, act)


@pytest.mark.case("I2X-27")
def test_dc_has_no_short_cut_after_a_renegotiation(tmp_path: Path) -> None:
    async def act(tester: Tester) -> None:
        await tester.renegotiates()
        await tester.says(dc_parameters())
        await tester.refused(dc_delivery(START), ResponseCode.FAILED_SEQUENCE_ERROR)

    at(dc(STOP_DUE), tmp_path, act)


@pytest.mark.case("I2-PD-05")
def test_ac_stops_with_the_contactor_open(tmp_path: Path) -> None:
    async def act(tester: Tester) -> None:
        assert tester.world.contactor.closed
        assert (await tester.stop()).response_code is ResponseCode.OK
        assert not tester.world.contactor.closed
        await tester.drive(after=STOP_DUE)

    at(ac(STOP_DUE), tmp_path, act)


@pytest.mark.case("I2-PD-15")
def test_dc_stops_without_current_and_the_car_goes_to_b_afterwards(tmp_path: Path) -> None:
    async def act(tester: Tester) -> None:
        for _ in range(20):
            await tester.says(tester.demand())
            await asyncio.sleep(0.1)
        assert tester.world.present()[1] > 5.0
        assert (await tester.says(dc_delivery(STOP))).response_code is ResponseCode.OK
        assert tester.world.present()[1] < 1.0
        assert tester.world.car.ready, "the answer does not wait for B"
        tester.world.close_relay(False)
        tester.world.close_s2(False)
        await tester.drive(after=STOP_DUE)

    at(dc(STOP_DUE), tmp_path, act)


@pytest.mark.parametrize(
    ("place", "request_", "code"),
    [
        pytest.param(
            ac(START_DUE),
            delivery(START, profile(30_000.0)),
            ResponseCode.FAILED_CHARGING_PROFILE_INVALID,
            marks=pytest.mark.case("I2-PD-10"),
        ),
        pytest.param(ac(START_DUE), delivery(RENEGOTIATE), ResponseCode.FAILED, marks=pytest.mark.case("I2-PD-13")),
        pytest.param(
            dc(START_DUE),
            replace(dc_delivery(START), charging_profile=profile(300_000.0)),
            ResponseCode.FAILED_CHARGING_PROFILE_INVALID,
            marks=pytest.mark.case("I2-PD-20"),
        ),
        pytest.param(
            dc(START_DUE),
            replace(dc_delivery(START), sa_schedule_tuple_id=77),
            ResponseCode.FAILED_TARIFF_SELECTION_INVALID,
            marks=pytest.mark.case("I2-PD-21"),
        ),
    ],
)
def test_a_delivery_that_was_not_agreed_on_is_refused(
    place: Place, request_: Any, code: ResponseCode, tmp_path: Path
) -> None:
    at(place, tmp_path, lambda tester: tester.refused(request_, code))


COMPLAINTS = {
    "I2-PD-26": DC_EVErrorCode.FAILED_RESS_TEMPERATURE_INHIBIT,
    "I2-PD-27": DC_EVErrorCode.FAILED_EV_SHIFT_POSITION,
    "I2-PD-28": DC_EVErrorCode.FAILED_CHARGER_CONNECTOR_LOCK_FAULT,
    "I2-PD-29": DC_EVErrorCode.FAILED_EV_RESS_MALFUNCTION,
    "I2-PD-30": DC_EVErrorCode.FAILED_CHARGING_VOLTAGE_OUT_OF_RANGE,
    "I2-PD-31": DC_EVErrorCode.FAILED_CHARGING_SYSTEM_INCOMPATIBILITY,
    "I2-PD-32": DC_EVErrorCode.NO_DATA,
}


@pytest.mark.parametrize(
    "error", [pytest.param(error, id=row, marks=pytest.mark.case(row)) for row, error in COMPLAINTS.items()]
)
def test_what_the_car_complains_of_never_makes_a_stop_fail(error: DC_EVErrorCode, tmp_path: Path) -> None:
    async def act(tester: Tester) -> None:
        assert (await tester.says(dc_delivery(STOP, error))).response_code is ResponseCode.OK

    at(dc(STOP_DUE), tmp_path, act)


# --- The loop -----------------------------------------------------------------------------------------------------------------


def without_meter(body: Any, tester: Tester) -> None:
    assert body.meter_info is None


def with_meter(body: Any, tester: Tester) -> None:
    assert body.meter_info.meter_id == "SIM-METER-1"


def with_identity_alone(body: Any, tester: Tester) -> None:
    with_meter(body, tester)
    assert body.meter_info.meter_reading is None


def with_reading(body: Any, tester: Tester) -> None:
    with_meter(body, tester)
    # The meter is read once a second, in which 11 kW are 3 Wh.
    assert 0.0 <= tester.world.truth()["metered_watt_hours"] - body.meter_info.meter_reading < 5.0


def looping(row: str, of_dc: bool, detail: MeterDetail, judge: Callable[[Any, Tester], None]) -> Any:
    return pytest.param(of_dc, detail, judge, id=row, marks=pytest.mark.case(row))


@pytest.mark.parametrize(
    ("of_dc", "detail", "judge"),
    [
        looping("I2-CS-01", False, MeterDetail.NONE, without_meter),
        looping("I2-CS-05", False, MeterDetail.IDENTITY, with_identity_alone),
        looping("I2-CS-07", False, MeterDetail.READING, with_reading),
        looping("I2-CD-01", True, MeterDetail.NONE, without_meter),
        looping("I2-CD-06", True, MeterDetail.IDENTITY, with_identity_alone),
        looping("I2-CD-08", True, MeterDetail.READING, with_reading),
    ],
)
def test_what_the_loop_tells(
    of_dc: bool, detail: MeterDetail, judge: Callable[[Any, Tester], None], tmp_path: Path
) -> None:
    async def act(tester: Tester) -> None:
        for _ in range(30):
            body = await tester.says(tester.demand() if of_dc else ChargingStatusReq())
            assert (body.response_code, body.receipt_required) == (ResponseCode.OK, False)
            judge(body, tester)
            await asyncio.sleep(0.5 if of_dc else 2.0)

    place = Place(of_dc, "CurrentDemand" if of_dc else "ChargingStatus")
    at(place, tmp_path, act, orders=LabOrders(enabled=True, meter_info=detail))
