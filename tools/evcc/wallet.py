"""Credentials of a Plug & Charge car: contract certificate chain, key, EMAID."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from certs.emaid import EMAID
from secc.exi.xmldsig import Signature
from secc.iso2.messages import SCHEMA as ISO2
from secc.iso2.messages import Body, CertificateChain, CertificateInstallationReq, SubCertificates
from secc.session.signature import P256_SHA256, sign


@dataclass(frozen=True, slots=True)
class Wallet:
    """A contract of the car. ``chain`` is DER, leaf first, without the root."""

    emaid: str
    chain: tuple[bytes, ...]
    key: EllipticCurvePrivateKey = field(repr=False)
    oem_chain: tuple[bytes, ...] = ()
    """The certificate of the car's maker, with which the car asks for its first contract."""
    oem_key: EllipticCurvePrivateKey | None = field(default=None, repr=False)
    v2g_root: bytes | None = None
    """The root (DER) above the provisioning service; None: any service will do."""

    @classmethod
    def load(cls, directory: Path) -> Wallet:
        """Load ``contract_chain.pem``, ``contract.key`` and ``emaid.txt``, as ``tools.pki`` writes
        them. Raises OSError or ValueError.
        """
        emaid = (directory / "emaid.txt").read_text("utf-8").strip()
        contract = cls(emaid, _chain(directory / "contract_chain.pem"), _key(directory / "contract.key"))
        if not (directory / "oem.key").exists():
            return contract
        oem_chain, oem_key = _chain(directory / "oem_chain.pem"), _key(directory / "oem.key")
        return replace(contract, oem_chain=oem_chain, oem_key=oem_key, v2g_root=_chain(directory / "v2g_root.pem")[0])

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
        """Returns the header signature over a body that has an Id, by the key of the contract, or
        of the car's maker for its first contract. [V2G2-684]
        """
        key = self.key
        if isinstance(body, CertificateInstallationReq):
            assert self.oem_key is not None
            key = self.oem_key
        return sign(body, key, ISO2, P256_SHA256)


def _chain(path: Path) -> tuple[bytes, ...]:
    certificates = x509.load_pem_x509_certificates(path.read_bytes())
    return tuple(certificate.public_bytes(Encoding.DER) for certificate in certificates)


def _key(path: Path) -> EllipticCurvePrivateKey:
    key = load_pem_private_key(path.read_bytes(), None)
    if not isinstance(key, EllipticCurvePrivateKey):
        raise ValueError(f"{path} is not an elliptic-curve key")
    return key
