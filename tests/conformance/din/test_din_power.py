"""Rows of a session of DIN SPEC 70121 at a whole station: from ChargeParameterDiscovery to CurrentDemand."""

from __future__ import annotations

import asyncio
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from secc.config import LabOrders
from secc.din.messages import (
    AC_EVChargeParameter,
    Body,
    ChargeParameterDiscoveryReq,
    DC_EVSEStatusCode,
    EVRequestedEnergyTransferType,
    EVSENotification,
    EVSEProcessing,
    IsolationLevel,
    PhysicalValue,
    ResponseCode,
    UnitSymbol,
)
from secc.session.wishes import Held
from tests.conformance.din.tester import DinTester, at
from tests.din_car import (
    END,
    EVERY_REQUEST,
    START,
    STOP,
    amperes,
    current_demand,
    parameters,
    precharge,
    volts,
    watts,
)

CHECK, WELDING = EVERY_REQUEST["CableCheck"], EVERY_REQUEST["WeldingDetection"]
ONGOING, FINISHED = EVSEProcessing.ONGOING, EVSEProcessing.FINISHED
OK = ResponseCode.OK
STATUS = DC_EVSEStatusCode
DAY = 86_400
SHORT = 32_767
"""The most that PMax can say, watts."""


# --- ChargeParameterDiscovery ---------------------------------------------------------------------------------------------------


KINDS = EVRequestedEnergyTransferType


def ac_parameters(kind: EVRequestedEnergyTransferType = KINDS.DC_EXTENDED) -> ChargeParameterDiscoveryReq:
    parameter = AC_EVChargeParameter(
        departure_time=0,
        e_amount=PhysicalValue(multiplier=3, unit=UnitSymbol.WH, value=20),
        ev_max_voltage=volts(400.0),
        ev_max_current=amperes(32.0),
        ev_min_current=amperes(6.0),
    )
    return ChargeParameterDiscoveryReq(ev_requested_energy_transfer_type=kind, ev_charge_parameter=parameter)


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        *(
            pytest.param(
                request(kind), ResponseCode.FAILED_WRONG_ENERGY_TRANSFER_TYPE, marks=pytest.mark.case("DIN-07")
            )
            for kind in (KINDS.AC_SINGLE_PHASE_CORE, KINDS.AC_THREE_PHASE_CORE)
            for request in (parameters, ac_parameters)
        ),
        pytest.param(ac_parameters(), ResponseCode.FAILED_WRONG_CHARGE_PARAMETER, marks=pytest.mark.case("DIN-08")),
        *(
            pytest.param(
                parameters(**{name: value}),
                ResponseCode.FAILED_WRONG_CHARGE_PARAMETER,
                marks=pytest.mark.case("DIN-09"),
            )
            for name, value in (
                ("ev_maximum_voltage_limit", volts(40.0)),
                ("ev_maximum_voltage_limit", volts(-400.0)),
                ("ev_maximum_current_limit", amperes(-100.0)),
                ("ev_maximum_power_limit", watts(-5_000.0)),
            )
        ),
    ],
)
def test_parameters_that_cannot_be_served_are_refused(request_: Body, code: ResponseCode, tmp_path: Path) -> None:
    async def act(tester: DinTester) -> None:
        body = await tester.refused(request_, code)
        if code is ResponseCode.FAILED_WRONG_CHARGE_PARAMETER:
            assert body.evse_charge_parameter.dc_evse_status.evse_status_code is STATUS.EVSE_SHUTDOWN
        assert await tester.scene.ended() == [f"refused.{code}"]

    at("ChargeParameterDiscovery", tmp_path, act)


def entry_of(body: Any) -> Any:
    """The one entry of the one schedule."""
    (one,) = body.sa_schedules.sa_schedule_tuple
    assert one.sales_tariff is None
    (entry,) = one.p_max_schedule.p_max_schedule_entry
    assert entry.time_interval.start == 0
    assert entry.time_interval.duration is not None
    assert entry.time_interval.duration >= DAY
    return entry


