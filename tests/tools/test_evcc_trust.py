"""Whom the car trusts: its own V2G roots, a fresh and good staple, and nobody else."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from certs.certificates import Edition, parse_certificate
from certs.errors import OcspRejected, TrustError
from secc.link.tls.chain import Handshaken
from secc.link.tls.errors import Alert
from tests.lab_trust import AT, LAB
from tools.evcc.trust import StationUntrusted, Trust
from tools.evcc.wallet import Wallet
from tools.pki.layout import write_lab_pki


def trusting(der: bytes) -> Trust:
    return Trust((parse_certificate(der, Edition.ISO2, "root"),), clock=lambda: AT)


def shaken(staple: bytes | None) -> Handshaken:
    return Handshaken(version="TLSv1.2", suite="TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256", staple=staple)


@pytest.fixture
def trust() -> Trust:
    return trusting(LAB.secc.root.der)


def staples() -> list[bytes]:
    return LAB.ocsp_responses(LAB.secc)


def test_chain_below_its_own_root_is_trusted(trust: Trust) -> None:
    assert trust.judge(tuple(LAB.secc.ders)) is None
    assert trust.describe().endswith("< Lab V2G Root CA")
    assert trust.describe().count("<") == 3


def test_chain_below_another_root_gets_unknown_ca() -> None:
    other = trusting(LAB.other_secc.root.der)
    assert other.judge(tuple(LAB.secc.ders)) is Alert.UNKNOWN_CA
    assert other.describe() == ""


def test_contract_chain_is_no_station(trust: Trust) -> None:
    assert trust.judge(tuple(LAB.contract.ders)) is not None


def test_chain_that_has_ended_gets_certificate_expired(trust: Trust) -> None:
    trust.clock = lambda: AT + timedelta(days=400)
    assert trust.judge(tuple(LAB.secc.ders)) is Alert.CERTIFICATE_EXPIRED


def test_good_staple_of_the_leaf_is_taken(trust: Trust) -> None:
    trust.judge(tuple(LAB.secc.ders))
    assert trust.check_staple(shaken(staples()[0])) == "good"


def test_station_without_a_staple_is_left(trust: Trust) -> None:
    trust.judge(tuple(LAB.secc.ders))
    with pytest.raises(StationUntrusted, match="no OCSP response"):
        trust.check_staple(shaken(None))


def test_staple_of_another_certificate_is_refused(trust: Trust) -> None:
    trust.judge(tuple(LAB.secc.ders))
    with pytest.raises(OcspRejected):
        trust.check_staple(shaken(staples()[1]))


def test_old_staple_is_refused(trust: Trust) -> None:
    trust.judge(tuple(LAB.secc.ders))
    trust.clock = lambda: AT + timedelta(days=20)
    with pytest.raises(StationUntrusted, match="is of"):
        trust.check_staple(shaken(staples()[0]))


def test_staple_before_any_chain_proves_nothing(trust: Trust) -> None:
    with pytest.raises(StationUntrusted):
        trust.check_staple(shaken(staples()[0]))


def test_car_is_read_from_a_lab_pki(tmp_path: Path) -> None:
    write_lab_pki(LAB, tmp_path)
    trust = Trust.load(tmp_path / "car")
    trust = replace(trust, clock=lambda: AT)
    assert trust.judge(tuple(LAB.secc.ders)) is None
    wallet = Wallet.load(tmp_path / "car")
    assert list(wallet.chain) == LAB.contract.ders
    assert wallet.emaid[:4] in wallet.masked_emaid or "*" in wallet.masked_emaid
    assert wallet.emaid != wallet.masked_emaid
    assert "key" not in repr(wallet)


def test_directory_that_is_no_pki_is_an_error_of_its_kind(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        Trust.load(tmp_path)
    (tmp_path / "v2g_root.pem").write_text("nothing")
    with pytest.raises((ValueError, TrustError)):
        Trust.load(tmp_path)
