"""Rows of services, payment and contracts: with the station's own trust room over the lab's PKI."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from certs.certificates import Edition, parse_certificate
from certs.revocation import certificate_hash_data
from secc.config import Config, Eim, Lab, LabOrders, Tls
from secc.exi.xmldsig import Signature, SignatureValue
from secc.iso2.messages import (
    SCHEMA,
    AuthorizationReq,
    EnergyTransferMode,
    EVSEProcessing,
    PaymentDetailsReq,
    PaymentOption,
    ResponseCode,
    SelectedService,
    SelectedServiceList,
    ServiceDetailReq,
    ServiceDiscoveryReq,
    SessionSetupReq,
)
from secc.session.offer import Payment
from secc.session.services import Internet
from secc.session.signature import P256_SHA256, Form, sign
from secc.trace.history import records
from tests.conformance.places import Place, ac, at, dc, pnc, provisioning_service, run, tls
from tests.conformance.tester import Tester
from tests.iso2_car import EVCCID, selection
from tests.lab_trust import LAB
from tests.station_scene import BOTH, Scene, car_wallet, configured, lab_pki
from tools.evcc.wallet import Wallet
from tools.pki.flaws import make_flawed

EXTERNAL, CONTRACT = PaymentOption.EXTERNAL_PAYMENT, PaymentOption.CONTRACT


# --- SessionSetup, services, payment ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("octets", [1, 8])
@pytest.mark.case("I2X-17")
def test_zero_of_one_octet_and_of_eight_is_a_new_session(octets: int, tmp_path: Path) -> None:
    async def act(tester: Tester) -> None:
        body = await tester.says(SessionSetupReq(evcc_id=EVCCID), session_id=bytes(octets))
        assert body.response_code is ResponseCode.OK_NEW_SESSION_ESTABLISHED
        assert len(tester.session_id) == 8
        assert any(tester.session_id)

    at(ac("SessionSetup"), tmp_path, act)


@pytest.mark.case("I2-SS-01")
@pytest.mark.parametrize("place", [ac("SessionSetup"), dc("SessionSetup")], ids=str)
def test_a_new_session_has_an_id_and_tells_the_id_of_the_outlet(place: Place, tmp_path: Path) -> None:
    async def act(tester: Tester) -> None:
        body = await tester.says(SessionSetupReq(evcc_id=EVCCID), session_id=bytes(8))
        assert body.response_code is ResponseCode.OK_NEW_SESSION_ESTABLISHED
        assert body.evse_id == tester.scene.config.outlets[0].evse_id
        assert (len(tester.session_id), any(tester.session_id)) == (8, True)

    at(place, tmp_path, act)


@pytest.mark.case("I2-SDIS-01")
@pytest.mark.parametrize(
    ("place", "modes"),
    [
        (ac("ServiceDiscovery"), (EnergyTransferMode.AC_THREE_PHASE_CORE,)),
        (dc("ServiceDiscovery"), (EnergyTransferMode.DC_EXTENDED,)),
    ],
    ids=str,
)
def test_service_discovery_tells_payments_and_modes(
    place: Place, modes: tuple[EnergyTransferMode, ...], tmp_path: Path
) -> None:
    async def act(tester: Tester) -> None:
        body = await tester.says(ServiceDiscoveryReq())
        assert body.response_code is ResponseCode.OK
        assert body.payment_option_list.payment_option == (EXTERNAL,)
        assert body.charge_service.service_id == 1
        assert body.charge_service.supported_energy_transfer_mode.energy_transfer_mode == modes

    at(place, tmp_path, act)


@pytest.mark.case("I2X-37")
def test_the_time_stamp_is_the_time_of_the_station(tmp_path: Path) -> None:
    async def act(tester: Tester) -> None:
        body = await tester.says(SessionSetupReq(evcc_id=EVCCID))
        now = tester.scene.services.calendar.wall().time
        assert abs(body.evse_time_stamp - now.timestamp()) <= 1.0
        assert abs(now - datetime.now(UTC)) < timedelta(days=1)

    at(ac("SessionSetup"), tmp_path, act)


CERTIFICATES = 2
"""The ServiceID of certificate installation and update."""
INTERNET = 3


async def services_of(tester: Tester) -> list[int]:
    body = await tester.says(ServiceDiscoveryReq())
    others = body.service_list.service if body.service_list is not None else ()
    return [body.charge_service.service_id, *(service.service_id for service in others)]


PARAMETERS = {
    1: {},
    CERTIFICATES: {1: ["Installation"], 2: ["Update"]},
    INTERNET: {1: ["ftp", 20], 2: ["ftp", 21], 3: ["http", 80], 4: ["https", 443]},
}
"""The values of each parameter set of each service."""


def values(body: Any) -> dict[int, list[Any]]:
    sets = body.service_parameter_list.parameter_set if body.service_parameter_list is not None else ()
    return {
        one.parameter_set_id: [
            parameter.string_value if parameter.string_value is not None else parameter.int_value
            for parameter in one.parameter
        ]
        for one in sets
    }


@pytest.mark.parametrize(
    ("place", "services"),
    [
        pytest.param(tls("ServiceDiscovery"), [1, CERTIFICATES], marks=pytest.mark.case("I2-SDET-01")),
        pytest.param(pnc("ServiceDiscovery"), [1, CERTIFICATES], marks=pytest.mark.case("I2-SDET-02")),
        pytest.param(
            tls("ServiceDiscovery", internet=True),
            [1, CERTIFICATES, INTERNET],
            marks=pytest.mark.case("I2-SDET-10"),
        ),
        pytest.param(
            pnc("ServiceDiscovery", internet=True),
            [1, CERTIFICATES, INTERNET],
            marks=pytest.mark.case("I2-SDET-11"),
        ),
    ],
    ids=str,
)
def test_every_service_that_is_offered_has_its_details(place: Place, services: list[int], tmp_path: Path) -> None:
    async def act(tester: Tester) -> None:
        assert await services_of(tester) == services
        for service in services:
            body = await tester.says(ServiceDetailReq(service_id=service))
            assert (body.response_code, body.service_id) == (ResponseCode.OK, service)
            assert values(body) == PARAMETERS[service]
        await tester.drive("CableCheck", after="ServiceDetail")

    at(place, tmp_path, act)


@pytest.mark.parametrize(
    ("place", "option"),
    [
        pytest.param(ac("ServiceDiscovery"), EXTERNAL, marks=pytest.mark.case("I2-PSS-01")),
        pytest.param(tls("ServiceDiscovery", internet=True), EXTERNAL, marks=pytest.mark.case("I2-PSS-02")),
        pytest.param(pnc("ServiceDiscovery", internet=True), CONTRACT, marks=pytest.mark.case("I2-PSS-03")),
    ],
    ids=str,
)
def test_what_is_offered_can_be_selected(place: Place, option: PaymentOption, tmp_path: Path) -> None:
    async def act(tester: Tester) -> None:
        # Over TLS two services are offered beside the charge service, and a car may leave both.
        assert await services_of(tester) == ([1, CERTIFICATES, INTERNET] if place.internet else [1])
        await tester.drive("PaymentServiceSelection", after="ServiceDiscovery")
        asked = selection(option)
        if place.internet:
            chosen = (*asked.selected_service_list.selected_service, SelectedService(service_id=3, parameter_set_id=4))
            asked = replace(asked, selected_service_list=SelectedServiceList(selected_service=chosen))
        assert (await tester.says(asked)).response_code is ResponseCode.OK
        told = [event for event in tester.scene.published if event.get("milestone") == "identification chosen"]
        assert [event.get("services") for event in told] == (["3/4"] if place.internet else [None])

    at(place, tmp_path, act)


@pytest.mark.case("I2-SDET-07")
def test_a_service_that_is_not_offered_has_no_details(tmp_path: Path) -> None:
    request, code = ServiceDetailReq(service_id=60_099), ResponseCode.FAILED_SERVICE_ID_INVALID
    at(pnc("ServiceDetail"), tmp_path, lambda tester: tester.refused(request, code))


def offering(directory: Path, payment: Payment) -> Config:
    """A station for both payments that a lab lets offer one."""
    lab = Lab(orders=LabOrders(enabled=True, payment=payment))
    return configured(directory, tls=Tls.REQUIRED, payments=BOTH, eim=Eim.FREE, lab=lab)


@pytest.mark.parametrize(
    ("payment", "option", "services", "code"),
    [
        pytest.param(
            Payment.EXTERNAL,
            EXTERNAL,
            (1, 2),
            ResponseCode.FAILED_SERVICE_SELECTION_INVALID,
            marks=pytest.mark.case("I2-PSS-06"),
        ),
        pytest.param(
            Payment.EXTERNAL,
            CONTRACT,
            (1,),
            ResponseCode.FAILED_PAYMENT_SELECTION_INVALID,
            marks=pytest.mark.case("I2-PSS-08"),
        ),
        pytest.param(
            Payment.CONTRACT,
            EXTERNAL,
            (1,),
            ResponseCode.FAILED_PAYMENT_SELECTION_INVALID,
            marks=pytest.mark.case("I2-PSS-09"),
        ),
    ],
)
def test_what_is_not_offered_cannot_be_selected(
    payment: Payment, option: PaymentOption, services: tuple[int, ...], code: ResponseCode, tmp_path: Path
) -> None:
    async def act(scene: Scene) -> None:
        tester = await (await Tester.connect(scene, tls=True)).drive("PaymentServiceSelection")
        await tester.refused(selection(option, *services), code)

    run(offering(tmp_path, payment), act)


async def options_of(tester: Tester) -> tuple[PaymentOption, ...]:
    await tester.drive("ServiceDiscovery")
    body = await tester.says(ServiceDiscoveryReq())
    others = body.service_list.service if body.service_list is not None else ()
    # Certificates and internet access, which a car may use over TLS alone.
    assert not {service.service_id for service in others} & {2, 3}
    options: tuple[PaymentOption, ...] = body.payment_option_list.payment_option
    return options


@pytest.mark.case("I2X-35")
def test_over_plain_tcp_neither_contract_nor_what_needs_tls_is_offered(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        assert await options_of(await Tester.connect(scene)) == (EXTERNAL,)

    config = configured(tmp_path, tls=Tls.OFFERED, payments=BOTH, eim=Eim.FREE)
    outlet = replace(config.outlets[0], internet=tuple(Internet))
    run(replace(config, outlets=(outlet,), uplink=replace(config.uplink, provisioning=provisioning_service())), act)


@pytest.mark.case("I2X-33")
def test_who_has_shown_a_card_before_plugging_in_is_offered_external_payment_alone(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.world().present_token("rfid", "04A2B3C4")
        await asyncio.sleep(1.0)
        assert await options_of(await Tester.connect(scene, tls=True)) == (EXTERNAL,)

    run(configured(tmp_path, tls=Tls.OFFERED, payments=BOTH, eim=Eim.LIST, allow="rfid 04A2B3C4\n"), act)


# --- PaymentDetails -----------------------------------------------------------------------------------------------------------


async def shows(tester: Tester, wallet: Wallet, code: ResponseCode) -> None:
    request = PaymentDetailsReq(emaid=wallet.emaid, contract_signature_cert_chain=wallet.certificate_chain("id1"))
    body = await tester.refused(request, code)
    assert not any(body.gen_challenge)


@pytest.mark.case("I2-PDET-01")
def test_a_good_chain_gets_a_challenge_of_sixteen_octets(tmp_path: Path) -> None:
    async def act(tester: Tester) -> None:
        body = await tester.payment_details()
        assert body.response_code is ResponseCode.OK
        assert len(body.gen_challenge) == 16
        assert any(body.gen_challenge)

    at(pnc("PaymentDetails"), tmp_path, act)


@pytest.mark.case("I2-AUTH-02")
def test_a_signed_challenge_charges(tmp_path: Path) -> None:
    async def act(tester: Tester) -> None:
        body = await tester.authorization()
        assert (body.response_code, body.evse_processing) == (ResponseCode.OK, EVSEProcessing.FINISHED)

    at(pnc("Authorization"), tmp_path, act)


@pytest.mark.parametrize(
    ("flaw", "code"),
    [
        pytest.param("emaid-mismatch", ResponseCode.FAILED_CERT_CHAIN_ERROR, marks=pytest.mark.case("I2X-11")),
        pytest.param("expired-leaf", ResponseCode.FAILED_CERTIFICATE_EXPIRED, marks=pytest.mark.case("I2-PDET-07")),
        pytest.param(
            "country-unknown",
            ResponseCode.FAILED_CERTIFICATE_NOT_ALLOWED_AT_THIS_EVSE,
            marks=pytest.mark.case("I2-PDET-08"),
        ),
        pytest.param(
            "expired-sub-ca", ResponseCode.FAILED_NO_CERTIFICATE_AVAILABLE, marks=pytest.mark.case("I2-PDET-09")
        ),
        ("sub-ca-country-unknown", ResponseCode.FAILED_CERTIFICATE_NOT_ALLOWED_AT_THIS_EVSE),
        ("leaf-not-yet-valid", ResponseCode.FAILED_CERTIFICATE_EXPIRED),
        ("foreign-root", ResponseCode.FAILED_NO_CERTIFICATE_AVAILABLE),
        ("bad-signature", ResponseCode.FAILED_CERT_CHAIN_ERROR),
        ("emaid-mismatch", ResponseCode.FAILED_CERT_CHAIN_ERROR),
    ],
)
def test_a_chain_with_a_flaw_is_refused_by_the_stations_own_judgement(
    flaw: str, code: ResponseCode, tmp_path: Path
) -> None:
    """The car hears the code, and the record of the session has the flaw."""

    async def act(tester: Tester) -> None:
        await shows(tester, Wallet.load(lab_pki() / "flawed" / flaw), code)
        await tester.scene.until(lambda: tester.scene.outlet().writes.idle)
        (record,) = records(tester.scene.state)
        told = make_flawed(flaw, LAB).flaw
        assert (record.reason.code, record.flaw) == (f"refused.{code.value}", f"certificate.{told.value}")

    at(pnc("PaymentDetails"), tmp_path, act)


@pytest.mark.case("I2X-12")
@pytest.mark.parametrize(
    ("days", "always", "update", "code"),
    [
        (10, True, False, ResponseCode.OK_CERTIFICATE_EXPIRES_SOON),
        (10, False, True, ResponseCode.OK_CERTIFICATE_EXPIRES_SOON),
        (300, True, True, ResponseCode.OK),
        (10, False, False, ResponseCode.OK),
    ],
)
def test_a_contract_that_ends_soon_is_announced_with_update_or_where_the_operator_asks_for_it(
    days: int, always: bool, update: bool, code: ResponseCode, tmp_path: Path
) -> None:
    """A station without certificate update has nothing to say about it by itself. [V2G2-690]"""
    place = pnc("PaymentDetails")
    config = place.config(tmp_path)

    async def act(scene: Scene) -> None:
        tester = await place.reached(scene)
        tester.wallet = valid_for(days)
        assert (await tester.payment_details()).response_code is code
        body = await tester.authorization()
        assert (body.response_code, body.evse_processing) == (ResponseCode.OK, EVSEProcessing.FINISHED)

    service = provisioning_service() if update else None
    uplink = replace(config.uplink, provisioning=service)
    run(replace(config, trust=replace(config.trust, announce_expiry=always), uplink=uplink), act)


def valid_for(days: int) -> Wallet:
    """The car's contract, issued anew by its own sub-CA for so many days from today."""
    wallet = car_wallet()
    old = x509.load_der_x509_certificate(wallet.chain[0])
    issuer = x509.load_der_x509_certificate(wallet.chain[1])
    (pem,) = [
        path
        for path in (lab_pki() / "authorities").glob("*.pem")
        if x509.load_pem_x509_certificate(path.read_bytes()) == issuer
    ]
    key = load_pem_private_key(pem.with_suffix(".key").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(old.subject)
        .issuer_name(issuer.subject)
        .public_key(wallet.key.public_key())
        .serial_number(old.serial_number + days)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=days))
    )
    for extension in old.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    leaf = builder.sign(key, SHA256()).public_bytes(Encoding.DER)
    return replace(wallet, chain=(leaf, *wallet.chain[1:]))