@pytest.mark.case("DIN-10")
def test_the_schedule_is_one_entry_for_a_day(tmp_path: Path) -> None:
    async def act(tester: DinTester) -> None:
        body = await tester.says(parameters())
        assert (body.response_code, body.evse_processing) == (OK, FINISHED)
        assert entry_of(body).p_max > 0

    at("ChargeParameterDiscovery", tmp_path, act)


@pytest.mark.case("DIN-10", "Q-61")
@pytest.mark.parametrize("limit", [50_000.0, 32_768.0, 32_767.0, 32_766.4, 9_999.6, 500.0])
def test_the_power_of_the_schedule_is_in_watts_and_never_above_the_limit(limit: float, tmp_path: Path) -> None:
    async def act(tester: DinTester) -> None:
        tester.scene.outlet().commands.limit(limit)
        await asyncio.sleep(0.1)
        body = await tester.says(parameters(ev_maximum_power_limit=None))
        assert min(limit, SHORT) - 1.0 < entry_of(body).p_max <= min(limit, SHORT)
        told = body.evse_charge_parameter.evse_maximum_power_limit
        assert 0.998 * limit <= told.value * 10.0**told.multiplier <= limit

    at("ChargeParameterDiscovery", tmp_path, act)


@pytest.mark.case("DIN-11")
def test_ongoing_until_the_station_is_ready(tmp_path: Path) -> None:
    async def act(tester: DinTester) -> None:
        for _ in range(5):
            body = await tester.says(parameters())
            assert (body.response_code, body.evse_processing) == (OK, ONGOING)
            entry_of(body)
            await asyncio.sleep(1.0)
        tester.scene.outlet().commands.lab("ongoing", [])
        body = await tester.says(parameters())
        assert (body.response_code, body.evse_processing) == (OK, FINISHED)
        entry_of(body)
        await tester.drive(after="ChargeParameterDiscovery")

    orders = LabOrders(enabled=True, ongoing=(Held.SCHEDULE,))
    at("ChargeParameterDiscovery", tmp_path, act, orders=orders)


# --- CableCheck, PreCharge ------------------------------------------------------------------------------------------------------


@pytest.mark.case("DIN-12")
@pytest.mark.parametrize("ventilation", [False, True], ids=["C", "D"])
@pytest.mark.parametrize("seconds", [0.0, 28.0], ids=["short", "long"])
def test_the_cable_is_checked(seconds: float, ventilation: bool, tmp_path: Path) -> None:
    async def act(tester: DinTester) -> None:
        tester.world.close_s2(ventilation=ventilation)
        loop = asyncio.get_running_loop()
        began, ongoing = loop.time(), 0
        body = await tester.says(CHECK)
        while (body.response_code, body.evse_processing) == (OK, ONGOING):
            ongoing += 1
            assert body.dc_evse_status.evse_status_code is STATUS.EVSE_ISOLATION_MONITORING_ACTIVE
            assert body.dc_evse_status.evse_isolation_status is IsolationLevel.INVALID
            await asyncio.sleep(0.5)
            body = await tester.says(CHECK)
        assert (body.response_code, body.evse_processing) == (OK, FINISHED)
        assert body.dc_evse_status.evse_isolation_status is IsolationLevel.VALID
        assert body.dc_evse_status.evse_status_code is STATUS.EVSE_READY
        assert ongoing
        assert seconds <= loop.time() - began < 40.0

    at("CableCheck", tmp_path, act, orders=LabOrders(enabled=True, insulation_seconds=seconds))


@pytest.mark.case("DIN-13")
def test_the_precharge_follows_each_target(tmp_path: Path) -> None:
    async def act(tester: DinTester) -> None:
        for target in (300.0, 380.0, 250.0):
            for _ in range(40):
                body = await tester.says(precharge(target))
                assert body.response_code is OK
                assert body.dc_evse_status.evse_status_code is STATUS.EVSE_READY
                assert body.dc_evse_status.evse_isolation_status is IsolationLevel.VALID
                await asyncio.sleep(0.1)
            assert tester.told_volts(body) == pytest.approx(target, abs=10.0)
            assert tester.world.truth()["outlet_volts"] == pytest.approx(target, abs=10.0)
            assert tester.world.present()[1] < 2.5

    at("PreCharge", tmp_path, act)


