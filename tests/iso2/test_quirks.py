"""Quirks of cars in ISO 15118-2: what is tolerated is said under its code, once; ``strict`` switches it off, unless the standard itself allows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from secc.iso2 import timing
from secc.iso2.messages import (
    SCHEMA,
    AuthorizationReq,
    ChargingProfile,
    EnergyTransferMode,
    EVSENotification,
    EVSEProcessing,
    PaymentOption,
    PaymentServiceSelectionReq,
    ProfileEntry,
    ResponseCode,
    SelectedService,
    SelectedServiceList,
    ServiceDiscoveryReq,
    SessionSetupReq,
    WeldingDetectionReq,
)
from secc.session.effects import (
    AuthorizeContract,
    CableChecked,
    KeepCable,
    Provisioning,
    Remark,
    SetOutput,
)
from secc.session.events import LimitChanged, StopRequested
from secc.session.offer import Offer
from secc.session.schedules import ChargingSchedule, ChargingSchedules, PlanCharging, PowerSpan
from secc.session.signature import P256_SHA256, Form, sign
from tests.dialogue import LATER
from tests.iso2_car import (
    AC_EIM,
    DC_EIM,
    DC_PNC,
    EMAID,
    EVCCID,
    RENEGOTIATE,
    START,
    TERMINATE,
    Car,
    ac_parameters,
    amperes,
    chain,
    current_demand,
    dc_delivery,
    dc_parameters,
    delivery,
    ev_status,
    precharge,
    volts,
    watts,
)
from tests.lab_trust import LAB

OK = ResponseCode.OK
NEW = ResponseCode.OK_NEW_SESSION_ESTABLISHED
OUT_OF_ORDER = ResponseCode.FAILED_SEQUENCE_ERROR


def said(car: Car) -> list[str]:
    """The codes that were remarked."""
    return [remark.code for remark in car.all(Remark)]


@dataclass(frozen=True)
class Quirk:
    """``does``: what the car does at ``due``; returns the answers' codes."""

    offer: Offer
    due: str
    does: Callable[[Car], Any]
    code: ResponseCode = OK
    """What it hears."""
    strict: ResponseCode = OK
    """What it hears from a station that tolerates nothing; OK: the standard allows it."""

    def happens(self, offer: Offer) -> tuple[Car, ResponseCode]:
        car = Car(offer).drive(until=self.due)
        assert said(car) == []
        return car, self.does(car).response_code


def again(*requests: Any, **how: Any) -> Callable[[Car], Any]:
    """Say these one after another: the last answer."""

    def say(car: Car) -> Any:
        for request in requests:
            body = car.says(request, **how)
        return body

    return say


def signed(request: AuthorizationReq) -> Any:
    return sign(request, LAB.contract.leaf.key, SCHEMA, P256_SHA256)  # type: ignore[arg-type]  # P-256 in this edition


def signed_in_eim(car: Car) -> Any:
    request = AuthorizationReq(id="id1", gen_challenge=bytes(16))
    return car.says(request, signature=signed(request))


def signed_polls(car: Car) -> Any:
    car.answers[AuthorizeContract] = LATER
    car.signed_authorization()
    for _ in range(3):
        car.wait(0.5)
        body = car.signed_authorization(gen_challenge=bytes(16))
    return body


def without_power(car: Car) -> Any:
    car.hear(LimitChanged(0.0))
    for _ in range(3):
        body = car.says(dc_parameters())
        assert body.evse_processing is EVSEProcessing.ONGOING
        car.wait(0.5)
    return body


def power_gone(car: Car) -> Any:
    car.hear(LimitChanged(0.0))
    for _ in range(14):
        body = car.says(current_demand())
        car.wait(0.5)
    assert body.dc_evse_status.evse_notification is EVSENotification.STOP_CHARGING
    return body


def signed_in_the_other_form(car: Car) -> Any:
    request = AuthorizationReq(id="id1", gen_challenge=car.challenge)
    key = LAB.contract.leaf.key
    return car.says(request, signature=sign(request, key, SCHEMA, P256_SHA256, form=Form.MESSAGE_SET))  # type: ignore[arg-type]


def demands(target: float = 400.0, current: float = 50.0) -> Callable[[Car], Any]:
    return again(*[current_demand(target, current)] * 3)


