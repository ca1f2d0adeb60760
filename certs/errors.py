"""Errors of trust.

Each way in which a certificate chain can be invalid is one :class:`Flaw`. It has a meaning for the
person who repairs it (``docs/trust.md`` is made from these), and an :class:`Outcome`, by which the
decision whether to charge is made.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path


class Outcome(StrEnum):
    """Result of the local check of a chain, as the authorization decision (OCPP 2.0.1, C07)
    distinguishes them.
    """

    VALID = "valid"
    NO_ROOT = "no-root"
    """The chain is consistent, but its root is not installed. Only this outcome may be overruled by
    a central validation.
    """
    EXPIRED = "expired"
    NOT_YET_VALID = "not-yet-valid"
    BAD_CHAIN = "bad-chain"
    REVOKED = "revoked"


class Flaw(StrEnum):
    """Flaws for which a chain is refused. Values are stable: they appear in logs, traces and
    session end reasons.
    """

    meaning: str
    outcome: Outcome

    def __new__(cls, value: str, meaning: str, outcome: Outcome = Outcome.BAD_CHAIN) -> Flaw:
        member = str.__new__(cls, value)
        member._value_, member.meaning, member.outcome = value, meaning, outcome
        return member

    NO_CERTIFICATE = "no-certificate", "The chain is empty."
    TOO_MANY_CERTIFICATES = "too-many-certificates", "More certificates than a leaf and four sub-CAs."
    CERTIFICATE_TOO_LARGE = (
        "certificate-too-large",
        "A certificate is larger than the edition allows: 800 octets in ISO 15118-2, 1600 in ISO 15118-20.",
    )
    MALFORMED = "malformed", "A certificate is not DER-encoded X.509, or one of its parts cannot be read."
    NOT_VERSION_3 = "not-version-3", "A certificate is not X.509 version 3."
    SIGNATURE_ALGORITHM_NOT_ALLOWED = (
        "signature-algorithm-not-allowed",
        "A certificate is signed with an algorithm outside the edition's profile (RSA, SHA-1, another hash).",
    )
    KEY_NOT_ALLOWED = "key-not-allowed", "A public key is of a kind or on a curve outside the edition's profile."
    UNKNOWN_CRITICAL_EXTENSION = (
        "unknown-critical-extension",
        "A certificate carries a critical extension that V2G does not know.",
    )
    CONSTRAINTS = (
        "constraints",
        "A certificate carries nameConstraints or policyConstraints, critical or not: V2G validation does not evaluate them.",
    )
    LEAF_EXPIRED = "leaf-expired", "The leaf's validity has ended.", Outcome.EXPIRED
    LEAF_NOT_YET_VALID = (
        "leaf-not-yet-valid",
        "The leaf's validity has not begun. Is the clock right?",
        Outcome.NOT_YET_VALID,
    )
    SUB_CA_EXPIRED = "sub-ca-expired", "A sub-CA's validity has ended.", Outcome.EXPIRED
    SUB_CA_NOT_YET_VALID = (
        "sub-ca-not-yet-valid",
        "A sub-CA's validity has not begun. Is the clock right?",
        Outcome.NOT_YET_VALID,
    )
    ANCHOR_EXPIRED = (
        "anchor-expired",
        "The installed root's validity has ended; install its successor.",
        Outcome.EXPIRED,
    )
    ANCHOR_NOT_YET_VALID = (
        "anchor-not-yet-valid",
        "The installed root's validity has not begun. Is the clock right?",
        Outcome.NOT_YET_VALID,
    )
    CLOCK_UNTRUSTED = (
        "clock-untrusted",
        "The station does not know the time, so it cannot say whether the chain is valid today.",
        Outcome.EXPIRED,
    )
    LEAF_IS_CA = "leaf-is-ca", "The first certificate is a CA certificate."
    LEAF_KEY_USAGE = "leaf-key-usage", "The leaf's keyUsage is missing or does not permit what the leaf is used for."
    LEAF_EXTENDED_KEY_USAGE = (
        "leaf-extended-key-usage",
        "The leaf's extendedKeyUsage is missing where it is required, or restricts it to other purposes.",
    )
    LEAF_DOMAIN_COMPONENT = (
        "leaf-domain-component",
        "The leaf does not carry the domainComponent of its role (CPO, MO, OEM, CPS), or carries another. [V2G2-925]",
    )
    LEAF_SUBJECT = (
        "leaf-subject",
        "The leaf's subject does not hold exactly one commonName, or not the names of its role.",
    )
    COUNTRY = (
        "country",
        "The countryName in the subject of a contract or of one of its sub-CAs is not a code of ISO 3166-1.",
    )
    SELF_SIGNED = "self-signed", "The leaf is issued by itself."
    SUB_CA_NOT_CA = "sub-ca-not-ca", "An issuing certificate is not marked as a CA (basicConstraints)."
    SUB_CA_KEY_USAGE = "sub-ca-key-usage", "An issuing certificate may not sign certificates (keyUsage keyCertSign)."
    SUB_CA_EXTENDED_KEY_USAGE = (
        "sub-ca-extended-key-usage",
        "A critical extendedKeyUsage restricts an issuing certificate to other purposes.",
    )
    SUB_CA_DOMAIN_COMPONENT = (
        "sub-ca-domain-component",
        "A sub-CA belongs to another role: below a V2G root only a mobility operator's sub-CAs issue contracts, and below an MO root "
        "none with the role CPO, CPS or OEM.",
    )
    PATH_LENGTH = "path-length", "More sub-CAs are below a CA than its pathLenConstraint permits."
    TOO_MANY_SUB_CAS = "too-many-sub-cas", "More than two sub-CAs are between leaf and root."
    BAD_SIGNATURE = "bad-signature", "A certificate is not signed with the key of the issuer that it names."
    CHAIN_BROKEN = "chain-broken", "No certificate in the chain is the issuer that another one names."
    ISSUER_LOOP = "issuer-loop", "The sub-CAs issued each other in a circle."
    ANCHOR_UNFIT = "anchor-unfit", "The installed root of that name is not a CA certificate of this edition's profile."
    NO_TRUST_ANCHOR = (
        "no-trust-anchor",
        "The chain is consistent, but its root is not installed for this role and edition.",
        Outcome.NO_ROOT,
    )
    REVOKED = "revoked", "A certificate of the chain is known to be revoked.", Outcome.REVOKED
    EMAID_MALFORMED = "emaid-malformed", "The contract's commonName, or the claimed EMAID, is not an EMAID."
    EMAID_MISMATCH = "emaid-mismatch", "The car claims another EMAID than its contract certificate names."


class TrustError(Exception):
    """Base of all errors of this package."""


class ChainRejected(TrustError):
    """A chain, certificate or OCSP signer is refused. ``subject`` names which one, without personal
    data.
    """

    def __init__(self, flaw: Flaw, subject: str, detail: str = "") -> None:
        super().__init__(f"{flaw.value}: {subject}" + (f" ({detail})" if detail else ""))
        self.flaw = flaw
        self.subject = subject
        self.detail = detail


class OcspRejected(TrustError):
    """Octets that are not an OCSP response, or a response that does not prove the status of this
    certificate.
    """


class StoreError(TrustError):
    """A file of truststore or keystore is missing, unreadable, open to others, or does not belong
    there. ``path`` names it.
    """

    def __init__(self, path: Path, text: str) -> None:
        super().__init__(f"{path}: {text}")
        self.path = path
        self.text = text
