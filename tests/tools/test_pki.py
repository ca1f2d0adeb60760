"""The lab PKI: whole, quick, usable by station and car, and the same for the same seed."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from certs.certificates import Edition
from certs.chain import verify_chain
from certs.contract import verify_contract_chain
from certs.errors import ChainRejected
from certs.keystore import Keystore
from certs.profile import CPS_2, OEM_PROVISIONING_2, SECC_2
from certs.revocation import StapleCache
from certs.truststore import Truststore
from tests.lab_trust import anchors
from tools.pki.__main__ import main
from tools.pki.flaws import FLAWS, make_flawed
from tools.pki.lab import build_lab_pki
from tools.pki.layout import make_lab_pki
from tools.pki.mint import DETERMINISTIC

AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def chain_in(path: Path) -> list[bytes]:
    return [one.public_bytes(Encoding.DER) for one in x509.load_pem_x509_certificates(path.read_bytes())]


def test_the_station_finds_its_stores(tmp_path: Path) -> None:
    make_lab_pki(tmp_path, at=AT)
    station = tmp_path / "station"
    roots = Truststore(station / "truststore").read()
    assert roots.problems == ()
    anchors = roots.anchors(Edition.ISO2)
    assert (len(anchors.v2g), len(anchors.mo), len(anchors.oem)) == (2, 1, 1)
    contents = Keystore(station / "keystore").read(Edition.ISO2)
    assert contents.problems == ()
    assert {chain.root.der for chain in contents.chains} == {root.der for root in anchors.v2g}
    staples = StapleCache(station / "staples")
    for chain in contents.chains:
        chain.verify(AT)
        assert None not in staples.staples(chain.path_to_root, AT, Edition.ISO2)


def test_the_car_finds_its_contract(tmp_path: Path) -> None:
    make_lab_pki(tmp_path, at=AT)
    car = tmp_path / "car"
    anchors = Truststore(tmp_path / "station" / "truststore").read().anchors(Edition.ISO2)
    chain = chain_in(car / "contract_chain.pem")
    contract = verify_contract_chain(chain, anchors, AT, claimed=(car / "emaid.txt").read_text().strip())
    key = load_pem_private_key((car / "contract.key").read_bytes(), None)
    spki = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert key.public_key().public_bytes(*spki) == contract.public_key.public_bytes(*spki)
    verify_chain(chain_in(car / "oem_chain.pem"), OEM_PROVISIONING_2, anchors, AT)
    for name in ("contract.key", "oem.key"):
        assert (car / name).stat().st_mode & 0o777 == 0o600


def test_each_car_knows_one_v2g_root_and_finds_a_chain_below_it(tmp_path: Path) -> None:
    make_lab_pki(tmp_path, at=AT)
    chains = Keystore(tmp_path / "station" / "keystore").read(Edition.ISO2).chains
    known = [chain_in(tmp_path / car / "v2g_root.pem")[0] for car in ("car", "other-car")]
    assert sorted(known) == sorted(chain.root.der for chain in chains)


def test_the_whole_lab_is_sound() -> None:
    lab = build_lab_pki(AT)
    for line, profile in (
        (lab.secc, SECC_2),
        (lab.other_secc, SECC_2),
        (lab.cps, CPS_2),
        (lab.provisioning, OEM_PROVISIONING_2),
    ):
        verify_chain(line.ders, profile, anchors(lab), AT)


def test_a_seed_makes_the_same_certificates(tmp_path: Path) -> None:
    first, second, other = (build_lab_pki(AT, seed) for seed in (1, 1, 2))
    if DETERMINISTIC:
        assert first.contract.ders == second.contract.ders
    assert first.contract.leaf.certificate.serial_number == second.contract.leaf.certificate.serial_number
    assert first.secc.leaf.key_pem == second.secc.leaf.key_pem
    assert first.contract.ders != other.contract.ders
    assert build_lab_pki(AT).contract.ders != build_lab_pki(AT).contract.ders


def test_flawed_cars_are_written_as_they_are_made(tmp_path: Path) -> None:
    assert main(["make", str(tmp_path), "--flaw", "all", "--seed", "4"]) == 0
    anchors = Truststore(tmp_path / "station" / "truststore").read().anchors(Edition.ISO2)
    assert {path.name for path in (tmp_path / "flawed").iterdir()} == set(FLAWS)
    judged = 0
    for path in (tmp_path / "flawed").iterdir():
        if list(path.glob("install_mo_root_*.pem")):
            continue
        text = (path / "flaw.txt").read_text()
        chain = raw_chain(path / "contract_chain.pem")
        with pytest.raises(ChainRejected) as refused:
            verify_contract_chain(chain, anchors, datetime.now(UTC), claimed=(path / "emaid.txt").read_text().strip())
        assert text.startswith(f"{path.name}: {refused.value.flaw.value}\n")
        judged += 1
    assert judged > 40


def raw_chain(path: Path) -> list[bytes]:
    """The octets between the PEM lines, whether they are a certificate or not."""
    chain: list[bytes] = []
    lines: list[str] = []
    for line in path.read_text().splitlines():
        if line.startswith("-----END"):
            chain.append(base64.b64decode("".join(lines)))
            lines = []
        elif not line.startswith("-----"):
            lines.append(line)
    return chain


def test_an_unknown_flaw_is_an_error_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["make", str(tmp_path / "pki"), "--flaw", "no-such-flaw"]) == 2
    assert "no-such-flaw" in capsys.readouterr().err
    assert not (tmp_path / "pki").exists()


def test_a_pki_is_not_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["make", str(tmp_path)]) == 0
    before = (tmp_path / "car" / "contract.key").read_bytes()
    assert main(["make", str(tmp_path)]) == 2
    assert "is not empty" in capsys.readouterr().err
    assert (tmp_path / "car" / "contract.key").read_bytes() == before


def test_the_flaws_are_listed_with_their_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["flaws"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(FLAWS)
    assert any(line.startswith("expired-leaf ") and "ended yesterday" in line for line in lines)


def test_an_unknown_name_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        make_flawed("no-such-flaw", build_lab_pki(AT))
