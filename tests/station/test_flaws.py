"""The flaw behind a refusal, as the whole station tells it: each row of ``certificate.*`` and ``signature.*`` in docs/reasons.md.

The chains are those of the lab's table of flaws (``tools/pki/flaws``). Each is shown by a car of its own, over TLS, to the station's own trust room.
"""

from __future__ import annotations

import shutil
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from certs.certificates import Edition, parse_certificate
from certs.errors import Flaw
from certs.revocation import certificate_hash_data
from certs.truststore import Truststore
from hal.sim.clock import run_virtual
from secc.config import Config, Eim, Tls
from secc.conversation import Wall
from secc.exi.xmldsig import (
    CanonicalizationMethod,
    DigestMethod,
    Reference,
    Signature,
    SignatureMethod,
    SignatureValue,
)
from secc.iso2.messages import (
    SCHEMA,
    AuthorizationReq,
    CertificateChain,
    PaymentDetailsReq,
    ResponseCode,
    SubCertificates,
)
from secc.link.v2gtp import PayloadType, frame
from secc.session.signature import P256_SHA256, sign, sign_info
from secc.trace.history import records
from secc.trace.reasons import MEANINGS
from tests.conformance.tester import Tester
from tests.station_config import lab
from tests.station_scene import BOTH, Scene, car_wallet, configured, station
from tools.pki.flaws import FLAWS, make_flawed

Car = Callable[[Scene], Awaitable[None]]


def rows(kind: str) -> set[str]:
    return {code for code in MEANINGS if code.startswith(f"{kind}.")}


def config_for(directory: Path) -> Config:
    return configured(directory, tls=Tls.OFFERED, payments=BOTH, eim=Eim.LIST)


def flaws_told(config: Config, cars: dict[str, Car]) -> dict[str, str]:
    """The flaw that the station tells of each of these cars, which come one after the other."""
    found: dict[str, str] = {}

    async def main() -> None:
        async with station(config) as scene:
            for count, (name, car) in enumerate(cars.items(), 1):
                await car(scene)
                await scene.ended(count)
                await scene.until(lambda: scene.outlet().writes.idle)
                found[name] = list(records(scene.state))[-1].flaw
                scene.world().unplug()
                await scene.until(lambda: scene.outlet().state()["phase"] == "available", 30.0)
            assert scene.watches[0].closed_seconds == 0.0

    run_virtual(main())
    return found


# --- Certificates -------------------------------------------------------------------------------------------------------------

UNREACHED = {
    "certificate.no-certificate": "PaymentDetailsReq always has a leaf",
    "certificate.too-many-certificates": "it has room for four sub-CAs",
    "certificate.certificate-too-large": "the facet of the message is the same: refused before its chain is looked at",
    "signature.element-missing": "the request that carries the signature is the element, and its Id is compared first",
    "signature.key": "a contract with a key that is not on secp256r1 is refused for its chain: certificate.key-not-allowed",
}
"""Flaws that no car can show to a station of ISO 15118-2, and why. They are found by what reads certificates and signatures elsewhere."""

LONGEST = 800
"""Octets of a certificate in the schema."""


def shows(chain: tuple[bytes, ...], emaid: str) -> Car:
    """A car with this chain. What is too long for the schema is put into the octets by hand."""
    fits = tuple(der if len(der) <= LONGEST else bytes(LONGEST) for der in chain)
    subs = SubCertificates(certificate=fits[1:]) if fits[1:] else None
    request = PaymentDetailsReq(
        emaid=emaid,
        contract_signature_cert_chain=CertificateChain(id="id1", certificate=fits[0], sub_certificates=subs),
    )

    async def act(scene: Scene) -> None:
        tester = await (await Tester.connect(scene, wallet=car_wallet())).drive("PaymentDetails")
        payload = tester.octets(request)[8:]
        for der in chain:
            if len(der) > LONGEST:
                payload = stretched(payload, der)
        await tester.sends(frame(PayloadType.EXI, payload))
        assert (await tester.answered(0.0)).response_code.startswith("FAILED")
        await tester.closed()

    return act


def stretched(payload: bytes, der: bytes) -> bytes:
    """EXI with this certificate in the place of ``LONGEST`` zeros."""

    def binary(octets: bytes) -> str:
        low, high = len(octets) & 0x7F | 0x80, len(octets) >> 7
        return "".join(f"{octet:08b}" for octet in (low, high, *octets))

    bits = "".join(f"{octet:08b}" for octet in payload)
    assert bits.count(binary(bytes(LONGEST))) == 1
    bits = bits.replace(binary(bytes(LONGEST)), binary(der))
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8)


def test_every_flaw_of_a_chain_is_told(tmp_path: Path) -> None:
    made = {name: make_flawed(name, lab()) for name in FLAWS}
    shown = {name: flawed for name, flawed in made.items() if not flawed.mo_roots and len(flawed.chain) <= 5}
    told = flaws_told(
        config_for(tmp_path), {name: shows(flawed.chain, flawed.claimed) for name, flawed in shown.items()}
    )
    wanted = {name: f"certificate.{flawed.flaw.value}" for name, flawed in shown.items()}
    assert told == {name: "" if code in UNREACHED else code for name, code in wanted.items()}


