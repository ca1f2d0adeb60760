"""The scenarios of path validation, each by name: chains that must pass, and where the refused ones are shown.

The refused scenarios are chains of ``tools.pki.flaws``; ``tests/flaws`` proves that each is refused for its flaw.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from cryptography import x509
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from certs.certificates import Certificate, Edition
from certs.chain import Anchors, verify_chain
from certs.errors import ChainRejected, Flaw, Outcome
from certs.profile import (
    CONTRACT_2,
    CONTRACT_20,
    CPS_2,
    OEM_PROVISIONING_2,
    ROLE_MARKERS,
    SECC_2,
    SECC_20,
    VEHICLE_20,
    Profile,
    Role,
)
from tests.lab_trust import AT, LAB, anchors, certificate
from tools.pki.flaws import FLAWS
from tools.pki.flaws.parts import padding_to
from tools.pki.mint import CONTRACT_USAGE, DAY, TLS_USAGE, Issued, KeyKind, Mint, key_usage

EMAID = "DE8AACA2B3C4D5L"


def mo_line(mint: Mint, *, leaf: dict[str, object] | None = None, **sub_order: object) -> tuple[Issued, list[Issued]]:
    """A root, and leaf, sub-CA 2, sub-CA 1 below it; ``sub_order`` holds for both sub-CAs and the leaf."""
    root = mint.issue("Root", "MO", ca=True)
    sub1 = mint.issue("Sub 1", "MO", root, ca=True, path_length=1, **sub_order)  # type: ignore[arg-type]  # an order in words
    sub2 = mint.issue("Sub 2", "MO", sub1, ca=True, path_length=0, **sub_order)  # type: ignore[arg-type]  # an order in words
    order: dict[str, object] = {"usage": CONTRACT_USAGE, **sub_order, **(leaf or {})}
    last = mint.issue(EMAID, "MO", sub2, **order)  # type: ignore[arg-type]  # an order in words
    return root, [last, sub2, sub1]


def ders(issued: Sequence[Issued]) -> list[bytes]:
    return [one.der for one in issued]


def roots(*issued: Issued, edition: Edition = Edition.ISO2) -> tuple[Certificate, ...]:
    return tuple(certificate(one, edition) for one in issued)


Scenario = Callable[[], tuple[list[bytes], Profile, Anchors]]
MINT = Mint(AT, seed=7)


def valid_p256() -> tuple[list[bytes], Profile, Anchors]:
    return LAB.contract.ders, CONTRACT_2, anchors()


def valid_p521() -> tuple[list[bytes], Profile, Anchors]:
    root, chain = mo_line(Mint(AT, 7, KeyKind.P521))
    return ders(chain), CONTRACT_20, Anchors(mo=roots(root, edition=Edition.ISO20))


def valid_ed448() -> tuple[list[bytes], Profile, Anchors]:
    root, chain = mo_line(Mint(AT, 7, KeyKind.ED448))
    return ders(chain), CONTRACT_20, Anchors(mo=roots(root, edition=Edition.ISO20))


def no_key_identifiers_no_aia() -> tuple[list[bytes], Profile, Anchors]:
    root, chain = mo_line(MINT, key_identifiers=False, ocsp_url=None)
    return ders(chain), CONTRACT_2, Anchors(mo=roots(root))


def cps_leaf_with_digital_signature_only() -> tuple[list[bytes], Profile, Anchors]:
    return LAB.cps.ders, CPS_2, anchors()


def shuffled_with_root_inside() -> tuple[list[bytes], Profile, Anchors]:
    """Q-25"""
    line = LAB.contract
    return [line.leaf.der, line.root.der, line.sub1.der, line.sub2.der], CONTRACT_2, anchors()


def other_root_of_the_same_name_first() -> tuple[list[bytes], Profile, Anchors]:
    (other, _), (root, chain) = mo_line(MINT), mo_line(MINT)
    return ders(chain), CONTRACT_2, Anchors(mo=roots(other, root))


def other_root_of_the_same_name_without_identifiers() -> tuple[list[bytes], Profile, Anchors]:
    (other, _), (root, chain) = mo_line(MINT), mo_line(MINT, key_identifiers=False)
    return ders(chain), CONTRACT_2, Anchors(mo=roots(other, root))


def unknown_extension_not_critical() -> tuple[list[bytes], Profile, Anchors]:
    extra = [(x509.UnrecognizedExtension(ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00"), False)]
    root, chain = mo_line(MINT, extra=extra)
    return ders(chain), CONTRACT_2, Anchors(mo=roots(root))


def cross_signed_root(*, old_installed: bool) -> tuple[list[bytes], Profile, Anchors]:
    old, new = MINT.issue("Old Root", "MO", ca=True), MINT.issue("New Root", "MO", ca=True)
    cross = MINT.issue("New Root", "MO", old, ca=True, path_length=1, key=new.key)
    sub = MINT.issue("Sub", "MO", new, ca=True, path_length=0)
    leaf = MINT.issue(EMAID, "MO", sub, usage=CONTRACT_USAGE)
    return ders([leaf, sub, cross]), CONTRACT_2, Anchors(mo=roots(old if old_installed else new))


def cross_signed_root_old_installed() -> tuple[list[bytes], Profile, Anchors]:
    return cross_signed_root(old_installed=True)


def cross_signed_root_new_installed() -> tuple[list[bytes], Profile, Anchors]:
    return cross_signed_root(old_installed=False)


def critical_aia() -> tuple[list[bytes], Profile, Anchors]:
    """Seen in community profiles for the ISO 15118-20 SECC leaf."""
    place = x509.UniformResourceIdentifier("http://ocsp.lab.example/")
    access = x509.AccessDescription(x509.oid.AuthorityInformationAccessOID.OCSP, place)
    extra = [(x509.AuthorityInformationAccess([access]), True)]
    root, chain = mo_line(MINT, extra=extra, ocsp_url=None)
    return ders(chain), CONTRACT_2, Anchors(mo=roots(root))


def critical_cdp_and_policies() -> tuple[list[bytes], Profile, Anchors]:
    point = x509.DistributionPoint([x509.UniformResourceIdentifier("http://crl.lab.example/")], None, None, None)
    extra: list[tuple[x509.ExtensionType, bool]] = [
        (x509.CRLDistributionPoints([point]), True),
        (x509.CertificatePolicies([x509.PolicyInformation(ObjectIdentifier("2.5.29.32.0"), None)]), True),
    ]
    root, chain = mo_line(MINT, extra=extra)
    return ders(chain), CONTRACT_2, Anchors(mo=roots(root))


def leaf_below_the_root() -> tuple[list[bytes], Profile, Anchors]:
    """No sub-CA at all: seen in the field."""
    root = MINT.issue("Root", "MO", ca=True)
    return ders([MINT.issue(EMAID, "MO", root)]), CONTRACT_2, Anchors(mo=roots(root))


def one_sub_ca() -> tuple[list[bytes], Profile, Anchors]:
    root = MINT.issue("Root", "MO", ca=True)
    sub = MINT.issue("Sub", "MO", root, ca=True)
    return ders([MINT.issue(EMAID, "MO", sub), sub]), CONTRACT_2, Anchors(mo=roots(root))


def contract_below_v2g_root() -> tuple[list[bytes], Profile, Anchors]:
    """A mobility operator's sub-CAs below the V2G root."""
    sub = MINT.issue("MO Sub", "MO", LAB.secc.root, ca=True)
    leaf = MINT.issue(EMAID, "MO", sub, usage=CONTRACT_USAGE)
    return ders([leaf, sub]), CONTRACT_2, Anchors(v2g=roots(LAB.secc.root))