def selects(service_id: int, parameter_set_id: int) -> Callable[[Car], Any]:
    one = SelectedService(service_id=1)
    other = SelectedService(service_id=service_id, parameter_set_id=parameter_set_id)
    chosen = (other,) if service_id == 1 else (one, other)
    return again(
        PaymentServiceSelectionReq(
            selected_payment_option=PaymentOption.EXTERNAL_PAYMENT,
            selected_service_list=SelectedServiceList(selected_service=chosen),
        )
    )


STOP_NOW = again(TERMINATE)
INVALID = ResponseCode.FAILED_SERVICE_SELECTION_INVALID
SUB1, SUB2, LEAF, ROOT = (LAB.contract.sub1, LAB.contract.sub2, LAB.contract.leaf, LAB.contract.root)
BAD_CHAIN = ResponseCode.FAILED_CERT_CHAIN_ERROR


def shows(*certificates: Any) -> Callable[[Car], Any]:
    ders = [one.der for one in certificates]
    return lambda car: car.payment_details(contract_signature_cert_chain=chain(ders))


SAID: dict[str, tuple[str, Quirk]] = {
    "root inside": ("Q-25", Quirk(DC_PNC, "PaymentDetails", shows(LEAF, SUB2, SUB1, ROOT), strict=BAD_CHAIN)),
    "another order": ("Q-25", Quirk(DC_PNC, "PaymentDetails", shows(LEAF, SUB1, SUB2), strict=BAD_CHAIN)),
    "twice": ("Q-25", Quirk(DC_PNC, "PaymentDetails", shows(LEAF, SUB2, SUB1, SUB1), strict=BAD_CHAIN)),
    "signed in EIM": ("Q-27", Quirk(DC_EIM, "Authorization", signed_in_eim)),
    "no EVCCID": ("Q-32", Quirk(DC_EIM, "SessionSetup", again(SessionSetupReq(evcc_id=b"")), NEW, NEW)),
    "short EVCCID": ("Q-32", Quirk(DC_EIM, "SessionSetup", again(SessionSetupReq(evcc_id=EVCCID[:3])), NEW, NEW)),
    "long EVCCID": (
        "Q-32",
        Quirk(
            DC_EIM,
            "SessionSetup",
            again(SessionSetupReq(evcc_id=EVCCID + b"\0\0"), raw=True),
            NEW,
            ResponseCode.FAILED,
        ),
    ),
    "stops at once": ("Q-34", Quirk(DC_EIM, "ServiceDiscovery", STOP_NOW)),
    "stops before CableCheck": ("Q-37", Quirk(DC_EIM, "CableCheck", STOP_NOW)),
    "stops in CableCheck": (
        "Q-37",
        Quirk(DC_EIM, "PreCharge", again(TERMINATE)),
    ),
    "stops in PreCharge": ("Q-37", Quirk(DC_EIM, "PowerDelivery(Start)", STOP_NOW)),
    "stops in the loop": ("Q-38", Quirk(AC_EIM, "PowerDelivery(Stop)", STOP_NOW, strict=OUT_OF_ORDER)),
    "no power": ("Q-44", Quirk(DC_EIM, "ChargeParameterDiscovery", without_power)),
    "departure 0": (
        "Q-48",
        Quirk(AC_EIM, "ChargeParameterDiscovery", again(ac_parameters(departure_time=0))),
    ),
    "another precharge target": (
        "Q-49",
        Quirk(DC_EIM, "PreCharge", again(precharge(200.0), precharge(385.0), precharge(300.0))),
    ),
    "precharge with 0 A": ("Q-51", Quirk(DC_EIM, "PreCharge", again(precharge(current=0.0), precharge(current=0.0)))),
    "precharge with 10 A": ("Q-51", Quirk(DC_EIM, "PreCharge", again(precharge(current=10.0)))),
    "above the station's amperes": ("Q-55", Quirk(DC_EIM, "CurrentDemand", demands(current=201.0))),
    "above the station's volts": ("Q-55", Quirk(DC_EIM, "CurrentDemand", demands(target=1001.0))),
    "above the car's own amperes": ("Q-55", Quirk(DC_EIM, "CurrentDemand", demands(current=126.0))),
    "above the car's own volts": ("Q-55", Quirk(DC_EIM, "CurrentDemand", demands(target=451.0))),
    "no power in the loop": ("Q-62", Quirk(DC_EIM, "PowerDelivery(Stop)", power_gone)),
    "the other form of SignedInfo": ("Q-69", Quirk(DC_PNC, "Authorization", signed_in_the_other_form)),
    "set 0 of charging": ("Q-74", Quirk(DC_EIM, "PaymentServiceSelection", selects(1, 0), strict=INVALID)),
    "set 1 of charging": ("Q-74", Quirk(DC_EIM, "PaymentServiceSelection", selects(1, 1), strict=INVALID)),
    "EMAID with hyphens": (
        "Q-78",
        Quirk(DC_PNC, "PaymentDetails", lambda car: car.payment_details_raw("DE-8AA-CA2B3C4D5-L")),
    ),
    "EMAID in lower case": (
        "Q-78",
        Quirk(DC_PNC, "PaymentDetails", lambda car: car.payment_details(emaid=EMAID.lower())),
    ),
    "signed polls": ("Q-80", Quirk(replace(DC_PNC, ask_before_proof=False), "Authorization", signed_polls)),
}


