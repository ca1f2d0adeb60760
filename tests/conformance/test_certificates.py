"""Rows of CertificateInstallation and CertificateUpdate: over TLS, with the station's own trust room and a real service at a socket."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from secc.config import Config, Eim, Lab, LabOrders, Tls
from secc.iso2 import messages as m
from secc.iso2 import timing
from secc.iso2.messages import SCHEMA, EVSEProcessing, PaymentOption, ResponseCode
from secc.session.effects import Provisioning
from secc.session.signature import P256_SHA256, sign, verify
from tests.conformance.places import run
from tests.conformance.test_ending import Stopwatch
from tests.conformance.test_every_state import SEQUENCE_SECONDS
from tests.conformance.tester import Tester
from tests.iso2_car import selection
from tests.station_config import lab
from tests.station_scene import BOTH, Scene, car_wallet, configured
from tools.evcc.wallet import Wallet
from tools.pki.flaws import make_flawed
from tools.pki.mint import Issued
from tools.provisioning import SIGNED, ProvisioningService, decrypt, serve, shared_key

INSTALL, UPDATE = Provisioning.INSTALLATION, Provisioning.UPDATE
SETS = {INSTALL: 1, UPDATE: 2}
Act = Callable[[Tester], Awaitable[Any]]


class Service:
    """The service of the lab, and the octets that it was asked and has answered."""

    refuses = None

    def __init__(self) -> None:
        self.made = ProvisioningService.of(lab())
        self.asked: list[bytes] = []
        self.answered: list[bytes] = []

    def answer(self, octets: bytes) -> bytes:
        self.asked.append(octets)
        # Padded, so that the octets are not those that our own codec would write.
        self.answered.append(self.made.answer(octets) + b"\0")
        return self.answered[-1]


@pytest.fixture
def socket() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory) / "cps.sock"


@pytest.fixture
def config(tmp_path: Path, socket: Path) -> Config:
    lab_settings = Lab(orders=LabOrders(enabled=True))
    found = configured(tmp_path, tls=Tls.OFFERED, payments=BOTH, eim=Eim.LIST, lab=lab_settings)
    return replace(found, uplink=replace(found.uplink, provisioning=socket))


async def reached(scene: Scene, kind: Provisioning) -> Tester:
    """A car has selected the certificate service, and its request is due."""
    tester = await (await Tester.connect(scene, wallet=car_wallet())).drive("PaymentServiceSelection")
    request = selection(PaymentOption.CONTRACT)
    chosen = m.SelectedService(service_id=2, parameter_set_id=SETS[kind])
    services = (*request.selected_service_list.selected_service, chosen)
    listed = m.SelectedServiceList(selected_service=services)
    assert (await tester.says(replace(request, selected_service_list=listed))).response_code is ResponseCode.OK
    return tester


def due(config: Config, kind: Provisioning, act: Act) -> Service:
    """With a request due, ``act``. Returns the service."""
    service, socket = Service(), config.uplink.provisioning
    assert socket is not None

    async def served(scene: Scene) -> None:
        async with await serve(service, socket):  # type: ignore[arg-type]  # it answers like one
            await act(await reached(scene, kind))

    run(config, served)
    return service


def private(issued: Issued) -> EllipticCurvePrivateKey:
    assert isinstance(issued.key, EllipticCurvePrivateKey)
    return issued.key


def roots(serial: int = 7) -> m.ListOfRootCertificateIDs:
    issuer = m.X509IssuerSerial(x509_issuer_name="CN=Lab V2G Root CA", x509_serial_number=serial)
    return m.ListOfRootCertificateIDs(root_certificate_id=(issuer,))


def installation(der: bytes = b"") -> m.CertificateInstallationReq:
    oem = der or lab().provisioning.leaf.der
    return m.CertificateInstallationReq(id="id1", oem_provisioning_cert=oem, list_of_root_certificate_ids=roots())


def update(ders: list[bytes] | None = None, emaid: str = "") -> m.CertificateUpdateReq:
    leaf, *subs = ders or lab().contract.ders
    chain = m.CertificateChain(certificate=leaf, sub_certificates=m.SubCertificates(certificate=tuple(subs)))
    return m.CertificateUpdateReq(
        id="id1",
        contract_signature_cert_chain=chain,
        emaid=emaid or lab().emaid,
        list_of_root_certificate_ids=roots(),
    )


def request(kind: Provisioning) -> tuple[m.Body, EllipticCurvePrivateKey]:
    if kind is INSTALL:
        return installation(), private(lab().provisioning.leaf)
    return update(), private(lab().contract.leaf)


def signed(body: m.Body, key: EllipticCurvePrivateKey) -> Any:
    return sign(body, key, SCHEMA, P256_SHA256)


def both(installing: str, updating: str) -> Any:
    return pytest.mark.parametrize(
        "kind",
        [
            pytest.param(INSTALL, marks=pytest.mark.case(installing)),
            pytest.param(UPDATE, marks=pytest.mark.case(updating)),
        ],
    )


# --- what works ---------------------------------------------------------------------------------------------------------------


async def provisioned(tester: Tester, kind: Provisioning) -> Any:
    asked, key = request(kind)
    body = await tester.says(asked, signature=signed(asked, key))
    assert type(body) is (m.CertificateInstallationRes if kind is INSTALL else m.CertificateUpdateRes)
    assert body.response_code is ResponseCode.OK
    return body


@both("I2-CINS-01", "I2-CUPD-01")
def test_the_car_gets_a_signed_contract_with_all_five_elements(config: Config, kind: Provisioning) -> None:
    async def act(tester: Tester) -> None:
        body = await provisioned(tester, kind)
        octets = tester.headers[-1].payload
        elements = (
            body.contract_signature_cert_chain,
            body.contract_signature_encrypted_private_key,
            body.dh_publickey,
            body.emaid,
        )
        ids = {name: element.id for name, element in zip(SIGNED, elements, strict=True)}
        cps = lab().cps.leaf
        verify(SCHEMA.decode(octets).header.signature, ids, octets, cps.key.public_key(), SCHEMA, P256_SHA256)
        assert body.sa_provisioning_certificate_chain.certificate == cps.der
        assert body.emaid.value == lab().emaid

    due(config, kind, act)


@both("I2X-16", "I2X-16")
def test_the_octets_of_the_service_are_passed_on(config: Config, kind: Provisioning) -> None:
    sent: list[bytes] = []

    async def act(tester: Tester) -> None:
        asked, key = request(kind)
        signature = signed(asked, key)
        sent.append(tester.octets(asked, signature=signature)[8:])
        assert (await tester.says(asked, signature=signature)).response_code is ResponseCode.OK
        sent.append(tester.headers[-1].payload)

    service = due(config, kind, act)
    assert [service.asked, service.answered] == [sent[:1], sent[1:]]
    assert sent[1] != SCHEMA.encode(SCHEMA.decode(sent[1]))


async def renewed(tester: Tester, kind: Provisioning) -> Wallet:
    """The car's new contract, with the key that came encrypted."""
    body = await provisioned(tester, kind)
    own = request(kind)[1]
    ephemeral = EllipticCurvePublicKey.from_encoded_point(own.curve, body.dh_publickey.value)
    key = decrypt(body.contract_signature_encrypted_private_key.value, shared_key(own, ephemeral))
    chain = body.contract_signature_cert_chain
    return Wallet(body.emaid.value, (chain.certificate, *chain.sub_certificates.certificate), key)


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(INSTALL, marks=pytest.mark.case("I2-PDET-02", "I2-AUTH-11")),
        pytest.param(UPDATE, marks=pytest.mark.case("I2-PDET-03", "I2-AUTH-12")),
    ],
)
def test_the_car_charges_with_its_new_contract(config: Config, kind: Provisioning) -> None:
    async def act(tester: Tester) -> None:
        tester.wallet = await renewed(tester, kind)
        details = await tester.payment_details()
        assert (details.response_code, len(details.gen_challenge)) == (ResponseCode.OK, 16)
        assert any(details.gen_challenge)
        body = await tester.authorization()
        assert (body.response_code, body.evse_processing) == (ResponseCode.OK, EVSEProcessing.FINISHED)
        await tester.drive(after="Authorization")
        assert await tester.scene.ended() == ["completed.terminated"]

    due(config, kind, act)