def secc() -> tuple[list[bytes], Profile, Anchors]:
    return LAB.secc.ders, SECC_2, anchors()


def secc_with_server_purpose() -> tuple[list[bytes], Profile, Anchors]:
    leaf = MINT.issue("SECC", "CPO", LAB.secc.sub2, purposes=[ExtendedKeyUsageOID.SERVER_AUTH])
    return ders([leaf, LAB.secc.sub2, LAB.secc.sub1]), SECC_2, anchors()


def secc_below_a_ca_for(purpose: ObjectIdentifier) -> tuple[list[bytes], Profile, Anchors]:
    """The issuing sub-CA is restricted to this purpose, critically."""
    sub = MINT.issue("CPO Sub 2", "CPO", LAB.secc.sub1, ca=True, purposes=[purpose], purposes_critical=True)
    leaf = MINT.issue("SECC", "CPO", sub, usage=TLS_USAGE)
    return ders([leaf, sub, LAB.secc.sub1]), SECC_2, anchors()


def secc_below_a_ca_for_servers() -> tuple[list[bytes], Profile, Anchors]:
    return secc_below_a_ca_for(ExtendedKeyUsageOID.SERVER_AUTH)


def secc_below_a_ca_for_anything() -> tuple[list[bytes], Profile, Anchors]:
    return secc_below_a_ca_for(ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)