def cases() -> list[Any]:
    return [
        pytest.param(code, one, id=f"{code} {name}", marks=pytest.mark.case(code)) for name, (code, one) in SAID.items()
    ]


@pytest.mark.parametrize(("code", "quirk"), cases())
def test_what_is_tolerated_is_said_once_under_its_code(code: str, quirk: Quirk) -> None:
    car, heard = quirk.happens(quirk.offer)
    assert heard is quirk.code
    assert said(car) == [code]


@pytest.mark.parametrize(("code", "quirk"), cases())
def test_strict_refuses_it_unless_the_standard_allows_it(code: str, quirk: Quirk) -> None:
    car, heard = quirk.happens(replace(quirk.offer, strict=True))
    assert heard is quirk.strict
    assert said(car) == ([code] if quirk.strict is quirk.code else [])
    if quirk.strict is not quirk.code:
        assert car.code == f"refused.{quirk.strict.value}"


USUAL = {
    "Q-30": again(SessionSetupReq(evcc_id=EVCCID), session_id=b"\0\0\0"),
    "Q-31": again(SessionSetupReq(evcc_id=EVCCID), session_id=b"\1\2\3\4"),
}


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("code", [pytest.param(code, marks=pytest.mark.case(code)) for code in USUAL])
def test_a_session_id_of_any_length_begins_a_session_with_one_of_eight_octets(code: str, strict: bool) -> None:
    car = Car(replace(DC_EIM, strict=strict))
    assert USUAL[code](car).response_code is NEW
    assert len(car.heard[-1].header.session_id) == 8
    assert said(car) == []


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.case("Q-74")
def test_set_0_of_a_service_with_sets_is_not_on_offer(strict: bool) -> None:
    offer = replace(DC_PNC, provisioning=tuple(Provisioning), strict=strict)
    for chosen, code in ((0, INVALID), (1, OK)):
        car = Car(offer).drive(until="PaymentServiceSelection")
        assert selects(2, chosen)(car).response_code is code
        assert said(car) == []