@pytest.mark.case("I2-AUTH-15")
def test_after_an_update_a_contract_that_is_never_decided_on_is_given_up(config: Config) -> None:
    async def act(tester: Tester) -> None:
        tester.wallet = await renewed(tester, UPDATE)
        await tester.payment_details()
        tester.scene.outlet().commands.lab("ongoing", ["Authorization"])
        proof = m.AuthorizationReq(id="id1", gen_challenge=tester.challenge)
        body = await tester.says(proof, signature=tester.wallet.sign(proof))
        loop = asyncio.get_running_loop()
        began = loop.time()
        while body.response_code is ResponseCode.OK:
            assert body.evse_processing is EVSEProcessing.ONGOING
            assert loop.time() - began < 60.0
            await asyncio.sleep(1.0)
            body = await tester.says(m.AuthorizationReq())
        assert body.response_code is ResponseCode.FAILED
        assert loop.time() - began == pytest.approx(55.0, abs=2.0)
        await tester.ended()

    due(config, UPDATE, act)


@both("I2X-21", "I2X-21")
def test_the_answer_comes_within_its_performance_time(config: Config, kind: Provisioning) -> None:
    """With the work of station, tester and service: processor time, and what is waited for."""

    async def act(tester: Tester) -> None:
        watch = Stopwatch(tester)
        await provisioned(tester, kind)
        ((name, (taken,)),) = watch.taken.items()
        assert name == f"Certificate{kind.value.capitalize()}"
        assert 0.0 < taken <= timing.ANSWER_SECONDS[f"{name}Res"]

    due(config, kind, act)


