"""Chains with wrong issuers, and chains that are not connected."""

from __future__ import annotations

from dataclasses import replace

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID

from certs.errors import Flaw

from ..lab import LabPki
from ..mint import CA_USAGE, CONTRACT_USAGE, Issued, KeyKind, key_usage
from .parts import FlawedContract, names_of_another_company, ordered, sent, unknown_extension


def sub_ca_not_ca(lab: LabPki) -> FlawedContract:
    """The issuing sub-CA's basicConstraints say CA:FALSE."""
    return ordered(lab, Flaw.SUB_CA_NOT_CA, sub2={"ca": False, "path_length": None, "usage": CA_USAGE})


def sub_ca_without_constraints(lab: LabPki) -> FlawedContract:
    """The issuing sub-CA has no basicConstraints."""
    return ordered(lab, Flaw.SUB_CA_NOT_CA, sub2={"constraints": False, "usage": CA_USAGE})


def leaf_as_sub_ca(lab: LabPki) -> FlawedContract:
    """Another contract's leaf issued this one."""
    leaf = lab.mint.issue("DE8AACA2B3C4D6", "MO", lab.contract.leaf, usage=CONTRACT_USAGE)
    chain = (leaf.der, lab.contract.leaf.der, lab.contract.sub2.der, lab.contract.sub1.der)
    return FlawedContract(chain, leaf.key_pem, Flaw.SUB_CA_NOT_CA, claimed="DE8AACA2B3C4D6")


def sub_ca_without_cert_sign(lab: LabPki) -> FlawedContract:
    """The issuing sub-CA may sign revocation lists only."""
    return ordered(lab, Flaw.SUB_CA_KEY_USAGE, sub2={"usage": key_usage("crl_sign")})


def sub_ca_restricted_purpose(lab: LabPki) -> FlawedContract:
    """A critical extendedKeyUsage restricts the issuing sub-CA to certificates of TLS servers."""
    order = {"purposes": [ExtendedKeyUsageOID.SERVER_AUTH], "purposes_critical": True}
    return ordered(lab, Flaw.SUB_CA_EXTENDED_KEY_USAGE, sub2=order)


def sub_ca_name_constraints(lab: LabPki) -> FlawedContract:
    """The issuing sub-CA may only issue names of another company, by nameConstraints that are not critical."""
    return ordered(lab, Flaw.CONSTRAINTS, sub2={"extra": [(names_of_another_company(), False)]})


def sub_ca_critical_name_constraints(lab: LabPki) -> FlawedContract:
    """The upper sub-CA may only issue names of another company, by critical nameConstraints."""
    return ordered(lab, Flaw.CONSTRAINTS, sub1={"extra": [(names_of_another_company(), True)]})


def sub_ca_policy_constraints(lab: LabPki) -> FlawedContract:
    """The upper sub-CA demands a policy that no certificate below it has, by policyConstraints that are not critical."""
    return ordered(lab, Flaw.CONSTRAINTS, sub1={"extra": [(x509.PolicyConstraints(0, None), False)]})


def leaf_name_constraints(lab: LabPki) -> FlawedContract:
    """The leaf has nameConstraints, which only a CA may have."""
    return ordered(lab, Flaw.CONSTRAINTS, leaf={"extra": [(names_of_another_company(), False)]})


def path_length_broken(lab: LabPki) -> FlawedContract:
    """The upper sub-CA's path length is 0, but there is a sub-CA below it."""
    return ordered(lab, Flaw.PATH_LENGTH, sub1={"path_length": 0})


def root_path_length_broken(lab: LabPki) -> FlawedContract:
    """The root's path length is 1, but there are two sub-CAs below it."""
    return ordered(lab, Flaw.PATH_LENGTH, root={"path_length": 1})


def three_sub_cas(lab: LabPki) -> FlawedContract:
    """There are three sub-CAs between leaf and root."""
    mint, below = lab.mint, lab.contract.root
    subs: list[Issued] = []
    for number in (1, 2, 3):
        below = mint.issue(f"Lab MO Sub-CA {number}", "MO", below, ca=True)
        subs.insert(0, below)
    leaf = mint.issue(lab.emaid, "MO", below, usage=CONTRACT_USAGE)
    return FlawedContract((leaf.der, *(sub.der for sub in subs)), leaf.key_pem, Flaw.TOO_MANY_SUB_CAS)


