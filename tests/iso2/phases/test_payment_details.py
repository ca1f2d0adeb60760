"""PaymentDetails: the contract, and the challenge."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace
from datetime import timedelta

import pytest

from certs.certificates import Edition
from certs.contract import Contract
from secc.conversation import Abandon, Ask, Wall
from secc.iso2.messages import CertificateChain, ResponseCode, SubCertificates
from secc.session.effects import AuthorizeContract, Decision, ValidateContract, Verdict
from tests.dialogue import LATER
from tests.iso2_car import DC_PNC, EMAID, Car, chain, contract, validated
from tests.lab_trust import AT, LAB


def due() -> Car:
    return Car(DC_PNC).drive(until="PaymentDetails")


@pytest.mark.case("I2-PDET-01")
def test_a_good_chain_gets_a_challenge_of_sixteen_octets() -> None:
    car = due()
    body = car.payment_details()
    assert body.response_code is ResponseCode.OK
    assert len(body.gen_challenge) == 16
    assert body.evse_time_stamp == int(AT.timestamp())


@pytest.mark.case("I2-PDET-01", "A-PNC-01")
def test_every_octet_of_the_challenge_is_drawn_for_this_session_alone() -> None:
    """Sixteen octets at once, as they were drawn; between two sessions none stays as it was."""
    challenges = []
    for value in (0x11, 0x22):
        draws: list[bytes] = []

        def entropy(count: int, value: int = value, draws: list[bytes] = draws) -> bytes:
            draws.append(bytes((value,) * count))
            return draws[-1]

        car = Car(DC_PNC, entropy=entropy).drive(until="PaymentDetails")
        draws.clear()
        challenges.append(car.payment_details().gen_challenge)
        assert draws == [challenges[-1]]
        assert len(challenges[-1]) == 16
    assert not any(one == other for one, other in zip(*challenges, strict=True))


def test_what_is_asked_is_the_whole_chain_leaf_first_and_the_emaid_as_claimed() -> None:
    car = due()
    car.payment_details()
    (question,) = car.asked(ValidateContract)
    assert question == ValidateContract(tuple(LAB.contract.ders), EMAID, Edition.ISO2)
    assert EMAID not in repr(question)


@pytest.mark.case("I2X-10", "Q-78")
@pytest.mark.parametrize("emaid", [EMAID, EMAID.lower(), "DE-8AA-CA2B3C4D5-L", "de8aaca2b3c4d5"])
def test_hyphens_and_case_of_the_emaid_do_not_matter(emaid: str) -> None:
    car = due()
    assert car.payment_details_raw(emaid).response_code is ResponseCode.OK


@pytest.mark.case("I2X-11", "A-PNC-07")
@pytest.mark.parametrize("emaid", ["DE8AACA2B3C4D6", "DE8ABCA2B3C4D5L", "FR8AACA2B3C4D5L"])
def test_somebody_elses_emaid_is_refused(emaid: str) -> None:
    car = due()
    assert car.payment_details_raw(emaid).response_code is ResponseCode.FAILED_CERT_CHAIN_ERROR
    assert car.asked(AuthorizeContract) == []


@pytest.mark.case("A-PNC-07")
def test_a_trust_room_that_forgets_to_compare_the_emaid_is_not_believed() -> None:
    car = due()
    car.answers[ValidateContract] = contract()
    assert car.payment_details_raw("DE8AACXXXXXXXX").response_code is ResponseCode.FAILED_CERT_CHAIN_ERROR


@pytest.mark.parametrize("emaid", ["", "D", "DE8AACA2B3C4D5!", "ÄÖ8AACA2B3C4D5L", "DE8AACA2B3C4D5L" * 50])
def test_what_is_no_emaid_is_refused_by_code(emaid: str) -> None:
    car = due()
    car.answers[ValidateContract] = contract()
    assert car.payment_details_raw(emaid).response_code is ResponseCode.FAILED_CERT_CHAIN_ERROR


REFUSALS = {
    Decision.REJECTED: ResponseCode.FAILED,
    Decision.NOT_ALLOWED_HERE: ResponseCode.FAILED_CERTIFICATE_NOT_ALLOWED_AT_THIS_EVSE,
    Decision.CERTIFICATE_EXPIRED: ResponseCode.FAILED_CERTIFICATE_EXPIRED,
    Decision.CERTIFICATE_REVOKED: ResponseCode.FAILED_CERTIFICATE_REVOKED,
    Decision.NO_TRUST_ANCHOR: ResponseCode.FAILED_NO_CERTIFICATE_AVAILABLE,
    Decision.CHAIN_INVALID: ResponseCode.FAILED_CERT_CHAIN_ERROR,
    Decision.EMAID_MISMATCH: ResponseCode.FAILED_CERT_CHAIN_ERROR,
    Decision.CONTRACT_CANCELLED: ResponseCode.FAILED_CONTRACT_CANCELED,
    Decision.NO_ANSWER: ResponseCode.FAILED,
}


@pytest.mark.case("I2X-36")
@pytest.mark.parametrize("decision", REFUSALS)
def test_every_way_to_be_refused_has_its_code(decision: Decision) -> None:
    car = due()
    car.answers[ValidateContract] = Verdict(decision, "why")
    body = car.payment_details()
    assert body.response_code is REFUSALS[decision]
    assert body.gen_challenge == bytes(16)
    assert car.code == f"refused.{REFUSALS[decision]}"
    assert car.ended is not None
    assert decision.value in car.ended.detail


def test_the_table_knows_every_decision() -> None:
    from secc.iso2.refusals import DECISIONS

    assert set(REFUSALS) | {Decision.ACCEPTED} == set(Decision)
    assert set(DECISIONS) == set(REFUSALS)


def test_a_bare_yes_without_a_contract_is_no_contract() -> None:
    """Only a validated chain makes a Contract; a Verdict that says accepted must not open the way."""
    car = due()
    car.answers[ValidateContract] = Verdict(Decision.ACCEPTED)
    body = car.payment_details()
    assert body is None or body.response_code.startswith("FAILED")
    assert car.asked(AuthorizeContract) == []


@pytest.mark.parametrize(
    ("announced", "days", "code"),
    [
        (True, 20, ResponseCode.OK_CERTIFICATE_EXPIRES_SOON),
        (True, 22, ResponseCode.OK),
        (False, 20, ResponseCode.OK),
    ],
)
def test_a_contract_that_ends_soon_is_announced_where_the_station_is_to(
    announced: bool, days: int, code: ResponseCode
) -> None:
    car = Car(replace(DC_PNC, announce_expiry=announced)).drive(until="PaymentDetails")
    until = contract().not_after - timedelta(days=days)
    car.session._main.party.wall = lambda: Wall(until, trusted=True)
    assert car.payment_details().response_code is code


@pytest.mark.case("A-OCPP-01", "D10")
def test_a_validation_that_takes_too_long_is_refused_in_time_and_given_up() -> None:
    car = due()
    car.answers[ValidateContract] = LATER
    body = car.payment_details()
    assert body.response_code is ResponseCode.FAILED
    assert car.heard[-1].seconds == pytest.approx(4.5)
    assert car.all(Abandon)
    assert car.pending == []


def test_a_verdict_that_comes_after_the_end_goes_nowhere() -> None:
    car = due()
    car.answers[ValidateContract] = LATER
    car.payment_details()
    from secc.conversation import Answered

    ask = next(ask for ask in car.all(Ask) if isinstance(ask.question, ValidateContract))
    assert car.hear(Answered(ask.ticket, contract())) == ()


@pytest.mark.parametrize(
    "bad",
    [
        CertificateChain(certificate=bytes(801)),
        CertificateChain(certificate=b"\x30", sub_certificates=SubCertificates(certificate=(bytes(801),))),
        CertificateChain(certificate=b"\x30", sub_certificates=SubCertificates(certificate=(b"\x30",) * 5)),
    ],
    ids=["leaf", "sub-CA", "five sub-CAs"],
)
def test_a_chain_beyond_its_facets_is_refused_before_anybody_looks_at_it(bad: CertificateChain) -> None:
    car = due()
    body = car.payment_details_raw(EMAID, bad)
    assert body.response_code is ResponseCode.FAILED_CERT_CHAIN_ERROR
    assert car.asked(ValidateContract) == []


def test_a_chain_without_sub_certificates_is_asked_about_as_it_is() -> None:
    car = due()
    body = car.payment_details(contract_signature_cert_chain=replace(chain(), sub_certificates=None))
    assert body.response_code is ResponseCode.FAILED_NO_CERTIFICATE_AVAILABLE
    assert car.asked(ValidateContract) == [ValidateContract((LAB.contract.ders[0],), EMAID, Edition.ISO2)]


@pytest.mark.case("A-SES-11", "A-PNC-13")
def test_the_contract_is_gone_when_the_session_is() -> None:
    from secc.session.events import Unplugged

    mine = validated(ValidateContract(tuple(LAB.contract.ders), EMAID, Edition.ISO2))
    assert isinstance(mine, Contract)
    watched = weakref.ref(mine.chain.leaf)
    car = Car(DC_PNC)
    answers: list[Contract | Verdict] = [mine]
    car.answers[ValidateContract] = lambda question: answers.pop()
    del mine
    car.drive(until="CurrentDemand")
    assert watched() is not None, "the session needs it"
    car.hear(Unplugged())
    # What the test itself remembers of what was said.
    car.said.clear()
    gc.collect()
    assert watched() is None