# --- what is refused ----------------------------------------------------------------------------------------------------------


@both("I2-CINS-02", "I2-CUPD-02")
def test_another_request_is_out_of_order(config: Config, kind: Provisioning) -> None:
    due(config, kind, lambda tester: tester.refused(m.ServiceDiscoveryReq(), ResponseCode.FAILED_SEQUENCE_ERROR))


@both("I2-CINS-03", "I2-CUPD-03")
def test_a_request_of_another_session_is_refused(config: Config, kind: Provisioning) -> None:
    async def act(tester: Tester) -> None:
        asked, key = request(kind)
        other = bytes(octet ^ 0xFF for octet in tester.session_id)
        code = ResponseCode.FAILED_UNKNOWN_SESSION
        await tester.refused(asked, code, session_id=other, signature=signed(asked, key))

    assert due(config, kind, act).asked == []


@both("I2-CINS-04", "I2-CUPD-04")
def test_a_silent_car_meets_the_sequence_timeout(config: Config, kind: Provisioning) -> None:
    async def act(tester: Tester) -> None:
        await tester.silent(SEQUENCE_SECONDS - 0.2)
        await tester.ended()
        assert await tester.scene.ended() == ["timer.V2G_SECC_Sequence_Timeout"]

    due(config, kind, act)


def refuses(config: Config, body: m.Body, signature: Any, code: ResponseCode) -> None:
    """The request is refused with this code, the connection closes, and the service is not asked."""
    kind = INSTALL if isinstance(body, m.CertificateInstallationReq) else UPDATE
    service = due(config, kind, lambda tester: tester.refused(body, code, signature=signature))
    assert service.asked == []


@both("I2-CINS-05", "I2-CUPD-05")
def test_a_foreign_key_is_refused(config: Config, kind: Provisioning) -> None:
    asked, _ = request(kind)
    refuses(config, asked, signed(asked, private(lab().cps.leaf)), ResponseCode.FAILED_SIGNATURE_ERROR)


@pytest.mark.case("I2-CUPD-06")
def test_a_request_that_was_altered_after_signing_is_refused(config: Config) -> None:
    asked = update()
    altered = replace(asked, list_of_root_certificate_ids=roots(8))
    signature = signed(asked, private(lab().contract.leaf))
    refuses(config, altered, signature, ResponseCode.FAILED_SIGNATURE_ERROR)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        pytest.param(
            {"not_before": -9, "not_after": -1},
            ResponseCode.FAILED_CERTIFICATE_EXPIRED,
            marks=pytest.mark.case("I2-CINS-06"),
        ),
        pytest.param(
            {"domain_component": "MO"},
            ResponseCode.FAILED_NO_CERTIFICATE_AVAILABLE,
            marks=pytest.mark.case("I2-CINS-07"),
        ),
    ],
)
def test_a_bad_provisioning_certificate_is_refused(config: Config, changes: dict[str, Any], code: ResponseCode) -> None:
    how: dict[str, Any] = {"common_name": "WLBV1CLE5AB12CD34X", "domain_component": "OEM"}
    days = {name: lab().mint.at + timedelta(days=value) for name, value in changes.items() if name.startswith("not_")}
    leaf = lab().mint.issue(**(how | changes | days), issuer=lab().provisioning.sub2)
    asked = installation(leaf.der)
    refuses(config, asked, signed(asked, private(leaf)), code)


