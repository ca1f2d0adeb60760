"""Recorded sessions of real cars and of other stacks' cars: their signatures hold, and they agree on this protocol.

Whole sessions of theirs are in ``tests/tools/test_replay_capture.py``.
"""

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
    CertificateInstallationReq,
    CertificateInstallationRes,
    PaymentDetailsReq,
    PaymentDetailsRes,
)
from secc.session.negotiation import choose
from secc.session.offer import DcLimits, Offer
from secc.session.protocol import Transport
from secc.session.signature import P256_SHA256, Form, verify
from secc.session.supported_app_protocol import SCHEMA as SAP
from secc.session.supported_app_protocol import SupportedAppProtocolReq
from tests.iso2_car import Car, given_id
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


def _as_ours(car: Car, record: Recorded) -> Received:
    received = car.station.decode(STREAM, record.octets)
    if type(received.message).__name__ == "SessionSetupReq":
        return received
    return replace(received, header=replace(received.header, session_id=given_id(car.station)))


def test_a_recorded_car_that_wants_a_service_we_do_not_have_is_told_so() -> None:
    car = Car(GENEROUS)
    for record in recording("ISO-2_DC_BatteryDataExchange_DS5366_RiseV2G"):
        if record.schema == "iso2" and record.ev and car.ended is None:
            car.hear(_as_ours(car, record))
    assert car.outbox[-1][1].message.response_code == "FAILED_ServiceIDInvalid"


@pytest.mark.parametrize("name", ["audi-dc-iso2", "ISO-2_DC_Pause_DS5366", "ISO-2_AC_DS5366", *PNC])
def test_a_recorded_car_agrees_on_iso_15118_2(name: str) -> None:
    iso2 = protocol()
    (request,) = [r for r in recording(name) if r.schema == "sap" and r.ev]
    message = SAP.decode(request.octets)
    assert isinstance(message, SupportedAppProtocolReq)
    chosen = choose(message, [iso2], transport=Transport.PLAIN)
    assert chosen is not None
    assert chosen.protocol is iso2
