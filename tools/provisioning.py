"""A certificate provisioning service for tests and benches: real answers, with the keys of a lab PKI.

    python -m tools.provisioning --pki DIR --socket PATH

serves a station whose ``uplink.provisioning`` is PATH (docs/provisioning.md), until it is
terminated. DIR is what ``tools.pki`` has written: ``provisioning`` has the service's key,
``authorities`` those that issue contracts. A service in the field has its keys in an HSM.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES128
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.concatkdf import ConcatKDFHash
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509.oid import NameOID

from secc.errors import DecodeError
from secc.iso2 import messages as m
from secc.iso2.messages import SCHEMA, ResponseCode
from secc.session.effects import NoContract
from secc.session.signature import P256_SHA256, sign_elements
from secc.uplink.provisioning import GREETING

from .pki.lab import EMAID, LabPki
from .pki.mint import CONTRACT_USAGE, Issued, Mint

OTHER_INFO: Final = bytes.fromhex("015556")
"""[V2G2-818], unverified: the algorithm, the names U and V of the parties."""
SIGNED: Final = ("ContractSignatureCertChain", "ContractSignatureEncryptedPrivateKey", "DHpublickey", "eMAID")
"""The elements that the service signs, in their order in the message."""
KEY_OCTETS: Final = 16
REQUEST_OCTETS: Final = 8192
SECRET_OCTETS: Final = 32

Response = m.CertificateInstallationRes | m.CertificateUpdateRes


def shared_key(private: ec.EllipticCurvePrivateKey, public: ec.EllipticCurvePublicKey) -> bytes:
    """Returns the AES key that both sides derive: ECDH on P-256, then the concatenation KDF."""
    secret = private.exchange(ec.ECDH(), public)
    return ConcatKDFHash(SHA256(), KEY_OCTETS, OTHER_INFO).derive(secret)


def encrypt(contract: ec.EllipticCurvePrivateKey, key: bytes, vector: bytes) -> bytes:
    """Returns the contract's key as the car gets it: initialisation vector, then AES-128-CBC
    without padding.
    """
    encryptor = Cipher(AES128(key), CBC(vector)).encryptor()
    secret = contract.private_numbers().private_value.to_bytes(SECRET_OCTETS, "big")
    return vector + encryptor.update(secret) + encryptor.finalize()


def decrypt(encrypted: bytes, key: bytes) -> ec.EllipticCurvePrivateKey:
    """Returns the contract's key. Raises ValueError if the octets are not a key."""
    decryptor = Cipher(AES128(key), CBC(encrypted[:KEY_OCTETS])).decryptor()
    secret = decryptor.update(encrypted[KEY_OCTETS:]) + decryptor.finalize()
    return ec.derive_private_key(int.from_bytes(secret, "big"), ec.SECP256R1())


@dataclass(frozen=True, slots=True)
class Refused(Exception):
    """There is no contract for this car."""

    why: NoContract