# --- what nobody has to say ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("offer", [AC_EIM, DC_EIM, DC_PNC])
@pytest.mark.case("Q-46")
def test_a_session_by_the_standard_says_nothing(offer: Offer, strict: bool) -> None:
    """Without a profile; with welding detection or without; ServiceDetail is asked, or not."""
    car = Car(replace(offer, strict=strict)).drive()
    assert car.code == "completed.terminated"
    assert said(car) == []


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.case("Q-36", "Q-65")
def test_service_detail_and_welding_detection_may_be_left_out(strict: bool) -> None:
    car = Car(replace(DC_EIM, strict=strict)).drive(until="ServiceDetail")
    car.told.append("ServiceDetail")
    car.drive_on("WeldingDetection")
    assert car.says(TERMINATE).response_code is OK
    assert car.code == "completed.terminated"
    assert said(car) == []


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("offer", [AC_EIM, DC_EIM])
@pytest.mark.case("Q-35")
def test_nothing_is_offered_beside_charging_unless_there_is_more(offer: Offer, strict: bool) -> None:
    car = Car(replace(offer, strict=strict)).drive(until="ServiceDiscovery")
    body = car.says(ServiceDiscoveryReq())
    assert body.service_list is None
    assert (body.charge_service.service_name, body.charge_service.service_scope) == (None, None)


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.case("Q-64")
def test_welding_detection_may_come_slowly_and_twice(strict: bool) -> None:
    car = Car(replace(DC_EIM, strict=strict)).drive(until="WeldingDetection")
    for _ in range(3):
        car.wait(1.0)
        assert car.says(WeldingDetectionReq(dc_ev_status=ev_status())).response_code is OK
    assert car.says(TERMINATE).response_code is OK
    assert said(car) == []


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.case("Q-63")
def test_a_car_that_is_told_to_stop_keeps_its_power_until_it_does(strict: bool) -> None:
    car = Car(replace(DC_EIM, strict=strict)).drive(until="PowerDelivery(Stop)")
    car.hear(StopRequested("driver"))
    for _ in range(6):
        car.wait(0.25)
        assert car.says(current_demand(400.0, 50.0)).response_code is OK
        assert car.all(SetOutput)[-1].amperes == 50.0
    car.finish("CurrentDemand")
    assert car.code == "completed.terminated"


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.case("Q-53", "Q-54")
def test_the_voltage_that_is_told_is_the_measured_one(strict: bool) -> None:
    car = Car(replace(DC_EIM, strict=strict)).drive(until="PreCharge")
    car.levels = replace(car.levels, volts=123.0)
    body = car.says(precharge(380.0))
    assert (body.evse_present_voltage.value, body.evse_present_voltage.multiplier) == (123, 0)
    car.measuring = False
    car.wait(2.0)
    assert car.says(precharge(380.0)).response_code is ResponseCode.FAILED


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.case("Q-67")
def test_phases_are_never_switched_in_a_session(strict: bool) -> None:
    """Some first-generation cars are damaged by it: after a renegotiation the mode of before is the only one."""
    car = Car(replace(AC_EIM, strict=strict)).drive(until="PowerDelivery(Stop)")
    assert car.says(delivery(RENEGOTIATE)).response_code is OK
    single = ac_parameters(EnergyTransferMode.AC_SINGLE_PHASE_CORE)
    assert car.says(single).response_code is ResponseCode.FAILED_WRONG_ENERGY_TRANSFER_MODE


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("offer", [AC_EIM, DC_EIM, DC_PNC])
@pytest.mark.case("Q-42")
def test_no_answer_is_held_back(offer: Offer, strict: bool) -> None:
    """Some cars wait 0.4 s for ChargeParameterDiscoveryRes. What hardware and backend take is left out here: nothing else may take time."""
    car = Car(replace(offer, strict=strict)).drive()
    assert len(car.heard) == len(car.told)
    assert max(heard.seconds for heard in car.heard) <= timing.PACE.seconds


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("offer", [AC_EIM, DC_EIM, DC_PNC])
@pytest.mark.case("Q-42")
def test_a_backend_that_says_nothing_holds_no_answer_back_for_long(offer: Offer, strict: bool) -> None:
    car = Car(replace(offer, strict=strict, plans=True))
    car.answers[PlanCharging] = LATER
    car.drive(until="ChargeParameterDiscovery")
    body = car.says(dc_parameters() if offer.is_dc else ac_parameters())
    assert (body.response_code, body.evse_processing) == (OK, EVSEProcessing.ONGOING)
    assert max(heard.seconds for heard in car.heard) <= 0.2


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.case("Q-55")
@pytest.mark.parametrize(
    ("target", "current", "flags"),
    [
        (1001.0, 10.0, (True, False, False)),
        (451.0, 10.0, (True, False, False)),
        (400.0, 201.0, (False, True, True)),
        (400.0, 124.0, (False, False, False)),
        (400.0, 126.0, (False, True, True)),
        (450.0, 112.0, (False, False, True)),
    ],
)
def test_a_target_above_a_limit_of_station_or_car_is_flagged(
    target: float, current: float, flags: tuple[bool, bool, bool], strict: bool
) -> None:
    """The car bears 450 V, 125 A and 50 kW."""
    car = Car(replace(DC_EIM, strict=strict)).drive(until="CurrentDemand")
    car.levels = replace(car.levels, volts=target if target <= 450.0 else 450.0)
    body = car.says(current_demand(target, current))
    achieved = (body.evse_voltage_limit_achieved, body.evse_current_limit_achieved, body.evse_power_limit_achieved)
    assert achieved == flags


