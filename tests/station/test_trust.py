"""The trust room: what a contract comes to on this station, and what the car is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from certs import Contract, Flaw
from secc.config import Tls
from secc.conversation import Wall
from secc.iso2.messages import ResponseCode
from secc.iso2.refusals import refused
from secc.link.clienthello import ClientHello
from secc.link.tls import choose
from secc.session.effects import Decision, ValidateContract, Verdict
from secc.station import station as station_module
from secc.station.compose import compose
from secc.station.notify import Notifier
from secc.station.trust import TrustRoom, TrustSettings, decision_of
from tests.lab_trust import AT, LAB
from tests.station_scene import BOTH, configured
from tools.pki import FLAWS, make_flawed, write_lab_pki
from tools.pki.lab import EMAID

SOUND = ValidateContract(tuple(LAB.contract.ders), EMAID)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("pki")
    write_lab_pki(LAB, directory)
    return directory


@pytest.fixture
def room(lab: Path) -> Callable[..., TrustRoom]:
    """Makes a station's trust room, with its roots loaded."""

    def made(at: datetime = AT, *, trusted: bool = True, floor_suffices: bool = False) -> TrustRoom:
        store = lab / "station"
        settings = TrustSettings(
            store / "truststore", store / "keystore", store / "staples", floor_suffices=floor_suffices
        )
        trust = TrustRoom(settings, lambda: Wall(at, trusted))
        assert trust.load_roots() == ()
        return trust

    return made


def test_a_sound_contract_is_one(room: Callable[..., TrustRoom]) -> None:
    contract = room().validate(SOUND)
    assert isinstance(contract, Contract)
    assert contract.dates_proven


def test_without_a_confirmed_clock_no_contract_is_good(room: Callable[..., TrustRoom]) -> None:
    """What the clock says is no proof of a date, however likely it looks. (A-PKI-05)"""
    verdict = room(trusted=False).validate(SOUND)
    assert verdict == Verdict(Decision.NOT_ALLOWED_HERE, "clock-untrusted (calendar)")


def test_where_a_floor_suffices_a_contract_is_good_and_its_dates_are_not_proven(
    room: Callable[..., TrustRoom],
) -> None:
    contract = room(trusted=False, floor_suffices=True).validate(SOUND)
    assert isinstance(contract, Contract)
    assert not contract.dates_proven
    late = room(AT + timedelta(days=731), trusted=False, floor_suffices=True).validate(SOUND)
    assert late == Verdict(Decision.CERTIFICATE_EXPIRED, "leaf-expired (leaf)")


def test_a_store_that_others_can_change_is_not_used(tmp_path: Path) -> None:
    """A-PKI-07: neither for contracts nor for TLS, and both say why."""
    write_lab_pki(LAB, tmp_path)
    store = tmp_path / "station"
    trust = TrustRoom(
        TrustSettings(store / "truststore", store / "keystore", store / "staples"), lambda: Wall(AT, trusted=True)
    )
    assert trust.load_roots() == ()
    assert len(trust.identity().contexts) == 2
    for name in ("truststore", "keystore"):
        (store / name).chmod(0o775)
    (problem,) = trust.load_roots()
    assert "truststore: can be changed by others (mode 0775)" in problem
    assert not trust.knows_contracts
    verdict = trust.validate(SOUND)
    assert isinstance(verdict, Verdict)
    assert verdict.decision is Decision.NO_TRUST_ANCHOR
    identity = trust.identity()
    assert identity.contexts == ()
    assert "keystore: can be changed by others (mode 0775)" in identity.problems[0]


def test_run_says_that_others_can_change_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A-PKI-07. It is used all the same: a station that does not start helps nobody."""
    for name in ("set_up_log", "catch_strays"):
        monkeypatch.setattr(f"secc.session.log.{name}", lambda *arguments: None)
    monkeypatch.setattr(station_module, "share_arena", lambda: None)
    monkeypatch.setattr(station_module, "serve", lambda config, notifier: None)
    monkeypatch.setattr(station_module.asyncio, "run", lambda served: 0)
    source = tmp_path / "station.toml"
    source.write_text("")
    config = replace(configured(tmp_path), source=source)
    assert station_module.run(config) == 0
    assert str(source) not in caplog.text
    source.chmod(0o666)
    assert station_module.run(config) == 0
    (record,) = [record for record in caplog.records if str(source) in record.getMessage()]
    assert record.levelname == "ERROR"
    assert "can be changed by others (mode 0666)" in record.getMessage()


def test_a_car_that_connects_when_the_staple_has_ended_gets_none(
    room: Callable[..., TrustRoom], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A-TLS-08: whatever was read at the last reload, the car is served by the time at which it connects."""
    config = configured(tmp_path, tls=Tls.REQUIRED, payments=BOTH)
    services = compose(config, Notifier({}))
    services.identity = room().identity()
    hello = ClientHello(0x0303, (0xC023,))
    sent = {}
    for at in (AT, AT + timedelta(days=6), AT + timedelta(days=7)):
        monkeypatch.setattr(services.calendar, "wall", lambda at=at: Wall(at, trusted=True))
        serving = services.serving(config.outlets[0])
        sent[at] = choose(hello, serving.contexts, serving.default, serving.at).staple is not None
    assert sent == {AT: True, AT + timedelta(days=6): True, AT + timedelta(days=7): False}