@pytest.mark.case("I2X-13")
def test_a_revoked_contract_is_refused(tmp_path: Path) -> None:
    config = configured(tmp_path, tls=Tls.OFFERED, payments=BOTH, eim=Eim.LIST)
    leaf, issuer = (parse_certificate(der, Edition.ISO2, "chain") for der in car_wallet().chain[:2])
    data = certificate_hash_data(leaf, issuer)
    revoked = tmp_path / "revoked.txt"
    revoked.write_text(f"sha256 {data.issuer_name_hash} {data.issuer_key_hash} {data.serial_number}\n")

    async def act(scene: Scene) -> None:
        tester = await (await Tester.connect(scene, wallet=car_wallet())).drive("PaymentDetails")
        await shows(tester, car_wallet(), ResponseCode.FAILED_CERTIFICATE_REVOKED)

    run(replace(config, trust=replace(config.trust, revoked=revoked)), act)


# --- Authorization ------------------------------------------------------------------------------------------------------------


@pytest.mark.case("I2-AUTH-07")
def test_a_challenge_that_is_not_ours_is_refused_however_well_it_is_signed(tmp_path: Path) -> None:
    async def act(tester: Tester) -> None:
        other = bytes(octet ^ 0xFF for octet in tester.challenge)
        request = AuthorizationReq(id="id1", gen_challenge=other)
        assert tester.wallet is not None
        await tester.refused(request, ResponseCode.FAILED_CHALLENGE_INVALID, signature=tester.wallet.sign(request))
        assert await tester.scene.ended() == ["refused.FAILED_ChallengeInvalid"]

    at(pnc("Authorization"), tmp_path, act)


