"""Leaves that are not valid contract leaves."""

from __future__ import annotations

from dataclasses import replace

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from certs.errors import Flaw

from ..lab import LabPki
from ..mint import CONTRACT_USAGE, key_usage
from .parts import FlawedContract, neighbour, of_country, ordered, sent


def leaf_is_ca(lab: LabPki) -> FlawedContract:
    """The leaf is marked as a CA."""
    usage = key_usage("digital_signature", "key_cert_sign")
    return ordered(lab, Flaw.LEAF_IS_CA, leaf={"ca": True, "usage": usage})


def no_digital_signature(lab: LabPki) -> FlawedContract:
    """The leaf's keyUsage permits key agreement only."""
    return ordered(lab, Flaw.LEAF_KEY_USAGE, leaf={"usage": key_usage("key_agreement")})


def no_key_usage(lab: LabPki) -> FlawedContract:
    """The leaf has no keyUsage."""
    return ordered(lab, Flaw.LEAF_KEY_USAGE, leaf={"usage": None})


def restricted_purpose(lab: LabPki) -> FlawedContract:
    """A critical extendedKeyUsage restricts the leaf to TLS servers."""
    order = {"purposes": [ExtendedKeyUsageOID.SERVER_AUTH], "purposes_critical": True}
    return ordered(lab, Flaw.LEAF_EXTENDED_KEY_USAGE, leaf=order)


def no_common_name(lab: LabPki) -> FlawedContract:
    """The leaf names no EMAID."""
    return ordered(lab, Flaw.LEAF_SUBJECT, leaf={"common_name": None})


def two_common_names(lab: LabPki) -> FlawedContract:
    """The leaf names two EMAIDs."""
    names = [x509.NameAttribute(NameOID.COMMON_NAME, name) for name in (lab.emaid, neighbour(lab.emaid))]
    subject = x509.Name([*names, x509.NameAttribute(NameOID.DOMAIN_COMPONENT, "MO")])
    return ordered(lab, Flaw.LEAF_SUBJECT, leaf={"subject": subject})


def country_unknown(lab: LabPki) -> FlawedContract:
    """The leaf's countryName is XX, which is not a country."""
    return ordered(lab, Flaw.COUNTRY, leaf={"subject": of_country(lab, lab.emaid, "XX")})


def sub_ca_country_unknown(lab: LabPki) -> FlawedContract:
    """The countryName of the issuing sub-CA is ZZ, which is not a country."""
    return ordered(lab, Flaw.COUNTRY, sub2={"subject": of_country(lab, "Lab MO Sub-CA 2", "ZZ")})


def emaid_mismatch(lab: LabPki) -> FlawedContract:
    """The message has another EMAID than the certificate."""
    return replace(sent(lab.contract, Flaw.EMAID_MISMATCH), claimed=neighbour(lab.emaid))


def emaid_malformed(lab: LabPki) -> FlawedContract:
    """The leaf's commonName is not an EMAID."""
    return ordered(lab, Flaw.EMAID_MALFORMED, leaf={"common_name": "Max Mustermann"})


def self_signed(lab: LabPki) -> FlawedContract:
    """The leaf is self-signed."""
    leaf = lab.mint.issue(lab.emaid, "MO", usage=CONTRACT_USAGE)
    return FlawedContract((leaf.der,), leaf.key_pem, Flaw.SELF_SIGNED)


def self_signed_installed(lab: LabPki) -> FlawedContract:
    """The leaf is self-signed and installed as a root."""
    leaf = lab.mint.issue(lab.emaid, "MO", usage=CONTRACT_USAGE)
    return FlawedContract((leaf.der,), leaf.key_pem, Flaw.SELF_SIGNED, mo_roots=(leaf,))