TOLD = {
    Flaw.NO_CERTIFICATE: ResponseCode.FAILED_CERT_CHAIN_ERROR,
    Flaw.TOO_MANY_CERTIFICATES: ResponseCode.FAILED_CERT_CHAIN_ERROR,
    Flaw.CERTIFICATE_TOO_LARGE: ResponseCode.FAILED_CERT_CHAIN_ERROR,
    Flaw.MALFORMED: ResponseCode.FAILED_CERT_CHAIN_ERROR,
    Flaw.NOT_VERSION_3: ResponseCode.FAILED_CERT_CHAIN_ERROR,
    Flaw.SIGNATURE_ALGORITHM_NOT_ALLOWED: ResponseCode.FAILED_CERT_CHAIN_ERROR,
    Flaw.KEY_NOT_ALLOWED: ResponseCode.FAILED_CERT_CHAIN_ERROR,
    Flaw.UNKNOWN_CRITICAL_EXTENSION: ResponseCode.FAILED_CERT_CHAIN_ERROR,
    Flaw.CONSTRAINTS: ResponseCode.FAILED_CERT_CHAIN_ERROR,
    # The contract itself has ended, or has not begun: its owner can get another. [V2G2-824]
    Flaw.LEAF_EXPIRED: ResponseCode.FAILED_CERTIFICATE_EXPIRED,
    Flaw.LEAF_NOT_YET_VALID: ResponseCode.FAILED_CERTIFICATE_EXPIRED,
    # Of an issuer it says nothing about the contract: a car that is told "expired" asks its owner for a new one. (I2-PDET-09)
    Flaw.SUB_CA_EXPIRED: ResponseCode.FAILED_NO_CERTIFICATE_AVAILABLE,
    Flaw.SUB_CA_NOT_YET_VALID: ResponseCode.FAILED_NO_CERTIFICATE_AVAILABLE,
    Flaw.ANCHOR_EXPIRED: ResponseCode.FAILED_NO_CERTIFICATE_AVAILABLE,
    Flaw.ANCHOR_NOT_YET_VALID: ResponseCode.FAILED_NO_CERTIFICATE_AVAILABLE,
    Flaw.CLOCK_UNTRUSTED: ResponseCode.FAILED_CERTIFICATE_NOT_ALLOWED_AT_THIS_EVSE,
    Flaw.LEAF_IS_CA: ResponseCode.FAILED_CERT_CHAIN_ERROR,
    Flaw.LEAF_KEY_USAGE: ResponseCode.FAILED_CERT_CHAIN_ERROR,
    Flaw.LEAF_EXTENDED_KEY_USAGE: ResponseCode.FAILED_CERT_CHAIN_ERROR,
    Flaw.LEAF_DOMAIN_COMPONENT: ResponseCode.FAILED_CERT_CHAIN_ERROR,
    Flaw.LEAF_SUBJECT: ResponseCode.FAILED_CERT_CHAIN_ERROR,
    Flaw.SELF_SIGNED: ResponseCode.FAILED_CERT_CHAIN_ERROR,
    Flaw.SUB_CA_NOT_CA: ResponseCode.FAILED_CERT_CHAIN_ERROR,
    Flaw.SUB_CA_KEY_USAGE: ResponseCode.FAILED_CERT_CHAIN_ERROR,
    Flaw.SUB_CA_EXTENDED_KEY_USAGE: ResponseCode.FAILED_CERT_CHAIN_ERROR,
    Flaw.SUB_CA_DOMAIN_COMPONENT: ResponseCode.FAILED_CERT_CHAIN_ERROR,
    Flaw.PATH_LENGTH: ResponseCode.FAILED_CERT_CHAIN_ERROR,
    Flaw.TOO_MANY_SUB_CAS: ResponseCode.FAILED_CERT_CHAIN_ERROR,
    Flaw.BAD_SIGNATURE: ResponseCode.FAILED_CERT_CHAIN_ERROR,
    Flaw.CHAIN_BROKEN: ResponseCode.FAILED_CERT_CHAIN_ERROR,
    Flaw.ISSUER_LOOP: ResponseCode.FAILED_CERT_CHAIN_ERROR,
    Flaw.ANCHOR_UNFIT: ResponseCode.FAILED_CERT_CHAIN_ERROR,
    Flaw.NO_TRUST_ANCHOR: ResponseCode.FAILED_NO_CERTIFICATE_AVAILABLE,
    Flaw.REVOKED: ResponseCode.FAILED_CERTIFICATE_REVOKED,
    Flaw.EMAID_MALFORMED: ResponseCode.FAILED_CERT_CHAIN_ERROR,
    Flaw.EMAID_MISMATCH: ResponseCode.FAILED_CERT_CHAIN_ERROR,
}
"""What an ISO 15118-2 car is told, flaw by flaw."""


@pytest.mark.parametrize("flaw", Flaw)
def test_every_flaw_is_told_to_the_car_as_what_it_is(flaw: Flaw) -> None:
    assert refused(decision_of(flaw), flaw.value).code == TOLD[flaw]


@pytest.mark.parametrize("name", [name for name in FLAWS if not make_flawed(name, LAB).mo_roots])
def test_every_flawed_contract_is_told_to_the_car_as_what_it_is(room: Callable[..., TrustRoom], name: str) -> None:
    """From the chain to the code, below the roots that the lab has installed."""
    flawed = make_flawed(name, LAB)
    verdict = room().validate(ValidateContract(flawed.chain, flawed.claimed))
    assert isinstance(verdict, Verdict)
    assert verdict.detail.startswith(f"{flawed.flaw.value} (")
    assert refused(verdict.decision, verdict.detail).code == TOLD[flawed.flaw]
