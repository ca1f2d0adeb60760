"""Small P-256 chains for TLS tests: root, two sub-CAs, leaf, and an OCSP response for each. Made once a run, valid for a day around now."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509 import ocsp
from cryptography.x509.oid import NameOID

from secc.link.tls.chain import Chain
from secc.link.tls.key import PemKey


@dataclass(frozen=True)
class Pki:
    """Everything as DER; ``certificates`` from the leaf to the last sub-CA."""

    name: str
    root: bytes
    certificates: tuple[bytes, ...]
    staples: tuple[bytes, ...]
    private: ec.EllipticCurvePrivateKey
    issuers: tuple[ec.EllipticCurvePrivateKey, ...]
    """The keys that signed ``certificates``."""

    @property
    def chain(self) -> Chain:
        return Chain(self.name, self.certificates, (self.root,), self.staples)

    @property
    def key(self) -> PemKey:
        return PemKey(self.pem())

    def pem(self, password: bytes | None = None) -> bytes:
        encryption = NoEncryption() if password is None else BestAvailableEncryption(password)
        return self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)

    @property
    def root_pem(self) -> bytes:
        return x509.load_der_x509_certificate(self.root).public_bytes(Encoding.PEM)


@functools.cache
def pki(name: str) -> Pki:
    """A whole chain under a root of its own. The same name gives the same chain."""
    start = datetime.now(UTC) - timedelta(hours=1)
    titles = [f"{name} V2G Root", f"{name} CPO Sub-CA 1", f"{name} CPO Sub-CA 2", f"{name} SECC"]
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in titles]
    made: list[x509.Certificate] = []
    for level, (title, key) in enumerate(zip(titles, keys, strict=True)):
        issuer = max(level - 1, 0)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, title)])
        leaf = level == 3
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, titles[issuer])]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(start + timedelta(days=1))
            .add_extension(x509.BasicConstraints(not leaf, None), critical=True)
            .add_extension(
                x509.KeyUsage(leaf, False, False, False, leaf, not leaf, not leaf, False, False), critical=True
            )
        )
        made.append(builder.sign(keys[issuer], hashes.SHA256()))
    ders = [certificate.public_bytes(Encoding.DER) for certificate in made]
    staples = tuple(response(ders[level], ders[level - 1], keys[level - 1]) for level in (3, 2, 1))
    return Pki(name, ders[0], (ders[3], ders[2], ders[1]), staples, keys[3], (keys[2], keys[1], keys[0]))


def response(
    certificate: bytes,
    issuer: bytes,
    key: ec.EllipticCurvePrivateKey,
    status: ocsp.OCSPCertStatus = ocsp.OCSPCertStatus.GOOD,
) -> bytes:
    """What the issuer says about its certificate, since an hour ago and for a day."""
    parsed, parent = x509.load_der_x509_certificate(certificate), x509.load_der_x509_certificate(issuer)
    start = parsed.not_valid_before_utc
    made = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            cert=parsed,
            issuer=parent,
            algorithm=hashes.SHA1(),
            cert_status=status,
            this_update=start,
            next_update=start + timedelta(days=1),
            revocation_time=start if status is ocsp.OCSPCertStatus.REVOKED else None,
            revocation_reason=None,
        )
        .responder_id(ocsp.OCSPResponderEncoding.HASH, parent)
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(Encoding.DER)