# --- PowerDelivery, CurrentDemand -----------------------------------------------------------------------------------------------


@pytest.mark.case("DIN-14")
def test_ready_to_charge_leads_to_the_loop_and_out_of_it(tmp_path: Path) -> None:
    async def act(tester: DinTester) -> None:
        assert (await tester.start()).response_code is OK
        for _ in range(30):
            assert (await tester.says(tester.demand())).response_code is OK
            await asyncio.sleep(0.1)
        assert tester.world.present()[1] > 10.0
        body = await tester.stop()
        assert body.response_code is OK
        assert tester.seconds <= 1.5
        assert tester.world.present()[1] <= 5.0, "OK while current flows"
        assert body.evse_status.evse_notification is EVSENotification.NONE
        assert (await tester.says(WELDING)).response_code is OK
        assert (await tester.says(END)).response_code is OK
        assert await tester.scene.ended() == ["completed.terminated"]

    at("PowerDelivery(true)", tmp_path, act)


@pytest.mark.case("DIN-14")
@pytest.mark.parametrize("amperes_a_second", [60.0, 20.0])
def test_it_is_never_ok_while_current_flows(amperes_a_second: float, tmp_path: Path) -> None:
    """The car waits 2 s. A supply that needs longer is told as a failure, and what is left opens as in any fault."""

    async def act(tester: DinTester) -> None:
        for _ in range(60):
            assert (await tester.says(tester.demand(100.0))).response_code is OK
            await asyncio.sleep(0.1)
        assert tester.world.present()[1] > 99.0
        tester.world.supply.off_per_second = tester.world.supply.amperes_per_second = amperes_a_second
        body = await tester.says(STOP)
        assert body.response_code is ResponseCode.FAILED
        assert tester.seconds <= 1.5
        assert tester.world.present()[1] > 5.0
        await tester.scene.opened(seconds=2.0)
        await tester.ended()
        assert await tester.scene.ended() == ["refused.FAILED"]

    at("PowerDelivery(false)", tmp_path, act)


@pytest.mark.case("DIN-14")
@pytest.mark.parametrize("fault", ["supply_runaway", "supply_silent"])
def test_it_is_never_ok_where_power_is_not_known_to_be_off(fault: str, tmp_path: Path) -> None:
    async def act(tester: DinTester) -> None:
        for _ in range(60):
            await tester.says(tester.demand(100.0))
            await asyncio.sleep(0.1)
        tester.world.inject(fault)
        assert (await tester.says(STOP)).response_code is ResponseCode.FAILED
        assert tester.seconds <= 1.5
        await tester.closed()
        await tester.scene.opened(seconds=2.0)
        assert tester.world.present()[1] == 0.0

    at("PowerDelivery(false)", tmp_path, act)


@pytest.mark.case("DIN-14")
@pytest.mark.parametrize("strict", [False, True])
def test_charging_cannot_begin_without_voltage(strict: bool, tmp_path: Path) -> None:
    async def act(tester: DinTester) -> None:
        assert (await tester.says(precharge(0.0, 0.0))).response_code is OK
        await tester.refused(START, ResponseCode.FAILED_EVSE_PRESENT_VOLTAGE_TO_LOW)
        assert await tester.scene.ended() == ["refused.FAILED_EVSEPresentVoltageToLow"]

    at("PreCharge", tmp_path, act, strict=strict)


