"""ChargingStatus and CurrentDemand: what flows, what is told, and how it ends."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hal.readings import DcPhase
from secc.conversation import End
from secc.iso2.messages import (
    ChargingStatusReq,
    DC_EVSEStatusCode,
    EVSENotification,
    MeterInfo,
    PhysicalValue,
    ResponseCode,
    UnitSymbol,
)
from secc.session.effects import OpenContactor, Remark, SetOutput, StopPower
from secc.session.events import LimitChanged, RenegotiationRequested, StopRequested
from secc.session.offer import MeterDetail, Offer
from tests.dialogue import LATER
from tests.iso2_car import (
    AC_EIM,
    AC_PNC,
    DC_EIM,
    DC_PNC,
    METER,
    RENEGOTIATE,
    START,
    STOP,
    TERMINATE,
    Car,
    ac_parameters,
    amperes,
    current_demand,
    dc_delivery,
    dc_parameters,
    delivery,
    precharge,
    volts,
    watts,
)

STATUS = ChargingStatusReq()


def loop(offer: Offer = DC_EIM) -> Car:
    return Car(offer).drive(until="PowerDelivery(Stop)")


def first(offer: Offer = DC_EIM) -> Car:
    return Car(offer).drive(until="CurrentDemand" if offer.is_dc else "ChargingStatus")


# --- ChargingStatus ---------------------------------------------------------------------------------------------------------------


def test_ac_status_with_external_payment() -> None:
    body = first(AC_EIM).says(STATUS)
    assert body.response_code is ResponseCode.OK
    assert (body.evse_id, body.sa_schedule_tuple_id) == ("DE*PNX*E12345", 1)
    assert body.evse_max_current == amperes(32.0)
    assert body.meter_info == MeterInfo(meter_id=METER, meter_reading=12_345)
    assert body.receipt_required is False
    assert body.ac_evse_status.evse_notification is EVSENotification.NONE
    assert body.ac_evse_status.rcd is False


def test_with_a_contract_the_schedule_says_it_all() -> None:
    body = first(AC_PNC).says(STATUS)
    assert body.evse_max_current is None
    assert body.receipt_required is False


def test_a_lower_limit_is_told_in_amperes() -> None:
    car = loop(AC_EIM)
    car.hear(LimitChanged(6_900.0))
    body = car.says(STATUS)
    assert body.evse_max_current == amperes(10.0)
    assert body.ac_evse_status.evse_notification is EVSENotification.NONE


def test_a_lower_limit_needs_a_new_schedule_with_a_contract() -> None:
    car = loop(AC_PNC)
    car.hear(LimitChanged(6_900.0))
    assert car.says(STATUS).ac_evse_status.evse_notification is EVSENotification.RE_NEGOTIATION
    car.says(delivery(RENEGOTIATE))
    car.says(ac_parameters())
    body = car.says(delivery(START))
    assert body.evse_status.evse_notification is EVSENotification.NONE


def test_a_limit_that_changed_between_schedule_and_start_is_told_in_the_loop() -> None:
    car = Car(AC_PNC).drive(until="PowerDelivery(Start)")
    car.hear(LimitChanged(6_900.0))
    car.says(delivery(START))
    assert car.says(STATUS).ac_evse_status.evse_notification is EVSENotification.RE_NEGOTIATION


def notification(car: Car) -> EVSENotification:
    dc = car.offer.is_dc
    body = car.says(current_demand() if dc else STATUS)
    assert body.response_code is ResponseCode.OK
    status = body.dc_evse_status if dc else body.ac_evse_status
    return status.evse_notification  # type: ignore[no-any-return]


ASKED, NOTHING, STOPS = EVSENotification.RE_NEGOTIATION, EVSENotification.NONE, EVSENotification.STOP_CHARGING


@pytest.mark.parametrize("offer", [DC_EIM, DC_PNC])
def test_a_limit_below_the_schedule_of_a_dc_car_asks_for_another_one_and_counts_at_once(offer: Offer) -> None:
    car = loop(replace(offer, watts_limit=40_000.0, renegotiates_dc=True))
    car.hear(LimitChanged(60_000.0))
    assert notification(car) is NOTHING, "the schedule holds"
    car.hear(LimitChanged(10_000.0))
    # A car may ignore it. [V2G2-680]
    for _ in range(20):
        assert notification(car) is ASKED
        output = car.all(SetOutput)[-1]
        assert output.volts * output.amperes <= 10_000.0 * (1 + 1e-9)
        car.wait(1.0)
    car.says(dc_delivery(RENEGOTIATE))
    car.says(dc_parameters())
    car.cable_check()
    car.says(precharge())
    car.says(dc_delivery(START))
    assert notification(car) is NOTHING
    car.hear(LimitChanged(None))
    assert notification(car) is NOTHING, "it may have more, and hears that in every answer"


def test_an_outlet_may_leave_a_dc_car_with_its_schedule() -> None:
    car = loop(replace(DC_EIM, renegotiates_dc=False))
    car.hear(LimitChanged(10_000.0))
    assert notification(car) is NOTHING
    output = car.all(SetOutput)[-1]
    assert output.volts * output.amperes <= 10_000.0 * (1 + 1e-9)


@pytest.mark.parametrize("offer", [DC_EIM, AC_PNC])
def test_the_notification_is_withdrawn_when_the_schedule_holds_again(offer: Offer) -> None:
    car = loop(replace(offer, renegotiates_dc=True))
    car.hear(LimitChanged(8_000.0))
    assert notification(car) is ASKED
    car.hear(LimitChanged(None))
    assert notification(car) is NOTHING
    car.hear(RenegotiationRequested())
    car.hear(LimitChanged(None))
    assert notification(car) is ASKED, "what was ordered does not depend on the limit"


@pytest.mark.parametrize("offer", [AC_EIM, DC_EIM, AC_PNC])
def test_a_limit_that_changes_while_the_car_negotiates_is_in_its_new_schedule(offer: Offer) -> None:
    car = loop(replace(offer, renegotiates_dc=True))
    car.says(dc_delivery(RENEGOTIATE) if offer.is_dc else delivery(RENEGOTIATE))
    car.hear(LimitChanged(8_000.0))
    car.says(dc_parameters() if offer.is_dc else ac_parameters())
    if offer.is_dc:
        car.cable_check()
        car.says(precharge())
    car.says(dc_delivery(START) if offer.is_dc else delivery(START))
    assert notification(car) is NOTHING


@pytest.mark.case("Q-62")
@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("offer", [DC_EIM, DC_PNC, AC_EIM])
def test_a_car_that_gets_nothing_for_long_is_told_to_stop(offer: Offer, strict: bool) -> None:
    car = loop(replace(offer, no_power_seconds=7.0, strict=strict))
    car.hear(LimitChanged(0.0))
    begun = car.now
    while (told := notification(car)) is NOTHING:
        assert not offer.is_dc or car.all(SetOutput)[-1].amperes == 0.0
        assert car.now < begun + 10.0
        car.wait(0.5)
    assert told is STOPS
    assert car.now - begun == pytest.approx(7.0)
    assert [remark.code for remark in car.all(Remark)] == ["Q-62"]
    assert car.says(dc_delivery(STOP) if offer.is_dc else delivery(STOP)).response_code is ResponseCode.OK
    car.finish("PowerDelivery(Stop)")
    assert car.code == "completed.terminated"


@pytest.mark.case("Q-62")
def test_a_car_without_power_that_does_not_stop_is_switched_off() -> None:
    car = loop()
    car.hear(LimitChanged(0.0))
    for _ in range(100):
        if car.all(OpenContactor):
            break
        notification(car)
        car.wait(0.25)
    assert car.says(current_demand()).response_code is ResponseCode.FAILED
    assert car.code == "timer.NotificationMaxDelay"


@pytest.mark.case("Q-62")
def test_power_that_comes_back_in_time_is_no_reason_to_stop() -> None:
    car = loop()
    for _ in range(4):
        car.hear(LimitChanged(0.0))
        for _ in range(4):
            assert notification(car) is NOTHING
            car.wait(1.0)
        car.hear(LimitChanged(200_000.0))
        assert notification(car) is NOTHING
    assert car.all(Remark) == []


@pytest.mark.case("Q-62")
def test_with_a_contract_in_ac_no_power_cannot_be_said_and_the_car_is_told_to_stop_at_once() -> None:
    car = loop(AC_PNC)
    car.hear(LimitChanged(0.0))
    assert notification(car) is STOPS


@pytest.mark.parametrize(
    "changes", [{"metered_at": float("-inf")}, {"watt_hours": float("nan")}, {"watt_hours": float("inf")}]
)
def test_what_no_meter_has_read_is_not_told(changes: dict[str, float]) -> None:
    car = loop(AC_EIM)
    car.measuring = False
    car.levels = replace(car.levels, **changes)  # type: ignore[arg-type]  # of Levels
    assert car.says(STATUS).meter_info is None


def test_an_outlet_without_a_meter_tells_no_reading() -> None:
    assert loop(replace(AC_EIM, meter_id="")).says(STATUS).meter_info is None


@pytest.mark.parametrize("offer", [AC_EIM, DC_EIM])
@pytest.mark.parametrize(
    ("detail", "info"),
    [(MeterDetail.NONE, None), (MeterDetail.IDENTITY, MeterInfo(meter_id=METER))],
)
def test_a_lab_leaves_the_reading_or_all_of_the_meter_out(
    detail: MeterDetail, info: MeterInfo | None, offer: Offer
) -> None:
    car = loop(replace(offer, meter_detail=detail))
    assert car.says(STATUS if offer is AC_EIM else current_demand()).meter_info == info


# --- CurrentDemand ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("offer", [DC_EIM, DC_PNC])
def test_dc_is_answered_at_once_from_what_was_measured(offer: Offer) -> None:
    car = first(offer)
    car.levels = replace(car.levels, volts=398.7, amperes=12.3)
    body = car.says(current_demand(400.0, 50.0))
    assert car.heard[-1].seconds == 0.0
    assert body.response_code is ResponseCode.OK
    assert (body.evse_present_voltage, body.evse_present_current) == (volts(398.7), amperes(12.3))
    assert (body.evse_voltage_limit_achieved, body.evse_current_limit_achieved, body.evse_power_limit_achieved) == (
        False,
        False,
        False,
    )
    assert body.dc_evse_status.evse_status_code is DC_EVSEStatusCode.EVSE_READY
    assert body.meter_info == MeterInfo(meter_id=METER, meter_reading=12_345)
    assert (body.receipt_required, body.sa_schedule_tuple_id, body.evse_id) == (False, 1, "DE*PNX*E12345")
    assert car.all(SetOutput)[-1] == SetOutput(400.0, 50.0, DcPhase.CHARGE)


def test_every_request_sets_the_output_anew() -> None:
    car = first()
    begun = len(car.all(SetOutput))
    for _ in range(5):
        car.says(current_demand())
        car.wait(0.1)
    assert len(car.all(SetOutput)) - begun == 5


@pytest.mark.case("Q-55")
def test_what_is_beyond_our_limits_is_served_up_to_them_and_flagged() -> None:
    car = first()
    car.says(current_demand(1200.0, 50.0))
    body = car.heard[-1].body
    assert body.evse_voltage_limit_achieved
    # The car bears 450 V, whatever it asks.
    assert car.all(SetOutput)[-1].volts == 450.0
    body = car.says(current_demand(400.0, 300.0))
    assert body.evse_current_limit_achieved
    # The car bears 125 A and 50 kW; 450 V stand at the outlet.
    assert car.all(SetOutput)[-1].amperes == pytest.approx(50_000.0 / 450.0)


@pytest.mark.case("A-PWR-04")
def test_a_limit_of_the_moment_counts_at_once() -> None:
    car = loop()
    car.hear(LimitChanged(10_000.0))
    body = car.says(current_demand(400.0, 50.0))
    assert body.evse_power_limit_achieved
    assert body.evse_maximum_power_limit == watts(10_000.0)
    assert car.all(SetOutput)[-1].amperes == pytest.approx(25.0)
    car.hear(LimitChanged(None))
    assert not car.says(current_demand(400.0, 50.0)).evse_power_limit_achieved


def test_the_car_may_lower_its_own_limits_and_does_not_raise_them() -> None:
    car = loop()
    lower = {"ev_maximum_voltage_limit": volts(420.0), "ev_maximum_current_limit": amperes(20.0)}
    car.says(current_demand(440.0, 50.0, **lower))
    assert car.all(SetOutput)[-1] == SetOutput(420.0, 20.0, DcPhase.CHARGE)
    higher = {"ev_maximum_voltage_limit": volts(900.0), "ev_maximum_current_limit": amperes(400.0)}
    car.says(current_demand(900.0, 400.0, **higher))
    assert car.all(SetOutput)[-1].volts == 450.0
    assert car.all(SetOutput)[-1].amperes <= 125.0
    car.says(current_demand(400.0, 50.0, ev_maximum_power_limit=watts(4000.0)))
    assert car.all(SetOutput)[-1].amperes == pytest.approx(10.0, rel=0.2)


def test_the_car_does_not_raise_the_power_that_it_named_before_charging() -> None:
    """50 kW were agreed on. With 90 kW in the loop its 125 A would be all that is left to hold it, and they are more at 450 V."""
    car = loop()
    for _ in range(2):
        # The second one finds 450 V at the output: the power limit counts at what stands there.
        car.says(current_demand(450.0, 300.0, ev_maximum_power_limit=watts(90_000.0)))
    output = car.all(SetOutput)[-1]
    assert output.volts * output.amperes <= 50_000.0
    assert output.amperes > 100.0


def test_the_car_does_not_raise_the_power_that_it_named_first_in_the_loop() -> None:
    car = Car(DC_EIM).drive(until="ChargeParameterDiscovery")
    car.says(dc_parameters(ev_maximum_power_limit=None))
    car.cable_check()
    car.says(precharge())
    car.says(dc_delivery(START))
    said = [(0.0, 0.0), (4000.0, 10.0), (40_000.0, 10.0), (2000.0, 5.0), (4000.0, 10.0)]
    for most, amperes_served in said:
        car.says(current_demand(400.0, 50.0, ev_maximum_power_limit=watts(most)))
        assert car.all(SetOutput)[-1].amperes == pytest.approx(amperes_served, rel=0.2)
    car.says(current_demand(400.0, 50.0))
    assert car.all(SetOutput)[-1].amperes == pytest.approx(10.0, rel=0.2)


@pytest.mark.case("A-PWR-01", "A-PWR-05", "Q-50")
@pytest.mark.parametrize(("target", "current"), [(-400.0, 50.0), (400.0, -50.0), (0.0, 50.0), (-1.0, -1.0)])
def test_what_is_negative_never_reaches_the_output(target: float, current: float) -> None:
    car = loop()
    car.says(current_demand(target, current))
    output = car.all(SetOutput)[-1]
    assert output.volts >= 0.0
    assert output.amperes == 0.0


@pytest.mark.case("Q-50")
def test_a_target_below_our_minimum_may_be_raised_to_it() -> None:
    car = loop(replace(DC_EIM, tolerances=frozenset({"Q-50"})))
    car.says(current_demand(80.0, 5.0))
    assert car.all(SetOutput)[-1].volts == 150.0
    car = loop()
    car.says(current_demand(80.0, 5.0))
    assert car.all(SetOutput)[-1].volts == 80.0


@pytest.mark.case("A-EXI-06")
@pytest.mark.parametrize(
    "bad",
    [
        {"ev_target_current": PhysicalValue(multiplier=3, unit=UnitSymbol.V, value=1)},
        {"ev_target_voltage": PhysicalValue(multiplier=3, unit=UnitSymbol.A, value=1)},
        {"ev_target_voltage": PhysicalValue(multiplier=4, unit=UnitSymbol.V, value=1)},
        {"ev_target_voltage": PhysicalValue(multiplier=0, unit=UnitSymbol.V, value=40_000)},
    ],
)
def test_numbers_outside_the_schema_are_refused_and_set_nothing(bad: dict[str, Any]) -> None:
    car = loop()
    before = len(car.all(SetOutput))
    assert car.says(current_demand(**bad), raw=True).response_code is ResponseCode.FAILED
    assert len(car.all(SetOutput)) == before
    assert car.all(OpenContactor)


def test_a_measurement_that_grows_old_ends_the_loop_as_a_malfunction() -> None:
    car = loop()
    car.says(current_demand())
    car.measuring = False
    car.wait(0.9)
    assert car.says(current_demand()).response_code is ResponseCode.OK
    car.wait(0.2)
    body = car.says(current_demand())
    assert body.response_code is ResponseCode.FAILED
    assert body.dc_evse_status.evse_status_code is DC_EVSEStatusCode.EVSE_MALFUNCTION
    assert car.ended is not None
    assert "old" in car.ended.detail


# --- how it ends ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.case("I2X-31", "Q-63")
@pytest.mark.parametrize("offer", [DC_EIM, AC_EIM, DC_PNC, AC_PNC])
def test_a_stop_at_the_charger_is_announced_until_the_car_stops(offer: Offer) -> None:
    car = loop(offer)
    dc = offer.is_dc
    car.hear(StopRequested("driver"))
    for delay in (10, 9, 8):
        body = car.says(current_demand() if dc else STATUS)
        assert body.response_code is ResponseCode.OK
        status = body.dc_evse_status if dc else body.ac_evse_status
        assert (status.evse_notification, status.notification_max_delay) == (EVSENotification.STOP_CHARGING, delay)
        if dc:
            assert status.evse_status_code is DC_EVSEStatusCode.EVSE_SHUTDOWN
            assert car.all(SetOutput)[-1].amperes > 0.0, "the car ramps down, not we"
        car.wait(1.0)
    assert car.says(dc_delivery(STOP) if dc else delivery(STOP)).response_code is ResponseCode.OK
    car.wait(20.0)
    car.finish("PowerDelivery(Stop)")
    assert car.code == "completed.terminated"


@pytest.mark.case("I2X-31")
@pytest.mark.parametrize("offer", [DC_EIM, AC_EIM])
def test_a_car_that_ignores_it_is_switched_off_when_the_time_is_up(offer: Offer) -> None:
    car = loop(offer)
    dc = offer.is_dc
    car.hear(StopRequested("operator"))
    begun = car.now
    while not car.all(OpenContactor):
        assert car.now < begun + 20.0, "nothing is switched off"
        assert car.says(current_demand() if dc else STATUS).response_code is ResponseCode.OK
        car.wait(0.25)
    assert car.now - begun == pytest.approx(10.0, abs=0.3)
    assert car.ended is None
    body = car.says(current_demand() if dc else STATUS)
    assert body.response_code is ResponseCode.FAILED
    assert car.code == "timer.NotificationMaxDelay"


def test_a_car_that_says_nothing_either_is_left() -> None:
    car = loop()
    car.hear(StopRequested("operator"))
    car.wait(10.1)
    assert car.all(OpenContactor)
    car.wait(5.0)
    assert car.code == "timer.NotificationMaxDelay"
    assert len(car.all(End)) == 1


def test_two_who_want_a_stop_do_not_give_the_car_more_time() -> None:
    car = loop()
    car.hear(StopRequested("driver"))
    car.wait(5.0)
    car.hear(StopRequested("backend"))
    assert car.says(current_demand()).dc_evse_status.notification_max_delay == 5


@pytest.mark.case("I2-PD-24")
@pytest.mark.parametrize("offer", [DC_EIM, AC_EIM])
def test_a_renegotiation_that_we_want_is_asked_for_until_it_comes(offer: Offer) -> None:
    car = loop(offer)
    dc = offer.is_dc

    def notification() -> EVSENotification:
        body = car.says(current_demand() if dc else STATUS)
        status = body.dc_evse_status if dc else body.ac_evse_status
        return status.evse_notification  # type: ignore[no-any-return]

    car.hear(RenegotiationRequested())
    # The car may take its time. [V2G2-680]
    assert [notification() for _ in range(3)] == [EVSENotification.RE_NEGOTIATION] * 3
    car.says(dc_delivery(RENEGOTIATE) if dc else delivery(RENEGOTIATE))
    car.says(dc_parameters() if dc else ac_parameters())
    if dc:
        car.finish("ChargeParameterDiscovery")
    else:
        car.says(delivery(START))
        assert notification() is EVSENotification.NONE


@pytest.mark.case("D4", "Q-38")
@pytest.mark.parametrize("offer", [DC_EIM, AC_EIM])
def test_a_car_that_just_says_good_bye_is_switched_off_in_order_first(offer: Offer) -> None:
    car = loop(offer)
    car.answers[StopPower] = LATER
    car.tells(TERMINATE)
    car.wait(0.5)
    assert len(car.outbox) == len(car.heard)
    from secc.session.effects import PowerReported

    car.answer(StopPower, PowerReported(True))
    assert car.outbox[-1][1].message.response_code is ResponseCode.OK
    assert car.code == "completed.stopped-early"


@pytest.mark.case("D4")
def test_and_gets_its_answer_in_time_when_that_takes_longer() -> None:
    car = loop()
    car.answers[StopPower] = LATER
    assert car.says(TERMINATE).response_code is ResponseCode.OK
    assert car.heard[-1].seconds == pytest.approx(1.5)
    assert car.all(OpenContactor)
