"""The trust room: what a contract comes to on this station, and what the car is told."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from certs.certificates import Edition
from certs.contract import Contract, verify_contract_chain
from certs.errors import Flaw
from certs.keystore import Keystore
from certs.revoked import read_revoked
from certs.truststore import Truststore
from hal.sim.clock import run_virtual
from secc.config import Eim, Tls
from secc.config.settings import Trust
from secc.conversation import Wall
from secc.errors import ConfigError
from secc.iso2.messages import ResponseCode
from secc.iso2.refusals import refused
from secc.link.tls.context import choose
from secc.link.tls.hello import ClientHello
from secc.session.effects import (
    Decision,
    Ground,
    OemCertificate,
    ValidateContract,
    ValidateOemCertificate,
    Verdict,
)
from secc.session.identification import AuthorizeToken
from secc.station import station as station_module
from secc.station.compose import compose
from secc.station.shared import trust as trust_module
from secc.station.shared.notify import Notifier
from secc.station.shared.trust import TrustRoom, decision_of
from secc.station.station import LOOK_SECONDS
from tests.lab_trust import AT, LAB, anchors
from tests.settle import settle
from tests.station_scene import BOTH, configured, lab_pki, station
from tools.pki.flaws import FLAWS, make_flawed
from tools.pki.lab import EMAID
from tools.pki.layout import write_lab_pki

EDITIONS = (Edition.ISO2,)
SOUND = ValidateContract(tuple(LAB.contract.ders), EMAID, Edition.ISO2)
OEM = ValidateOemCertificate(LAB.provisioning.leaf.der, Edition.ISO2)


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
        settings = Trust(
            store / "truststore", store / "keystore", store / "staples", danger_floor_suffices=floor_suffices
        )
        trust = TrustRoom(settings, lambda: Wall(at, trusted), EDITIONS)
        assert trust.load_roots() == ()
        return trust

    return made


def test_a_sound_contract_is_one(room: Callable[..., TrustRoom]) -> None:
    contract = room().validate(SOUND)
    assert isinstance(contract, Contract)
    assert contract.dates_proven


@pytest.mark.case("A-PKI-05")
def test_without_a_confirmed_clock_no_contract_is_good(room: Callable[..., TrustRoom]) -> None:
    """What the clock says does not prove a date, however likely it looks."""
    verdict = room(trusted=False).validate(SOUND)
    assert verdict == Verdict(Decision.NOT_ALLOWED_HERE, "clock-untrusted (calendar)", Ground.CHAIN)


def test_where_a_floor_suffices_a_contract_is_good_and_its_dates_are_not_proven(
    room: Callable[..., TrustRoom],
) -> None:
    contract = room(trusted=False, floor_suffices=True).validate(SOUND)
    assert isinstance(contract, Contract)
    assert not contract.dates_proven
    late = room(AT + timedelta(days=731), trusted=False, floor_suffices=True).validate(SOUND)
    assert late == Verdict(Decision.CERTIFICATE_EXPIRED, "leaf-expired (leaf)", Ground.CHAIN)


def test_a_store_that_others_can_change_is_not_used(tmp_path: Path) -> None:
    """A-PKI-07: neither for contracts nor for TLS, and both say why."""
    write_lab_pki(LAB, tmp_path)
    store = tmp_path / "station"
    trust = TrustRoom(
        Trust(store / "truststore", store / "keystore", store / "staples"),
        lambda: Wall(AT, trusted=True),
        EDITIONS,
    )
    assert trust.load_roots() == ()
    assert len(trust.identity().contexts) == 2
    for name in ("truststore", "keystore"):
        (store / name).chmod(0o775)
    (problem,) = trust.load_roots()
    assert "truststore: can be changed by others (mode 0775)" in problem
    assert not trust.knows_contracts(Edition.ISO2)
    verdict = trust.validate(SOUND)
    assert isinstance(verdict, Verdict)
    assert verdict.decision is Decision.NO_TRUST_ANCHOR
    identity = trust.identity()
    assert identity.contexts == ()
    assert "keystore: can be changed by others (mode 0775)" in identity.problems[0]


def test_run_says_that_others_can_change_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A-PKI-07. It is used all the same: a station that does not start cannot serve cards either."""
    monkeypatch.setattr(station_module, "take_over", lambda level: None)
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
        sent[at] = choose(hello, serving.contexts, serving.at).staples[0] is not None
    assert sent == {AT: True, AT + timedelta(days=6): True, AT + timedelta(days=7): False}


# The list of revoked certificates, and what is read when