def left_out(request: AuthorizationReq, good: Signature) -> None:
    return None


def by_a_stranger(request: AuthorizationReq, good: Signature) -> Signature:
    return sign(request, ec.generate_private_key(ec.SECP256R1()), SCHEMA, P256_SHA256)


def in_der(request: AuthorizationReq, good: Signature) -> Signature:
    value = good.signature_value.value
    r, s = int.from_bytes(value[:32]), int.from_bytes(value[32:])
    return replace(good, signature_value=SignatureValue(value=encode_dss_signature(r, s)))


def signed_info(good: Signature, **changes: Any) -> Signature:
    """With another SignedInfo, and the signature over it as the car would make it: only what was changed is wrong."""
    (reference,) = good.signed_info.reference
    changed = replace(good.signed_info, reference=(replace(reference, **changes),))
    return replace(good, signed_info=changed)


def by_sha1(request: AuthorizationReq, good: Signature) -> Signature:
    (reference,) = good.signed_info.reference
    method = replace(reference.digest_method, algorithm="http://www.w3.org/2000/09/xmldsig#sha1")
    return signed_info(good, digest_method=method)


def of_two_transforms(request: AuthorizationReq, good: Signature) -> Signature:
    (reference,) = good.signed_info.reference
    assert reference.transforms is not None
    return signed_info(good, transforms=replace(reference.transforms, transform=reference.transforms.transform * 2))


