"""The schedules of a bench: a station offers them all, and the operator's signature holds."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from secc.iso2.planned import accepted
from secc.iso2.schedule import Offered
from secc.session.durable import Disk
from secc.session.offer import Transfer
from secc.session.schedules import ChargingNeeds
from secc.uplink.schedules import read_schedules
from tests.lab_trust import AT, LAB
from tools.pki.layout import make_lab_pki
from tools.tariffs import main, operator_key, write


@pytest.mark.parametrize("contract", [True, False])
def test_a_station_offers_all_that_the_bench_writes(
    contract: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_lab_pki(tmp_path / "pki", seed=1, at=AT)
    assert main(["--pki", str(tmp_path / "pki"), "--out", str(tmp_path / "plans")]) == 0
    path = Path(capsys.readouterr().out.strip())
    needs = ChargingNeeds(Transfer.DC, contract)
    planned = accepted(needs, read_schedules(path, needs, Disk()))
    assert planned.rejected == ()
    assert isinstance(planned.schedules, Offered)
    assert planned.schedules.tariffs == 3
    assert (planned.schedules.signature is not None) is contract


def test_the_operators_key_is_found_in_either_pki(tmp_path: Path) -> None:
    key = LAB.contract.sub2.key
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    make_lab_pki(tmp_path / "lab", seed=1, at=AT)
    assert operator_key(tmp_path / "lab").private_numbers() == key.private_numbers()
    keys = tmp_path / "bench" / "private_keys"
    keys.mkdir(parents=True)
    (keys / "cpsLeafPassword.txt").write_text("12345\n")
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"12345"))
    (keys / "moSubCA2.key").write_bytes(secret)
    assert operator_key(tmp_path / "bench").private_numbers() == key.private_numbers()
    assert write(tmp_path / "plans", operator_key(tmp_path / "bench")).exists()


def test_a_directory_without_a_pki_is_told_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--pki", str(tmp_path), "--out", str(tmp_path / "plans")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "mo_sub2.key" in line
    assert not (tmp_path / "plans").exists()
