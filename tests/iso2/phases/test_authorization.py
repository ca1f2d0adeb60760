"""Authorization: by contract, by card, by both, by neither."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from certs.contract import Contract
from secc.conversation import Abandon, Answered, Ask
from secc.exi.xmldsig import Signature, SignatureValue
from secc.iso2.messages import (
    SCHEMA,
    AuthorizationReq,
    ChargingSession,
    EVSEProcessing,
    ResponseCode,
    SessionStopReq,
)
from secc.session.effects import AuthorizeContract, Decision, Identify, Remark, Verdict
from secc.session.events import ConnectionClosed, EimDecided, EmergencyStopped, OngoingForced, Shutdown
from secc.session.offer import Offer
from secc.session.proof import ProvedContract
from secc.session.signature import P256_SHA256, Form, sign
from tests.dialogue import LATER
from tests.iso2_car import DC_EIM, DC_PNC, Car, contract, dc_parameters
from tests.lab_trust import LAB

FINISHED, ONGOING = EVSEProcessing.FINISHED, EVSEProcessing.ONGOING
WAITING = EVSEProcessing.ONGOING_WAITING_FOR_CUSTOMER_INTERACTION
EIM = replace(DC_EIM, free=False)
POLL = AuthorizationReq()


def due(offer: Offer = DC_PNC) -> Car:
    return Car(offer).drive(until="Authorization")


def pending() -> Car:
    """A contract that the backend has not decided on, with the car's first request answered."""
    car = Car(DC_PNC)
    car.answers[AuthorizeContract] = LATER
    car.drive(until="Authorization")
    assert car.signed_authorization().evse_processing is ONGOING
    return car


# --- external payment ---------------------------------------------------------------------------------------------------------


@pytest.mark.case("I2-AUTH-01")
def test_the_car_asks_until_a_card_was_accepted() -> None:
    car = due(EIM)
    for _ in range(5):
        body = car.says(POLL)
        assert (body.response_code, body.evse_processing) == (ResponseCode.OK, WAITING)
        car.wait(1.0)
    car.hear(EimDecided(accepted=True, by="rfid"))
    assert car.says(POLL).evse_processing is FINISHED
    assert car.ended is None


@pytest.mark.parametrize("offer", [replace(EIM, free=True), replace(EIM, eim_authorized=True)])
def test_whoever_needs_no_card_does_not_wait(offer: Offer) -> None:
    assert due(offer).says(POLL).evse_processing is FINISHED


@pytest.mark.case("A-SES-12")
def test_a_card_that_was_accepted_before_authorization_counts() -> None:
    car = Car(EIM).drive(until="ServiceDiscovery")
    car.hear(EimDecided(accepted=True, by="app"))
    car.finish("SessionSetup")
    assert car.code == "completed.terminated"


@pytest.mark.case("I2X-34", "D8")
def test_a_refused_card_only_keeps_waiting() -> None:
    car = due(EIM)
    car.says(POLL)
    car.hear(EimDecided(accepted=False, by="rfid"))
    assert car.says(POLL).evse_processing is WAITING
    car.hear(EimDecided(accepted=True, by="rfid"))
    assert car.says(POLL).evse_processing is FINISHED


@pytest.mark.case("I2-AUTH-13")
def test_nobody_comes_with_a_card() -> None:
    car = due(replace(EIM, eim_seconds=30.0))
    begun = car.now
    body = car.polls(POLL, every=1.0, within=40.0)
    assert body.response_code is ResponseCode.FAILED
    assert car.now - begun == pytest.approx(30.0, abs=1.5)
    assert car.code == "timer.EIM_Authorization_Limit"


@pytest.mark.case("I2-AUTH-13")
@pytest.mark.parametrize("asks_again_at", [30.5, 34.5, None])
def test_the_drivers_time_is_over_whether_or_not_the_car_asks(asks_again_at: float | None) -> None:
    car = due(replace(EIM, eim_seconds=30.0))
    car.wait(20.0)
    begun = car.now
    for _ in range(29):
        assert car.says(POLL).evse_processing is WAITING
        car.wait(1.0)
    if asks_again_at is not None:
        car.until(begun + asks_again_at)
        assert car.says(POLL).response_code is ResponseCode.FAILED
    else:
        car.wait(10.0)
        assert car.now > begun + 35.0
    assert car.code == "timer.EIM_Authorization_Limit"


@pytest.mark.case("A-SES-08")
def test_a_wait_of_five_minutes_polled_ten_times_a_second_is_normal() -> None:
    car = due(EIM)
    for _ in range(2990):
        assert car.says(POLL).evse_processing is WAITING
        car.wait(0.1)


@pytest.mark.case("A-SES-08")
def test_polling_without_a_breath_gets_fifty_answers_a_second() -> None:
    car = due(EIM)
    begun = car.now
    for _ in range(100):
        car.says(POLL)
    assert car.now - begun == pytest.approx(2.0, abs=0.1)


