"""OCSP: which responses prove something, and what is stapled. openssl is the stranger on the other side."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.x509 import ocsp

from certs.certificates import Edition
from certs.errors import OcspRejected, StoreError
from certs.revocation import StapleCache, Status, ocsp_request, verify_ocsp_response
from tests.lab_trust import AT, LAB, certificate
from tools.pki.lab import LabPki, build_lab_pki
from tools.pki.mint import DAY, Issued, KeyKind, Mint

LEAF, SUB2, SUB1, ROOT = (certificate(issued) for issued in (*LAB.secc.chain, LAB.secc.root))
SIGNER = LAB.mint.ocsp_signer(LAB.secc.sub2)


def respond(**order: object) -> bytes:
    return LAB.mint.ocsp_response(LAB.secc.leaf, SIGNER, **order)  # type: ignore[arg-type]  # an order in words


@pytest.mark.parametrize("signer", [SIGNER, None], ids=["delegated responder", "the issuer itself"])
@pytest.mark.parametrize("status", [ocsp.OCSPCertStatus.GOOD, ocsp.OCSPCertStatus.REVOKED, ocsp.OCSPCertStatus.UNKNOWN])
def test_a_response_says_what_it_says(signer: Issued | None, status: ocsp.OCSPCertStatus) -> None:
    response = LAB.mint.ocsp_response(LAB.secc.leaf, signer, status=status)
    said = verify_ocsp_response(response, LEAF, SUB2, AT)
    assert said.status.value == status.name.lower()
    assert said.is_fresh(AT)


@pytest.mark.parametrize("algorithm", [hashes.SHA1(), hashes.SHA256(), hashes.SHA384(), hashes.SHA512()])
def test_every_hash_names_the_certificate(algorithm: hashes.HashAlgorithm) -> None:
    assert verify_ocsp_response(respond(hash_=algorithm), LEAF, SUB2, AT).status is Status.GOOD


@pytest.mark.parametrize("kind", [KeyKind.P521, KeyKind.ED448])
def test_the_other_edition(kind: KeyKind) -> None:
    mint = Mint(AT, 5, kind)
    root = mint.issue("V2G Root", "V2G", ca=True)
    leaf = mint.issue("SECC", "CPO", root)
    issuer, subject = (certificate(issued, Edition.ISO20) for issued in (root, leaf))
    response = mint.ocsp_response(leaf, mint.ocsp_signer(root))
    assert verify_ocsp_response(response, subject, issuer, AT, Edition.ISO20).status is Status.GOOD
    with pytest.raises(OcspRejected):
        verify_ocsp_response(response, subject, issuer, AT, Edition.ISO2)


def test_a_stranger_does_not_speak() -> None:
    """A-TLS-08."""
    stranger = LAB.mint.ocsp_signer(LAB.other_secc.sub2)
    with pytest.raises(OcspRejected, match="not certified by the certificate's issuer"):
        verify_ocsp_response(LAB.mint.ocsp_response(LAB.secc.leaf, stranger), LEAF, SUB2, AT)


def test_a_signer_must_be_certified_for_it() -> None:
    signer = LAB.mint.ocsp_signer(LAB.secc.sub2, authorised=False)
    with pytest.raises(OcspRejected, match="extendedKeyUsage"):
        verify_ocsp_response(LAB.mint.ocsp_response(LAB.secc.leaf, signer), LEAF, SUB2, AT)


def test_another_leaf_of_the_same_issuer_is_no_signer() -> None:
    with pytest.raises(OcspRejected):
        verify_ocsp_response(LAB.mint.ocsp_response(LAB.secc.leaf, LAB.secc.leaf), LEAF, SUB2, AT)


def test_an_expired_signer_does_not_speak() -> None:
    signer = LAB.mint.ocsp_signer(LAB.secc.sub2, not_before=AT - 9 * DAY, not_after=AT - DAY)
    with pytest.raises(OcspRejected, match="not valid now"):
        verify_ocsp_response(LAB.mint.ocsp_response(LAB.secc.leaf, signer), LEAF, SUB2, AT)


def test_a_changed_response_proves_nothing() -> None:
    response = respond(status=ocsp.OCSPCertStatus.REVOKED)
    place = response.index(b"\xa1\x16\x18\x0f")  # certStatus: revoked
    changed = response[:place] + b"\xa2" + response[place + 1 :]
    with pytest.raises(OcspRejected):
        verify_ocsp_response(changed, LEAF, SUB2, AT)
    response = respond()
    signature = ocsp.load_der_ocsp_response(response).signature
    bent = signature[:-1] + bytes([signature[-1] ^ 1])
    with pytest.raises(OcspRejected, match="signature"):
        verify_ocsp_response(response.replace(signature, bent), LEAF, SUB2, AT)


def test_a_response_about_another_certificate_says_nothing() -> None:
    other = LAB.mint.issue("Other SECC", "CPO", LAB.secc.sub2)
    with pytest.raises(OcspRejected, match="another certificate"):
        verify_ocsp_response(LAB.mint.ocsp_response(other, SIGNER), LEAF, SUB2, AT)


@pytest.mark.parametrize("octets", [b"", b"\x30\x03\x0a\x01\x03", b"\x30\x80", bytes(9000)])
def test_what_is_no_response(octets: bytes) -> None:
    with pytest.raises(OcspRejected):
        verify_ocsp_response(octets, LEAF, SUB2, AT)


def test_an_unreadable_signer_is_no_signer() -> None:
    """A key of an unknown kind in the embedded certificate: still a refusal of the response, no other error."""
    response = respond()
    curve = bytes.fromhex("06072a8648ce3d0201")
    place = response.index(SIGNER.der) + SIGNER.der.index(curve)
    changed = response[:place] + bytes.fromhex("06072a8648ce3d0901") + response[place + 9 :]
    with pytest.raises(OcspRejected):
        verify_ocsp_response(changed, LEAF, SUB2, AT)


@pytest.mark.parametrize(
    ("this_update", "next_update", "fresh"),
    [
        (AT - timedelta(hours=1), AT + 6 * DAY, True),
        (AT - timedelta(days=7), AT + DAY, True),
        (AT - timedelta(days=7, seconds=1), AT + DAY, False),
        (AT - 2 * DAY, AT - timedelta(seconds=1), False),
        (AT + timedelta(minutes=5), AT + DAY, True),
        (AT + timedelta(minutes=6), AT + DAY, False),
    ],
)
def test_freshness(this_update: datetime, next_update: datetime, fresh: bool) -> None:
    """[V2G2-649]: a week at most."""
    said = verify_ocsp_response(respond(this_update=this_update, next_update=next_update), LEAF, SUB2, AT)
    assert said.is_fresh(AT) is fresh


def test_without_a_clock_a_response_may_begin_after_the_floor() -> None:
    floor = AT - 100 * DAY
    said = verify_ocsp_response(respond(), LEAF, SUB2, floor, clock_trusted=False)
    assert said.is_fresh(floor, clock_trusted=False)
    assert not said.is_fresh(AT + 10 * DAY, clock_trusted=False)


# The cache


def test_only_good_and_fresh_is_stapled(tmp_path: Path) -> None:
    cache = StapleCache(tmp_path)
    path = [LEAF, SUB2, SUB1, ROOT]
    assert cache.staples(path, AT, Edition.ISO2) == (None, None, None)
    leaf, sub2, sub1 = LAB.ocsp_responses(LAB.secc)
    cache.store(leaf, LEAF, SUB2, AT, Edition.ISO2)
    cache.store(sub1, SUB1, ROOT, AT, Edition.ISO2)
    assert cache.staples(path, AT, Edition.ISO2) == (leaf, None, sub1)
    cache.store(sub2, SUB2, SUB1, AT, Edition.ISO2)
    assert cache.staples(path, AT, Edition.ISO2) == (leaf, sub2, sub1)
    assert cache.staples(path, AT + 7 * DAY, Edition.ISO2) == (None, None, None)
    revoked = respond(status=ocsp.OCSPCertStatus.REVOKED)
    assert cache.store(revoked, LEAF, SUB2, AT, Edition.ISO2).status is Status.REVOKED
    assert cache.staples(path, AT, Edition.ISO2) == (None, sub2, sub1)


def test_what_proves_nothing_is_not_kept(tmp_path: Path) -> None:
    cache = StapleCache(tmp_path)
    good = respond()
    cache.store(good, LEAF, SUB2, AT, Edition.ISO2)
    with pytest.raises(OcspRejected):
        cache.store(b"junk", LEAF, SUB2, AT, Edition.ISO2)
    assert cache.staples([LEAF, SUB2], AT, Edition.ISO2) == (good,)


def test_a_spoiled_file_is_not_stapled(tmp_path: Path) -> None:
    cache = StapleCache(tmp_path)
    cache.store(respond(), LEAF, SUB2, AT, Edition.ISO2)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-1])
    assert cache.staples([LEAF, SUB2], AT, Edition.ISO2) == (None,)


def test_a_cache_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError):
        StapleCache(tmp_path / "file").store(respond(), LEAF, SUB2, AT, Edition.ISO2)


# openssl: it reads our requests, we read its responses, and it accepts those that our lab makes.

openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl command")


def bench(directory: Path) -> LabPki:
    """A lab of today: openssl's responder knows no other day."""
    lab = build_lab_pki(datetime.now(UTC), seed=2)
    signer = lab.mint.ocsp_signer(lab.secc.sub2)
    for name, data in (
        ("root.pem", lab.secc.root.pem),
        ("subs.pem", lab.secc.sub2.pem + lab.secc.sub1.pem),
        ("issuer.pem", lab.secc.sub2.pem),
        ("leaf.pem", lab.secc.leaf.pem),
        ("signer.pem", signer.pem),
        ("signer.key", signer.key_pem),
    ):
        (directory / name).write_bytes(data)
    return lab