@pytest.fixture
def stores(lab: Path, tmp_path: Path) -> Trust:
    """Stores of this test's own, and a list of revoked certificates that names none."""
    shutil.copytree(lab / "station", tmp_path / "station")
    store, revoked = tmp_path / "station", tmp_path / "revoked.txt"
    revoked.write_text("# none\n")
    return Trust(store / "truststore", store / "keystore", store / "staples", revoked)


def trusted() -> Wall:
    return Wall(AT, trusted=True)


def revoke(settings: Trust, place: int) -> None:
    data = verify_contract_chain(LAB.contract.ders, anchors(), AT).hash_data[place]
    assert settings.revoked is not None
    settings.revoked.write_text(f"sha256 {data.issuer_name_hash} {data.issuer_key_hash} {data.serial_number}\n")


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_revoked_certificate_is_told_to_the_car_as_revoked(stores: Trust, place: int) -> None:
    trust = TrustRoom(stores, trusted, EDITIONS)
    assert trust.refresh()
    assert isinstance(trust.validate(SOUND), Contract)
    revoke(stores, place)
    assert trust.refresh()
    verdict = trust.validate(SOUND)
    assert verdict == Verdict(Decision.CERTIFICATE_REVOKED, "revoked (chain)", Ground.CHAIN)


def test_without_its_list_of_revoked_certificates_the_station_does_not_begin(stores: Trust) -> None:
    assert stores.revoked is not None
    stores.revoked.unlink()
    trust = TrustRoom(stores, trusted, EDITIONS)
    for _ in range(2):
        with pytest.raises(ConfigError, match=r"revoked\.txt: trust\.revoked: .*No such file"):
            trust.refresh()
        unread = Verdict(Decision.NO_ANSWER, "the list of revoked certificates has not been read", Ground.SILENCE)
        assert trust.validate(SOUND) == trust.validate_oem(OEM) == unread
    stores.revoked.write_text("")
    trust.refresh()
    assert isinstance(trust.validate(SOUND), Contract)
    assert isinstance(trust.validate_oem(OEM), OemCertificate)


def test_a_bad_list_of_revoked_certificates_takes_nothing_back(stores: Trust) -> None:
    trust = TrustRoom(stores, trusted, EDITIONS)
    revoke(stores, 0)
    trust.refresh()
    assert stores.revoked is not None
    for spoil in (
        lambda path: path.write_text("what is this\n"),
        lambda path: path.chmod(0o666),
        lambda path: path.unlink(),
    ):
        spoil(stores.revoked)
        trust.refresh()
        assert trust.revoked_problem is not None
        assert str(stores.revoked) in trust.problems[0]
        verdict = trust.validate(SOUND)
        assert isinstance(verdict, Verdict)
        assert verdict.decision is Decision.CERTIFICATE_REVOKED