@pytest.mark.parametrize("name", [name for name in FLAWS if make_flawed(name, lab()).mo_roots])
def test_a_flaw_of_the_root_is_told(name: str, tmp_path: Path) -> None:
    """Its operator's root is installed in place of the lab's."""
    flawed = make_flawed(name, lab())
    config = config_for(tmp_path)
    store = tmp_path / "truststore"
    assert config.trust.truststore is not None
    shutil.copytree(config.trust.truststore, store)
    shutil.rmtree(store / "iso2" / "mo")
    for number, root in enumerate(flawed.mo_roots):
        place = store / "iso2" / "mo" / f"{number}.pem"
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(root.pem)
    config = replace(config, trust=replace(config.trust, truststore=store))
    # A root that is obviously unfit is reported when the store is read, and is then not installed.
    unfit = flawed.flaw is Flaw.ANCHOR_UNFIT and Truststore(store).read().problems
    wanted = Flaw.NO_TRUST_ANCHOR if unfit else flawed.flaw
    told = flaws_told(config, {name: shows(flawed.chain, flawed.claimed)})
    assert told == {name: f"certificate.{wanted.value}"}


def test_a_revoked_chain_is_told(tmp_path: Path) -> None:
    config = config_for(tmp_path)
    leaf, issuer = (parse_certificate(der, Edition.ISO2, "chain") for der in car_wallet().chain[:2])
    data = certificate_hash_data(leaf, issuer)
    revoked = tmp_path / "revoked.txt"
    revoked.write_text(f"sha256 {data.issuer_name_hash} {data.issuer_key_hash} {data.serial_number}\n")
    config = replace(config, trust=replace(config.trust, revoked=revoked))
    assert flaws_told(config, {"": shows(car_wallet().chain, car_wallet().emaid)}) == {"": "certificate.revoked"}


def test_a_calendar_that_nothing_confirms_is_told(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        calendar = scene.services.calendar
        now = calendar.wall().time
        tester = await (await Tester.connect(scene, wallet=car_wallet())).drive("PaymentDetails")
        with mock.patch.object(type(calendar), "wall", lambda self: Wall(now, trusted=False)):
            assert (await tester.payment_details()).response_code.startswith("FAILED")
            await tester.closed()

    assert flaws_told(config_for(tmp_path), {"": act}) == {"": "certificate.clock-untrusted"}


def test_every_row_of_a_certificate_has_its_car() -> None:
    by_cars = {f"certificate.{make_flawed(name, lab()).flaw.value}" for name in FLAWS}
    alone = {"certificate.revoked", "certificate.clock-untrusted", "certificate.no-certificate"}
    assert by_cars | alone == rows("certificate")
    # Of the flaws of a root one is left that the store does not see.
    assert make_flawed("root-with-restricted-purpose", lab()).flaw is Flaw.ANCHOR_UNFIT


# --- Signatures ---------------------------------------------------------------------------------------------------------------

SHA1 = "http://www.w3.org/2000/09/xmldsig#sha1"
REQUEST_ID = "id1"
Signed = Callable[[AuthorizationReq, Signature], Signature | None]


def info(**changes: Any) -> Signed:
    """Another SignedInfo, signed by the car: only what is named is wrong."""

    def change(request: AuthorizationReq, good: Signature) -> Signature:
        changed = replace(good.signed_info, **changes)
        value = sign_info(changed, car_wallet().key, SCHEMA, P256_SHA256)
        return Signature(signed_info=changed, signature_value=SignatureValue(value=value))

    return change


def reference(change: Callable[[Reference], tuple[Reference, ...]]) -> Signed:
    """Other references."""
    return lambda request, good: info(reference=change(good.signed_info.reference[0]))(request, good)


def value(change: Callable[[bytes], bytes]) -> Signed:
    return lambda request, good: replace(good, signature_value=SignatureValue(value=change(good.signature_value.value)))


def of_a_stranger(request: AuthorizationReq, good: Signature) -> Signature:
    return sign(request, ec.generate_private_key(ec.SECP256R1()), SCHEMA, P256_SHA256)


SIGNED: dict[str, Signed] = {
    "signature-missing": lambda request, good: None,
    "canonicalization-method": info(canonicalization_method=CanonicalizationMethod(algorithm=SHA1)),
    "signature-method": info(signature_method=SignatureMethod(algorithm=SHA1)),
    "reference-count": reference(lambda one: (one, one)),
    "reference-uri": reference(lambda one: (replace(one, uri="#id2"),)),
    "transforms": reference(lambda one: (replace(one, transforms=None),)),
    "digest-method": reference(lambda one: (replace(one, digest_method=DigestMethod(algorithm=SHA1)),)),
    "digest": reference(lambda one: (replace(one, digest_value=bytes(32)),)),
    "signature-length": value(lambda good: good[:-1]),
    "signature-range": value(lambda good: bytes(64)),
    "signature-value": of_a_stranger,
}


def signs(change: Signed) -> Car:
    async def act(scene: Scene) -> None:
        tester = await (await Tester.connect(scene, wallet=car_wallet())).drive("Authorization")
        request = AuthorizationReq(id=REQUEST_ID, gen_challenge=tester.challenge)
        signature = change(request, car_wallet().sign(request))
        await tester.refused(request, ResponseCode.FAILED_SIGNATURE_ERROR, signature=signature)

    return act


def test_every_flaw_of_a_signature_is_told(tmp_path: Path) -> None:
    told = flaws_told(config_for(tmp_path), {name: signs(change) for name, change in SIGNED.items()})
    assert told == {name: f"signature.{name}" for name in SIGNED}


def test_every_row_of_a_signature_has_its_car() -> None:
    reached = {f"signature.{name}" for name in SIGNED}
    assert rows("signature") == reached | {code for code in UNREACHED if code.startswith("signature.")}