@dataclass(slots=True)
class ProvisioningService:
    """Issues a contract to every car that asks. ``cps`` signs the answers, ``issuers`` are the
    sub-CAs of the contract, from the leaf's issuer upwards.
    """

    mint: Mint
    cps: Sequence[Issued]
    issuers: Sequence[Issued]
    emaid: str = EMAID
    random: Callable[[int], bytes] = os.urandom
    refuses: NoContract | None = None
    """Refuse every car for this reason."""

    @classmethod
    def of(cls, lab: LabPki, emaid: str = EMAID) -> ProvisioningService:
        """Returns the service of a lab PKI in memory."""
        return cls(Mint(lab.mint.at), lab.cps.chain, lab.contract.chain[1:], emaid)

    @classmethod
    def load(cls, directory: Path, at: datetime) -> ProvisioningService:
        """Returns the service of the lab PKI in this directory. Raises OSError or ValueError."""
        chain = x509.load_pem_x509_certificates((directory / "provisioning" / "cps_chain.pem").read_bytes())
        key = _key(directory / "provisioning" / "cps.key")
        cps = [Issued(certificate, key) for certificate in chain]
        authorities = directory / "authorities"
        issuers = [
            Issued(
                x509.load_pem_x509_certificate((authorities / f"{name}.pem").read_bytes()),
                _key(authorities / f"{name}.key"),
            )
            for name in ("mo_sub2", "mo_sub1")
        ]
        emaid = (directory / "car" / "emaid.txt").read_text("utf-8").strip()
        return cls(Mint(at), cps, issuers, emaid)

    @classmethod
    def load_bench(cls, directory: Path, at: datetime) -> ProvisioningService:
        """Returns the service of the PKI that the foreign car's package makes: ``certs``, and
        ``private_keys`` with a password. Raises OSError or ValueError.
        """
        certs, keys = directory / "certs", directory / "private_keys"
        # One password for all keys of that PKI.
        password = (keys / "cpsLeafPassword.txt").read_bytes().strip()

        def issued(name: str) -> Issued:
            certificate = x509.load_der_x509_certificate((certs / f"{name}Cert.der").read_bytes())
            return Issued(certificate, _key(keys / f"{name}.key", password))

        contract = issued("contractLeaf").certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
        cps = [issued(name) for name in ("cpsLeaf", "cpsSubCA2", "cpsSubCA1")]
        return cls(Mint(at), cps, [issued("moSubCA2"), issued("moSubCA1")], str(contract))

    def answer(self, octets: bytes) -> bytes:
        """Returns the answer to a request, as a whole message. Raises Refused, or DecodeError for
        octets that are not a request.
        """
        if self.refuses is not None:
            raise Refused(self.refuses)
        message = SCHEMA.decode(octets)
        match message.body:
            case m.CertificateInstallationReq(oem_provisioning_cert=certificate):
                return self._made_for(message.header.session_id, certificate, self.emaid, m.CertificateInstallationRes)
            case m.CertificateUpdateReq(contract_signature_cert_chain=chain, emaid=emaid):
                return self._made_for(message.header.session_id, chain.certificate, emaid, m.CertificateUpdateRes)
            case other:
                raise DecodeError(f"{type(other).__name__} asks for no contract")

    def _made_for(self, session_id: bytes, certificate: bytes, emaid: str, kind: type[Response]) -> bytes:
        recipient = x509.load_der_x509_certificate(certificate).public_key()
        if not isinstance(recipient, ec.EllipticCurvePublicKey):
            raise Refused(NoContract.NOT_AVAILABLE)
        leaf = self.mint.issue(emaid, "MO", self.issuers[0], usage=CONTRACT_USAGE, days=730)
        ephemeral = ec.generate_private_key(ec.SECP256R1())
        assert isinstance(leaf.key, ec.EllipticCurvePrivateKey)
        encrypted = encrypt(leaf.key, shared_key(ephemeral, recipient), self.random(KEY_OCTETS))
        public = ephemeral.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        chain = _chain([leaf.der, *(issuer.der for issuer in self.issuers)], "id1")
        encrypted_key = m.ContractSignatureEncryptedPrivateKey(id="id2", value=encrypted)
        dh = m.DiffieHellmanPublickey(id="id3", value=public)
        named = m.EMAID(id="id4", value=emaid)
        elements = dict(zip(SIGNED, (chain, encrypted_key, dh, named), strict=True))
        key = self.cps[0].key
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        signature = sign_elements(elements, key, SCHEMA, P256_SHA256)
        body = kind(
            response_code=ResponseCode.OK,
            sa_provisioning_certificate_chain=_chain([issued.der for issued in self.cps], None),
            contract_signature_cert_chain=chain,
            contract_signature_encrypted_private_key=encrypted_key,
            dh_publickey=dh,
            emaid=named,
        )
        header = m.MessageHeader(session_id=session_id, signature=signature)
        return SCHEMA.encode(m.V2G_Message(header=header, body=body))


def _chain(ders: Sequence[bytes], id: str | None) -> m.CertificateChain:
    return m.CertificateChain(
        id=id, certificate=ders[0], sub_certificates=m.SubCertificates(certificate=tuple(ders[1:]))
    )


def _key(path: Path, password: bytes = b"") -> ec.EllipticCurvePrivateKey:
    key = load_pem_private_key(path.read_bytes(), password or None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{path} is not an elliptic-curve key")
    return key


async def serve(service: ProvisioningService, socket: Path) -> asyncio.Server:
    """Serve stations at this socket. Returns the server."""

    async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            *greeting, _kind, length = (await reader.readline()).decode("ascii").split()
            if " ".join(greeting) == GREETING and int(length) <= REQUEST_OCTETS:
                octets = await reader.readexactly(int(length))
                try:
                    answer = await asyncio.to_thread(service.answer, octets)
                    writer.write(f"exi {len(answer)}\n".encode() + answer)
                except Refused as refused:
                    writer.write(f"refused {refused.why.value}\n".encode())
                except DecodeError:
                    writer.write(f"refused {NoContract.FAILED.value}\n".encode())
                await writer.drain()
        except (OSError, ValueError, asyncio.IncompleteReadError) as error:
            print(f"provisioning: {type(error).__name__}", file=sys.stderr)
        finally:
            writer.close()

    return await asyncio.start_unix_server(exchange, socket)


async def _run(options: argparse.Namespace) -> None:
    load = ProvisioningService.load_bench if (options.pki / "private_keys").exists() else ProvisioningService.load
    service = load(options.pki, datetime.now(UTC))
    service.refuses = NoContract(options.refuse) if options.refuse else None
    async with await serve(service, options.socket) as server:
        print(f"provisioning: {service.emaid[:5]}… at {options.socket}", flush=True)
        await server.serve_forever()


def main(argv: Sequence[str] | None = None) -> int:
    """Returns 0, or 2 for a PKI that cannot be read and a socket that cannot be served."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.provisioning", description="A provisioning service for a bench."
    )
    parser.add_argument("--pki", type=Path, required=True, help="directory of a lab PKI, as tools.pki writes it")
    parser.add_argument("--socket", type=Path, required=True, help="local socket to serve at")
    parser.add_argument("--refuse", choices=[str(one) for one in NoContract], help="refuse every car for this reason")
    options = parser.parse_args(argv)
    try:
        asyncio.run(_run(options))
    except KeyboardInterrupt:
        return 130
    except (OSError, ValueError) as error:
        print(f"provisioning: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
