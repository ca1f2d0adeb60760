"""CurrentDemand: what a car asks for is served within every limit, and answered at once with what is measured."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hal.readings import DcPhase
from secc.din.messages import DC_EVSEStatusCode, EVSENotification, PhysicalValue, ResponseCode, UnitSymbol
from secc.session.effects import Milestone, OpenContactor, Reach, Remark, SetOutput
from secc.session.events import LimitChanged
from secc.session.offer import DcLimits
from tests.din_car import OFFER, Car, amperes, current_demand, ev_status, volts, watts, without_unit


def charging() -> Car:
    return Car().drive(until="CurrentDemand")


@pytest.mark.case("DIN-15", "Q-53")
def test_the_answer_has_measurements_and_limits_and_no_more() -> None:
    car = charging()
    car.says(current_demand(400.0, 50.0))
    car.levels = replace(car.levels, volts=398.7, amperes=49.9)
    body = car.says(current_demand(400.0, 60.0))
    assert car.heard[-1].seconds == 0.0
    assert body.evse_present_voltage == volts(398.7)
    assert body.evse_present_current == amperes(49.9)
    assert body.evse_maximum_voltage_limit == volts(1000.0)
    assert body.evse_maximum_current_limit == amperes(200.0)
    assert body.evse_maximum_power_limit == watts(150_000.0)
    assert not (body.evse_current_limit_achieved or body.evse_voltage_limit_achieved or body.evse_power_limit_achieved)
    status = body.dc_evse_status
    assert (status.evse_status_code, status.evse_notification) == (
        DC_EVSEStatusCode.EVSE_READY,
        EVSENotification.NONE,
    )
    assert not {"evse_id", "meter_info", "receipt_required"} & set(type(body).__dataclass_fields__)
    assert car.all(SetOutput)[-1] == SetOutput(400.0, 60.0, DcPhase.CHARGE)


@pytest.mark.case("Q-55", "A-PWR-01")
def test_what_is_above_a_limit_is_clamped_and_told() -> None:
    car = charging()
    body = car.says(current_demand(2000.0, 1000.0))
    assert (body.evse_current_limit_achieved, body.evse_voltage_limit_achieved) == (True, True)
    output = car.all(SetOutput)[-1]
    assert output.volts == 450.0
    assert output.amperes <= 125.0
    assert [remark.code for remark in car.all(Remark)] == ["Q-55"]


def test_the_limit_of_now_counts_at_once() -> None:
    car = charging()
    car.says(current_demand(400.0, 50.0))
    car.hear(LimitChanged(4_000.0))
    body = car.says(current_demand(400.0, 50.0))
    assert car.all(SetOutput)[-1].amperes == pytest.approx(10.0)
    assert body.evse_power_limit_achieved
    assert body.evse_maximum_power_limit == watts(4_000.0)


def test_a_car_may_lower_its_limits_and_not_raise_them() -> None:
    car = charging()
    car.says(
        current_demand(440.0, 120.0, ev_maximum_voltage_limit=volts(420.0), ev_maximum_current_limit=amperes(60.0))
    )
    assert car.all(SetOutput)[-1] == SetOutput(420.0, 60.0, DcPhase.CHARGE)
    car.says(
        current_demand(900.0, 190.0, ev_maximum_voltage_limit=volts(900.0), ev_maximum_current_limit=amperes(190.0))
    )
    assert car.all(SetOutput)[-1].volts == 450.0
    assert car.all(SetOutput)[-1].amperes <= 125.0


@pytest.mark.case("Q-62")
def test_a_car_without_power_is_told_to_stop_after_a_while() -> None:
    car = charging()
    car.hear(LimitChanged(0.0))
    assert car.says(current_demand()).dc_evse_status.evse_notification is EVSENotification.NONE
    assert car.all(SetOutput)[-1].amperes == 0.0
    car.wait(5.0)
    body = car.says(current_demand())
    assert body.dc_evse_status.evse_notification is EVSENotification.STOP_CHARGING
    assert [remark.code for remark in car.all(Remark)] == ["Q-62"]


@pytest.mark.case("DIN-27")
def test_units_may_be_left_out_and_must_not_be_wrong() -> None:
    car = charging()
    bare = current_demand(
        ev_target_voltage=without_unit(volts(400.0)),
        ev_target_current=without_unit(amperes(20.0)),
        ev_maximum_power_limit=without_unit(watts(40_000.0)),
        ev_maximum_voltage_limit=without_unit(volts(440.0)),
        ev_maximum_current_limit=without_unit(amperes(100.0)),
    )
    assert car.says(bare).response_code is ResponseCode.OK
    assert car.all(SetOutput)[-1] == SetOutput(400.0, 20.0, DcPhase.CHARGE)
    wrong = replace(bare, ev_target_current=replace(amperes(20.0), unit=UnitSymbol.AH))
    assert car.says(wrong).response_code is ResponseCode.FAILED
    assert car.all(OpenContactor)


@pytest.mark.case("Q-54")
def test_a_measurement_that_may_not_be_told_ends_the_session() -> None:
    car = charging()
    car.levels = replace(car.levels, amperes=math.nan)
    assert car.says(current_demand()).response_code is ResponseCode.FAILED
    assert car.all(OpenContactor)


def test_the_state_of_charge_is_reported_when_it_changes() -> None:
    car = charging()
    for soc in (42, 42, 43):
        car.says(current_demand(dc_ev_status=replace(ev_status(), ev_ress_soc=soc)))
    assert [reach.facts for reach in car.all(Reach) if reach.milestone is Milestone.CHARGING] == [
        (("soc", 42.0),),
        (("soc", 43.0),),
    ]


VALUE = st.builds(
    PhysicalValue,
    multiplier=st.integers(-5, 5) | st.just(0),
    unit=st.none() | st.sampled_from([UnitSymbol.V, UnitSymbol.A, UnitSymbol.W]),
    value=st.integers(-(2**40), 2**40) | st.integers(-1000, 1000),
)


@pytest.mark.case("A-PWR-01", "A-PWR-04", "A-PWR-05", "A-EXI-06")
@given(
    target=VALUE, current=VALUE, limits=st.lists(st.none() | VALUE, min_size=3, max_size=3), soc=st.integers(-9, 999)
)
@settings(max_examples=200, deadline=None)
def test_no_number_of_a_car_gets_through_that_should_not(
    target: PhysicalValue, current: PhysicalValue, limits: list[PhysicalValue | None], soc: int
) -> None:
    car = charging()
    request = current_demand(
        ev_target_voltage=target,
        ev_target_current=current,
        ev_maximum_voltage_limit=limits[0],
        ev_maximum_current_limit=limits[1],
        ev_maximum_power_limit=limits[2],
        dc_ev_status=replace(ev_status(), ev_ress_soc=soc),
    )
    body = car.says(request, raw=True)
    assert body.response_code in (ResponseCode.OK, ResponseCode.FAILED)
    assert bool(car.all(OpenContactor)) is (body.response_code is ResponseCode.FAILED)
    dc = DcLimits()
    for output in car.all(SetOutput):
        assert 0.0 <= output.volts <= min(dc.maximum_volts, 450.0)
        assert 0.0 <= output.amperes <= min(dc.maximum_amperes, 125.0)


def test_lowest_volts_on_request() -> None:
    car = Car(replace(OFFER, tolerances=frozenset({"Q-50", "Q-56"}))).drive(until="CurrentDemand")
    car.says(current_demand(100.0, 20.0))
    assert car.all(SetOutput)[-1].volts == DcLimits().minimum_volts
