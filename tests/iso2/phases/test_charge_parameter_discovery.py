"""ChargeParameterDiscovery: modes, limits, schedules."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from secc.iso2.messages import (
    ChargeParameterDiscoveryReq,
    ChargingStatusReq,
    EnergyTransferMode,
    EVSENotification,
    EVSEProcessing,
    PhysicalValue,
    ResponseCode,
    UnitSymbol,
)
from secc.iso2.units import physical
from secc.session.effects import OpenContactor
from secc.session.events import LimitChanged, OngoingForced, StopRequested
from secc.session.offer import AcLimits, DcLimits, Offer
from tests.iso2_car import (
    AC_EIM,
    DC_EIM,
    RENEGOTIATE,
    Car,
    ac_parameters,
    amperes,
    dc_delivery,
    dc_parameters,
    delivery,
    ev_status,
    volts,
    watts,
)

Mode = EnergyTransferMode


def watt_hours(value: float) -> PhysicalValue:
    return physical(value, UnitSymbol.WH)


def due(offer: Offer = DC_EIM) -> Car:
    return Car(offer).drive(until="ChargeParameterDiscovery")


def schedule(body: Any) -> list[tuple[int, int | None, float]]:
    (one,) = body.sa_schedules.sa_schedule_tuple
    assert 1 <= one.sa_schedule_tuple_id <= 255
    return [
        (e.time_interval.start, e.time_interval.duration, e.p_max.value * 10.0**e.p_max.multiplier)
        for e in one.p_max_schedule.p_max_schedule_entry
    ]


@pytest.mark.case("I2-CPD-35")
def test_dc_limits_are_those_of_the_outlet() -> None:
    body = due().says(dc_parameters())
    assert (body.response_code, body.evse_processing) == (ResponseCode.OK, EVSEProcessing.FINISHED)
    limits = body.evse_charge_parameter
    assert (limits.evse_maximum_voltage_limit, limits.evse_minimum_voltage_limit) == (volts(1000.0), volts(150.0))
    assert (limits.evse_maximum_current_limit, limits.evse_minimum_current_limit) == (amperes(200.0), amperes(0.0))
    assert limits.evse_maximum_power_limit == watts(150_000.0)
    assert schedule(body) == [(0, 86_400, 150_000.0)]


@pytest.mark.case("I2-CPD-01", "Q-47")
def test_ac_power_is_not_rounded() -> None:
    offer = replace(AC_EIM, ac=AcLimits(volts=230.0, maximum_amperes=16.0))
    body = due(offer).says(ac_parameters())
    assert schedule(body) == [(0, 86_400, 11_040.0)]
    assert body.evse_charge_parameter.evse_max_current == amperes(16.0)
    assert body.evse_charge_parameter.evse_nominal_voltage == volts(230.0)
    body = due(offer).says(ac_parameters(Mode.AC_SINGLE_PHASE_CORE))
    assert schedule(body) == [(0, 86_400, 3_680.0)]


@pytest.mark.case("Q-48")
@pytest.mark.parametrize(
    ("departure", "most", "wanted"),
    [
        (None, None, [(0, 86_400)]),
        (0, None, [(0, 86_400)]),
        (3600, None, [(0, 3600)]),
        (86_400, 1, [(0, 86_400)]),
        (100_000, None, [(0, None), (13_600, 86_400)]),
        (100_000, 12, [(0, None), (13_600, 86_400)]),
        (100_000, 1, [(0, 86_400)]),
        (None, 0, [(0, 86_400)]),
        (2**32 - 1, 12, [(0, None), (16_777_214, 86_400)]),
    ],
)
@pytest.mark.parametrize("offer", [DC_EIM, AC_EIM])
def test_the_schedule_covers_the_time_until_departure_or_a_day(
    offer: Offer, departure: int | None, most: int | None, wanted: list[tuple[int, int | None]]
) -> None:
    request = (dc_parameters if offer is DC_EIM else ac_parameters)(departure_time=departure)
    body = due(offer).says(replace(request, max_entries_sa_schedule_tuple=most))
    assert [(start, duration) for start, duration, _ in schedule(body)] == wanted


@pytest.mark.parametrize(
    ("offer", "request_"),
    [
        (AC_EIM, replace(dc_parameters(), requested_energy_transfer_mode=Mode.DC_EXTENDED)),
        (DC_EIM, replace(dc_parameters(), requested_energy_transfer_mode=Mode.DC_CORE)),
        (DC_EIM, replace(dc_parameters(), requested_energy_transfer_mode=Mode.DC_COMBO_CORE)),
        (DC_EIM, ac_parameters()),
    ],
)
def test_a_mode_that_is_not_offered_is_refused(offer: Offer, request_: ChargeParameterDiscoveryReq) -> None:
    car = due(offer)
    assert car.says(request_).response_code is ResponseCode.FAILED_WRONG_ENERGY_TRANSFER_MODE
    assert car.code == "refused.FAILED_WrongEnergyTransferMode"


BEYOND = PhysicalValue(multiplier=9, unit=UnitSymbol.A, value=1)
DC_WRONG: dict[str, ChargeParameterDiscoveryReq] = {
    "negative current": dc_parameters(ev_maximum_current_limit=amperes(-100.0)),
    "no current": dc_parameters(ev_maximum_current_limit=amperes(0.0)),
    "no voltage": dc_parameters(ev_maximum_voltage_limit=volts(0.0)),
    "voltage below our minimum": dc_parameters(ev_maximum_voltage_limit=volts(150.0)),
    "negative voltage": dc_parameters(ev_maximum_voltage_limit=volts(-400.0)),
    "negative power": dc_parameters(ev_maximum_power_limit=watts(-1.0)),
    "volts for amperes": dc_parameters(ev_maximum_current_limit=volts(100.0)),
    "amperes for volts": dc_parameters(ev_maximum_voltage_limit=amperes(400.0)),
    "multiplier beyond": dc_parameters(ev_maximum_current_limit=BEYOND),
    "value beyond": dc_parameters(ev_maximum_current_limit=replace(BEYOND, multiplier=0, value=70_000)),
    "SOC beyond": dc_parameters(dc_ev_status=replace(ev_status(), ev_ress_soc=101)),
    "full SOC beyond": dc_parameters(full_soc=101),
    "bulk SOC below": dc_parameters(bulk_soc=-1),
    "negative energy": dc_parameters(ev_energy_request=watt_hours(-1.0)),
    "negative capacity": dc_parameters(ev_energy_capacity=watt_hours(-60_000.0)),
    "power in amperes": dc_parameters(ev_maximum_power_limit=amperes(100.0)),
    "AC parameters": replace(ac_parameters(), requested_energy_transfer_mode=Mode.DC_EXTENDED),
}
AC_WRONG: dict[str, ChargeParameterDiscoveryReq] = {
    "negative current": ac_parameters(ev_max_current=amperes(-16.0)),
    "less than our minimum": ac_parameters(ev_max_current=amperes(5.0)),
    "negative minimum": ac_parameters(ev_min_current=amperes(-1.0)),
    "minimum above maximum": ac_parameters(ev_min_current=amperes(33.0)),
    "no voltage": ac_parameters(ev_max_voltage=volts(0.0)),
    "less voltage than ours": ac_parameters(ev_max_voltage=volts(229.9)),
    "negative energy": ac_parameters(e_amount=watt_hours(-1.0)),
    "multiplier beyond": ac_parameters(ev_max_voltage=replace(BEYOND, unit=UnitSymbol.V)),
    "watts for watt hours": ac_parameters(e_amount=watts(100.0)),
    "DC parameters": replace(dc_parameters(), requested_energy_transfer_mode=Mode.AC_THREE_PHASE_CORE),
}


@pytest.mark.case("A-EXI-06", "I2X-36")
@pytest.mark.parametrize("name", DC_WRONG)
def test_dc_parameters_that_make_no_sense_are_refused(name: str) -> None:
    car = due()
    assert (
        car.says(DC_WRONG[name], raw="beyond" in name or "below" in name).response_code
        is ResponseCode.FAILED_WRONG_CHARGE_PARAMETER
    )
    assert car.code == "refused.FAILED_WrongChargeParameter"


@pytest.mark.case("A-EXI-06", "I2X-36")
@pytest.mark.parametrize("name", AC_WRONG)
def test_ac_parameters_that_make_no_sense_are_refused(name: str) -> None:
    car = due(AC_EIM)
    assert car.says(AC_WRONG[name], raw="beyond" in name).response_code is ResponseCode.FAILED_WRONG_CHARGE_PARAMETER


@pytest.mark.parametrize("bears", [230.0, 231.0, 400.0])
def test_an_ac_car_that_bears_our_voltage_charges(bears: float) -> None:
    assert due(AC_EIM).says(ac_parameters(ev_max_voltage=volts(bears))).response_code is ResponseCode.OK


@pytest.mark.case("Q-48")
def test_an_empty_battery_is_no_reason_to_refuse() -> None:
    request = dc_parameters(dc_ev_status=replace(ev_status(), ev_ress_soc=0))
    assert due().says(request).response_code is ResponseCode.OK


def test_six_amperes_are_enough_for_ac() -> None:
    assert due(AC_EIM).says(ac_parameters(ev_max_current=amperes(6.0))).response_code is ResponseCode.OK


@pytest.mark.case("Q-44")
def test_a_car_waits_while_there_is_no_power_to_offer() -> None:
    car = due(replace(DC_EIM, watts_limit=0.0))
    body = car.says(dc_parameters())
    assert (body.evse_processing, body.sa_schedules) == (EVSEProcessing.ONGOING, None)
    car.hear(LimitChanged(22_000.0))
    body = car.says(dc_parameters())
    assert body.evse_processing is EVSEProcessing.FINISHED
    assert schedule(body) == [(0, 86_400, 22_000.0)]


@pytest.mark.parametrize("limit", [-5.0, float("-inf"), 0.0009])
def test_a_limit_below_nothing_is_nothing(limit: float) -> None:
    car = due()
    car.hear(LimitChanged(limit))
    assert car.says(dc_parameters()).evse_processing is EVSEProcessing.ONGOING


@pytest.mark.case("A-OCPP-03")
@pytest.mark.parametrize("limit", [10e6, float("inf"), float("nan"), None])
def test_a_limit_beyond_the_hardware_is_the_hardwares(limit: float | None) -> None:
    car = due()
    car.hear(LimitChanged(limit))
    assert schedule(car.says(dc_parameters()))[0][2] == DcLimits().maximum_watts


@pytest.mark.parametrize(
    ("offer", "request_"),
    [
        pytest.param(AC_EIM, ac_parameters(), marks=pytest.mark.case("I2-CPD-13")),
        pytest.param(DC_EIM, dc_parameters(), marks=pytest.mark.case("I2-CPD-48")),
    ],
)
def test_schedules_that_are_never_ready_end_the_session_after_55_seconds(
    offer: Offer, request_: ChargeParameterDiscoveryReq
) -> None:
    car = due(offer)
    car.hear(OngoingForced("ChargeParameterDiscovery", on=True))
    begun = car.now
    body = car.polls(request_, every=1.0, within=60.0)
    assert body.response_code is ResponseCode.FAILED
    assert car.now - begun == pytest.approx(55.0, abs=1.5)
    assert car.code == "timer.V2G_SECC_Ongoing_Performance_Time"


@pytest.mark.parametrize(
    "offer",
    [
        pytest.param(AC_EIM, marks=pytest.mark.case("I2-CPD-13")),
        pytest.param(DC_EIM, marks=pytest.mark.case("I2-CPD-48")),
    ],
)
def test_the_55_seconds_run_from_the_first_request_and_end_by_themselves(offer: Offer) -> None:
    request = dc_parameters() if offer is DC_EIM else ac_parameters()
    car = due(offer)
    car.hear(OngoingForced("ChargeParameterDiscovery", on=True))
    car.wait(56.0)
    assert car.says(request).evse_processing is EVSEProcessing.ONGOING
    car.wait(54.0)
    assert car.says(request).evse_processing is EVSEProcessing.ONGOING
    car.wait(1.5)
    assert car.all(OpenContactor)
    car.wait(5.0)
    assert car.code == "timer.V2G_SECC_Ongoing_Performance_Time"


def test_a_car_that_thinks_for_long_is_not_late_at_its_first_request() -> None:
    car = due()
    car.wait(59.0)
    assert car.says(dc_parameters()).evse_processing is EVSEProcessing.FINISHED


def test_a_renegotiation_has_55_seconds_of_its_own() -> None:
    car = Car(AC_EIM).drive(until="ChargingStatus")
    car.wait(50.0)
    car.says(ChargingStatusReq())
    car.says(delivery(RENEGOTIATE))
    car.hear(OngoingForced("ChargeParameterDiscovery", on=True))
    begun = car.now
    assert car.polls(ac_parameters(), every=1.0, within=60.0).response_code is ResponseCode.FAILED
    assert car.now - begun == pytest.approx(55.0, abs=1.5)


def test_a_stop_that_is_wanted_is_told_here_already() -> None:
    car = due()
    car.hear(StopRequested("driver"))
    status = car.says(dc_parameters()).evse_charge_parameter.dc_evse_status
    assert (status.evse_notification, status.notification_max_delay) == (EVSENotification.STOP_CHARGING, 10)


@pytest.mark.parametrize("departure", [None, 7200])
@pytest.mark.parametrize("most", [None, 12])
@pytest.mark.parametrize("offer", [DC_EIM, AC_EIM])
def test_a_renegotiation_brings_a_new_schedule(offer: Offer, departure: int | None, most: int | None) -> None:
    car = Car(offer).drive(until="PowerDelivery(Stop)")
    car.says(dc_delivery(RENEGOTIATE) if offer is DC_EIM else delivery(RENEGOTIATE))
    car.hear(LimitChanged(10_000.0))
    request = (dc_parameters if offer is DC_EIM else ac_parameters)(departure_time=departure)
    body = car.says(replace(request, max_entries_sa_schedule_tuple=most))
    assert (body.response_code, body.evse_processing) == (ResponseCode.OK, EVSEProcessing.FINISHED)
    assert schedule(body) == [(0, departure or 86_400, 10_000.0)]


@pytest.mark.case("A-SES-06", "Q-67")
def test_the_mode_is_frozen_by_the_first_choice() -> None:
    car = Car(AC_EIM).drive(until="PowerDelivery(Stop)")
    car.says(delivery(RENEGOTIATE))
    body = car.says(ac_parameters(Mode.AC_SINGLE_PHASE_CORE))
    assert body.response_code is ResponseCode.FAILED_WRONG_ENERGY_TRANSFER_MODE


def test_a_refused_mode_is_not_the_one_that_the_answer_speaks_of() -> None:
    body = due(DC_EIM).says(replace(ac_parameters(), requested_energy_transfer_mode=Mode.DC_EXTENDED))
    assert type(body.evse_charge_parameter).__name__ == "DC_EVSEChargeParameter"
