"""SessionSetup, ServiceDiscovery, ServicePaymentSelection and ContractAuthentication."""

from __future__ import annotations

from dataclasses import replace

import pytest

from secc.din.messages import (
    EVSEProcessing,
    EVSESupportedEnergyTransferType,
    PaymentOption,
    ResponseCode,
    ServiceCategory,
    ServiceDiscoveryReq,
    SessionSetupReq,
)
from secc.session.effects import Milestone, Reach, Remark
from secc.session.events import EimDecided, OngoingForced
from secc.session.wishes import Held
from tests.din_car import AT, EVERY_REQUEST, OFFER, Car, selection

CARD = replace(OFFER, free=False, eim_seconds=90.0)
WAITS = EVERY_REQUEST["ContractAuthentication"]


@pytest.mark.case("DIN-02", "Q-30", "Q-31", "Q-32")
@pytest.mark.parametrize("octets", [0, 1, 6, 7, 8])
@pytest.mark.parametrize("brought", [b"", b"\x00", bytes(8), b"1234"])
def test_every_car_gets_a_new_session_id_of_eight_octets(octets: int, brought: bytes) -> None:
    car = Car()
    body = car.says(SessionSetupReq(evcc_id=bytes(octets)), session_id=brought)
    assert body.response_code is ResponseCode.OK_NEW_SESSION_ESTABLISHED
    given = car.heard[-1].header.session_id
    assert len(given) == 8
    assert given not in (bytes(8), brought)
    assert [remark.code for remark in car.all(Remark)] == ([] if octets == 6 else ["Q-32"])


def test_an_evccid_beyond_the_schema_is_refused() -> None:
    car = Car()
    assert car.says(SessionSetupReq(evcc_id=bytes(9)), raw=True).response_code is ResponseCode.FAILED


def test_a_session_id_that_the_car_brings_is_never_the_new_one() -> None:
    again = iter([b"12345678", bytes(8), b"abcdefgh"])
    car = Car(entropy=lambda count: next(again))
    car.says(SessionSetupReq(evcc_id=b""), session_id=b"12345678")
    assert car.heard[-1].header.session_id == b"abcdefgh"


@pytest.mark.case("Q-79")
def test_the_answer_has_the_calendar_of_the_station() -> None:
    assert Car().says(EVERY_REQUEST["SessionSetup"]).date_time_now == int(AT.timestamp())


@pytest.mark.case("Q-33")
@pytest.mark.parametrize(
    ("evse_id", "tolerances", "octets"),
    [
        ("ZZ00000", frozenset(), bytes.fromhex("5A5A3030303030")),
        ("ZZ00000", frozenset({"Q-33"}), b"\x00"),
        ("E" * 32, frozenset(), b"E" * 32),
        ("E" * 33, frozenset(), b"\x00"),
    ],
)
def test_the_evse_id_in_both_forms(evse_id: str, tolerances: frozenset[str], octets: bytes) -> None:
    car = Car(replace(OFFER, evse_id=evse_id, tolerances=tolerances))
    assert car.says(EVERY_REQUEST["SessionSetup"]).evse_id == octets


@pytest.mark.case("DIN-03")
@pytest.mark.parametrize("wanted", [None, ServiceCategory.EV_CHARGING, ServiceCategory.INTERNET])
@pytest.mark.parametrize("free", [True, False])
def test_charging_and_external_payment_are_all_that_is_on_offer(wanted: ServiceCategory | None, free: bool) -> None:
    car = Car(replace(OFFER, free=free, tls=True)).drive(until="ServiceDiscovery")
    body = car.says(ServiceDiscoveryReq(service_scope="x", service_category=wanted))
    assert body.payment_options.payment_option == (PaymentOption.EXTERNAL_PAYMENT,)
    service = body.charge_service
    assert service.service_tag.service_id == 1
    assert service.service_tag.service_category is ServiceCategory.EV_CHARGING
    assert service.energy_transfer_type is EVSESupportedEnergyTransferType.DC_EXTENDED
    assert service.free_service is free
    assert (service.service_tag.service_name, service.service_tag.service_scope, body.service_list) == (
        None,
        None,
        None,
    )


@pytest.mark.case("DIN-04")
def test_a_contract_is_no_payment_here() -> None:
    car = Car().drive(until="ServicePaymentSelection")
    body = car.says(selection(PaymentOption.CONTRACT))
    assert body.response_code is ResponseCode.FAILED_PAYMENT_SELECTION_INVALID


@pytest.mark.case("DIN-05")
@pytest.mark.parametrize("services", [(2,), (0,), (1, 2), (65535,)])
def test_a_service_that_is_not_on_offer(services: tuple[int, ...]) -> None:
    car = Car().drive(until="ServicePaymentSelection")
    body = car.says(selection(PaymentOption.EXTERNAL_PAYMENT, *services))
    assert body.response_code is ResponseCode.FAILED_SERVICE_SELECTION_INVALID


@pytest.mark.case("DIN-28")
@pytest.mark.parametrize("parameter_set", [0, 1, -1])
def test_a_parameter_set_of_charging_is_accepted(parameter_set: int) -> None:
    car = Car().drive(until="ServicePaymentSelection")
    assert car.says(selection(parameter_set=parameter_set)).response_code is ResponseCode.OK


@pytest.mark.case("DIN-06")
def test_the_car_is_ongoing_until_a_card_is_accepted() -> None:
    car = Car(CARD).drive(until="ContractAuthentication")
    for accepted in (None, False):
        if accepted is not None:
            car.hear(EimDecided(accepted=accepted, by="rfid"))
        body = car.says(WAITS)
        assert (body.response_code, body.evse_processing) == (ResponseCode.OK, EVSEProcessing.ONGOING)
        car.wait(10.0)
    car.hear(EimDecided(accepted=True, by="rfid"))
    assert car.says(WAITS).evse_processing is EVSEProcessing.FINISHED
    (reached,) = [reach for reach in car.all(Reach) if reach.milestone is Milestone.AUTHORIZED]
    assert reached.facts == (("by", "external identification"),)


@pytest.mark.case("DIN-06")
def test_the_time_for_a_card_is_the_operators() -> None:
    car = Car(CARD).drive(until="ContractAuthentication")
    car.polls(WAITS, every=5.0, within=100.0)
    assert car.code == "timer.EIM_Authorization_Limit"
    assert 185.0 <= car.now <= 200.0


def test_a_lab_holds_the_car_in_ongoing() -> None:
    car = Car(replace(OFFER, ongoing=frozenset({Held.AUTHORIZATION}))).drive(until="ContractAuthentication")
    assert car.says(WAITS).evse_processing is EVSEProcessing.ONGOING
    car.hear(OngoingForced("Authorization", on=False))
    assert car.says(WAITS).evse_processing is EVSEProcessing.FINISHED


@pytest.mark.case("A-SES-08")
def test_a_car_that_polls_without_a_pause_is_answered_fifty_times_a_second_at_most() -> None:
    car = Car(CARD).drive(until="ContractAuthentication")
    begun = car.now
    for _ in range(51):
        car.says(WAITS)
    assert car.now - begun >= 0.99
