"""OCSP: certificate hash data, requests, verification of responses, and the staples on disk.

``cryptography`` parses responses without verifying them; all checks are here. A response counts
only if it is signed by the issuer of the certificate or by a responder that this issuer certified
(RFC 6960 section 4.2.2.2), is about this certificate, and is fresh.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from certs.certificates import Certificate, Edition, parse_certificate
from certs.errors import ChainRejected, OcspRejected, StoreError
from certs.files import read_file, write_atomically
from certs.profile import KEY_KINDS, KNOWN_CRITICAL, SIGNATURE_ALGORITHMS
from frozen import dataclass

MAX_AGE = timedelta(days=7)
"""A staple is fetched again at least weekly. [V2G2-649], [V2G20-1021]"""
MAX_SKEW = timedelta(minutes=5)
"""How far the responder's clock may be ahead of the station's."""
LARGEST_RESPONSE = 8 * 1024

_OCSP_SIGNING = ExtendedKeyUsageOID.OCSP_SIGNING.dotted_string
_KNOWN_CRITICAL_OF_SIGNER = KNOWN_CRITICAL | {x509.OCSPNoCheck.oid.dotted_string}
_HASHES = (hashes.SHA256, hashes.SHA384, hashes.SHA512)


@dataclass(frozen=True, slots=True)
class CertificateHashData:
    """Identifies a certificate to an OCSP responder, in the form of OCPP 2.0.1
    (OCSPRequestDataType).
    """

    hash_algorithm: str
    """``SHA256``."""
    issuer_name_hash: str
    """Over the DER of the issuer Name, lower-case hex."""
    issuer_key_hash: str
    """Over the issuer's key bits, lower-case hex."""
    serial_number: str
    """Hex without prefix or leading zeros: it may have an odd number of digits."""
    responder_url: str | None
    """None if the certificate does not name a responder; OCPP cannot express such an entry."""


def certificate_hash_data(certificate: Certificate, issuer: Certificate) -> CertificateHashData:
    """Returns the hash data of ``certificate``; for a root, ``issuer`` is the root itself."""
    return CertificateHashData(
        hash_algorithm="SHA256",
        issuer_name_hash=hashlib.sha256(certificate.issuer_der).hexdigest(),
        issuer_key_hash=hashlib.sha256(issuer.key_bits).hexdigest(),
        serial_number=format(certificate.serial_number, "x"),
        responder_url=certificate.ocsp_url,
    )


class Status(StrEnum):
    GOOD = "good"
    REVOKED = "revoked"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class OcspStatus:
    """The status of one certificate by a verified response."""

    status: Status
    this_update: datetime
    next_update: datetime | None

    @property
    def ends(self) -> datetime:
        """The last moment at which the response may be used: a week after ``this_update``, or
        ``next_update`` if earlier.
        """
        oldest = self.this_update + MAX_AGE
        return oldest if self.next_update is None else min(oldest, self.next_update)

    def is_fresh(self, at: datetime, *, clock_trusted: bool = True) -> bool:
        """Whether the response may be used at ``at``: it has begun, not ended, and is at most a
        week old.

        With an untrusted clock ``at`` is a floor: a response that began after it may be valid.
        """
        begun = self.this_update <= at + MAX_SKEW or not clock_trusted
        return begun and at <= self.ends


def ocsp_request(certificate: Certificate, issuer: Certificate) -> bytes:
    """Returns the DER of an unsigned OCSPRequest for one certificate, with SHA-1 hashes, which
    every responder knows.
    """
    algorithm = hashes.SHA1()  # noqa: S303 - names the certificate, proves nothing
    builder = ocsp.OCSPRequestBuilder().add_certificate(certificate.parsed, issuer.parsed, algorithm)
    return builder.build().public_bytes(Encoding.DER)


def verify_ocsp_response(
    der: bytes,
    certificate: Certificate,
    issuer: Certificate,
    at: datetime,
    edition: Edition = Edition.ISO2,
    *,
    clock_trusted: bool = True,
) -> OcspStatus:
    """Returns the status of ``certificate`` by the signed response ``der``. The caller checks its
    freshness.

    The caller already trusts ``issuer`` as the certificate's issuer. With an untrusted clock ``at``
    is a floor (see :mod:`certs.chain`). Raises :class:`OcspRejected`: not a successful response,
    signer not authorised, bad signature, another certificate.
    """
    if len(der) > LARGEST_RESPONSE:
        raise OcspRejected(f"response of {len(der)} octets")
    try:
        response = ocsp.load_der_ocsp_response(der)
        if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            raise OcspRejected(f"responder says {response.response_status.name}")
        signer = _signer(response, issuer, at, edition, clock_trusted)
        _check_signature(response, signer, edition)
        for single in response.responses:
            if _speaks_of(single, certificate, issuer):
                return OcspStatus(
                    Status[single.certificate_status.name], single.this_update_utc, single.next_update_utc
                )
    except (ValueError, TypeError, LookupError, UnsupportedAlgorithm, ChainRejected) as error:
        raise OcspRejected(f"not a readable OCSP response: {error}") from error
    raise OcspRejected("the response is about another certificate")


