"""Rows of ChargeParameterDiscovery, CableCheck and PreCharge."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from secc.config import LabOrders
from secc.iso2.messages import (
    CableCheckReq,
    ChargeParameterDiscoveryReq,
    DC_EVSEStatusCode,
    EnergyTransferMode,
    EVSEProcessing,
    ResponseCode,
)
from tests.conformance.places import Place, ac, at, dc
from tests.conformance.tester import Tester
from tests.iso2_car import (
    ac_parameters,
    amperes,
    dc_parameters,
    ev_status,
    precharge,
)

START_DUE, STOP_DUE = "PowerDelivery(Start)", "PowerDelivery(Stop)"
CHECK = CableCheckReq(dc_ev_status=ev_status())
FINISHED, ONGOING = EVSEProcessing.FINISHED, EVSEProcessing.ONGOING
DC_STATUS = DC_EVSEStatusCode


# --- ChargeParameterDiscovery -------------------------------------------------------------------------------------------------


def mode(request: ChargeParameterDiscoveryReq, name: EnergyTransferMode) -> ChargeParameterDiscoveryReq:
    return replace(request, requested_energy_transfer_mode=name)


@pytest.mark.parametrize(
    ("place", "request_", "code"),
    [
        pytest.param(
            ac("ChargeParameterDiscovery"),
            mode(dc_parameters(), EnergyTransferMode.DC_EXTENDED),
            ResponseCode.FAILED_WRONG_ENERGY_TRANSFER_MODE,
            marks=pytest.mark.case("I2-CPD-04"),
        ),
        pytest.param(
            dc("ChargeParameterDiscovery"),
            mode(dc_parameters(), EnergyTransferMode.DC_CORE),
            ResponseCode.FAILED_WRONG_ENERGY_TRANSFER_MODE,
            marks=pytest.mark.case("I2-CPD-37"),
        ),
        pytest.param(
            dc("ChargeParameterDiscovery"),
            dc_parameters(ev_maximum_current_limit=amperes(-100.0)),
            ResponseCode.FAILED_WRONG_CHARGE_PARAMETER,
            marks=pytest.mark.case("I2-CPD-38"),
        ),
    ],
)
def test_parameters_that_cannot_be_served_are_refused(
    place: Place, request_: ChargeParameterDiscoveryReq, code: ResponseCode, tmp_path: Path
) -> None:
    async def act(tester: Tester) -> None:
        await tester.refused(request_, code)

    at(place, tmp_path, act)


DEPARTURE = 7200


def scheduled(row: str, of_dc: bool, departure: bool, most: bool) -> Any:
    """A row on the schedule: of which outlet, whether it names a departure, and how many entries at most."""
    place = Place(of_dc, "ChargeParameterDiscovery")
    return pytest.param(
        place, DEPARTURE if departure else None, 12 if most else None, id=row, marks=pytest.mark.case(row)
    )


FIRST = [
    scheduled("I2-CPD-01", False, False, False),
    scheduled("I2-CPD-05", False, True, False),
    scheduled("I2-CPD-11", False, False, True),
    scheduled("I2-CPD-15", False, True, True),
    scheduled("I2-CPD-35", True, False, False),
    scheduled("I2-CPD-40", True, True, False),
    scheduled("I2-CPD-46", True, False, True),
    scheduled("I2-CPD-50", True, True, True),
]
AGAIN = [
    scheduled("I2-CPD-02", False, False, False),
    scheduled("I2-CPD-21", False, True, False),
    scheduled("I2-CPD-23", False, False, True),
    scheduled("I2-CPD-26", False, True, True),
    scheduled("I2-CPD-39", True, False, False),
    scheduled("I2-CPD-57", True, True, False),
    scheduled("I2-CPD-59", True, False, True),
    scheduled("I2-CPD-61", True, True, True),
]
DAY = 86_400


def check_intervals(intervals: list[Any], end: int, most: int | None) -> None:
    """They follow one another until the end, and there are not too many."""
    assert 1 <= len(intervals) <= (12 if most is None else most)
    assert intervals[0].start == 0
    for before, after in pairwise(intervals):
        assert before.start < after.start
        assert before.duration in (None, after.start - before.start)
    assert intervals[-1].duration is not None
    assert intervals[-1].start + intervals[-1].duration == end


async def has_a_valid_schedule(tester: Tester, departure: int | None, most: int | None) -> None:
    request = (dc_parameters if tester.dc else ac_parameters)(departure_time=departure)
    body = await tester.says(replace(request, max_entries_sa_schedule_tuple=most))
    assert (body.response_code, body.evse_processing) == (ResponseCode.OK, FINISHED)
    tuples = body.sa_schedules.sa_schedule_tuple
    assert 1 <= len(tuples) <= 3
    for one in tuples:
        assert 1 <= one.sa_schedule_tuple_id <= 255
        assert one.sales_tariff is None
        entries = one.p_max_schedule.p_max_schedule_entry
        check_intervals([entry.time_interval for entry in entries], departure or DAY, most)
        assert all(entry.p_max.value > 0 for entry in entries)


@pytest.mark.parametrize(("place", "departure", "most"), FIRST)
def test_the_first_schedule(place: Place, departure: int | None, most: int | None, tmp_path: Path) -> None:
    at(place, tmp_path, lambda tester: has_a_valid_schedule(tester, departure, most))


@pytest.mark.parametrize(("place", "departure", "most"), AGAIN)
def test_the_schedule_after_a_renegotiation(
    place: Place, departure: int | None, most: int | None, tmp_path: Path
) -> None:
    async def act(tester: Tester) -> None:
        await tester.renegotiates()
        await has_a_valid_schedule(tester, departure, most)

    at(replace(place, due=STOP_DUE), tmp_path, act)


# --- CableCheck, PreCharge ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ventilation", "long"),
    [
        pytest.param(False, False, id="C", marks=pytest.mark.case("I2-CC-01")),
        pytest.param(True, False, id="D", marks=pytest.mark.case("I2-CC-02")),
        pytest.param(False, True, id="C, long", marks=pytest.mark.case("I2-CC-06")),
        pytest.param(True, True, id="D, long", marks=pytest.mark.case("I2-CC-07")),
    ],
)
def test_the_cable_is_checked_with_the_pilot_in_c_or_d(ventilation: bool, long: bool, tmp_path: Path) -> None:
    async def act(tester: Tester) -> None:
        tester.world.close_s2(ventilation=ventilation)
        loop = asyncio.get_running_loop()
        began = loop.time()
        seen = []
        body = await tester.says(CHECK)
        while body.response_code is ResponseCode.OK and body.evse_processing is ONGOING:
            seen.append(body.evse_processing)
            assert body.dc_evse_status.evse_status_code is DC_STATUS.EVSE_ISOLATION_MONITORING_ACTIVE
            await asyncio.sleep(0.5)
            body = await tester.says(CHECK)
        assert (body.response_code, body.evse_processing) == (ResponseCode.OK, FINISHED)
        assert body.dc_evse_status.evse_status_code is DC_STATUS.EVSE_READY
        assert loop.time() - began < 40.0
        if long:
            assert seen
            assert loop.time() - began >= 30.0

    at(dc("CableCheck"), tmp_path, act, orders=LabOrders(enabled=True, insulation_seconds=30.0 if long else 0.0))


@pytest.mark.case("I2-PC-01")
def test_the_voltage_comes_within_seven_seconds(tmp_path: Path) -> None:
    async def act(tester: Tester) -> None:
        target = tester.battery_volts
        loop = asyncio.get_running_loop()
        began = loop.time()
        told = []
        while not told or abs(told[-1] - target) > 10.0:
            assert loop.time() - began < 7.0, told
            body = await tester.says(precharge(target))
            assert body.response_code is ResponseCode.OK
            assert body.dc_evse_status.evse_status_code is DC_STATUS.EVSE_READY
            told.append(tester.told_volts(body))
            # What is told is what stands at the outlet. A reading may be a step of the ramp old.
            assert told[-1] == pytest.approx(tester.world.truth()["outlet_volts"], abs=60.0)
            await asyncio.sleep(0.1)
        await asyncio.sleep(0.5)
        body = await tester.says(precharge(target))
        assert tester.told_volts(body) == pytest.approx(tester.world.truth()["outlet_volts"], abs=5.0)
        assert tester.world.present()[1] < 2.5

    at(dc("PreCharge"), tmp_path, act)