# --- lists of public codecs -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.case("Q-70")
def test_lists_of_the_car_may_be_as_long_as_the_schema_has_them(strict: bool) -> None:
    """Public codecs hold fewer: 5 roots, 24 entries of a profile, 16 services."""
    car = Car(replace(AC_EIM, strict=strict)).drive(until="PaymentServiceSelection")
    one = SelectedService(service_id=1)
    body = car.says(
        PaymentServiceSelectionReq(
            selected_payment_option=PaymentOption.EXTERNAL_PAYMENT,
            selected_service_list=SelectedServiceList(selected_service=(one,) * 16),
        )
    )
    assert body.response_code is OK
    car.drive_on("PowerDelivery(Start)")
    entries = tuple(
        ProfileEntry(charging_profile_entry_start=60 * number, charging_profile_entry_max_power=watts(11_000.0))
        for number in range(24)
    )
    assert car.says(delivery(START, ChargingProfile(profile_entry=entries))).response_code is OK
    assert said(car) == []


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("most", [None, 1, 12, 1024])
@pytest.mark.case("Q-70")
def test_a_schedule_of_the_backend_leaves_with_twelve_entries_at_most(most: int | None, strict: bool) -> None:
    spans = tuple(PowerSpan(600 * number, 5_000.0 + 10.0 * number) for number in range(100))
    car = Car(replace(DC_EIM, strict=strict, plans=True))
    car.answers[PlanCharging] = lambda question: question.accept(ChargingSchedules((ChargingSchedule(1, spans),), b""))
    car.drive(until="ChargeParameterDiscovery")
    body = car.says(replace(dc_parameters(), max_entries_sa_schedule_tuple=most))
    assert body.evse_processing is EVSEProcessing.FINISHED
    (schedule,) = body.sa_schedules.sa_schedule_tuple
    assert len(schedule.p_max_schedule.p_max_schedule_entry) == min(12, most or 12)


# --- no power ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("offer", [AC_EIM, DC_EIM])
@pytest.mark.case("Q-44")
def test_a_car_that_waits_for_power_reads_the_limits_of_the_outlet(offer: Offer, strict: bool) -> None:
    car = Car(replace(offer, strict=strict)).drive(until="ChargeParameterDiscovery")
    car.hear(LimitChanged(0.0))
    request = dc_parameters() if offer.is_dc else ac_parameters()
    body = car.says(request)
    assert body.evse_processing is EVSEProcessing.ONGOING
    told = body.evse_charge_parameter
    if offer.is_dc:
        assert told.evse_maximum_current_limit.value > 0
        assert told.evse_maximum_power_limit.value * 10.0**told.evse_maximum_power_limit.multiplier == 150_000.0
    else:
        assert told.evse_max_current == amperes(32.0)
    car.hear(LimitChanged(6_900.0))
    body = car.says(request)
    assert body.evse_processing is EVSEProcessing.FINISHED
    told = body.evse_charge_parameter
    if offer.is_dc:
        assert told.evse_maximum_power_limit.value * 10.0**told.evse_maximum_power_limit.multiplier == 6_900.0
    else:
        assert told.evse_max_current == amperes(10.0)


# --- with lab.tolerate ------------------------------------------------------------------------------------------------------


def tolerating(*codes: str, strict: bool = False) -> Offer:
    return replace(DC_EIM, tolerances=frozenset(codes), strict=strict)


@pytest.mark.case("Q-50")
@pytest.mark.parametrize("target", [-5.0, 0.0, 120.0])
def test_a_target_below_the_stations_minimum_is_raised_in_precharge_and_in_the_loop(target: float) -> None:
    car = Car(tolerating("Q-50")).drive(until="PreCharge")
    car.says(precharge(target))
    car.says(precharge(target))
    assert [output.volts for output in car.all(SetOutput)] == [150.0, 150.0]
    assert said(car) == ["Q-50"]
    car = Car(tolerating("Q-50")).drive(until="CurrentDemand")
    car.says(current_demand(target))
    assert car.all(SetOutput)[-1].volts == 150.0
    assert said(car) == ["Q-50"]
    for offer in (DC_EIM, tolerating("Q-50", strict=True)):
        car = Car(offer).drive(until="PreCharge")
        car.says(precharge(target))
        assert car.all(SetOutput)[-1].volts == max(0.0, target)
        assert said(car) == []


