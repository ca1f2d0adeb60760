"""The list of revoked certificates: what it names, and what is wrong with it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from certs.contract import verify_contract_chain
from certs.errors import ChainRejected, Flaw, StoreError
from certs.revocation import CertificateHashData
from certs.revoked import MAX_ENTRIES, read_revoked
from tests.lab_trust import AT, LAB, anchors

LEAF, SUB2, SUB1 = verify_contract_chain(LAB.contract.ders, anchors(), AT).hash_data


def line(data: CertificateHashData) -> str:
    return f"sha256 {data.issuer_name_hash} {data.issuer_key_hash} {data.serial_number}"


def write(path: Path, *lines: str) -> Path:
    path.write_text("".join(f"{one}\n" for one in lines))
    return path


@pytest.mark.parametrize(
    "entry",
    [
        line(LEAF),
        line(LEAF).upper(),
        line(LEAF).replace(LEAF.serial_number, f"00{LEAF.serial_number}"),
        f"  {line(LEAF)}\t# stolen",
        line(LEAF).replace(" ", "   "),
        f"\ufeff{line(LEAF)}\r",
    ],
)
def test_a_certificate_is_found_however_it_is_written(tmp_path: Path, entry: str) -> None:
    revoked = read_revoked(write(tmp_path / "revoked", entry, "", "# nothing more"))
    assert len(revoked) == 1
    assert LEAF in revoked
    assert SUB2 not in revoked


def test_another_issuer_or_serial_number_is_another_certificate(tmp_path: Path) -> None:
    for old, new in (
        (LEAF.issuer_name_hash, SUB2.issuer_name_hash),
        (LEAF.issuer_key_hash, SUB2.issuer_key_hash),
        (LEAF.serial_number, SUB2.serial_number),
    ):
        assert LEAF not in read_revoked(write(tmp_path / "revoked", line(LEAF).replace(old, new)))


@pytest.mark.parametrize("data", [LEAF, SUB2, SUB1], ids=["leaf", "sub-CA 2", "sub-CA 1"])
def test_a_contract_with_a_revoked_certificate_in_its_chain_is_refused(
    tmp_path: Path, data: CertificateHashData
) -> None:
    revoked = read_revoked(write(tmp_path / "revoked", line(data)))
    with pytest.raises(ChainRejected) as refused:
        verify_contract_chain(LAB.contract.ders, anchors(), AT, is_revoked=revoked.__contains__)
    assert refused.value.flaw is Flaw.REVOKED


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl command")
def test_what_openssl_prints_is_what_stands_in_the_list(tmp_path: Path) -> None:
    for name, issued in (("leaf.pem", LAB.contract.leaf), ("sub2.pem", LAB.contract.sub2)):
        (tmp_path / name).write_bytes(issued.pem)
    command = "openssl ocsp -sha256 -issuer sub2.pem -cert leaf.pem -reqout /dev/null -req_text"
    said = subprocess.run(command.split(), cwd=tmp_path, capture_output=True, text=True, check=True, timeout=20).stdout
    values = [re.search(rf"{name}: *(\w+)", said) for name in ("Issuer Name Hash", "Issuer Key Hash", "Serial Number")]
    entry = " ".join(["sha256", *(found[1] for found in values if found)])
    assert LEAF in read_revoked(write(tmp_path / "revoked", entry))


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ("what is this", "line 2: not 'sha256'"),
        (line(LEAF)[:-40], "line 2: not 'sha256'"),
        (line(LEAF) + " until=2030-01-01", "line 2: not 'sha256'"),
        (line(LEAF).replace("sha256", "sha384"), "line 2: the hash algorithm is not sha256"),
        (line(LEAF) + "0" * 41, "line 2: not 'sha256'"),
    ],
)
def test_a_wrong_line_is_named_and_nothing_counts(tmp_path: Path, entry: str, complaint: str) -> None:
    with pytest.raises(StoreError, match=complaint):
        read_revoked(write(tmp_path / "revoked", line(SUB2), entry))


def test_files_that_do_not_serve(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="No such file"):
        read_revoked(tmp_path / "none")
    with pytest.raises(StoreError):
        read_revoked(tmp_path)
    long = write(tmp_path / "long", line(LEAF).ljust(4095), line(SUB2).ljust(4096))
    with pytest.raises(StoreError, match="line 2: is longer than 4096 octets"):
        read_revoked(long)
    full = write(tmp_path / "full", *(line(LEAF) for _ in range(MAX_ENTRIES + 1)))
    with pytest.raises(StoreError, match=r"more than|larger than"):
        read_revoked(full)


@pytest.mark.parametrize("mode", [0o666, 0o664])
def test_a_list_that_others_can_write_is_not_read(tmp_path: Path, mode: int) -> None:
    """A-PKI-07: a user who can write it can remove a certificate from it."""
    path = write(tmp_path / "revoked", line(LEAF))
    path.chmod(mode)
    with pytest.raises(StoreError, match="can be changed by others"):
        read_revoked(path)


@given(st.binary(max_size=200))
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_octets_are_a_list_or_a_store_error(tmp_path: Path, octets: bytes) -> None:
    path = tmp_path / "revoked"
    path.write_bytes(octets)
    try:
        assert LEAF not in read_revoked(path)
    except StoreError:
        return
