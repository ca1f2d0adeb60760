"""Certificates with algorithms or in forms that the profile does not allow."""

from __future__ import annotations

from dataclasses import replace

from asn1crypto import keys as asn1_keys
from asn1crypto import x509 as asn1_x509
from cryptography.hazmat.primitives import hashes

from certs.errors import Flaw

from ..lab import LabPki
from ..mint import KeyKind
from .parts import FlawedContract, edited_leaf, ordered, padding_to, sent, unknown_extension


def rsa_sub_ca(lab: LabPki) -> FlawedContract:
    """The issuing sub-CA has an RSA key."""
    return ordered(lab, Flaw.SIGNATURE_ALGORITHM_NOT_ALLOWED, sub2={"kind": KeyKind.RSA})


def rsa_leaf(lab: LabPki) -> FlawedContract:
    """The leaf has an RSA key."""
    return ordered(lab, Flaw.KEY_NOT_ALLOWED, leaf={"kind": KeyKind.RSA, "key_identifiers": False, "ocsp_url": None})


def p384_leaf(lab: LabPki) -> FlawedContract:
    """The leaf's key is on the curve P-384."""
    return ordered(lab, Flaw.KEY_NOT_ALLOWED, leaf={"kind": KeyKind.P384})


def sha384_signature(lab: LabPki) -> FlawedContract:
    """The leaf is signed with ECDSA over SHA-384."""
    return ordered(lab, Flaw.SIGNATURE_ALGORITHM_NOT_ALLOWED, leaf={"hash_": hashes.SHA384()})


def sha1_signature(lab: LabPki) -> FlawedContract:
    """The leaf is signed with ECDSA over SHA-1."""
    line = lab.contract
    leaf = lab.mint.resign(line.leaf.der, line.sub2.key, lambda tbs: None, hashes.SHA1())  # noqa: S303  # the flaw
    chain = (leaf, line.sub2.der, line.sub1.der)
    return FlawedContract(chain, line.leaf.key_pem, Flaw.SIGNATURE_ALGORITHM_NOT_ALLOWED)


def point_off_curve(lab: LabPki) -> FlawedContract:
    """The leaf's public key is not a point of its curve."""

    def bend(tbs: asn1_x509.TbsCertificate) -> None:
        information = tbs["subject_public_key_info"]
        octets = bytearray(information["public_key"].contents)
        octets[-1] ^= 1
        information["public_key"] = asn1_keys.ECPointBitString.load(b"\x03" + bytes([len(octets)]) + bytes(octets))

    return edited_leaf(lab, bend, Flaw.KEY_NOT_ALLOWED)


def unknown_critical_extension(lab: LabPki) -> FlawedContract:
    """The leaf has an unknown critical extension."""
    return ordered(lab, Flaw.UNKNOWN_CRITICAL_EXTENSION, leaf={"extra": unknown_extension()})


def unknown_critical_extension_in_sub_ca(lab: LabPki) -> FlawedContract:
    """The issuing sub-CA has an unknown critical extension."""
    return ordered(lab, Flaw.UNKNOWN_CRITICAL_EXTENSION, sub2={"extra": unknown_extension()})


def oversized_leaf(lab: LabPki) -> FlawedContract:
    """The leaf has 801 octets or more; the message allows 800."""
    return ordered(lab, Flaw.CERTIFICATE_TOO_LARGE, leaf={"extra": padding_to(801)})


def too_many_certificates(lab: LabPki) -> FlawedContract:
    """The car sends six certificates; a leaf and four sub-CAs are allowed."""
    others = (lab.cps.sub1.der, lab.cps.sub2.der, lab.secc.sub1.der)
    flawed = sent(lab.contract, Flaw.TOO_MANY_CERTIFICATES)
    return replace(flawed, chain=(*flawed.chain, *others))


def truncated_leaf(lab: LabPki) -> FlawedContract:
    """The last octet of the leaf is missing."""
    flawed = sent(lab.contract, Flaw.MALFORMED)
    return replace(flawed, chain=(flawed.chain[0][:-1], *flawed.chain[1:]))


def version_1_leaf(lab: LabPki) -> FlawedContract:
    """The leaf is an X.509 version 1 certificate with a valid signature."""

    def downgrade(tbs: asn1_x509.TbsCertificate) -> None:
        tbs["version"] = "v1"
        del tbs["extensions"]

    return edited_leaf(lab, downgrade, Flaw.NOT_VERSION_3)


def duplicate_extension(lab: LabPki) -> FlawedContract:
    """The leaf has two keyUsage extensions and a valid signature."""

    def duplicate(tbs: asn1_x509.TbsCertificate) -> None:
        usage = next(e for e in tbs["extensions"] if e["extn_id"].native == "key_usage")
        tbs["extensions"].append(usage.copy())

    return edited_leaf(lab, duplicate, Flaw.MALFORMED)
