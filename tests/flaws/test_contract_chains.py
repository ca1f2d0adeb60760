"""Every flawed contract of the lab PKI is refused, and for the reason that it was made for."""

from __future__ import annotations

import pytest

from certs.contract import verify_contract_chain
from certs.errors import ChainRejected, Flaw, Outcome
from tests.lab_trust import AT, LAB, anchors
from tools.pki.flaws import FLAWS, describe, make_flawed

# Refused before or beside any chain that could be made as a file; each has its test in tests/certs.
ELSEWHERE = {Flaw.NO_CERTIFICATE, Flaw.CLOCK_UNTRUSTED, Flaw.REVOKED}


def test_the_sound_contract_is_accepted() -> None:
    contract = verify_contract_chain(LAB.contract.ders, anchors(LAB), AT, claimed="DE8AACA2B3C4D5L")
    assert contract.outcome is Outcome.VALID


ATTACKS = {
    # What RFC 5280 asks of a path: basicConstraints, keyUsage, pathLen, names, constraints.
    "A-PKI-01": (
        "issuer-name-mismatch",
        "leaf-as-sub-ca",
        "leaf-is-ca",
        "no-digital-signature",
        "path-length-broken",
        "root-path-length-broken",
        "sub-ca-name-constraints",
        "sub-ca-not-ca",
        "sub-ca-without-cert-sign",
        "sub-ca-without-constraints",
        "three-sub-cas",
        "unknown-critical-extension",
    ),
    # A certificate of another role.
    "A-PKI-02": (
        "cps-as-contract",
        "issued-by-cpo",
        "issued-by-oem",
        "provisioning-as-contract",
        "secc-as-contract",
        "two-roles",
        "wrong-domain-component",
    ),
    # Roots that the car brings.
    "A-PKI-03": ("foreign-root-sent-along", "self-signed", "self-signed-installed"),
    "A-PKI-04": ("issuer-loop", "too-many-certificates"),
}
_ATTACK = {name: attack for attack, names in ATTACKS.items() for name in names}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.case(_ATTACK[name]) if name in _ATTACK else ()) for name in FLAWS],
)
def test_a_flawed_contract_is_refused_for_its_flaw(name: str) -> None:
    flawed = make_flawed(name, LAB)
    with pytest.raises(ChainRejected) as refused:
        verify_contract_chain(flawed.chain, anchors(LAB, flawed.mo_roots), AT, claimed=flawed.claimed)
    assert refused.value.flaw is flawed.flaw


@pytest.mark.parametrize("name", FLAWS)
def test_only_an_absent_root_may_be_judged_elsewhere(name: str) -> None:
    flawed = make_flawed(name, LAB)
    judged = anchors(LAB, flawed.mo_roots)
    if flawed.flaw is Flaw.NO_TRUST_ANCHOR:
        contract = verify_contract_chain(flawed.chain, judged, AT, claimed=flawed.claimed, central_validation=True)
        assert contract.outcome is Outcome.NO_ROOT
        assert contract.outcome is not Outcome.VALID
    else:
        with pytest.raises(ChainRejected):
            verify_contract_chain(flawed.chain, judged, AT, claimed=flawed.claimed, central_validation=True)


def test_every_attack_is_made_of_chains_that_exist() -> None:
    assert set(FLAWS) >= set(_ATTACK)


def test_every_flaw_has_a_chain_that_shows_it() -> None:
    assert {make_flawed(name, LAB).flaw for name in FLAWS} == set(Flaw) - ELSEWHERE


def test_every_flawed_chain_says_what_is_wrong() -> None:
    assert all(describe(name).endswith(".") for name in FLAWS)


def test_no_refusal_names_the_customer() -> None:
    for name in FLAWS:
        flawed = make_flawed(name, LAB)
        with pytest.raises(ChainRejected) as refused:
            verify_contract_chain(flawed.chain, anchors(LAB, flawed.mo_roots), AT, claimed=flawed.claimed)
        assert "8AAC" not in str(refused.value)
        assert "A2B3C4" not in str(refused.value)
