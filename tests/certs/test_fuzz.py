"""Octets of any kind end in a typed error or in a certificate, and nowhere else."""

from __future__ import annotations

import contextlib
from itertools import pairwise
from pathlib import Path

import pytest
from cryptography.x509 import ocsp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from certs.certificates import Certificate, Edition, parse_certificate
from certs.contract import verify_contract_chain
from certs.errors import ChainRejected, OcspRejected, StoreError, TrustError
from certs.profile import Role
from certs.revocation import certificate_hash_data, verify_ocsp_response
from certs.truststore import Truststore
from tests.lab_trust import AT, LAB, anchors, certificate

SEEDS = [*LAB.contract.ders, LAB.contract.root.der, *LAB.secc.ders]
PATH = [certificate(issued) for issued in (*LAB.secc.chain, LAB.secc.root)]
SAID = {
    (subject.der, signed): verify_ocsp_response(signed, subject, issuer, AT)
    for (subject, issuer), issued in zip(pairwise(PATH), LAB.secc.chain, strict=True)
    for status in ocsp.OCSPCertStatus
    for signed in (LAB.mint.ocsp_response(issued, status=status),)
}
"""For each certificate of ours, in every status, a response that its issuer signed: what it says."""
INSTALLED = anchors()


@st.composite
def mutated(draw: st.DrawFn, seeds: list[bytes]) -> bytes:
    """A good one with some octets changed, cut out, repeated or put in: what reaches deep into a parser."""
    octets = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(0, len(octets) - 1)))
        match draw(st.sampled_from(["change", "insert", "delete", "repeat"])):
            case "change" if octets:
                octets[place] = draw(st.integers(0, 255))
            case "insert":
                octets[place:place] = draw(st.binary(max_size=8))
            case "delete":
                del octets[place : place + draw(st.integers(1, 40))]
            case _:
                octets[place:place] = octets[place : place + draw(st.integers(1, 40))]
    return bytes(octets)


@given(st.one_of(mutated(SEEDS), st.binary(max_size=900)))
@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
def test_a_certificate_or_a_typed_error(octets: bytes) -> None:
    try:
        parsed = parse_certificate(octets, Edition.ISO2, "leaf")
    except ChainRejected:
        return
    with contextlib.suppress(TrustError):
        certificate_hash_data(parsed, parsed)
    with contextlib.suppress(TrustError):
        assert parsed.issuer_der
    assert len(parsed.fingerprint) == 64
    assert not parsed.is_signed_by(certificate(LAB.secc.leaf))


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
@pytest.mark.parametrize("change", [0x01, 0x41, 0x80, 0xFF])
def test_one_octet_changed_anywhere(change: int) -> None:
    """Every part of the certificate once: names, object identifiers and lengths that no parser expects."""
    read = 0
    for place in range(len(LAB.contract.leaf.der)):
        octets = bytearray(LAB.contract.leaf.der)
        octets[place] ^= change
        with contextlib.suppress(TrustError):
            parsed = parse_certificate(bytes(octets), Edition.ISO2, "leaf")
            read += 1
            assert parsed.issuer_der
            assert parsed.key_bits
    assert read


@given(st.lists(st.one_of(mutated(SEEDS), st.sampled_from(SEEDS), st.binary(max_size=40)), max_size=6))
@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
def test_a_chain_is_refused_or_the_real_one(chain: list[bytes]) -> None:
    try:
        contract = verify_contract_chain(chain, INSTALLED, AT)
    except ChainRejected:
        return
    # No octet of a certificate is free: what passes was issued by the lab.
    assert contract.chain.leaf.der == LAB.contract.leaf.der


def says_what_somebody_signed(octets: bytes, subject: Certificate, issuer: Certificate) -> bool:
    """Whether these octets count as a response about ``subject``; if so, they say what a response that was signed says, to the second."""
    try:
        said = verify_ocsp_response(octets, subject, issuer, AT)
    except OcspRejected:
        return False
    assert said in [known for (der, _), known in SAID.items() if der == subject.der]
    return True


@given(mutated([signed for _, signed in SAID]), st.sampled_from(list(pairwise(PATH))))
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
def test_a_response_says_what_was_signed_or_nothing(octets: bytes, about: tuple[Certificate, Certificate]) -> None:
    """A-TLS-08."""
    says_what_somebody_signed(octets, *about)


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
@pytest.mark.parametrize("status", ocsp.OCSPCertStatus)
@pytest.mark.parametrize("change", [0x01, 0x02, 0x80])
def test_one_octet_of_a_response_changed_anywhere(status: ocsp.OCSPCertStatus, change: int) -> None:
    """No octet under the signature is free: status, dates, whose certificate. What is outside may change, and says nothing. (A-TLS-08)"""
    signed = LAB.mint.ocsp_response(LAB.secc.leaf, status=status)
    under_signature = ocsp.load_der_ocsp_response(signed).tbs_response_bytes
    first = signed.index(under_signature)
    for place in range(len(signed)):
        octets = bytearray(signed)
        octets[place] ^= change
        counts = says_what_somebody_signed(bytes(octets), PATH[0], PATH[1])
        assert not (counts and first <= place < first + len(under_signature)), f"octet {place}"


def test_a_response_about_one_certificate_says_nothing_about_another() -> None:
    for der, signed in SAID:
        for subject, issuer in pairwise(PATH):
            assert says_what_somebody_signed(signed, subject, issuer) is (subject.der == der)


@given(mutated([LAB.contract.root.pem]))
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
def test_a_root_or_a_typed_error(tmp_path: Path, octets: bytes) -> None:
    store = Truststore(tmp_path)
    with contextlib.suppress(StoreError):
        store.add(Edition.ISO2, Role.MO, octets)
    assert all(root.certificate.der == LAB.contract.root.der for root in store.read().installed)


@pytest.mark.parametrize(
    "octets", [b"", b"\x30", b"\x30\x80\x00\x00", b"\x30\x84\xff\xff\xff\xff", bytes(800), b"\xff" * 800]
)
def test_what_is_hardly_asn1(octets: bytes) -> None:
    with pytest.raises(ChainRejected):
        parse_certificate(octets, Edition.ISO2, "leaf")
