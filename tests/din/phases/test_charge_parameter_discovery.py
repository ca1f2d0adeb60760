"""ChargeParameterDiscovery: limits of car and station, one schedule in every answer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secc.din.messages import (
    AC_EVChargeParameter,
    ChargeParameterDiscoveryReq,
    DC_EVSEStatusCode,
    EVRequestedEnergyTransferType,
    EVSEProcessing,
    IsolationLevel,
    PhysicalValue,
    ResponseCode,
    UnitSymbol,
)
from secc.din.units import physical, watts
from secc.session.effects import Remark
from secc.session.events import LimitChanged, OngoingForced, RenegotiationRequested
from secc.session.offer import DcLimits
from tests.din_car import OFFER, Car, amperes, current_demand, parameters, volts, without_unit
from tests.din_car import watts as watts_

DUE = "ChargeParameterDiscovery"
AC = AC_EVChargeParameter(
    departure_time=0,
    e_amount=physical(20_000.0, UnitSymbol.WH),
    ev_max_voltage=volts(400.0),
    ev_max_current=amperes(32.0),
    ev_min_current=amperes(6.0),
)


def entry(body: Any) -> Any:
    (only,) = body.sa_schedules.sa_schedule_tuple
    assert (only.sa_schedule_tuple_id, only.p_max_schedule.p_max_schedule_id, only.sales_tariff) == (1, 1, None)
    (span,) = only.p_max_schedule.p_max_schedule_entry
    return span


def refused(request: ChargeParameterDiscoveryReq, code: ResponseCode, **how: Any) -> Any:
    car = Car().drive(until=DUE)
    body = car.says(request, **how)
    assert body.response_code is code
    assert body.evse_charge_parameter.dc_evse_status.evse_status_code is DC_EVSEStatusCode.EVSE_SHUTDOWN
    assert entry(body).p_max == 0
    return body


@pytest.mark.case("DIN-10", "Q-61")
@pytest.mark.parametrize(
    ("limit", "p_max"),
    [(None, 32_767), (150_000.0, 32_767), (32_767.9, 32_767), (32_767.0, 32_767), (11_040.7, 11_040), (1.0, 1)],
)
def test_one_schedule_of_a_day_never_above_the_limit_and_the_whole_power_beside_it(
    limit: float | None, p_max: int
) -> None:
    body = Car(replace(OFFER, watts_limit=limit)).drive(until=DUE).says(parameters())
    assert (body.response_code, body.evse_processing) == (ResponseCode.OK, EVSEProcessing.FINISHED)
    span = entry(body)
    assert (span.time_interval.start, span.time_interval.duration, span.p_max) == (0, 86_400, p_max)
    offered = watts(body.evse_charge_parameter.evse_maximum_power_limit)
    assert offered == pytest.approx(min(limit or 150_000.0, 150_000.0), rel=1e-3)
    assert span.p_max <= offered


@pytest.mark.case("Q-61")
@given(st.floats(0.0, 1e6))
def test_p_max_is_never_above_any_limit(limit: float) -> None:
    body = Car(replace(OFFER, watts_limit=limit)).drive(until=DUE).says(parameters())
    assert 0 <= entry(body).p_max <= limit * (1 + 1e-11)


def test_the_limits_of_the_outlet_are_told() -> None:
    limits = DcLimits(200.0, 920.0, 1.0, 125.0, 50_000.0, 0.5)
    parameter = Car(replace(OFFER, dc=limits)).drive(until=DUE).says(parameters()).evse_charge_parameter
    assert parameter.evse_minimum_voltage_limit == volts(200.0)
    assert parameter.evse_maximum_voltage_limit == volts(920.0)
    assert parameter.evse_minimum_current_limit == amperes(1.0)
    assert parameter.evse_maximum_current_limit == amperes(125.0)
    assert parameter.evse_maximum_power_limit == watts_(50_000.0)
    assert parameter.evse_peak_current_ripple == amperes(0.5)
    status = parameter.dc_evse_status
    assert (status.evse_status_code, status.evse_isolation_status) == (
        DC_EVSEStatusCode.EVSE_READY,
        IsolationLevel.INVALID,
    )


@pytest.mark.case("DIN-11", "Q-44")
def test_the_car_waits_for_power_with_a_schedule_of_none() -> None:
    car = Car(replace(OFFER, watts_limit=0.4)).drive(until=DUE)
    body = car.says(parameters())
    assert (body.response_code, body.evse_processing) == (ResponseCode.OK, EVSEProcessing.ONGOING)
    assert entry(body).p_max == 0
    parameter = body.evse_charge_parameter
    assert parameter.dc_evse_status.evse_status_code is DC_EVSEStatusCode.EVSE_NOT_READY
    assert parameter.evse_maximum_power_limit == watts_(150_000.0), "some cars stop at 0 W"
    car.hear(LimitChanged(10_000.0))
    body = car.says(parameters())
    assert (body.evse_processing, entry(body).p_max) == (EVSEProcessing.FINISHED, 10_000)
    assert [remark.code for remark in car.all(Remark)] == ["Q-44"]


@pytest.mark.case("DIN-11")
def test_without_power_the_car_is_left_after_55_seconds() -> None:
    car = Car(replace(OFFER, watts_limit=0.0)).drive(until=DUE)
    begun = car.now
    car.polls(parameters(), every=1.0, within=70.0)
    assert car.code == "timer.V2G_SECC_Ongoing_Performance_Time"
    assert 54.0 <= car.now - begun <= 56.0


def test_a_lab_holds_the_car_in_ongoing() -> None:
    car = Car(replace(OFFER, ongoing=frozenset({"ChargeParameterDiscovery"}))).drive(until=DUE)
    body = car.says(parameters())
    assert (body.evse_processing, entry(body).p_max) == (EVSEProcessing.ONGOING, 32_767)
    car.hear(OngoingForced("ChargeParameterDiscovery", on=False))
    assert car.says(parameters()).evse_processing is EVSEProcessing.FINISHED


@pytest.mark.case("DIN-07")
@pytest.mark.parametrize(
    "kind", [kind for kind in EVRequestedEnergyTransferType if kind is not EVRequestedEnergyTransferType.DC_EXTENDED]
)
def test_another_energy_transfer_type_is_refused(kind: EVRequestedEnergyTransferType) -> None:
    refused(parameters(kind), ResponseCode.FAILED_WRONG_ENERGY_TRANSFER_TYPE)


@pytest.mark.case("DIN-08")
def test_parameters_of_ac_are_refused() -> None:
    request = replace(parameters(), ev_charge_parameter=AC)
    refused(request, ResponseCode.FAILED_WRONG_CHARGE_PARAMETER)


@pytest.mark.case("DIN-09", "A-EXI-06")
@pytest.mark.parametrize(
    "changes",
    [
        {"ev_maximum_current_limit": amperes(0.0)},
        {"ev_maximum_current_limit": amperes(-1.0)},
        {"ev_maximum_voltage_limit": volts(150.0)},
        {"ev_maximum_voltage_limit": volts(-400.0)},
        {"ev_maximum_power_limit": watts_(-1.0)},
        {"ev_energy_capacity": physical(-1.0, UnitSymbol.WH)},
        {"ev_energy_request": physical(-1.0, UnitSymbol.WH)},
        {"ev_energy_request": watts_(1.0)},
        {"ev_maximum_voltage_limit": amperes(400.0)},
        {"ev_maximum_current_limit": volts(125.0)},
        {"ev_maximum_voltage_limit": PhysicalValue(multiplier=5, unit=UnitSymbol.V, value=4)},
    ],
    ids=str,
)
def test_limits_that_do_not_fit_are_refused(changes: dict[str, PhysicalValue]) -> None:
    refused(parameters(**changes), ResponseCode.FAILED_WRONG_CHARGE_PARAMETER, raw=True)


@pytest.mark.case("DIN-27")
def test_units_may_be_left_out() -> None:
    bare = {
        "ev_maximum_current_limit": without_unit(amperes(125.0)),
        "ev_maximum_power_limit": without_unit(watts_(50_000.0)),
        "ev_maximum_voltage_limit": without_unit(volts(450.0)),
        "ev_energy_request": without_unit(physical(20_000.0, UnitSymbol.WH)),
    }
    assert Car().drive(until=DUE).says(parameters(**bare)).evse_processing is EVSEProcessing.FINISHED


def test_another_schedule_is_neither_asked_for_nor_offered() -> None:
    car = Car().drive(until="PowerDelivery(false)")
    car.hear(RenegotiationRequested())
    car.hear(LimitChanged(1_000.0))
    assert car.says(current_demand()).dc_evse_status.evse_notification == "None"
    body = car.says(parameters())
    assert body.response_code is ResponseCode.FAILED_SEQUENCE_ERROR
