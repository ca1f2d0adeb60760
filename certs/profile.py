"""The certificate profiles of V2G: requirements for the leaf of each role, and for the CAs above
it.

ISO 15118-2 Annex F, ISO 15118-20 Annex B. Certificates in the field depart from the annexes without
weakening trust (no key identifiers, no authorityInfoAccess, fewer keyUsage bits than listed,
shorter chains), so a profile requires only what the leaf's use needs.
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
"""Constraints of a CA for the certificates below it. A validator must not ignore them, and V2G does
not use them, so a chain with one is refused.
"""

# Evaluated here: basicConstraints, keyUsage, extendedKeyUsage. V2G does not depend on the others,
# and some issuers mark them critical, so that refusing them would refuse good chains.
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
"""Values of domainComponent that name a role; any other value (a company's domain) is ignored."""


class Role(StrEnum):
    """The role of a root. Chains of one role do not end in a root of another, unless a profile
    names both.
    """

    V2G = "v2g"
    MO = "mo"
    OEM = "oem"


@dataclass(frozen=True, slots=True)
class Profile:
    """Requirements for a leaf of one role and edition, and the roles of the roots above it."""

    name: str
    edition: Edition
    anchors: tuple[Role, ...]
    domain_components: frozenset[str] = frozenset()
    """The leaf has one of these role markers and no other; empty if the role has none."""
    sub_ca_domain_components: Mapping[Role, frozenset[str]] = field(default_factory=dict)
    """By the root's role: every sub-CA has one of these markers and no other. Without an entry any
    are allowed.
    """
    foreign_domain_components: Mapping[Role, frozenset[str]] = field(default_factory=dict)
    """By the root's role: markers that no sub-CA may have."""
    key_usage: tuple[str, ...] = ("digital_signature",)
    extended_key_usage: str | None = None
    """A leaf that restricts its purposes has to name this one."""
    extended_key_usage_required: bool = False
    subject: tuple[str, ...] = ()
    """Dotted object identifiers of exactly the subject's attributes; empty if only one commonName
    is required.
    """
    known_countries: bool = False
    """A countryName in the subject of the leaf or of a sub-CA is a code of ISO 3166-1."""
    max_sub_cas: int = MAX_SUB_CAS


# A V2G root is also above the sub-CAs of CPOs. A leaf with DC=MO below one of those would make
# every CPO an issuer of contracts, so under a V2G root all sub-CAs of a contract have to be a
# mobility operator's.
_MO_BELOW_V2G = {Role.V2G: frozenset({"MO"})}
_OEM_BELOW_V2G = {Role.V2G: frozenset({"OEM"})}
_CPO_BELOW_V2G = {Role.V2G: frozenset({"V2G", "CPO", "CSO"})}
_CPS_BELOW_V2G = {Role.V2G: frozenset({"CPS"})}
# Sub-CAs below an operator's own root need not have a role marker, and many have none. A sub-CA
# with another role's marker issues no contracts: a company with several roles under one root could
# otherwise issue them with each of its sub-CAs.
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
        known_countries=True,
    )


def secc_leaf(edition: Edition) -> Profile:
    """The station's TLS certificate: DC=CPO (CSO in some ISO 15118-20 material), CN=SECCID."""
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
"""The car's TLS certificate of ISO 15118-20: subject exactly CN=EVCCID and O=OEM [V2G20-2598],
extendedKeyUsage clientAuth.
"""