def run_openssl(directory: Path, *arguments: str) -> str:
    done = subprocess.run(["openssl", *arguments], cwd=directory, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@openssl
@pytest.mark.parametrize(("state", "status"), [("V", Status.GOOD), ("R", Status.REVOKED), (None, Status.UNKNOWN)])
def test_the_responder_of_openssl_is_understood(tmp_path: Path, state: str | None, status: Status) -> None:
    lab = bench(tmp_path)
    leaf, issuer = certificate(lab.secc.leaf), certificate(lab.secc.sub2)
    ended = lab.mint.at.strftime("%y%m%d%H%M%SZ") + ",keyCompromise" if state == "R" else ""
    serial = f"{leaf.serial_number:X}"
    serial = "0" * (len(serial) % 2) + serial
    line = f"{state}\t{leaf.not_after:%y%m%d%H%M%SZ}\t{ended}\t{serial}\tunknown\t/CN=x\n" if state else ""
    (tmp_path / "index.txt").write_text(line)
    (tmp_path / "request.der").write_bytes(ocsp_request(leaf, issuer))
    run_openssl(
        tmp_path, "ocsp", "-index", "index.txt", "-CA", "issuer.pem", "-rsigner", "signer.pem", "-rkey", "signer.key",
        "-reqin", "request.der", "-respout", "response.der", "-ndays", "6",
    )  # fmt: skip
    said = verify_ocsp_response((tmp_path / "response.der").read_bytes(), leaf, issuer, datetime.now(UTC))
    assert said.status is status
    assert said.is_fresh(datetime.now(UTC))


@openssl
def test_openssl_accepts_what_the_lab_staples(tmp_path: Path) -> None:
    lab = bench(tmp_path)
    (tmp_path / "response.der").write_bytes(lab.ocsp_responses(lab.secc)[0])
    said = run_openssl(
        tmp_path, "ocsp", "-respin", "response.der", "-issuer", "issuer.pem", "-cert", "leaf.pem", "-CAfile", "root.pem",
        "-verify_other", "subs.pem", "-no_nonce",
    )  # fmt: skip
    assert "Response verify OK" in said
    assert "leaf.pem: good" in said
