"""The contract: only verification makes one, and what it tells whom."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.x509 import ocsp

from certs.chain import Anchors, verify_chain
from certs.contract import Contract, verify_contract_chain
from certs.errors import ChainRejected, Flaw, Outcome
from certs.profile import CONTRACT_2
from certs.revocation import CertificateHashData
from tests.lab_trust import AT, LAB, anchors
from tools.pki.flaws.parts import of_country, ordered
from tools.pki.mint import Mint


def test_a_contract_holds_what_the_session_needs() -> None:
    contract = verify_contract_chain(LAB.contract.ders, anchors(), AT, claimed="de-8aa-ca2b3c4d5-l")
    assert contract.emaid.text == "DE8AACA2B3C4D5L"
    assert contract.public_key == LAB.contract.leaf.key.public_key()
    assert contract.not_after == AT + timedelta(days=730)
    assert contract.outcome is Outcome.VALID
    assert contract.dates_proven


@pytest.mark.parametrize(
    ("emaid", "named"),
    [
        ("DE8AACA2B3C4D5L", True),
        ("de-8aa-ca2b3c4d5-l", True),
        ("DE8AACA2B3C4D5", True),
        ("DE8AACA2B3C4D6", False),
        ("", False),
        ("no EMAID", False),
    ],
)
def test_a_contract_is_named_by_every_way_to_write_its_emaid_and_by_no_other_text(emaid: str, named: bool) -> None:
    assert verify_contract_chain(LAB.contract.ders, anchors(), AT).is_named_by(emaid) is named


def test_nobody_else_makes_a_contract() -> None:
    made = verify_contract_chain(LAB.contract.ders, anchors(), AT)
    with pytest.raises(TypeError):
        Contract(
            emaid=made.emaid,
            public_key=made.public_key,
            not_after=made.not_after,
            outcome=Outcome.VALID,
            hash_data=(),
            dates_proven=True,
            chain=verify_chain(LAB.contract.ders, CONTRACT_2, anchors(), AT),
            _made_by=None,
        )


def test_hash_data_are_what_an_ocsp_request_holds() -> None:
    contract = verify_contract_chain(LAB.contract.ders, anchors(), AT)
    path = [*LAB.contract.chain, LAB.contract.root]
    assert len(contract.hash_data) == 3
    for data, subject, issuer in zip(contract.hash_data, path, path[1:], strict=False):
        builder = ocsp.OCSPRequestBuilder().add_certificate(subject.certificate, issuer.certificate, hashes.SHA256())
        request = builder.build()
        assert data == CertificateHashData(
            "SHA256",
            request.issuer_name_hash.hex(),
            request.issuer_key_hash.hex(),
            format(request.serial_number, "x"),
            "http://ocsp.lab.example/",
        )


def test_a_serial_number_has_no_leading_zero() -> None:
    """OCPP wants hex without leading zeros, also where that leaves an odd number of digits."""
    for seed in range(40):
        mint = Mint(AT, seed)
        root = mint.issue("Root", "MO", ca=True)
        leaf = mint.issue("DE8AACA2B3C4D5L", "MO", root)
        installed = Anchors(mo=(anchors(mo_roots=(root,)).mo[0],))
        (data,) = verify_contract_chain([leaf.der], installed, AT).hash_data
        assert int(data.serial_number, 16) == leaf.certificate.serial_number
        assert not data.serial_number.startswith("0")
        if len(data.serial_number) % 2:
            return
    raise AssertionError("no serial number of odd length came up")


def test_without_a_root_the_topmost_hash_data_are_missing() -> None:
    """The topmost sub-CA's entry needs the key of a root that is not here."""
    contract = verify_contract_chain(LAB.contract.ders, Anchors(), AT, central_validation=True)
    assert contract.outcome is Outcome.NO_ROOT
    assert len(contract.hash_data) == 2


def test_a_certificate_without_responder_has_no_url() -> None:
    mint = Mint(AT, 3)
    root = mint.issue("Root", "MO", ca=True)
    leaf = mint.issue("DE8AACA2B3C4D5L", "MO", root, ocsp_url=None)
    (data,) = verify_contract_chain([leaf.der], anchors(mo_roots=(root,)), AT).hash_data
    assert data.responder_url is None


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_revoked_certificate_anywhere_in_the_chain_refuses_it(place: int) -> None:
    revoked = verify_contract_chain(LAB.contract.ders, anchors(), AT).hash_data[place]
    with pytest.raises(ChainRejected) as refused:
        verify_contract_chain(LAB.contract.ders, anchors(), AT, is_revoked=lambda data: data == revoked)
    assert refused.value.flaw is Flaw.REVOKED
    assert refused.value.flaw.outcome is Outcome.REVOKED


def test_what_is_not_revoked_passes() -> None:
    other = replace(verify_contract_chain(LAB.contract.ders, anchors(), AT).hash_data[0], serial_number="1")
    assert (
        verify_contract_chain(LAB.contract.ders, anchors(), AT, is_revoked=lambda data: data == other).outcome
        is Outcome.VALID
    )


def test_a_contract_is_announced_to_end_three_weeks_before() -> None:
    """[V2G2-690]"""
    contract = verify_contract_chain(LAB.contract.ders, anchors(), AT)
    assert contract.expires_soon(contract.not_after - timedelta(days=21))
    assert not contract.expires_soon(contract.not_after - timedelta(days=21, seconds=1))


def test_logs_see_a_hash_and_a_length() -> None:
    contract = verify_contract_chain(LAB.contract.ders, anchors(), AT)
    leaf = LAB.contract.leaf.der
    assert contract.fingerprint == f"sha256:{hashlib.sha256(leaf).hexdigest()}/{len(leaf)}"
    assert "CA2B3C4" not in repr(contract)
    assert "CA2B3C4" not in repr(contract.chain)


@pytest.mark.parametrize(
    ("claimed", "flaw"),
    [
        ("DE8AACA2B3C4D6", Flaw.EMAID_MISMATCH),
        ("DE8AACA2B3C4D5M", Flaw.EMAID_MISMATCH),
        ("", Flaw.EMAID_MALFORMED),
        ("0" * 14, Flaw.EMAID_MALFORMED),
    ],
)
def test_another_emaid_than_the_certificates_is_refused(claimed: str, flaw: Flaw) -> None:
    """I2X-11, A-PNC-07."""
    with pytest.raises(ChainRejected) as refused:
        verify_contract_chain(LAB.contract.ders, anchors(), AT, claimed=claimed)
    assert refused.value.flaw is flaw


def test_the_claim_may_leave_the_check_digit_out() -> None:
    assert verify_contract_chain(LAB.contract.ders, anchors(), AT, claimed="DE8AACA2B3C4D5").outcome is Outcome.VALID


def test_without_a_clock_the_contract_says_so() -> None:
    contract = verify_contract_chain(LAB.contract.ders, anchors(), AT, clock_trusted=False, floor_suffices=True)
    assert not contract.dates_proven


@pytest.mark.parametrize(("code", "good"), [("GB", True), ("UK", True), ("de", True), ("XX", False), ("QQ", False)])
def test_the_country_of_a_contract_is_one_of_iso_3166(code: str, good: bool) -> None:
    flawed = ordered(LAB, Flaw.COUNTRY, leaf={"subject": of_country(LAB, LAB.emaid, code)})
    if good:
        assert verify_contract_chain(flawed.chain, anchors(), AT)
        return
    with pytest.raises(ChainRejected) as refused:
        verify_contract_chain(flawed.chain, anchors(), AT)
    assert refused.value.flaw is Flaw.COUNTRY