@pytest.mark.case("Q-27")
def test_a_signature_means_nothing_with_external_payment() -> None:
    car = due(DC_EIM)
    body = AuthorizationReq(id="id1", gen_challenge=bytes(16))
    stranger = ec.derive_private_key(5, ec.SECP256R1())
    assert car.says(body, signature=sign(body, stranger, SCHEMA, P256_SHA256)).evse_processing is FINISHED


# --- Plug & Charge ------------------------------------------------------------------------------------------------------------


@pytest.mark.case("I2-AUTH-02")
def test_a_signed_challenge_charges() -> None:
    body = due().signed_authorization()
    assert (body.response_code, body.evse_processing) == (ResponseCode.OK, FINISHED)


def test_the_backend_is_asked_as_soon_as_the_contract_is_known() -> None:
    car = due()
    (question,) = car.asked(AuthorizeContract)
    assert isinstance(question.contract, Contract)


@pytest.mark.case("A-PNC-15")
def test_where_enough_was_asked_about_unproved_contracts_the_backend_is_asked_after_the_proof() -> None:
    car = due(replace(DC_PNC, ask_before_proof=False))
    assert car.asked(AuthorizeContract) == []
    body = car.signed_authorization()
    (question,) = car.asked(AuthorizeContract)
    assert isinstance(question.contract, ProvedContract)
    assert body.evse_processing is ONGOING
    assert car.says(POLL).evse_processing is FINISHED
    assert len(car.asked(AuthorizeContract)) == 1

    car = due(replace(DC_PNC, ask_before_proof=False))
    assert car.says(POLL).response_code is ResponseCode.FAILED_SIGNATURE_ERROR
    assert car.asked(AuthorizeContract) == []


# --- What leaves the session -----------------------------------------------------------------------------------------------


def identified(car: Car) -> list[tuple[bool, bool]]:
    """What the session said about the contract: whether it was the proved one, and accepted."""
    return [(said.contract.contract.emaid == contract().emaid, said.verdict.accepted) for said in car.all(Identify)]


@pytest.mark.case("A-PNC-15")
def test_a_contract_leaves_the_session_when_it_is_proved_and_decided_and_only_once() -> None:
    car = due()
    assert car.pending == [], "the backend has said yes already"
    assert identified(car) == []
    car.signed_authorization()
    assert identified(car) == [(True, True)]
    car.finish("Authorization")
    assert identified(car) == [(True, True)]

    car = pending()
    car.says(POLL)
    assert identified(car) == []
    car.answer(AuthorizeContract, Verdict(Decision.REJECTED))
    car.says(POLL)
    assert identified(car) == [(True, False)]


@pytest.mark.case("A-PNC-15", "A-PNC-16")
@pytest.mark.parametrize("verdict", [Verdict(Decision.ACCEPTED), Verdict(Decision.CERTIFICATE_REVOKED), LATER])
def test_without_a_proof_nothing_leaves_the_session_however_it_ends(verdict: object) -> None:
    endings: list[Callable[[Car], object]] = [
        lambda car: car.says(SessionStopReq(charging_session=ChargingSession.TERMINATE)),
        lambda car: car.says(POLL),
        lambda car: car.says(AuthorizationReq(id="id1", gen_challenge=car.challenge), signature=None),
        lambda car: car.says(dc_parameters()),
        lambda car: car.hear(ConnectionClosed()),
        lambda car: car.hear(EmergencyStopped()),
        lambda car: car.hear(Shutdown()),
        lambda car: car.wait(70.0),
    ]
    for end in endings:
        car = Car(DC_PNC)
        car.answers[AuthorizeContract] = verdict
        car.drive(until="Authorization")
        car.hear(EimDecided(accepted=False, by="rfid"))
        end(car)
        car.wait(70.0)
        assert car.ended is not None
        assert identified(car) == []


def test_where_nobody_waits_for_the_backend_its_answer_counts_when_it_comes() -> None:
    """At a free station, or when a card was faster, the session goes on; whose contract it is is told when it is known."""
    for offer, card in ((replace(DC_PNC, free=True), False), (DC_PNC, True)):
        car = Car(offer)
        car.answers[AuthorizeContract] = LATER
        car.drive(until="Authorization")
        if card:
            car.hear(EimDecided(accepted=True, by="rfid"))
        assert car.signed_authorization().evse_processing is FINISHED
        assert identified(car) == []
        car.answer(AuthorizeContract, Verdict(Decision.ACCEPTED))
        car.says(dc_parameters())
        assert identified(car) == [(True, True)]