def sub_ca_with_a_purpose_that_is_not_critical() -> tuple[list[bytes], Profile, Anchors]:
    root = MINT.issue("Root", "MO", ca=True)
    sub = MINT.issue("Sub", "MO", root, ca=True, purposes=[ExtendedKeyUsageOID.CLIENT_AUTH])
    return ders([MINT.issue(EMAID, "MO", sub), sub]), CONTRACT_2, Anchors(mo=roots(root))


def sub_cas_below_an_mo_root_that_say_nothing() -> tuple[list[bytes], Profile, Anchors]:
    """Some operators' sub-CAs carry no role, or their company's domain."""
    root = MINT.issue("Root", None, ca=True)
    sub1 = MINT.issue("Sub 1", None, root, ca=True)
    sub2 = MINT.issue("Sub 2", "example", sub1, ca=True)
    return ders([MINT.issue(EMAID, "MO", sub2), sub2, sub1]), CONTRACT_2, Anchors(mo=roots(root))


def oem_provisioning() -> tuple[list[bytes], Profile, Anchors]:
    return LAB.provisioning.ders, OEM_PROVISIONING_2, anchors()


def company_domain_beside_the_role() -> tuple[list[bytes], Profile, Anchors]:
    root, chain = mo_line(MINT)
    leaf = MINT.issue(EMAID, ("MO", "example"), chain[1])
    return ders([leaf, *chain[1:]]), CONTRACT_2, Anchors(mo=roots(root))


def vehicle_line(subject: x509.Name | None = None, *, purpose: bool = True) -> tuple[list[bytes], Profile, Anchors]:
    mint = Mint(AT, 7, KeyKind.P521)
    root = mint.issue("OEM Root", "OEM", ca=True)
    sub = mint.issue("OEM Sub", "OEM", root, ca=True)
    names = [(NameOID.COMMON_NAME, "WMIV1234567890ABCDEX"), (NameOID.ORGANIZATION_NAME, "Lab OEM")]
    subject = subject or x509.Name([x509.NameAttribute(oid, value) for oid, value in names])
    purposes = [ExtendedKeyUsageOID.CLIENT_AUTH] if purpose else []
    leaf = mint.issue(None, None, sub, subject=subject, purposes=purposes)
    return ders([leaf, sub]), VEHICLE_20, Anchors(oem=roots(root, edition=Edition.ISO20))


ACCEPTED: list[Scenario] = [
    valid_p256,
    valid_p521,
    valid_ed448,
    no_key_identifiers_no_aia,
    cps_leaf_with_digital_signature_only,
    shuffled_with_root_inside,
    other_root_of_the_same_name_first,
    other_root_of_the_same_name_without_identifiers,
    unknown_extension_not_critical,
    cross_signed_root_old_installed,
    cross_signed_root_new_installed,
    critical_aia,
    critical_cdp_and_policies,
    leaf_below_the_root,
    one_sub_ca,
    contract_below_v2g_root,
    secc,
    secc_with_server_purpose,
    secc_below_a_ca_for_servers,
    secc_below_a_ca_for_anything,
    sub_ca_with_a_purpose_that_is_not_critical,
    sub_cas_below_an_mo_root_that_say_nothing,
    oem_provisioning,
    company_domain_beside_the_role,
    vehicle_line,
]