@pytest.mark.case("DIN-15")
def test_the_answer_of_the_loop_has_no_meter_and_no_ids(tmp_path: Path) -> None:
    async def act(tester: DinTester) -> None:
        for _ in range(30):
            body = await tester.says(tester.demand())
            assert body.response_code is OK
            assert body.dc_evse_status.evse_status_code is STATUS.EVSE_READY
            assert body.dc_evse_status.evse_isolation_status is IsolationLevel.VALID
            await asyncio.sleep(0.1)
        named = {field.name for field in fields(body)}
        assert not named & {"evse_id", "meter_info", "receipt_required", "sa_schedule_tuple_id"}
        told = body.evse_present_current
        assert told.value * 10.0**told.multiplier == pytest.approx(tester.world.present()[1], abs=1.0)
        assert tester.told_volts(body) == pytest.approx(tester.world.present()[0], abs=5.0)

    at("CurrentDemand", tmp_path, act)


@pytest.mark.case("DIN-16")
@pytest.mark.parametrize("due", ["CableCheck", "PreCharge", "PowerDelivery(true)", "CurrentDemand"])
def test_an_emergency_stop_is_told_and_ends_the_session(due: str, tmp_path: Path) -> None:
    async def act(tester: DinTester) -> None:
        if due == "CableCheck":
            tester.world.close_s2()
            assert (await tester.says(CHECK)).evse_processing is ONGOING
        if due == "CurrentDemand":
            for _ in range(30):
                await tester.says(tester.demand())
                await asyncio.sleep(0.1)
            assert tester.world.present()[1] > 10.0
        tester.world.press_emergency_stop()
        await tester.scene.opened()
        body = await tester.says(EVERY_REQUEST[due])
        assert body.response_code is ResponseCode.FAILED
        status = body.evse_status if due == "PowerDelivery(true)" else body.dc_evse_status
        assert status.evse_status_code is STATUS.EVSE_EMERGENCY_SHUTDOWN
        await tester.closed()
        assert await tester.scene.ended() == ["emergency.emergency-stop"]
        assert not tester.world.contactor.closed

    at(due, tmp_path, act)


@pytest.mark.case("I2X-31")
def test_a_stop_at_the_outlet_is_announced_until_the_car_stops(tmp_path: Path) -> None:
    async def act(tester: DinTester) -> None:
        await tester.says(tester.demand())
        tester.world.press_stop()
        await asyncio.sleep(0.1)
        for _ in range(10):
            body = await tester.says(tester.demand())
            assert body.response_code is OK
            assert body.dc_evse_status.evse_notification is EVSENotification.STOP_CHARGING
            assert body.dc_evse_status.evse_status_code is STATUS.EVSE_SHUTDOWN
            await asyncio.sleep(0.2)
        await tester.drive(after="CurrentDemand")
        assert await tester.scene.ended() == ["completed.terminated"]

    at("CurrentDemand", tmp_path, act)


# --- units ---


def bare(value: float, multiplier: int = 0) -> Any:
    return PhysicalValue(multiplier=multiplier, value=round(value / 10**multiplier))


@pytest.mark.case("DIN-27")
def test_units_may_be_left_out(tmp_path: Path) -> None:
    async def act(tester: DinTester) -> None:
        limits = {"ev_maximum_current_limit": bare(125.0), "ev_maximum_power_limit": bare(50_000.0, 1)}
        assert (await tester.says(parameters(**limits, ev_maximum_voltage_limit=bare(450.0)))).response_code is OK
        await tester.cable_check()
        request = replace(precharge(), ev_target_current=bare(1.0), ev_target_voltage=bare(tester.battery_volts))
        for _ in range(70):
            body = await tester.says(request)
            assert body.response_code is OK
            await asyncio.sleep(0.1)
        assert tester.told_volts(body) == pytest.approx(tester.battery_volts, abs=20.0)
        await tester.start()
        for _ in range(30):
            target = {"ev_target_voltage": bare(tester.battery_volts + 5.0), "ev_target_current": bare(20.0)}
            assert (await tester.says(replace(current_demand(), **target))).response_code is OK
            await asyncio.sleep(0.1)
        assert tester.world.present()[1] == pytest.approx(20.0, abs=2.0)
        await tester.drive(after="CurrentDemand")

    at("ChargeParameterDiscovery", tmp_path, act)
