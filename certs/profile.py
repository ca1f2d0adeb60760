"""The certificate profiles of V2G: what a leaf of each role, and the CAs above it, must look like.

ISO 15118-2 Annex F, ISO 15118-20 Annex B. Where field certificates depart from the annexes without weakening trust (no key identifiers, no
authorityInfoAccess, fewer keyUsage bits than listed, shorter chains), a profile asks only for what the leaf is really used for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, SignatureAlgorithmOID

from certs.certificates import Edition

MAX_CERTIFICATES = 5
"""A leaf and SubCertificates, of which the XSD allows four."""
MAX_SUB_CAS = 2

SIGNATURE_ALGORITHMS: Mapping[Edition, frozenset[str]] = {
    Edition.ISO2: frozenset({SignatureAlgorithmOID.ECDSA_WITH_SHA256.dotted_string}),
    Edition.ISO20: frozenset(
        {SignatureAlgorithmOID.ECDSA_WITH_SHA512.dotted_string, SignatureAlgorithmOID.ED448.dotted_string}
    ),
}
KEY_KINDS: Mapping[Edition, frozenset[str]] = {
    Edition.ISO2: frozenset({"secp256r1"}),
    Edition.ISO20: frozenset({"secp521r1", "ed448"}),
}

EXTENDED_KEY_USAGE = ExtensionOID.EXTENDED_KEY_USAGE.dotted_string
CONSTRAINTS = frozenset(oid.dotted_string for oid in (ExtensionOID.NAME_CONSTRAINTS, ExtensionOID.POLICY_CONSTRAINTS))
"""Constraints of a CA for the certificates below it. A validator must not ignore them, and V2G uses neither, so a chain with one is refused."""

# Evaluated here: basicConstraints, keyUsage, extendedKeyUsage. The others restrict nothing that V2G relies on, and some issuers mark them
# critical, so that refusing them would refuse good chains.
KNOWN_CRITICAL = frozenset(
    oid.dotted_string
    for oid in (
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.AUTHORITY_INFORMATION_ACCESS,
        ExtensionOID.CRL_DISTRIBUTION_POINTS,
        ExtensionOID.CERTIFICATE_POLICIES,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
    )
)
ANY_EXTENDED_KEY_USAGE = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE.dotted_string


ROLE_MARKERS = frozenset({"V2G", "CPO", "CSO", "MO", "OEM", "CPS"})
"""Values of domainComponent that say whose certificate it is; any other value (a company's domain) is of no consequence."""


class Role(StrEnum):
    """Whose root it is. Chains of one role never end in a root of another, save where a profile names both."""

    V2G = "v2g"
    MO = "mo"
    OEM = "oem"


@dataclass(frozen=True, slots=True)
class Profile:
    """What a leaf of one role and edition must look like, and which roots may stand above it."""

    name: str
    edition: Edition
    anchors: tuple[Role, ...]
    domain_components: frozenset[str] = frozenset()
    """The leaf carries one of these role markers and no other; empty where the role has none."""
    sub_ca_domain_components: Mapping[Role, frozenset[str]] = field(default_factory=dict)
    """By the root's role: the markers of which every sub-CA carries one, and no other. A role that is absent here asks for nothing."""
    foreign_domain_components: Mapping[Role, frozenset[str]] = field(default_factory=dict)
    """By the root's role: the markers that no sub-CA may carry."""
    key_usage: tuple[str, ...] = ("digital_signature",)
    extended_key_usage: str | None = None
    """A leaf that restricts its purposes must name this one."""
    extended_key_usage_required: bool = False
    subject: tuple[str, ...] = ()
    """Dotted object identifiers of the subject's attributes, exactly; empty where only one commonName is asked for."""
    max_sub_cas: int = MAX_SUB_CAS


# A V2G root stands above the sub-CAs of CPOs as well. A leaf with DC=MO below one of those would make every CPO an issuer of contracts:
# under a V2G root all sub-CAs of a contract must be a mobility operator's themselves.
_MO_BELOW_V2G = {Role.V2G: frozenset({"MO"})}
_OEM_BELOW_V2G = {Role.V2G: frozenset({"OEM"})}
_CPO_BELOW_V2G = {Role.V2G: frozenset({"V2G", "CPO", "CSO"})}
_CPS_BELOW_V2G = {Role.V2G: frozenset({"CPS"})}
# An operator's own root need not say who its sub-CAs are, and many say nothing. One that names itself another role still issues no contracts:
# a company that is operator, charge point operator and car maker under one root could otherwise issue them with each of its sub-CAs.
_FOREIGN_BELOW_MO = {Role.MO: frozenset({"CPO", "CSO", "CPS", "OEM"})}

_COMMON_NAME, _ORGANIZATION = "2.5.4.3", "2.5.4.10"


def contract(edition: Edition) -> Profile:
    """The contract certificate: DC=MO, CN=EMAID, below an MO root or, with MO sub-CAs, a V2G root."""
    return Profile(
        name="contract",
        edition=edition,
        anchors=(Role.MO, Role.V2G),
        domain_components=frozenset({"MO"}),
        sub_ca_domain_components=_MO_BELOW_V2G,
        foreign_domain_components=_FOREIGN_BELOW_MO,
    )


def secc_leaf(edition: Edition) -> Profile:
    """Our own TLS certificate: DC=CPO (CSO in some ISO 15118-20 material), CN=SECCID."""
    return Profile(
        name="secc",
        edition=edition,
        anchors=(Role.V2G,),
        domain_components=frozenset({"CPO"} if edition is Edition.ISO2 else {"CPO", "CSO"}),
        sub_ca_domain_components=_CPO_BELOW_V2G,
        extended_key_usage=ExtendedKeyUsageOID.SERVER_AUTH.dotted_string,
    )


CONTRACT_2 = contract(Edition.ISO2)
CONTRACT_20 = contract(Edition.ISO20)
SECC_2 = secc_leaf(Edition.ISO2)
SECC_20 = secc_leaf(Edition.ISO20)
OEM_PROVISIONING_2 = Profile(
    name="oem-provisioning",
    edition=Edition.ISO2,
    anchors=(Role.OEM, Role.V2G),
    domain_components=frozenset({"OEM"}),
    sub_ca_domain_components=_OEM_BELOW_V2G,
)
CPS_2 = Profile(
    name="cps",
    edition=Edition.ISO2,
    anchors=(Role.V2G,),
    domain_components=frozenset({"CPS"}),
    sub_ca_domain_components=_CPS_BELOW_V2G,
)
VEHICLE_20 = Profile(
    name="vehicle",
    edition=Edition.ISO20,
    anchors=(Role.OEM, Role.V2G),
    sub_ca_domain_components=_OEM_BELOW_V2G,
    extended_key_usage=ExtendedKeyUsageOID.CLIENT_AUTH.dotted_string,
    extended_key_usage_required=True,
    subject=(_COMMON_NAME, _ORGANIZATION),
)
"""The car's TLS certificate of ISO 15118-20: subject exactly CN=EVCCID and O=OEM [V2G20-2598], extendedKeyUsage clientAuth."""
