"""Valid and invalid certificates, made in memory.

A :class:`Mint` has a date and optionally a seed, from which keys, serial numbers and certificate
signatures are derived.
"""

from __future__ import annotations

import hashlib
import inspect
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID, ObjectIdentifier

Key = ec.EllipticCurvePrivateKey | ed448.Ed448PrivateKey | rsa.RSAPrivateKey
Hash = hashes.SHA256 | hashes.SHA384 | hashes.SHA512

DAY = timedelta(days=1)
OCSP_URL = "http://ocsp.lab.example/"
_USAGES = tuple(inspect.signature(x509.KeyUsage).parameters)


class KeyKind(StrEnum):
    P256 = "secp256r1"
    P384 = "secp384r1"
    P521 = "secp521r1"
    ED448 = "ed448"
    RSA = "rsa"


# cryptography before 45 uses a random number for every signature: then only keys and serial numbers depend on the seed.
DETERMINISTIC = "ecdsa_deterministic" in inspect.signature(x509.CertificateBuilder.sign).parameters


def key_usage(*bits: str) -> x509.KeyUsage:
    """Returns a keyUsage with these bits, named as in ``cryptography`` (``digital_signature``, ...)."""
    return x509.KeyUsage(**{name: name in bits for name in _USAGES})


CA_USAGE = key_usage("key_cert_sign", "crl_sign")
CONTRACT_USAGE = key_usage("digital_signature", "content_commitment", "key_encipherment", "key_agreement")
TLS_USAGE = key_usage("digital_signature", "key_agreement")


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate with its private key and its issuer; None: it is self-signed."""

    certificate: x509.Certificate
    key: Key
    issuer: Issued | None = None

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """PKCS#8 PEM, not encrypted."""
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@dataclass(slots=True)
class Mint:
    """Makes certificates that are valid around ``at``. With the same ``seed`` the same calls make the same certificates."""

    at: datetime
    seed: int | None = None
    kind: KeyKind = KeyKind.P256
    _made: int = field(default=0, repr=False)

    def key(self, kind: KeyKind | None = None) -> Key:
        kind = kind or self.kind
        if kind is KeyKind.RSA:
            return rsa.generate_private_key(public_exponent=65537, key_size=2048)
        material = self._octets(72)
        if kind is KeyKind.ED448:
            return ed448.Ed448PrivateKey.from_private_bytes(material[:57])
        curve: ec.EllipticCurve = getattr(ec, kind.value.upper())()
        # One octet short, so below the group order of every curve.
        return ec.derive_private_key(1 + int.from_bytes(material[: (curve.key_size + 7) // 8 - 1], "big"), curve)

    def issue(
        self,
        common_name: str | None,
        domain_component: str | Sequence[str] | None,
        issuer: Issued | None = None,
        *,
        ca: bool = False,
        path_length: int | None = None,
        usage: x509.KeyUsage | None = TLS_USAGE,
        purposes: Sequence[ObjectIdentifier] = (),
        purposes_critical: bool = False,
        not_before: datetime | None = None,
        not_after: datetime | None = None,
        days: int = 365,
        kind: KeyKind | None = None,
        key: Key | None = None,
        signing_key: Key | None = None,
        subject: x509.Name | None = None,
        constraints: bool = True,
        key_identifiers: bool = True,
        ocsp_url: str | None = OCSP_URL,
        hash_: Hash | None = None,
        extra: Sequence[tuple[x509.ExtensionType, bool]] = (),
    ) -> Issued:
        """Make a certificate. Without an ``issuer`` it is self-signed. ``signing_key`` replaces the issuer's key."""
        key = key or self.key(kind)
        name = subject or self.name(common_name, domain_component)
        signer = signing_key or (issuer.key if issuer else key)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(issuer.certificate.subject if issuer else name)
            .public_key(key.public_key())
            .serial_number(int.from_bytes(self._octets(16), "big") | 1)
            .not_valid_before(not_before or self.at - DAY)
            .not_valid_after(not_after or self.at + days * DAY)
        )
        chosen = CA_USAGE if ca and usage is TLS_USAGE else usage
        own, above = key.public_key(), issuer.key.public_key() if issuer else None
        extensions: list[tuple[x509.ExtensionType | None, bool]] = [
            (x509.BasicConstraints(ca=ca, path_length=path_length) if constraints else None, True),
            (chosen, True),
            (x509.SubjectKeyIdentifier.from_public_key(own) if key_identifiers else None, False),
            (x509.AuthorityKeyIdentifier.from_issuer_public_key(above) if above and key_identifiers else None, False),
            (x509.ExtendedKeyUsage(purposes) if purposes else None, purposes_critical),
            (_responder(ocsp_url) if issuer and ocsp_url else None, False),
            *extra,
        ]
        for extension, critical in extensions:
            if extension is not None:
                builder = builder.add_extension(extension, critical=critical)
        return Issued(self._sign(builder, signer, hash_), key, issuer)

    def name(self, common_name: str | None, domain_component: str | Sequence[str] | None) -> x509.Name:
        attributes = [] if common_name is None else [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
        attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Lab"))
        attributes.append(x509.NameAttribute(NameOID.COUNTRY_NAME, "DE"))
        components = [domain_component] if isinstance(domain_component, str) else domain_component or ()
        attributes += [x509.NameAttribute(NameOID.DOMAIN_COMPONENT, component) for component in components]
        return x509.Name(attributes)

    def ocsp_signer(
        self,
        issuer: Issued,
        *,
        authorised: bool = True,
        not_before: datetime | None = None,
        not_after: datetime | None = None,
    ) -> Issued:
        """Make a responder for the certificates of ``issuer``; not ``authorised``: without the purpose OCSPSigning."""
        return self.issue(
            "OCSP responder",
            None,
            issuer,
            usage=key_usage("digital_signature"),
            purposes=[ExtendedKeyUsageOID.OCSP_SIGNING] if authorised else [],
            ocsp_url=None,
            extra=[(x509.OCSPNoCheck(), False)],
            not_before=not_before,
            not_after=not_after,
        )

    def ocsp_response(
        self,
        subject: Issued,
        signer: Issued | None = None,
        *,
        status: ocsp.OCSPCertStatus = ocsp.OCSPCertStatus.GOOD,
        this_update: datetime | None = None,
        next_update: datetime | None = None,
        hash_: hashes.HashAlgorithm | None = None,
    ) -> bytes:
        """Returns DER of a response about ``subject``, signed by ``signer`` or, without one, by the issuer."""
        issuer = subject.issuer or subject
        signer = signer or issuer
        revoked = status is ocsp.OCSPCertStatus.REVOKED
        builder = ocsp.OCSPResponseBuilder().add_response(
            cert=subject.certificate,
            issuer=issuer.certificate,
            algorithm=hash_ or hashes.SHA1(),  # noqa: S303  # only names the certificate, as responders do
            cert_status=status,
            this_update=this_update or self.at - timedelta(hours=1),
            next_update=next_update or self.at + 6 * DAY,
            revocation_time=self.at - DAY if revoked else None,
            revocation_reason=x509.ReasonFlags.key_compromise if revoked else None,
        )
        builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, signer.certificate)
        if signer is not issuer:
            builder = builder.certificates([signer.certificate])
        return builder.sign(signer.key, _hash_for(signer.key)).public_bytes(Encoding.DER)

    def resign(
        self,
        der: bytes,
        key: Key,
        edit: Callable[[asn1_x509.TbsCertificate], None],
        hash_: hashes.HashAlgorithm | None = None,
    ) -> bytes:
        """Returns ``der``, edited and signed again with an elliptic-curve ``key``: for certificates that the builder
        refuses to make. Raises TypeError for another key.
        """
        hash_ = hash_ or hashes.SHA256()
        certificate = asn1_x509.Certificate.load(der)
        edit(certificate["tbs_certificate"])
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TypeError(f"{type(key).__name__} is not an elliptic-curve key")
        for part in (certificate["tbs_certificate"]["signature"], certificate["signature_algorithm"]):
            part["algorithm"] = f"{hash_.name}_ecdsa"
        tbs = certificate["tbs_certificate"].dump(force=True)
        certificate["signature_value"] = key.sign(tbs, ec.ECDSA(hash_))
        return bytes(certificate.dump(force=True))

    def _octets(self, count: int) -> bytes:
        if self.seed is None:
            return secrets.token_bytes(count)
        self._made += 1
        return hashlib.shake_256(f"lab pki {self.seed} {self._made}".encode()).digest(count)

    def _sign(self, builder: x509.CertificateBuilder, key: Key, hash_: Hash | None) -> x509.Certificate:
        if self.seed is not None and isinstance(key, ec.EllipticCurvePrivateKey) and DETERMINISTIC:
            return builder.sign(key, hash_ or _hash_for(key), ecdsa_deterministic=True)
        return builder.sign(key, hash_ or _hash_for(key))


def _responder(url: str) -> x509.AuthorityInformationAccess:
    place = x509.UniformResourceIdentifier(url)
    return x509.AuthorityInformationAccess([x509.AccessDescription(AuthorityInformationAccessOID.OCSP, place)])


def _hash_for(key: Key) -> Hash | None:
    if isinstance(key, ed448.Ed448PrivateKey):
        return None
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name == KeyKind.P521:
        return hashes.SHA512()
    return hashes.SHA256()