# What a validator must refuse, and the chain of tools.pki.flaws that shows it.
REFUSED = {
    "expired leaf": "expired-leaf",
    "leaf not yet valid": "leaf-not-yet-valid",
    "expired sub-CA": "expired-sub-ca",
    "expired root": "expired-root",
    "leaf keyUsage lacks digitalSignature": "no-digital-signature",
    "sub-CA keyUsage lacks keyCertSign": "sub-ca-without-cert-sign",
    "sub-CA says CA:FALSE": "sub-ca-not-ca",
    "sub-CA without basicConstraints": "sub-ca-without-constraints",
    "pathLen violated": "path-length-broken",
    "three sub-CAs": "three-sub-cas",
    "issuer name mismatch": "issuer-name-mismatch",
    "bad signature": "bad-signature",
    "unknown critical extension in leaf": "unknown-critical-extension",
    "unknown critical extension in sub-CA": "unknown-critical-extension-in-sub-ca",
    "self-signed leaf": "self-signed",
    "self-signed leaf as anchor": "self-signed-installed",
    "CA certificate as leaf": "leaf-is-ca",
    "unknown root": "foreign-root",
    "issuer loop": "issuer-loop",
    "leaf on P-384": "p384-leaf",
    "SHA-1": "sha1-signature",
    "sub-CA restricted to another purpose": "sub-ca-restricted-purpose",
    "nameConstraints": "sub-ca-name-constraints",
    "critical nameConstraints": "sub-ca-critical-name-constraints",
    "policyConstraints": "sub-ca-policy-constraints",
    "contract from a CPO's sub-CA below a V2G root": "sub-ca-says-cpo-below-v2g",
}


@pytest.mark.parametrize("scenario", ACCEPTED, ids=lambda scenario: scenario.__name__)
def test_a_sound_chain_is_accepted(scenario: Scenario) -> None:
    chain, profile, installed = scenario()
    verified = verify_chain(chain, profile, installed, AT)
    assert verified.outcome is Outcome.VALID
    assert verified.leaf.der == chain[0]
    assert verified.anchor is not None
    path = [verified.leaf, *verified.sub_cas, verified.anchor]
    assert all(child.is_signed_by(issuer) for child, issuer in pairwise(path))


@pytest.mark.parametrize("flaw", REFUSED.values(), ids=REFUSED)
def test_the_refused_scenarios_have_their_chains(flaw: str) -> None:
    assert flaw in FLAWS


def test_no_certificate() -> None:
    with pytest.raises(ChainRejected) as refused:
        verify_chain([], CONTRACT_2, anchors(), AT)
    assert refused.value.flaw is Flaw.NO_CERTIFICATE


@pytest.mark.parametrize(
    ("edition", "kind", "largest"), [(Edition.ISO2, KeyKind.P256, 800), (Edition.ISO20, KeyKind.P521, 1600)]
)
def test_the_size_limit_is_exact(edition: Edition, kind: KeyKind, largest: int) -> None:
    """certificateType of the XSD: 800 octets in ISO 15118-2, 1600 in ISO 15118-20."""
    mint = Mint(AT, 7, kind)
    root = mint.issue("Root", "MO", ca=True)
    profile = CONTRACT_2 if edition is Edition.ISO2 else CONTRACT_20
    installed = Anchors(mo=roots(root, edition=edition))
    for length, accepted in ((largest, True), (largest + 1, False)):
        leaf = leaf_of_length(mint, root, length)
        if accepted:
            assert verify_chain([leaf], profile, installed, AT).leaf.der == leaf
        else:
            with pytest.raises(ChainRejected) as refused:
                verify_chain([leaf], profile, installed, AT)
            assert refused.value.flaw is Flaw.CERTIFICATE_TOO_LARGE