@pytest.mark.case("Q-56")
@pytest.mark.parametrize(
    ("asked", "limit", "served"),
    [
        (14.0, 14.34, 14.34),
        (14.0, 14.0, 14.0),
        (14.0, 15.0, 14.0),
        (13.0, 14.34, 13.0),
        (14.2, 14.34, 14.2),
        (15.0, 14.34, 14.34),
        (0.0, 0.5, 0.0),
    ],
)
def test_whole_amperes_less_than_one_below_the_offer_get_the_offer(asked: float, limit: float, served: float) -> None:
    def demanded(offer: Offer) -> Car:
        car = Car(offer).drive(until="CurrentDemand")
        car.hear(LimitChanged(limit * 400.0))
        car.levels = replace(car.levels, volts=400.0)
        car.says(current_demand(400.0, asked))
        return car

    car = demanded(tolerating("Q-56"))
    assert car.all(SetOutput)[-1].amperes == pytest.approx(served)
    assert said(car) == (["Q-56"] if served > asked else [])
    for offer in (DC_EIM, tolerating("Q-56", strict=True)):
        car = demanded(offer)
        assert car.all(SetOutput)[-1].amperes == pytest.approx(min(asked, limit))
        assert said(car) == []


@pytest.mark.case("Q-56", "A-PWR-01")
def test_the_offer_is_never_above_the_cars_own_limit() -> None:
    car = Car(tolerating("Q-56")).drive(until="CurrentDemand")
    car.says(current_demand(400.0, 14.0, ev_maximum_current_limit=amperes(14.3)))
    assert car.all(SetOutput)[-1].amperes == pytest.approx(14.3)


def renegotiated(offer: Offer, kept: CableChecked) -> Car:
    car = Car(offer).drive(until="PowerDelivery(Stop)")
    car.answers[KeepCable] = kept
    assert car.says(dc_delivery(RENEGOTIATE)).response_code is OK
    assert car.says(dc_parameters(ev_maximum_voltage_limit=volts(420.0))).response_code is OK
    return car


KEPT = CableChecked(True, "valid")


@pytest.mark.case("Q-60")
@pytest.mark.parametrize("shortcut", [dc_delivery(START), precharge()])
def test_a_car_that_kept_its_battery_at_the_output_may_leave_out_what_it_has_done_before(shortcut: Any) -> None:
    car = renegotiated(tolerating("Q-60"), KEPT)
    assert car.says(shortcut).response_code is OK
    assert car.asked(KeepCable) == [KeepCable(420.0)]
    assert said(car) == ["Q-60"]
    if shortcut == precharge():
        assert car.says(dc_delivery(START)).response_code is OK
    car.finish("PowerDelivery(Start)")
    assert car.code == "completed.terminated"


@pytest.mark.case("Q-60")
@pytest.mark.parametrize("shortcut", [dc_delivery(START), precharge()])
@pytest.mark.parametrize(
    ("offer", "kept"),
    [
        (DC_EIM, KEPT),
        (tolerating("Q-60", strict=True), KEPT),
        (tolerating("Q-60"), CableChecked(False, "invalid", "12 V at the output")),
    ],
)
def test_without_the_tolerance_or_without_the_battery_there_is_no_short_cut(
    offer: Offer, kept: CableChecked, shortcut: Any
) -> None:
    car = renegotiated(offer, kept)
    assert car.says(shortcut).response_code is OUT_OF_ORDER
    assert said(car) == []


@pytest.mark.case("Q-60")
def test_before_the_first_start_nothing_may_be_left_out() -> None:
    car = Car(tolerating("Q-60")).drive(until="CableCheck")
    car.answers[KeepCable] = KEPT
    assert car.says(dc_delivery(START)).response_code is OUT_OF_ORDER
    assert car.asked(KeepCable) == []


@pytest.mark.case("Q-60")
def test_a_car_that_checks_its_cable_again_is_served_as_ever() -> None:
    car = renegotiated(tolerating("Q-60"), KEPT)
    assert car.cable_check().evse_processing is EVSEProcessing.FINISHED
    assert car.asked(KeepCable) == []
    car.finish("CableCheck")
    assert said(car) == []