def issuer_loop(lab: LabPki) -> FlawedContract:
    """The two sub-CAs issued each other."""
    mint = lab.mint
    first, second = (mint.issue(f"Lab MO Circle {name}", "MO", ca=True) for name in "AB")
    first_by_second = mint.issue("Lab MO Circle A", "MO", second, ca=True, key=first.key)
    second_by_first = mint.issue("Lab MO Circle B", "MO", first, ca=True, key=second.key)
    leaf = mint.issue(lab.emaid, "MO", first_by_second, usage=CONTRACT_USAGE)
    return FlawedContract((leaf.der, first_by_second.der, second_by_first.der), leaf.key_pem, Flaw.ISSUER_LOOP)


def issuer_name_mismatch(lab: LabPki) -> FlawedContract:
    """The leaf is signed with the sub-CA's key but names another issuer."""
    mint, line = lab.mint, lab.contract
    alias = mint.issue("Lab MO Other Name", "MO", ca=True, key=line.sub2.key)
    leaf = mint.issue(lab.emaid, "MO", alias, usage=CONTRACT_USAGE, key_identifiers=False)
    return sent(replace(line, leaf=leaf), Flaw.CHAIN_BROKEN)


def missing_sub_ca(lab: LabPki) -> FlawedContract:
    """The car does not send the issuing sub-CA."""
    line = lab.contract
    return FlawedContract((line.leaf.der, line.sub1.der), line.leaf.key_pem, Flaw.CHAIN_BROKEN)


def bad_signature(lab: LabPki) -> FlawedContract:
    """All names are right, but the leaf is signed with an unknown key."""
    return ordered(lab, Flaw.BAD_SIGNATURE, leaf={"signing_key": lab.mint.key()})


def forged_sub_ca(lab: LabPki) -> FlawedContract:
    """The upper sub-CA names the root as its issuer, but is signed with an unknown key."""
    return ordered(lab, Flaw.BAD_SIGNATURE, sub1={"signing_key": lab.mint.key()})


def tampered_leaf(lab: LabPki) -> FlawedContract:
    """One octet of the leaf's serial number was changed after signing."""
    line = lab.contract
    serial = line.leaf.certificate.serial_number.to_bytes(16, "big").lstrip(b"\0")
    changed = serial[:-1] + bytes([serial[-1] ^ 2])
    leaf = line.leaf.der.replace(serial, changed, 1)
    return FlawedContract((leaf, line.sub2.der, line.sub1.der), line.leaf.key_pem, Flaw.BAD_SIGNATURE)


def root_is_no_ca(lab: LabPki) -> FlawedContract:
    """The installed root is not a CA certificate."""
    return ordered(lab, Flaw.ANCHOR_UNFIT, root={"constraints": False, "usage": CA_USAGE})


def root_on_p384(lab: LabPki) -> FlawedContract:
    """The installed root's key is on the curve P-384."""
    return ordered(lab, Flaw.ANCHOR_UNFIT, root={"kind": KeyKind.P384}, sub1={"hash_": hashes.SHA256()})


def root_with_unknown_critical_extension(lab: LabPki) -> FlawedContract:
    """The installed root has an unknown critical extension."""
    return ordered(lab, Flaw.ANCHOR_UNFIT, root={"extra": unknown_extension()})


def root_with_name_constraints(lab: LabPki) -> FlawedContract:
    """The installed root permits only names of another company."""
    return ordered(lab, Flaw.ANCHOR_UNFIT, root={"extra": [(names_of_another_company(), False)]})


def root_with_restricted_purpose(lab: LabPki) -> FlawedContract:
    """A critical extendedKeyUsage restricts the installed root to certificates of TLS servers."""
    order = {"purposes": [ExtendedKeyUsageOID.SERVER_AUTH], "purposes_critical": True}
    return ordered(lab, Flaw.ANCHOR_UNFIT, root=order)


def foreign_root(lab: LabPki) -> FlawedContract:
    """The contract is valid, but the mobility operator's root is not installed."""
    return replace(ordered(lab, Flaw.NO_TRUST_ANCHOR, root={}), mo_roots=())


def foreign_root_sent_along(lab: LabPki) -> FlawedContract:
    """The contract is valid; its root is not installed, and the car sends that root."""
    flawed = ordered(lab, Flaw.NO_TRUST_ANCHOR, root={})
    return replace(flawed, chain=(*flawed.chain, flawed.mo_roots[0].der), mo_roots=())


def other_root_of_same_name(lab: LabPki) -> FlawedContract:
    """The chain is below a root with the name of an installed root and another key, and has no key identifiers."""
    flawed = ordered(lab, Flaw.BAD_SIGNATURE, root={}, sub1={"key_identifiers": False})
    return replace(flawed, mo_roots=())