def leaf_of_length(mint: Mint, root: Issued, octets: int) -> bytes:
    wanted = octets
    for _ in range(200):
        leaf = mint.issue(EMAID, "MO", root, extra=padding_to(wanted)).der
        if len(leaf) == octets:
            return leaf
        wanted += octets - len(leaf)
    raise AssertionError("signatures never came out at the right length")


def test_a_chain_of_the_other_edition_is_refused() -> None:
    with pytest.raises(ChainRejected) as refused:
        verify_chain(LAB.contract.ders, CONTRACT_20, anchors(), AT)
    assert refused.value.flaw is Flaw.SIGNATURE_ALGORITHM_NOT_ALLOWED
    with pytest.raises(ChainRejected):
        verify_chain(valid_p521()[0], CONTRACT_2, anchors(), AT)


def test_a_secc_chain_needs_a_v2g_root() -> None:
    """Roles never mix: the same root, installed as an MO root, anchors no station."""
    with pytest.raises(ChainRejected) as refused:
        verify_chain(LAB.secc.ders, SECC_2, Anchors(mo=roots(LAB.secc.root)), AT)
    assert refused.value.flaw is Flaw.NO_TRUST_ANCHOR


def test_a_mobility_operator_issues_no_stations() -> None:
    leaf = MINT.issue("SECC", "CPO", LAB.contract.sub2, usage=TLS_USAGE)
    chain = ders([leaf, LAB.contract.sub2, LAB.contract.sub1])
    with pytest.raises(ChainRejected) as refused:
        verify_chain(chain, SECC_2, Anchors(v2g=roots(LAB.contract.root)), AT)
    assert refused.value.flaw is Flaw.SUB_CA_DOMAIN_COMPONENT


@pytest.mark.parametrize("marker", sorted(ROLE_MARKERS - {"MO"}))
def test_below_a_v2g_root_only_a_mobility_operator_issues_contracts(marker: str) -> None:
    """A-PKI-02: a charge point operator's sub-CA, above all, which every station trusts for other things."""
    for upper, lower in ((marker, "MO"), ("MO", marker), ("MO", ("MO", marker))):
        sub1 = MINT.issue("Sub 1", upper, LAB.secc.root, ca=True)
        sub2 = MINT.issue("Sub 2", lower, sub1, ca=True)
        leaf = MINT.issue(EMAID, "MO", sub2, usage=CONTRACT_USAGE)
        with pytest.raises(ChainRejected) as refused:
            verify_chain(ders([leaf, sub2, sub1]), CONTRACT_2, anchors(), AT)
        assert refused.value.flaw is Flaw.SUB_CA_DOMAIN_COMPONENT


@pytest.mark.parametrize("marker", sorted(ROLE_MARKERS - {"MO", "V2G"}))
def test_below_an_mo_root_no_other_role_issues_contracts(marker: str) -> None:
    """A company may be operator and car maker under one root: only its operator issues contracts. (A-PKI-02)"""
    for components in (marker, ("MO", marker), marker.lower()):
        sub = MINT.issue("Sub", components, LAB.contract.root, ca=True)
        leaf = MINT.issue(EMAID, "MO", sub, usage=CONTRACT_USAGE)
        with pytest.raises(ChainRejected) as refused:
            verify_chain(ders([leaf, sub]), CONTRACT_2, anchors(), AT)
        assert refused.value.flaw is Flaw.SUB_CA_DOMAIN_COMPONENT


def test_a_station_leaf_restricted_to_clients_is_refused() -> None:
    leaf = MINT.issue("SECC", "CPO", LAB.secc.sub2, purposes=[ExtendedKeyUsageOID.CLIENT_AUTH])
    with pytest.raises(ChainRejected) as refused:
        verify_chain(ders([leaf, LAB.secc.sub2, LAB.secc.sub1]), SECC_2, anchors(), AT)
    assert refused.value.flaw is Flaw.LEAF_EXTENDED_KEY_USAGE


def test_a_vehicle_without_client_purpose_is_refused() -> None:
    chain, profile, installed = vehicle_line(purpose=False)
    with pytest.raises(ChainRejected) as refused:
        verify_chain(chain, profile, installed, AT)
    assert refused.value.flaw is Flaw.LEAF_EXTENDED_KEY_USAGE