@pytest.mark.case("I2X-08", "Q-80")
@pytest.mark.parametrize("again", [False, True])
def test_polls_are_bare_and_what_is_signed_again_is_not_looked_at(again: bool) -> None:
    car = pending()
    for _ in range(3):
        car.wait(0.5)
        body = car.signed_authorization(gen_challenge=bytes(16)) if again else car.says(POLL)
        assert (body.response_code, body.evse_processing) == (ResponseCode.OK, ONGOING)
    car.answer(AuthorizeContract, Verdict(Decision.ACCEPTED))
    assert car.says(POLL).evse_processing is FINISHED
    assert len(car.asked(AuthorizeContract)) == 1


@pytest.mark.case("A-PNC-01")
@pytest.mark.parametrize(
    "challenge", [bytes(16), pytest.param(bytes(15), marks=pytest.mark.case("I2X-09")), bytes(17), b"", None]
)
def test_another_challenge_is_refused_however_well_it_is_signed(challenge: bytes | None) -> None:
    car = due()
    request = AuthorizationReq(id="id1", gen_challenge=challenge)
    good = AuthorizationReq(id="id1", gen_challenge=bytes(16))
    signature = sign(good, LAB.contract.leaf.key, SCHEMA, P256_SHA256)  # type: ignore[arg-type]  # P-256 in this edition
    body = car.says(request, signature=signature, raw=True)
    assert body.response_code is ResponseCode.FAILED_CHALLENGE_INVALID
    assert car.code == "refused.FAILED_ChallengeInvalid"


@pytest.mark.case("A-PNC-01")
def test_the_challenge_of_another_session_is_worth_nothing() -> None:
    first = due()
    # Chance yields other octets in another session.
    second = Car(DC_PNC, entropy=lambda count: bytes(range(77, 77 + count))).drive(until="Authorization")
    assert first.challenge != second.challenge
    second.challenge = first.challenge
    assert second.signed_authorization().response_code is ResponseCode.FAILED_CHALLENGE_INVALID


def by_a_stranger(request: AuthorizationReq) -> Signature:
    return sign(request, ec.derive_private_key(5, ec.SECP256R1()), SCHEMA, P256_SHA256)


def over_something_else(request: AuthorizationReq) -> Signature:
    return sign(replace(request, gen_challenge=bytes(16)), LAB.contract.leaf.key, SCHEMA, P256_SHA256)  # type: ignore[arg-type]


def with_a_bit_flipped(request: AuthorizationReq) -> Signature:
    good = sign(request, LAB.contract.leaf.key, SCHEMA, P256_SHA256)  # type: ignore[arg-type]
    value = good.signature_value.value
    return replace(good, signature_value=SignatureValue(value=value[:-1] + bytes([value[-1] ^ 1])))


def none_at_all(request: AuthorizationReq) -> None:
    return None


@pytest.mark.case("A-PNC-03", "A-PNC-04")
@pytest.mark.parametrize(
    "signing",
    [
        by_a_stranger,
        over_something_else,
        with_a_bit_flipped,
        pytest.param(none_at_all, marks=pytest.mark.case("I2X-07")),
    ],
)
def test_a_first_request_that_is_not_signed_with_the_contract_is_refused(signing: Callable[[Any], Any]) -> None:
    car = due()
    request = AuthorizationReq(id="id1", gen_challenge=car.challenge)
    body = car.says(request, signature=signing(request))
    assert body.response_code is ResponseCode.FAILED_SIGNATURE_ERROR
    assert car.code == "refused.FAILED_SignatureError"


@pytest.mark.case("I2X-07")
def test_a_bare_first_request_is_no_poll() -> None:
    assert due().says(POLL).response_code is ResponseCode.FAILED_SIGNATURE_ERROR


def test_a_request_without_id_cannot_be_signed() -> None:
    car = due()
    body = car.says(
        AuthorizationReq(gen_challenge=car.challenge),
        signature=by_a_stranger(AuthorizationReq(id="id1", gen_challenge=car.challenge)),
    )
    assert body.response_code is ResponseCode.FAILED_SIGNATURE_ERROR


@pytest.mark.case("I2X-02", "Q-69")
def test_the_other_encoding_of_signed_info_holds_and_is_remarked_upon() -> None:
    car = due()
    request = AuthorizationReq(id="id1", gen_challenge=car.challenge)
    signature = sign(request, LAB.contract.leaf.key, SCHEMA, P256_SHA256, form=Form.MESSAGE_SET)  # type: ignore[arg-type]
    assert car.says(request, signature=signature).evse_processing is FINISHED
    assert [remark.code for remark in car.all(Remark)] == ["Q-69"]