NO_CONTRACT = ResponseCode.FAILED_NO_CERTIFICATE_AVAILABLE
BAD_CHAIN = ResponseCode.FAILED_CERT_CHAIN_ERROR


@pytest.mark.parametrize(
    ("flaw", "code"),
    [
        pytest.param("foreign-root", BAD_CHAIN, marks=pytest.mark.case("I2-CUPD-10")),
        pytest.param("emaid-malformed", NO_CONTRACT, marks=pytest.mark.case("I2-CUPD-13")),
        pytest.param("expired-leaf", ResponseCode.FAILED_CERTIFICATE_EXPIRED, marks=pytest.mark.case("I2-CUPD-14")),
        pytest.param("country-unknown", NO_CONTRACT, marks=pytest.mark.case("I2-CUPD-15")),
    ],
)
def test_a_flawed_contract_is_not_renewed(config: Config, flaw: str, code: ResponseCode) -> None:
    made = make_flawed(flaw, lab())
    key = load_pem_private_key(made.key_pem, None)
    assert isinstance(key, EllipticCurvePrivateKey)
    asked = update(list(made.chain))
    refuses(config, asked, signed(asked, key), code)


@pytest.mark.parametrize(
    "foreign",
    [
        pytest.param("leaf", marks=pytest.mark.case("I2-CUPD-08")),
        pytest.param("sub1", marks=pytest.mark.case("I2-CUPD-09")),
    ],
)
def test_a_certificate_of_another_pki_breaks_the_chain(config: Config, foreign: str) -> None:
    line = replace(lab().contract, **{foreign: getattr(lab().provisioning, foreign)})
    asked = update(line.ders)
    refuses(config, asked, signed(asked, private(line.leaf)), BAD_CHAIN)


@pytest.mark.case("I2-CUPD-07")
def test_sub_cas_in_reversed_order_are_refused_by_a_strict_station(config: Config) -> None:
    leaf, sub2, sub1 = lab().contract.ders
    asked = update([leaf, sub1, sub2])
    strict = replace(config, lab=replace(config.lab, strict=True))
    refuses(strict, asked, signed(asked, private(lab().contract.leaf)), BAD_CHAIN)


@pytest.mark.parametrize(
    "emaid",
    [
        pytest.param("DE8ABCA2B3C4D5L", marks=pytest.mark.case("I2-CUPD-11")),
        pytest.param("DE8AACA2!!!!D5L", marks=pytest.mark.case("I2-CUPD-12")),
    ],
)
def test_another_emaid_is_not_renewed(config: Config, emaid: str) -> None:
    asked = update(emaid=emaid)
    refuses(config, asked, signed(asked, private(lab().contract.leaf)), NO_CONTRACT)


@both("I2X-15", "I2X-15")
def test_a_service_that_is_late_costs_the_car_its_session_within_five_seconds(
    config: Config, kind: Provisioning
) -> None:
    """What it answers later reaches no car."""
    waiting: list[tuple[bytes, asyncio.StreamWriter]] = []

    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        *_, length = (await reader.readline()).split()
        waiting.append((await reader.readexactly(int(length)), writer))

    async def act(scene: Scene) -> None:
        async with await asyncio.start_unix_server(late, config.uplink.provisioning):
            tester = await reached(scene, kind)
            asked, key = request(kind)
            await tester.refused(asked, ResponseCode.FAILED, signature=signed(asked, key))
            assert 3.0 < tester.seconds < 4.5
            ((octets, writer),) = waiting
            answer = Service().answer(octets)
            writer.write(b"exi %d\n" % len(answer) + answer)
            scene.world().unplug()
            await asyncio.sleep(5.0)
            await (await Tester.connect(scene, wallet=car_wallet())).drive()
            assert (await scene.ended(2))[-1] == "completed.terminated"
            assert not scene.world().contactor.closed

    run(config, act)
