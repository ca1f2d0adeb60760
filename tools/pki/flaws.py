"""Flawed contract chains by name: one function each, whose docstring says what is wrong.

Each takes a sound lab PKI and gives a car's contract that a station must refuse, with the :class:`certs.Flaw` that it must name. Most are
judged against the lab's own MO root; where the flaw is the root's, ``mo_roots`` are the roots to install instead.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from certs import Flaw
from tools.pki.lab import EMAID, LabPki, Line
from tools.pki.mint import CA_USAGE, CONTRACT_USAGE, DAY, Issued, KeyKind, Mint, key_usage


@dataclass(frozen=True, slots=True)
class FlawedContract:
    """What a car would send: certificates leaf first, the EMAID it claims, the leaf's key; and the flaw to be found."""

    chain: tuple[bytes, ...]
    key_pem: bytes
    flaw: Flaw
    claimed: str = EMAID
    mo_roots: tuple[Issued, ...] = ()


_Maker = Callable[[LabPki], FlawedContract]
FLAWS: dict[str, _Maker] = {}


def make_flawed(name: str, lab: LabPki) -> FlawedContract:
    """The flawed contract of that name (KeyError if there is none)."""
    return FLAWS[name](lab)


def describe(name: str) -> str:
    """What is wrong with it, in one sentence."""
    return inspect.getdoc(FLAWS[name]) or ""


def _named(maker: _Maker) -> _Maker:
    FLAWS[maker.__name__.replace("_", "-")] = maker
    return maker


def _contract(
    lab: LabPki,
    flaw: Flaw,
    *,
    root: Any = None,
    sub1: Any = None,
    sub2: Any = None,
    leaf: Any = None,
    domain: str = "MO",
) -> FlawedContract:
    """A fresh line below the lab's MO root (or, with ``root``, one of its own), with what is given ordered differently."""
    mint = lab.mint
    top = lab.contract.root if root is None else mint.issue(f"Lab {domain} Root CA", domain, ca=True, days=3650, **root)
    first = mint.issue("Lab MO Sub-CA 1", domain, top, **{"ca": True, "path_length": 1, **(sub1 or {})})
    second = mint.issue("Lab MO Sub-CA 2", domain, first, **{"ca": True, "path_length": 0, **(sub2 or {})})
    order: dict[str, Any] = {"usage": CONTRACT_USAGE, **(leaf or {})}
    name, component = order.pop("common_name", EMAID), order.pop("domain_component", "MO")
    last = mint.issue(name, component, second, **order)
    return _sent(Line(top, first, second, last), flaw, mo_roots=() if root is None else (top,))


def _sent(line: Line, flaw: Flaw, *, mo_roots: tuple[Issued, ...] = ()) -> FlawedContract:
    return FlawedContract(tuple(line.ders), line.leaf.key_pem, flaw, mo_roots=mo_roots)