REFUSALS = {
    Decision.REJECTED: ResponseCode.FAILED,
    Decision.NOT_ALLOWED_HERE: ResponseCode.FAILED_CERTIFICATE_NOT_ALLOWED_AT_THIS_EVSE,
    Decision.CERTIFICATE_REVOKED: ResponseCode.FAILED_CERTIFICATE_REVOKED,
    Decision.CERTIFICATE_EXPIRED: ResponseCode.FAILED,
    Decision.NO_TRUST_ANCHOR: ResponseCode.FAILED,
    Decision.CHAIN_INVALID: ResponseCode.FAILED,
    Decision.EMAID_MISMATCH: ResponseCode.FAILED,
    Decision.CONTRACT_CANCELLED: ResponseCode.FAILED,
    Decision.NO_ANSWER: ResponseCode.FAILED,
}


@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize("decision", REFUSALS)
def test_a_contract_that_may_not_charge_is_refused_by_code(decision: Decision, early: bool) -> None:
    car = Car(DC_PNC)
    car.answers[AuthorizeContract] = Verdict(decision, "why") if early else LATER
    car.drive(until="Authorization")
    body = car.signed_authorization()
    if not early:
        assert body.evse_processing is ONGOING
        car.answer(AuthorizeContract, Verdict(decision, "why"))
        body = car.says(POLL)
    assert body.response_code is REFUSALS[decision]
    assert body.evse_processing is FINISHED
    assert car.ended is not None
    assert decision.value in car.ended.detail


def test_a_good_verdict_does_not_make_up_for_a_bad_signature() -> None:
    car = due()
    assert car.pending == [], "the backend has said yes already"
    assert car.says(POLL).response_code is ResponseCode.FAILED_SIGNATURE_ERROR


@pytest.mark.case("I2-AUTH-14", "A-OCPP-02")
def test_a_backend_that_never_answers_is_given_up_after_55_seconds() -> None:
    car = pending()
    begun = car.now
    body = car.polls(POLL, every=0.5, within=60.0)
    assert body.response_code is ResponseCode.FAILED
    assert car.now - begun == pytest.approx(55.0, abs=1.0)
    assert car.code == "timer.V2G_SECC_Ongoing_Performance_Time"
    assert car.all(Abandon)


@pytest.mark.case("A-SES-11", "A-OCPP-02")
def test_a_verdict_for_a_session_that_ended_does_nothing() -> None:
    from secc.session.events import Unplugged

    car = pending()
    ask = next(ask for ask in car.all(Ask) if isinstance(ask.question, AuthorizeContract))
    car.hear(Unplugged())
    assert car.hear(Answered(ask.ticket, Verdict(Decision.ACCEPTED))) == ()


@pytest.mark.case("A-SES-12")
def test_a_card_counts_while_plug_and_charge_is_pending() -> None:
    car = pending()
    car.hear(EimDecided(accepted=False, by="rfid"))
    assert car.says(POLL).evse_processing is ONGOING
    car.hear(EimDecided(accepted=True, by="rfid"))
    assert car.says(POLL).evse_processing is FINISHED


@pytest.mark.case("A-PNC-04")
def test_a_card_does_not_make_up_for_a_bad_signature() -> None:
    car = due()
    car.hear(EimDecided(accepted=True, by="rfid"))
    assert car.says(POLL).response_code is ResponseCode.FAILED_SIGNATURE_ERROR


# --- the lab ------------------------------------------------------------------------------------------------------------------


@pytest.mark.case("I2-AUTH-02")
def test_a_lab_can_hold_the_car_in_ongoing() -> None:
    car = due()
    car.hear(OngoingForced("CableCheck", on=True))
    car.hear(OngoingForced("Authorization", on=True))
    assert car.signed_authorization().evse_processing is ONGOING
    assert car.says(POLL).evse_processing is ONGOING
    car.hear(OngoingForced("Authorization", on=False))
    assert car.says(POLL).evse_processing is FINISHED


# --- one poll too many --------------------------------------------------------------------------------------------------------


@pytest.mark.case("Q-39")
def test_a_poll_after_the_answer_is_out_of_order_unless_it_is_tolerated_once() -> None:
    car = Car(DC_EIM).drive(until="ChargeParameterDiscovery")
    assert car.says(POLL).response_code is ResponseCode.FAILED_SEQUENCE_ERROR

    tolerant = replace(DC_EIM, tolerances=frozenset({"Q-39"}))
    car = Car(tolerant).drive(until="ChargeParameterDiscovery")
    assert car.says(POLL).evse_processing is FINISHED
    assert [remark.code for remark in car.all(Remark)] == ["Q-39"]
    assert car.says(dc_parameters()).response_code is ResponseCode.OK

    car = Car(tolerant).drive(until="ChargeParameterDiscovery")
    car.says(POLL)
    assert car.says(POLL).response_code is ResponseCode.FAILED_SEQUENCE_ERROR

    car = Car(replace(tolerant, strict=True)).drive(until="ChargeParameterDiscovery")
    assert car.says(POLL).response_code is ResponseCode.FAILED_SEQUENCE_ERROR