def of_another_id(request: AuthorizationReq, good: Signature) -> Signature:
    return signed_info(good, uri="#id2")


@pytest.mark.parametrize(
    "signing",
    [
        pytest.param(by_a_stranger, marks=pytest.mark.case("I2-AUTH-10")),
        pytest.param(left_out, marks=pytest.mark.case("I2X-07")),
        pytest.param(in_der, marks=pytest.mark.case("I2X-03")),
        pytest.param(by_sha1, marks=pytest.mark.case("I2X-04")),
        pytest.param(of_two_transforms, marks=pytest.mark.case("I2X-05")),
        pytest.param(of_another_id, marks=pytest.mark.case("I2X-06")),
    ],
)
def test_a_signature_that_is_not_the_contracts_over_this_request_is_refused(signing: Any, tmp_path: Path) -> None:
    async def act(tester: Tester) -> None:
        request = AuthorizationReq(id="id1", gen_challenge=tester.challenge)
        assert tester.wallet is not None
        signature = signing(request, tester.wallet.sign(request))
        await tester.refused(request, ResponseCode.FAILED_SIGNATURE_ERROR, signature=signature)

    at(pnc("Authorization"), tmp_path, act)


@pytest.mark.parametrize(
    "form",
    [
        pytest.param(Form.XMLDSIG, marks=pytest.mark.case("I2X-01")),
        pytest.param(Form.MESSAGE_SET, marks=pytest.mark.case("I2X-02")),
    ],
)
def test_both_encodings_of_signed_info_are_accepted(form: Form, tmp_path: Path) -> None:
    async def act(tester: Tester) -> None:
        request = AuthorizationReq(id="id1", gen_challenge=tester.challenge)
        signature = sign(request, car_wallet().key, SCHEMA, P256_SHA256, form=form)
        body = await tester.until_finished(AuthorizationReq(), await tester.says(request, signature=signature))
        assert (body.response_code, body.evse_processing) == (ResponseCode.OK, EVSEProcessing.FINISHED)

    at(pnc("Authorization"), tmp_path, act)