def test_a_vehicle_with_more_names_than_two_is_refused() -> None:
    """[V2G20-2598]: that is the provisioning certificate, not the vehicle's."""
    names = [
        (NameOID.COMMON_NAME, "WMIV1234567890ABCDEX"),
        (NameOID.ORGANIZATION_NAME, "Lab"),
        (NameOID.DOMAIN_COMPONENT, "OEM"),
    ]
    subject = x509.Name([x509.NameAttribute(oid, value) for oid, value in names])
    chain, profile, installed = vehicle_line(subject)
    with pytest.raises(ChainRejected) as refused:
        verify_chain(chain, profile, installed, AT)
    assert refused.value.flaw is Flaw.LEAF_SUBJECT


def test_a_p521_station_chain_holds_in_its_edition() -> None:
    mint = Mint(AT, 7, KeyKind.P521)
    root = mint.issue("V2G Root", "V2G", ca=True)
    sub = mint.issue("CPO Sub", "CPO", root, ca=True)
    leaf = mint.issue("SECC", "CSO", sub)
    verified = verify_chain(ders([leaf, sub]), SECC_20, Anchors(v2g=roots(root, edition=Edition.ISO20)), AT)
    assert verified.anchor is not None
    assert verified.anchor.der == root.der


@pytest.mark.case("A-PKI-04", "A-TLS-04")
def test_a_hostile_list_costs_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sub-CAs of one name and key, each a candidate for every place: no signature is verified twice."""
    forged = MINT.issue("Lab MO Upper", "MO", LAB.contract.root, ca=True, signing_key=MINT.key(), key_identifiers=False)
    lower = MINT.issue("Lab MO Lower", "MO", forged, ca=True)
    twins = [MINT.issue("Lab MO Lower", "MO", forged, ca=True, key=lower.key) for _ in range(2)]
    leaf = MINT.issue(EMAID, "MO", lower, usage=CONTRACT_USAGE, key_identifiers=False)
    verified: list[tuple[bytes, bytes]] = []
    original = Certificate.is_signed_by

    def noted(child: Certificate, issuer: Certificate) -> bool:
        verified.append((child.der, issuer.der))
        return original(child, issuer)

    monkeypatch.setattr(Certificate, "is_signed_by", noted)
    with pytest.raises(ChainRejected) as refused:
        verify_chain(ders([leaf, lower, *twins, forged]), CONTRACT_2, anchors(), AT)
    assert refused.value.flaw is Flaw.BAD_SIGNATURE
    assert len(verified) == len(set(verified)) == 7


def test_an_unfit_root_outweighs_an_absent_one() -> None:
    """The sub-CA is named like an installed root that has expired, and leads to a root that is not installed: no central validation."""
    expired = MINT.issue("Root", "MO", ca=True, not_before=AT - 90 * DAY, not_after=AT - DAY)
    stranger = MINT.issue("Stranger", "MO", ca=True)
    cross = MINT.issue("Root", "MO", stranger, ca=True, key=expired.key)
    leaf = MINT.issue(EMAID, "MO", cross)
    with pytest.raises(ChainRejected) as refused:
        verify_chain(ders([leaf, cross]), CONTRACT_2, Anchors(mo=roots(expired)), AT, unanchored_allowed=True)
    assert refused.value.flaw is Flaw.ANCHOR_EXPIRED


def test_the_dates_are_inclusive() -> None:
    leaf = certificate(LAB.contract.leaf)
    for moment in (leaf.not_before, leaf.not_after):
        assert verify_chain(LAB.contract.ders, CONTRACT_2, anchors(), moment).dates_proven
    for moment in (leaf.not_before - timedelta(seconds=1), leaf.not_after + timedelta(seconds=1)):
        with pytest.raises(ChainRejected):
            verify_chain(LAB.contract.ders, CONTRACT_2, anchors(), moment)


# Calendar: without a trusted clock `at` is only the newest moment that has certainly passed.


def test_without_a_clock_nothing_is_accepted_by_default() -> None:
    with pytest.raises(ChainRejected) as refused:
        verify_chain(LAB.contract.ders, CONTRACT_2, anchors(), AT, clock_trusted=False)
    assert refused.value.flaw is Flaw.CLOCK_UNTRUSTED


@pytest.mark.parametrize("floor", [AT - timedelta(days=900), AT])
def test_where_a_floor_suffices_a_chain_may_begin_after_it(floor: datetime) -> None:
    verified = verify_chain(LAB.contract.ders, CONTRACT_2, anchors(), floor, clock_trusted=False, floor_suffices=True)
    assert verified.outcome is Outcome.VALID
    assert not verified.dates_proven


def test_what_had_expired_by_the_floor_stays_refused() -> None:
    floor = AT + timedelta(days=731)
    with pytest.raises(ChainRejected) as refused:
        verify_chain(LAB.contract.ders, CONTRACT_2, anchors(), floor, clock_trusted=False, floor_suffices=True)
    assert refused.value.flaw is Flaw.LEAF_EXPIRED


def test_certificates_that_were_never_valid_together_are_refused() -> None:
    root = MINT.issue("Root", "MO", ca=True)
    old = MINT.issue("Sub", "MO", root, ca=True, not_before=AT - 90 * DAY, not_after=AT - 30 * DAY)
    leaf = MINT.issue(EMAID, "MO", old, not_before=AT - 10 * DAY)
    floor = AT - 60 * DAY
    with pytest.raises(ChainRejected) as refused:
        verify_chain(
            ders([leaf, old]), CONTRACT_2, Anchors(mo=roots(root)), floor, clock_trusted=False, floor_suffices=True
        )
    assert refused.value.flaw is Flaw.SUB_CA_EXPIRED


def test_key_agreement_is_not_asked_of_a_contract() -> None:
    """Contracts of real test systems carry fewer keyUsage bits than the annex lists."""
    root, chain = mo_line(MINT, leaf={"usage": key_usage("digital_signature", "key_agreement")})
    assert verify_chain(ders(chain), CONTRACT_2, Anchors(mo=roots(root)), AT).outcome is Outcome.VALID


@pytest.mark.parametrize("others", [0, 10, 3000])
def test_a_search_takes_as_long_among_many_roots_as_among_few(others: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted: the certificates that are compared, and the signatures that are verified."""
    own = certificate(LAB.contract.root)
    crowd = tuple(
        replace(own, subject=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Root {n}")])) for n in range(others)
    )
    calls: list[str] = []
    for name in ("names_as_issuer", "is_signed_by"):
        call = getattr(Certificate, name)

        def counted(self: Certificate, other: Certificate, name: str = name, call: Callable[..., bool] = call) -> bool:
            calls.append(name)
            return call(self, other)

        monkeypatch.setattr(Certificate, name, counted)
    verified = verify_chain(LAB.contract.ders, CONTRACT_2, Anchors(mo=(*crowd, own)), AT)
    assert verified.anchor is own
    assert (calls.count("names_as_issuer"), calls.count("is_signed_by")) == (4, 3)


def test_roots_are_found_by_name_however_it_is_encoded() -> None:
    """Names are the same if their texts are; two roots of one name are tried in the order in which they are installed."""
    own, child = certificate(LAB.contract.root), certificate(LAB.contract.sub1)
    printable = x509.Name(
        [
            x509.NameAttribute(a.oid, a.value, _ASN1Type.PrintableString if a.oid == NameOID.COMMON_NAME else None)
            for a in own.subject
        ]
    )
    again = replace(own, subject=printable)
    assert again.subject.public_bytes() != own.subject.public_bytes()
    other = certificate(LAB.secc.root)
    found = Anchors(v2g=(other,), mo=(again, other, own))
    assert [id(root) for root in found.issuers(Role.MO, child)] == [id(again), id(own)]
    assert found.issuers(Role.V2G, child) == found.issuers(Role.OEM, child) == []
    keyed = replace(own, subject_key_identifier=b"another key")
    assert Anchors(mo=(keyed,)).issuers(Role.MO, child) == []