def _unknown_extension() -> list[tuple[x509.ExtensionType, bool]]:
    return [(x509.UnrecognizedExtension(ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00"), True)]


# Dates


@_named
def expired_leaf(lab: LabPki) -> FlawedContract:
    """The contract ended yesterday."""
    at = lab.mint.at
    return _contract(lab, Flaw.LEAF_EXPIRED, leaf={"not_before": at - 9 * DAY, "not_after": at - DAY})


@_named
def leaf_not_yet_valid(lab: LabPki) -> FlawedContract:
    """The contract begins tomorrow."""
    at = lab.mint.at
    return _contract(lab, Flaw.LEAF_NOT_YET_VALID, leaf={"not_before": at + DAY, "not_after": at + 9 * DAY})


@_named
def expired_sub_ca(lab: LabPki) -> FlawedContract:
    """The issuing sub-CA ended yesterday."""
    at = lab.mint.at
    return _contract(lab, Flaw.SUB_CA_EXPIRED, sub2={"not_before": at - 9 * DAY, "not_after": at - DAY})


@_named
def sub_ca_not_yet_valid(lab: LabPki) -> FlawedContract:
    """The upper sub-CA begins tomorrow."""
    at = lab.mint.at
    return _contract(lab, Flaw.SUB_CA_NOT_YET_VALID, sub1={"not_before": at + DAY, "not_after": at + 9 * DAY})


@_named
def expired_root(lab: LabPki) -> FlawedContract:
    """The installed MO root ended yesterday; the rest of the chain is valid."""
    at = lab.mint.at
    return _contract(lab, Flaw.ANCHOR_EXPIRED, root={"not_before": at - 9 * DAY, "not_after": at - DAY})


@_named
def root_not_yet_valid(lab: LabPki) -> FlawedContract:
    """The installed MO root begins tomorrow."""
    at = lab.mint.at
    return _contract(lab, Flaw.ANCHOR_NOT_YET_VALID, root={"not_before": at + DAY, "not_after": at + 9 * DAY})


# Roles


@_named
def wrong_domain_component(lab: LabPki) -> FlawedContract:
    """The leaf says CPO: a charging station's role."""
    return _contract(lab, Flaw.LEAF_DOMAIN_COMPONENT, leaf={"domain_component": "CPO"})


@_named
def missing_domain_component(lab: LabPki) -> FlawedContract:
    """The leaf says no role at all."""
    return _contract(lab, Flaw.LEAF_DOMAIN_COMPONENT, leaf={"domain_component": None})


@_named
def two_roles(lab: LabPki) -> FlawedContract:
    """The leaf says MO and CPO at once."""
    return _contract(lab, Flaw.LEAF_DOMAIN_COMPONENT, leaf={"domain_component": ("MO", "CPO")})


@_named
def secc_as_contract(lab: LabPki) -> FlawedContract:
    """The station's own TLS certificate, presented as a contract."""
    return _sent(lab.secc, Flaw.LEAF_DOMAIN_COMPONENT)


@_named
def provisioning_as_contract(lab: LabPki) -> FlawedContract:
    """The car's OEM provisioning certificate, presented as a contract."""
    return _sent(lab.provisioning, Flaw.LEAF_DOMAIN_COMPONENT)


@_named
def cps_as_contract(lab: LabPki) -> FlawedContract:
    """The provisioning service's signing certificate, presented as a contract."""
    return _sent(lab.cps, Flaw.LEAF_DOMAIN_COMPONENT)


@_named
def issued_by_cpo(lab: LabPki) -> FlawedContract:
    """A charge point operator's sub-CA, below a V2G root that is installed, issued a contract."""
    leaf = lab.mint.issue(EMAID, "MO", lab.secc.sub2, usage=CONTRACT_USAGE)
    return _sent(replace(lab.secc, leaf=leaf), Flaw.SUB_CA_DOMAIN_COMPONENT)


@_named
def issued_by_oem(lab: LabPki) -> FlawedContract:
    """A car maker's sub-CA issued a contract: its root is installed, but as an OEM root."""
    leaf = lab.mint.issue(EMAID, "MO", lab.provisioning.sub2, usage=CONTRACT_USAGE)
    return _sent(replace(lab.provisioning, leaf=leaf), Flaw.NO_TRUST_ANCHOR)


# Leaf


@_named
def leaf_is_ca(lab: LabPki) -> FlawedContract:
    """The leaf is marked as a CA."""
    usage = key_usage("digital_signature", "key_cert_sign")
    return _contract(lab, Flaw.LEAF_IS_CA, leaf={"ca": True, "usage": usage})


@_named
def no_digital_signature(lab: LabPki) -> FlawedContract:
    """The leaf's keyUsage permits key agreement only."""
    return _contract(lab, Flaw.LEAF_KEY_USAGE, leaf={"usage": key_usage("key_agreement")})


@_named
def no_key_usage(lab: LabPki) -> FlawedContract:
    """The leaf has no keyUsage."""
    return _contract(lab, Flaw.LEAF_KEY_USAGE, leaf={"usage": None})


@_named
def restricted_purpose(lab: LabPki) -> FlawedContract:
    """A critical extendedKeyUsage restricts the leaf to TLS servers."""
    order = {"purposes": [ExtendedKeyUsageOID.SERVER_AUTH], "purposes_critical": True}
    return _contract(lab, Flaw.LEAF_EXTENDED_KEY_USAGE, leaf=order)


@_named
def no_common_name(lab: LabPki) -> FlawedContract:
    """The leaf names no EMAID."""
    return _contract(lab, Flaw.LEAF_SUBJECT, leaf={"common_name": None})


@_named
def two_common_names(lab: LabPki) -> FlawedContract:
    """The leaf names two EMAIDs."""
    names = [x509.NameAttribute(NameOID.COMMON_NAME, name) for name in (EMAID, "DE8AACA2B3C4D6")]
    subject = x509.Name([*names, x509.NameAttribute(NameOID.DOMAIN_COMPONENT, "MO")])
    return _contract(lab, Flaw.LEAF_SUBJECT, leaf={"subject": subject})


@_named
def emaid_mismatch(lab: LabPki) -> FlawedContract:
    """The message claims another contract than the certificate."""
    return replace(_sent(lab.contract, Flaw.EMAID_MISMATCH), claimed="DE8AACA2B3C4D6")


@_named
def emaid_malformed(lab: LabPki) -> FlawedContract:
    """The leaf's commonName is no EMAID."""
    return _contract(lab, Flaw.EMAID_MALFORMED, leaf={"common_name": "Max Mustermann"})


@_named
def self_signed(lab: LabPki) -> FlawedContract:
    """The leaf is signed by itself."""
    leaf = lab.mint.issue(EMAID, "MO", usage=CONTRACT_USAGE)
    return FlawedContract((leaf.der,), leaf.key_pem, Flaw.SELF_SIGNED)


@_named
def self_signed_installed(lab: LabPki) -> FlawedContract:
    """The leaf is signed by itself, and somebody put it among the roots."""
    leaf = lab.mint.issue(EMAID, "MO", usage=CONTRACT_USAGE)
    return FlawedContract((leaf.der,), leaf.key_pem, Flaw.SELF_SIGNED, mo_roots=(leaf,))


# Algorithms


@_named
def rsa_sub_ca(lab: LabPki) -> FlawedContract:
    """The issuing sub-CA has an RSA key."""
    return _contract(lab, Flaw.SIGNATURE_ALGORITHM_NOT_ALLOWED, sub2={"kind": KeyKind.RSA})


@_named
def rsa_leaf(lab: LabPki) -> FlawedContract:
    """The leaf has an RSA key."""
    return _contract(lab, Flaw.KEY_NOT_ALLOWED, leaf={"kind": KeyKind.RSA, "key_identifiers": False, "ocsp_url": None})


@_named
def p384_leaf(lab: LabPki) -> FlawedContract:
    """The leaf's key is on the curve P-384."""
    return _contract(lab, Flaw.KEY_NOT_ALLOWED, leaf={"kind": KeyKind.P384})


@_named
def sha384_signature(lab: LabPki) -> FlawedContract:
    """The leaf is signed with ECDSA over SHA-384."""
    return _contract(lab, Flaw.SIGNATURE_ALGORITHM_NOT_ALLOWED, leaf={"hash_": hashes.SHA384()})


# Issuers


@_named
def sub_ca_not_ca(lab: LabPki) -> FlawedContract:
    """The issuing sub-CA says CA:FALSE."""
    return _contract(lab, Flaw.SUB_CA_NOT_CA, sub2={"ca": False, "path_length": None, "usage": CA_USAGE})


@_named
def sub_ca_without_constraints(lab: LabPki) -> FlawedContract:
    """The issuing sub-CA has no basicConstraints."""
    return _contract(lab, Flaw.SUB_CA_NOT_CA, sub2={"constraints": False, "usage": CA_USAGE})


@_named
def leaf_as_sub_ca(lab: LabPki) -> FlawedContract:
    """Another contract's leaf issued this one."""
    leaf = lab.mint.issue("DE8AACA2B3C4D6", "MO", lab.contract.leaf, usage=CONTRACT_USAGE)
    chain = (leaf.der, lab.contract.leaf.der, lab.contract.sub2.der, lab.contract.sub1.der)
    return FlawedContract(chain, leaf.key_pem, Flaw.SUB_CA_NOT_CA, claimed="DE8AACA2B3C4D6")


@_named
def sub_ca_without_cert_sign(lab: LabPki) -> FlawedContract:
    """The issuing sub-CA may sign revocation lists only."""
    return _contract(lab, Flaw.SUB_CA_KEY_USAGE, sub2={"usage": key_usage("crl_sign")})


@_named
def path_length_broken(lab: LabPki) -> FlawedContract:
    """The upper sub-CA permits no sub-CA below it, and has one."""
    return _contract(lab, Flaw.PATH_LENGTH, sub1={"path_length": 0})


@_named
def root_path_length_broken(lab: LabPki) -> FlawedContract:
    """The root permits one sub-CA below it, and there are two."""
    return _contract(lab, Flaw.PATH_LENGTH, root={"path_length": 1})


@_named
def three_sub_cas(lab: LabPki) -> FlawedContract:
    """Three sub-CAs stand between leaf and root."""
    mint, below = lab.mint, lab.contract.root
    subs: list[Issued] = []
    for number in (1, 2, 3):
        below = mint.issue(f"Lab MO Sub-CA {number}", "MO", below, ca=True)
        subs.insert(0, below)
    leaf = mint.issue(EMAID, "MO", below, usage=CONTRACT_USAGE)
    return FlawedContract((leaf.der, *(sub.der for sub in subs)), leaf.key_pem, Flaw.TOO_MANY_SUB_CAS)


@_named
def issuer_loop(lab: LabPki) -> FlawedContract:
    """The two sub-CAs issued each other."""
    mint = lab.mint
    first, second = (mint.issue(f"Lab MO Circle {name}", "MO", ca=True) for name in "AB")
    first_by_second = mint.issue("Lab MO Circle A", "MO", second, ca=True, key=first.key)
    second_by_first = mint.issue("Lab MO Circle B", "MO", first, ca=True, key=second.key)
    leaf = mint.issue(EMAID, "MO", first_by_second, usage=CONTRACT_USAGE)
    return FlawedContract((leaf.der, first_by_second.der, second_by_first.der), leaf.key_pem, Flaw.ISSUER_LOOP)


@_named
def issuer_name_mismatch(lab: LabPki) -> FlawedContract:
    """The leaf is signed with the sub-CA's key but names another issuer."""
    mint, line = lab.mint, lab.contract
    alias = mint.issue("Lab MO Other Name", "MO", ca=True, key=line.sub2.key)
    leaf = mint.issue(EMAID, "MO", alias, usage=CONTRACT_USAGE, key_identifiers=False)
    return _sent(replace(line, leaf=leaf), Flaw.CHAIN_BROKEN)


@_named
def missing_sub_ca(lab: LabPki) -> FlawedContract:
    """The issuing sub-CA is not sent along."""
    line = lab.contract
    return FlawedContract((line.leaf.der, line.sub1.der), line.leaf.key_pem, Flaw.CHAIN_BROKEN)


@_named
def bad_signature(lab: LabPki) -> FlawedContract:
    """All names are right, but the leaf is signed with a stranger's key."""
    return _contract(lab, Flaw.BAD_SIGNATURE, leaf={"signing_key": lab.mint.key()})


@_named
def forged_sub_ca(lab: LabPki) -> FlawedContract:
    """The upper sub-CA is signed with a stranger's key in the root's name."""
    return _contract(lab, Flaw.BAD_SIGNATURE, sub1={"signing_key": lab.mint.key()})


@_named
def tampered_leaf(lab: LabPki) -> FlawedContract:
    """One octet of the leaf's serial number was changed after signing."""
    line = lab.contract
    serial = line.leaf.certificate.serial_number.to_bytes(16, "big").lstrip(b"\0")
    changed = serial[:-1] + bytes([serial[-1] ^ 2])
    return FlawedContract(
        (line.leaf.der.replace(serial, changed, 1), line.sub2.der, line.sub1.der), line.leaf.key_pem, Flaw.BAD_SIGNATURE
    )


@_named
def root_is_no_ca(lab: LabPki) -> FlawedContract:
    """The installed root is no CA certificate."""
    return _contract(lab, Flaw.ANCHOR_UNFIT, root={"constraints": False, "usage": CA_USAGE})


@_named
def foreign_root(lab: LabPki) -> FlawedContract:
    """A sound contract of a mobility operator whose root is not installed."""
    return replace(_contract(lab, Flaw.NO_TRUST_ANCHOR, root={}), mo_roots=())


@_named
def foreign_root_sent_along(lab: LabPki) -> FlawedContract:
    """A sound contract of a stranger, who sends his own root along."""
    flawed = _contract(lab, Flaw.NO_TRUST_ANCHOR, root={})
    return replace(flawed, chain=(*flawed.chain, flawed.mo_roots[0].der), mo_roots=())


@_named
def other_root_of_same_name(lab: LabPki) -> FlawedContract:
    """The chain stands below a root that has the name of an installed one, but another key, and carries no key identifiers."""
    flawed = _contract(lab, Flaw.BAD_SIGNATURE, root={}, sub1={"key_identifiers": False})
    return replace(flawed, mo_roots=())


# Form


@_named
def unknown_critical_extension(lab: LabPki) -> FlawedContract:
    """The leaf has a critical extension that nobody knows."""
    return _contract(lab, Flaw.UNKNOWN_CRITICAL_EXTENSION, leaf={"extra": _unknown_extension()})


@_named
def unknown_critical_extension_in_sub_ca(lab: LabPki) -> FlawedContract:
    """The issuing sub-CA has a critical extension that nobody knows."""
    return _contract(lab, Flaw.UNKNOWN_CRITICAL_EXTENSION, sub2={"extra": _unknown_extension()})


@_named
def oversized_leaf(lab: LabPki) -> FlawedContract:
    """The leaf has 801 octets or more, where the message allows 800."""
    return _contract(lab, Flaw.CERTIFICATE_TOO_LARGE, leaf={"extra": padding_to(lab.mint, 801)})


@_named
def too_many_certificates(lab: LabPki) -> FlawedContract:
    """Six certificates, where a leaf and four sub-CAs are the most."""
    others = (lab.cps.sub1.der, lab.cps.sub2.der, lab.secc.sub1.der)
    flawed = _sent(lab.contract, Flaw.TOO_MANY_CERTIFICATES)
    return replace(flawed, chain=(*flawed.chain, *others))


@_named
def truncated_leaf(lab: LabPki) -> FlawedContract:
    """The last octet of the leaf is missing."""
    flawed = _sent(lab.contract, Flaw.MALFORMED)
    return replace(flawed, chain=(flawed.chain[0][:-1], *flawed.chain[1:]))


@_named
def version_1_leaf(lab: LabPki) -> FlawedContract:
    """The leaf is an X.509 version 1 certificate, properly signed."""

    def downgrade(tbs: asn1_x509.TbsCertificate) -> None:
        tbs["version"] = "v1"
        del tbs["extensions"]

    return _edited_leaf(lab, downgrade, Flaw.NOT_VERSION_3)


@_named
def duplicate_extension(lab: LabPki) -> FlawedContract:
    """The leaf has two keyUsage extensions, properly signed."""

    def duplicate(tbs: asn1_x509.TbsCertificate) -> None:
        usage = next(e for e in tbs["extensions"] if e["extn_id"].native == "key_usage")
        tbs["extensions"].append(usage.copy())

    return _edited_leaf(lab, duplicate, Flaw.MALFORMED)


def _edited_leaf(lab: LabPki, edit: Callable[[asn1_x509.TbsCertificate], None], flaw: Flaw) -> FlawedContract:
    line = lab.contract
    leaf = lab.mint.resign(line.leaf.der, line.sub2.key, edit)
    return FlawedContract((leaf, line.sub2.der, line.sub1.der), line.leaf.key_pem, flaw)


def padding_to(mint: Mint, octets: int) -> Sequence[tuple[x509.ExtensionType, bool]]:
    """A harmless extension that makes a leaf of the lab's contract line at least ``octets`` long."""
    return [
        (x509.UnrecognizedExtension(ObjectIdentifier("1.3.6.1.4.1.99999.2"), b"\x04\x82" + bytes(octets - 400)), False)
    ]