class StapleCache:
    """OCSP responses for the station's chains on disk: ``DIRECTORY/SHA256.der``, by the SHA-256 of
    the certificate.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def store(
        self, der: bytes, certificate: Certificate, issuer: Certificate, at: datetime, edition: Edition
    ) -> OcspStatus:
        """Store a fetched response, if it is verified, and return its status. Raises
        :class:`OcspRejected`, :class:`StoreError`.

        A response with "revoked" is stored too, and replaces the good one.
        """
        status = verify_ocsp_response(der, certificate, issuer, at, edition)
        write_atomically(self._path(certificate), der)
        return status

    def status(
        self,
        certificate: Certificate,
        issuer: Certificate,
        at: datetime,
        edition: Edition,
        *,
        clock_trusted: bool = True,
    ) -> tuple[OcspStatus, bytes] | None:
        """Returns the status of ``certificate`` by the cache, with the response; None without a
        verified response.
        """
        try:
            der = read_file(self._path(certificate))
            return verify_ocsp_response(der, certificate, issuer, at, edition, clock_trusted=clock_trusted), der
        except (StoreError, OcspRejected):
            return None

    def staples(
        self, path_to_root: Sequence[Certificate], at: datetime, edition: Edition, *, clock_trusted: bool = True
    ) -> tuple[bytes | None, ...]:
        """Returns for each certificate below the root its response, if that is verified, good and
        fresh; else None.
        """
        fresh = self.fresh(path_to_root, at, edition, clock_trusted=clock_trusted)
        return tuple(None if found is None else found[1] for found in fresh)

    def fresh(
        self, path_to_root: Sequence[Certificate], at: datetime, edition: Edition, *, clock_trusted: bool = True
    ) -> tuple[tuple[OcspStatus, bytes] | None, ...]:
        """Returns as :meth:`staples`, each response with its status, which has its end."""
        kept: list[tuple[OcspStatus, bytes] | None] = []
        for certificate, issuer in pairwise(path_to_root):
            found = self.status(certificate, issuer, at, edition, clock_trusted=clock_trusted)
            usable = found and found[0].status is Status.GOOD and found[0].is_fresh(at, clock_trusted=clock_trusted)
            kept.append(found if usable else None)
        return tuple(kept)

    def _path(self, certificate: Certificate) -> Path:
        return self.directory / f"{certificate.fingerprint}.der"


def _signer(
    response: ocsp.OCSPResponse, issuer: Certificate, at: datetime, edition: Edition, clock_trusted: bool
) -> Certificate:
    if _is_responder(response, issuer):
        return issuer
    for embedded in response.certificates:
        candidate = parse_certificate(embedded.public_bytes(Encoding.DER), Edition.ISO20, "OCSP responder")
        if _is_responder(response, candidate):
            _check_delegate(candidate, issuer, at, edition, clock_trusted)
            return candidate
    raise OcspRejected("its signer is not an authorised responder")


def _is_responder(response: ocsp.OCSPResponse, candidate: Certificate) -> bool:
    if response.responder_name is not None:
        return response.responder_name == candidate.subject
    return response.responder_key_hash == hashlib.sha1(candidate.key_bits, usedforsecurity=False).digest()


def _check_delegate(
    signer: Certificate, issuer: Certificate, at: datetime, edition: Edition, clock_trusted: bool
) -> None:
    if _OCSP_SIGNING not in (signer.extended_key_usage or ()):
        raise OcspRejected("its signer is not certified for OCSP (extendedKeyUsage)")
    if signer.key_usage is not None and not signer.key_usage.digital_signature:
        raise OcspRejected("its signer may not sign (keyUsage)")
    if signer.critical - _KNOWN_CRITICAL_OF_SIGNER:
        raise OcspRejected("its signer has an unknown critical extension")
    if signer.signature_algorithm not in SIGNATURE_ALGORITHMS[edition]:
        raise OcspRejected("its signer's certificate is signed with an algorithm outside the profile")
    if signer.not_after < at or (clock_trusted and signer.not_before > at):
        raise OcspRejected("its signer's certificate is not valid now")
    if not signer.is_signed_by(issuer):
        raise OcspRejected("its signer is not certified by the certificate's issuer")


def _check_signature(response: ocsp.OCSPResponse, signer: Certificate, edition: Edition) -> None:
    key = signer.public_key
    if key is None or signer.key_kind not in KEY_KINDS[edition]:
        raise OcspRejected(f"its signer's key {signer.key_kind} is outside the profile")
    try:
        if isinstance(key, ed448.Ed448PublicKey):
            key.verify(response.signature, response.tbs_response_bytes)
            return
        algorithm = response.signature_hash_algorithm
        if not isinstance(algorithm, _HASHES):
            raise OcspRejected("its signature algorithm is outside the profile")
        key.verify(response.signature, response.tbs_response_bytes, ec.ECDSA(algorithm))
    except InvalidSignature:
        raise OcspRejected("its signature is not its signer's") from None


def _speaks_of(single: ocsp.OCSPSingleResponse, certificate: Certificate, issuer: Certificate) -> bool:
    algorithm = single.hash_algorithm.name
    names = hashlib.new(algorithm, certificate.issuer_der, usedforsecurity=False).digest()
    key = hashlib.new(algorithm, issuer.key_bits, usedforsecurity=False).digest()
    expected = (certificate.serial_number, names, key)
    return (single.serial_number, single.issuer_name_hash, single.issuer_key_hash) == expected
