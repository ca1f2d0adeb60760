"""One X.509 certificate, read whole at once, within limits.

``cryptography`` parses extensions and keys on access, and each access may raise. This module reads
everything that a check needs at once, so that invalid octets raise one typed error in one place.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from certs.errors import ChainRejected, Flaw
from certs.parts import Parts, parts_of

PublicKey = ec.EllipticCurvePublicKey | ed448.Ed448PublicKey
E = TypeVar("E", bound=x509.ExtensionType)

_UNREADABLE = (
    ValueError,
    TypeError,
    OverflowError,
    LookupError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)


class Edition(StrEnum):
    """The two PKIs of a station. They differ in algorithms and sizes, and are never mixed."""

    ISO2 = "iso2"
    ISO20 = "iso20"

    @property
    def largest_der(self) -> int:
        """Octets that certificateType of the edition's XSD allows."""
        return 800 if self is Edition.ISO2 else 1600


@dataclass(frozen=True, eq=False)
class Certificate:
    """A certificate whose parts could all be read, not verified yet. Compare by :attr:`der`."""

    der: bytes
    parsed: x509.Certificate
    subject: x509.Name
    issuer: x509.Name
    serial_number: int
    not_before: datetime
    not_after: datetime
    signature_algorithm: str
    """Dotted object identifier."""
    key_kind: str
    """``secp256r1``, ``secp521r1``, ``ed448``, ``rsa-2048``, or ``unreadable``."""
    public_key: PublicKey | None
    """None for keys that no profile allows."""
    basic_constraints: x509.BasicConstraints | None
    key_usage: x509.KeyUsage | None
    extended_key_usage: frozenset[str] | None
    subject_key_identifier: bytes | None
    authority_key_identifier: bytes | None
    ocsp_url: str | None
    """The OCSP responder of authorityInfoAccess."""
    extensions: frozenset[str]
    """Dotted object identifiers of all extensions."""
    critical: frozenset[str]
    """Of those, the critical ones."""

    def __repr__(self) -> str:
        return f"Certificate({self.fingerprint[:16]}, {len(self.der)} octets)"

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the DER, lower-case hex."""
        return hashlib.sha256(self.der).hexdigest()

    @cached_property
    def common_names(self) -> tuple[str, ...]:
        return self._names(NameOID.COMMON_NAME)

    @property
    def countries(self) -> tuple[str, ...]:
        return self._names(NameOID.COUNTRY_NAME)

    @cached_property
    def domain_components(self) -> frozenset[str]:
        """The role markers in the subject (``V2G``, ``CPO``, ``MO``, ``OEM``, ``CPS``), upper case."""
        return frozenset(name.upper() for name in self._names(NameOID.DOMAIN_COMPONENT))

    @property
    def is_self_issued(self) -> bool:
        return self.subject == self.issuer

    @property
    def is_ca(self) -> bool:
        return self.basic_constraints is not None and self.basic_constraints.ca

    @property
    def issuer_der(self) -> bytes:
        """The exact octets of the issuer Name."""
        return self._parts.issuer

    @property
    def key_bits(self) -> bytes:
        """The content of the subjectPublicKey BIT STRING, over which key hashes are made (for P-256
        the 65 octets 04 X Y).
        """
        return self._parts.key_bits

    @property
    def pem(self) -> bytes:
        return self.parsed.public_bytes(Encoding.PEM)

    def is_signed_by(self, issuer: Certificate) -> bool:
        """Whether ``issuer``'s key made this certificate's signature, and its name is this
        certificate's issuer.
        """
        try:
            self.parsed.verify_directly_issued_by(issuer.parsed)
        except (InvalidSignature, *_UNREADABLE):
            return False
        return True

    def names_as_issuer(self, candidate: Certificate) -> bool:
        """Whether this certificate names ``candidate`` as its issuer: by name, and by key
        identifier if both have one.

        ISO 15118-2 certificates often lack key identifiers; the signature decides then.
        """
        if self.issuer != candidate.subject:
            return False
        wanted, offered = self.authority_key_identifier, candidate.subject_key_identifier
        return wanted is None or offered is None or wanted == offered

    @cached_property
    def _parts(self) -> Parts:
        try:
            return parts_of(self.der)
        except ValueError as error:
            raise ChainRejected(Flaw.MALFORMED, f"certificate {self.fingerprint[:16]}", str(error)) from None

    def _names(self, oid: x509.ObjectIdentifier) -> tuple[str, ...]:
        return tuple(value for a in self.subject.get_attributes_for_oid(oid) if isinstance(value := a.value, str))


def parse_certificate(der: bytes, edition: Edition, role: str) -> Certificate:
    """Parse ``der``. Raises :class:`ChainRejected` with the subject ``role`` ("leaf", "sub-CA 1",
    ...).

    Checks the size first, which bounds every later step.
    """
    if len(der) > edition.largest_der:
        raise ChainRejected(Flaw.CERTIFICATE_TOO_LARGE, role, f"{len(der)} octets, {edition.largest_der} allowed")
    try:
        return _read(bytes(der))
    except x509.InvalidVersion as error:
        raise ChainRejected(Flaw.NOT_VERSION_3, role, str(error)) from None
    except _UNREADABLE as error:
        raise ChainRejected(Flaw.MALFORMED, role, type(error).__name__) from None


def _read(der: bytes) -> Certificate:
    certificate = x509.load_der_x509_certificate(der)
    if certificate.version is not x509.Version.v3:
        raise x509.InvalidVersion(f"version {certificate.version.value + 1}", certificate.version.value)
    if certificate.serial_number <= 0:
        raise ValueError("serial number is not positive")
    extensions = certificate.extensions
    values = {extension.oid: extension.value for extension in extensions}
    key_kind, public_key = _key(certificate)

    def value(kind: type[E]) -> E | None:
        found = values.get(kind.oid)
        return found if isinstance(found, kind) else None

    purposes, ski, aki = (
        value(x509.ExtendedKeyUsage),
        value(x509.SubjectKeyIdentifier),
        value(x509.AuthorityKeyIdentifier),
    )
    return Certificate(
        der=der,
        parsed=certificate,
        subject=certificate.subject,
        issuer=certificate.issuer,
        serial_number=certificate.serial_number,
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        signature_algorithm=certificate.signature_algorithm_oid.dotted_string,
        key_kind=key_kind,
        public_key=public_key,
        basic_constraints=value(x509.BasicConstraints),
        key_usage=value(x509.KeyUsage),
        extended_key_usage=None if purposes is None else frozenset(oid.dotted_string for oid in purposes),
        subject_key_identifier=None if ski is None else ski.digest,
        authority_key_identifier=None if aki is None else aki.key_identifier,
        ocsp_url=_ocsp_url(value(x509.AuthorityInformationAccess)),
        extensions=frozenset(extension.oid.dotted_string for extension in extensions),
        critical=frozenset(extension.oid.dotted_string for extension in extensions if extension.critical),
    )


def _key(certificate: x509.Certificate) -> tuple[str, PublicKey | None]:
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return "unreadable", None
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.curve.name, key
    if isinstance(key, ed448.Ed448PublicKey):
        return "ed448", key
    if isinstance(key, rsa.RSAPublicKey):
        return f"rsa-{key.key_size}", None
    return type(key).__name__.removesuffix("PublicKey").lower(), None


def _ocsp_url(access: x509.AuthorityInformationAccess | None) -> str | None:
    for description in access or ():
        location = description.access_location
        if description.access_method == AuthorityInformationAccessOID.OCSP and isinstance(
            location, x509.UniformResourceIdentifier
        ):
            return location.value
    return None
