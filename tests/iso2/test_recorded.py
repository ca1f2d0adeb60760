"""Recorded sessions of real cars and of other stacks' cars: their signatures hold, and our station answers them as theirs did."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from cryptography import x509

from secc.conversation import Received
from secc.iso2 import protocol
from secc.iso2.dialogue import STREAM
from secc.iso2.messages import (
    SCHEMA,
    AuthorizationReq,
    CableCheckReq,
    CertificateInstallationReq,
    CertificateInstallationRes,
    ChargeProgress,
    EVSEProcessing,
    PaymentDetailsReq,
    PaymentDetailsRes,
    PowerDeliveryReq,
)
from secc.session.negotiation import choose
from secc.session.offer import AcLimits, DcLimits, Offer, Transfer
from secc.session.signature import P256_SHA256, Form, verify
from secc.session.supported_app_protocol import SCHEMA as SAP
from secc.session.supported_app_protocol import SupportedAppProtocolReq
from tests.iso2_car import ANSWER_SECONDS, Car, given_id
from tests.recordings import CAPTURES, Recorded, recording

pytestmark = pytest.mark.skipif(not CAPTURES.is_dir(), reason="the recorded sessions are not here")


# --- trust ------------------------------------------------------------------------------------------------------------------------

PNC = ["ISO-2_DC_PnC_TLS_CertInstallation_DS5366_RiseV2G", "ISO-2_DC_PnC_TLS_Contract_DS5366_RiseV2G"]


@pytest.mark.parametrize("name", PNC)
def test_a_recorded_authorization_verifies_against_its_own_contract_and_challenge(name: str) -> None:
    key: Any = None
    challenge = b""
    verified = 0
    for record in recording(name):
        if record.schema != "iso2":
            continue
        message = record.message
        match message.body:
            case PaymentDetailsReq(contract_signature_cert_chain=chain):
                key = x509.load_der_x509_certificate(chain.certificate).public_key()
            case PaymentDetailsRes(gen_challenge=given):
                challenge = given
            case AuthorizationReq(id=id, gen_challenge=returned) if returned is not None:
                assert returned == challenge
                form = verify(
                    message.header.signature, {"AuthorizationReq": id}, record.octets, key, SCHEMA, P256_SHA256
                )
                assert form is Form.XMLDSIG
                verified += 1
    assert verified == 1


def test_a_recorded_certificate_installation_verifies_both_ways() -> None:
    verified = []
    for record in recording(PNC[0]):
        if record.schema != "iso2":
            continue
        message = record.message
        match message.body:
            case CertificateInstallationReq(id=id, oem_provisioning_cert=certificate):
                key = x509.load_der_x509_certificate(certificate).public_key()
                elements: dict[str, str | None] = {"CertificateInstallationReq": id}
            case CertificateInstallationRes() as response:
                leaf = response.sa_provisioning_certificate_chain.certificate
                key = x509.load_der_x509_certificate(leaf).public_key()
                elements = {
                    "ContractSignatureCertChain": response.contract_signature_cert_chain.id,
                    "ContractSignatureEncryptedPrivateKey": response.contract_signature_encrypted_private_key.id,
                    "DHpublickey": response.dh_publickey.id,
                    "eMAID": response.emaid.id,
                }
            case _:
                continue
        verify(message.header.signature, elements, record.octets, key, SCHEMA, P256_SHA256)
        verified.append(type(message.body).__name__)
    assert verified == ["CertificateInstallationReq", "CertificateInstallationRes"]


# --- the cars' side of the talk -------------------------------------------------------------------------------------------------------

GENEROUS = Offer(evse_id="DE*PNX*E12345", free=True, meter_id="M", dc=DcLimits(150.0, 1000.0, 0.0, 500.0, 350_000.0))
GENEROUS_AC = replace(
    GENEROUS,
    transfers=(Transfer.AC_THREE_PHASE, Transfer.AC_SINGLE_PHASE),
    ac=AcLimits(maximum_amperes=63.0),
    dc=None,
)

SESSIONS = {
    "audi-dc-iso2": (0, GENEROUS),
    "ISO-2_DC_Pause_DS5366": (0, GENEROUS),
    "ISO-2_DC_Pause_DS5366, resumed": (1, GENEROUS),
    "ISO-2_AC_DS5366": (0, GENEROUS_AC),
}


@pytest.mark.parametrize("name", SESSIONS)
def test_a_recorded_car_is_charged_by_our_station(name: str) -> None:
    """Every request of the recording, with our SessionID in it, gets the same kind of answer: OK, and of the right type.

    A car that was told Ongoing longer than we take would go on asking; what is superfluous for us is left out.
    """
    session, offer = SESSIONS[name]
    records = [r for r in recording(name.partition(",")[0], session) if r.schema == "iso2"]
    car = Car(offer)
    answered: dict[str, int] = {}
    finished: str | None = None
    begun, offset = records[0].t, car.now
    for record in records:
        if not record.ev:
            continue
        body = record.message.body
        assert body is not None
        kind = type(body).__name__
        if kind == finished:
            continue
        car.until(max(car.now, offset + min(record.t - begun, 30.0)))
        _pilot(car, body)
        car.hear(_as_ours(car, record))
        limit = car.now + ANSWER_SECONDS
        while car.ended is None and len(car.outbox) == sum(answered.values()):
            assert car.now < limit
            assert car.next_deadline()
        response = car.outbox[-1][1].message
        assert type(response).__name__ == kind.removesuffix("Req") + "Res"
        assert response.response_code.startswith("OK"), f"{kind}: {response.response_code} {car.ended}"
        answered[kind] = answered.get(kind, 0) + 1
        processing = getattr(response, "evse_processing", EVSEProcessing.FINISHED)
        finished = kind if processing is EVSEProcessing.FINISHED and hasattr(response, "evse_processing") else None
    assert answered["SessionStopReq"] == 1
    assert car.ended is not None
    assert car.ended.well


def _as_ours(car: Car, record: Recorded) -> Received:
    received = car.station.decode(STREAM, record.octets)
    if type(received.message).__name__ == "SessionSetupReq":
        return received
    return replace(received, header=replace(received.header, session_id=given_id(car.station)))


def _pilot(car: Car, body: object) -> None:
    match body:
        case CableCheckReq() | PowerDeliveryReq(charge_progress=ChargeProgress.START):
            car.pilot = "C"
        case PowerDeliveryReq(charge_progress=ChargeProgress.STOP):
            car.pilot = "B"


def test_a_recorded_car_that_wants_a_service_we_do_not_have_is_told_so() -> None:
    car = Car(GENEROUS)
    for record in recording("ISO-2_DC_BatteryDataExchange_DS5366_RiseV2G"):
        if record.schema == "iso2" and record.ev and car.ended is None:
            car.hear(_as_ours(car, record))
    assert car.outbox[-1][1].message.response_code == "FAILED_ServiceIDInvalid"


@pytest.mark.parametrize("name", sorted({name.partition(",")[0] for name in SESSIONS} | set(PNC)))
def test_a_recorded_car_agrees_on_iso_15118_2(name: str) -> None:
    iso2 = protocol()
    (request,) = [r for r in recording(name) if r.schema == "sap" and r.ev]
    message = SAP.decode(request.octets)
    assert isinstance(message, SupportedAppProtocolReq)
    chosen = choose(message, [iso2], tls13=False)
    assert chosen is not None
    assert chosen.protocol is iso2
