"""Credentials of a Plug & Charge car: contract certificate chain, key, EMAID."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from certs.emaid import EMAID
from secc.exi.xmldsig import Signature
from secc.iso2.messages import SCHEMA as ISO2
from secc.iso2.messages import Body, CertificateChain, SubCertificates
from secc.session.signature import P256_SHA256, sign


@dataclass(frozen=True, slots=True)
class Wallet:
    """A contract of the car. ``chain`` is DER, leaf first, without the root."""

    emaid: str
    chain: tuple[bytes, ...]
    key: EllipticCurvePrivateKey = field(repr=False)

    @classmethod
    def load(cls, directory: Path) -> Wallet:
        """Load ``contract_chain.pem``, ``contract.key`` and ``emaid.txt``, as ``tools.pki`` writes
        them. Raises OSError or ValueError.
        """
        certificates = x509.load_pem_x509_certificates((directory / "contract_chain.pem").read_bytes())
        key = load_pem_private_key((directory / "contract.key").read_bytes(), None)
        if not isinstance(key, EllipticCurvePrivateKey):
            raise ValueError(f"{directory / 'contract.key'} is not an elliptic-curve key")
        chain = tuple(certificate.public_bytes(Encoding.DER) for certificate in certificates)
        return cls((directory / "emaid.txt").read_text("utf-8").strip(), chain, key)

    @property
    def masked_emaid(self) -> str:
        """The EMAID for display, masked."""
        return EMAID.parse(self.emaid).masked

    def certificate_chain(self, id: str | None = None) -> CertificateChain:
        """Returns the chain for PaymentDetailsReq."""
        leaf, *others = self.chain
        sub_certificates = SubCertificates(certificate=tuple(others)) if others else None
        return CertificateChain(id=id, certificate=leaf, sub_certificates=sub_certificates)

    def sign(self, body: Body) -> Signature:
        """Returns the header signature over a body that has an Id. [V2G2-684]"""
        return sign(body, self.key, ISO2, P256_SHA256)