def test_what_could_not_be_read_for_a_moment_is_read_with_the_next_look(
    stores: Trust, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No free descriptor, no memory: the files themselves do not change any more."""
    settle(monkeypatch)
    trust = TrustRoom(stores, trusted, EDITIONS)
    trust.refresh()
    revoke(stores, 0)
    (root,) = (stores.truststore / "iso2" / "mo").iterdir()
    root.touch()
    opened = os.open

    def exhausted(path: object, *arguments: Any, **how: Any) -> int:
        if str(path).startswith(str(stores.truststore)) or path == stores.revoked:
            raise OSError(errno.EMFILE, "Too many open files")
        return opened(path, *arguments, **how)  # type: ignore[call-overload, no-any-return]

    monkeypatch.setattr("certs.files.os.open", exhausted)
    assert trust.refresh()
    assert len(trust.problems) == 2
    assert not trust.refresh(), "the same error is nothing new"
    monkeypatch.setattr("certs.files.os.open", opened)
    assert trust.refresh()
    assert trust.problems == ()
    verdict = trust.validate(SOUND)
    assert isinstance(verdict, Verdict)
    assert verdict.decision is Decision.CERTIFICATE_REVOKED
    assert not trust.refresh()


def test_only_what_has_changed_is_read_again(stores: Trust, monkeypatch: pytest.MonkeyPatch) -> None:
    settle(monkeypatch)
    read: list[str] = []

    def noting(name: str, original: Callable[..., object]) -> Callable[..., object]:
        def note(*arguments: object) -> object:
            read.append(name)
            return original(*arguments)

        return note

    monkeypatch.setattr(Truststore, "read", noting("roots", Truststore.read))
    monkeypatch.setattr(Keystore, "read", noting("chains", Keystore.read))
    monkeypatch.setattr(trust_module, "read_revoked", noting("revoked", read_revoked))
    trust = TrustRoom(stores, trusted, EDITIONS)

    def after(change: Callable[[], object] = lambda: None, **how: bool) -> list[str]:
        change()
        read.clear()
        assert trust.refresh(**how) is bool(read)
        return list(read)

    assert after() == ["roots", "revoked", "chains"]
    assert after() == []
    # Certificates and responses end by themselves: hourly they are judged anew.
    assert after(anew=True) == ["chains"]
    (root,) = (stores.truststore / "iso2" / "mo").iterdir()
    assert after(lambda: root.chmod(0o666)) == ["roots"]
    assert not isinstance(trust.validate(SOUND), Contract)
    assert after(lambda: root.chmod(0o644)) == ["roots"]
    assert isinstance(trust.validate(SOUND), Contract)
    assert after(root.unlink) == ["roots"]
    assert after(lambda: stores.truststore.parent.chmod(0o777)) == ["roots", "chains"], "a directory above counts"
    assert after(lambda: stores.truststore.parent.chmod(0o755)) == ["roots", "chains"]
    assert after(lambda: next(stores.ocsp_cache.iterdir()).unlink()) == ["chains"]
    assert after(lambda: revoke(stores, 0)) == ["revoked"]


def test_no_file_is_looked_at_while_a_car_waits(stores: Trust, monkeypatch: pytest.MonkeyPatch) -> None:
    trust = TrustRoom(stores, trusted, EDITIONS)
    trust.refresh()

    def forbidden(*arguments: object, **how: object) -> object:
        raise AssertionError("the disk is looked at")

    for name in ("open", "stat", "lstat", "scandir", "listdir"):
        monkeypatch.setattr(os, name, forbidden)
    contract = trust.validate(SOUND)
    monkeypatch.undo()
    assert isinstance(contract, Contract)


def test_what_changes_on_the_disk_counts_within_a_minute(tmp_path: Path) -> None:
    """Looked at on a thread that is not the event loop's, and not by the car that comes."""
    shutil.copytree(lab_pki() / "station", tmp_path / "stores")
    config = configured(tmp_path, tls=Tls.REQUIRED, payments=BOTH, eim=Eim.LIST, allow="rfid 04A2B3C4\n")
    stores = tmp_path / "stores"
    trust = replace(
        config.trust, truststore=stores / "truststore", keystore=stores / "keystore", revoked=stores / "revoked.txt"
    )
    (stores / "revoked.txt").write_text("")
    config = replace(config, trust=trust)
    assert config.uplink.allowlist is not None
    allowlist = config.uplink.allowlist
    threads: set[int] = set()
    original = TrustRoom.refresh

    def noting(self: TrustRoom, **how: bool) -> bool:
        threads.add(threading.get_ident())
        return original(self, **how)

    async def main() -> None:
        async with station(config) as scene:

            async def judged(card: str) -> Decision:
                verdict = await scene.services.uplink.authorize_token(
                    AuthorizeToken("rfid", card), outlet="1", decide=5.0
                )
                return verdict.decision

            assert scene.services.trust is not None
            assert scene.services.trust.knows_contracts(Edition.ISO2)
            assert len(scene.services.identity.contexts) == 2
            allowlist.write_text("rfid DEAD0001\n")
            for name in ("v2g", "mo"):
                shutil.rmtree(stores / "truststore" / "iso2" / name)
            shutil.rmtree(next((stores / "keystore" / "iso2").iterdir()))
            (stores / "revoked.txt").write_text("what is this\n")
            assert await judged("04A2B3C4") is Decision.ACCEPTED
            assert scene.services.trust.knows_contracts(Edition.ISO2)
            await asyncio.sleep(LOOK_SECONDS + 1.0)
            assert await judged("04A2B3C4") is Decision.REJECTED
            assert await judged("DEAD0001") is Decision.ACCEPTED
            assert not scene.services.trust.knows_contracts(Edition.ISO2)
            assert len(scene.services.identity.contexts) == 1
            assert "revoked.txt" in str(scene.station.state()["trust"]["problems"])

    with mock.patch.object(TrustRoom, "refresh", noting):
        run_virtual(main())
    assert threads
    assert threading.get_ident() not in threads


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
    # The code that the test suites accept for it. (I2-PDET-08)
    Flaw.COUNTRY: ResponseCode.FAILED_CERTIFICATE_NOT_ALLOWED_AT_THIS_EVSE,
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
    verdict = room().validate(ValidateContract(flawed.chain, flawed.claimed, Edition.ISO2))
    assert isinstance(verdict, Verdict)
    assert verdict.detail.startswith(f"{flawed.flaw.value} (")
    assert refused(verdict.decision, verdict.detail).code == TOLD[flawed.flaw]
