"""The car asks for a contract, and judges the answer before it uses it: who signed it, and whether the key
fits.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec

from certs.certificates import Edition, parse_certificate
from certs.chain import Anchors, verify_chain
from certs.emaid import EMAID
from certs.errors import ChainRejected
from certs.profile import CPS_2
from secc.conversation import Conversation
from secc.errors import SignatureRejected
from secc.exi.xmldsig import X509IssuerSerial
from secc.iso2 import messages as iso2
from secc.session.effects import Provisioning
from secc.session.signature import P256_SHA256, verify

from ...provisioning import SIGNED, Response, decrypt, shared_key
from ..vocabulary import StationWrong
from .exchange import Exchange

CERTIFICATES: Final = 2
PARAMETER_SETS: Final = {Provisioning.INSTALLATION: 1, Provisioning.UPDATE: 2}


def provisioned(car: Exchange, kind: Provisioning) -> Conversation[None]:
    """Ask for a contract, check the answer, and put the contract into the wallet. Raises
    StationWrong for an answer that the car does not use.
    """
    wallet = car.wallet
    assert wallet is not None
    issuer = X509IssuerSerial(x509_issuer_name="CN=Lab V2G Root CA", x509_serial_number=1)
    roots = iso2.ListOfRootCertificateIDs(root_certificate_id=(issuer,))
    heard: Response
    if kind is Provisioning.INSTALLATION:
        assert wallet.oem_key is not None
        recipient = wallet.oem_key
        first = iso2.CertificateInstallationReq(
            id="id1", oem_provisioning_cert=wallet.oem_chain[0], list_of_root_certificate_ids=roots
        )
        heard = yield from car.ask(first, iso2.CertificateInstallationRes, signed=True)
    else:
        recipient = wallet.key
        newer = iso2.CertificateUpdateReq(
            id="id1",
            contract_signature_cert_chain=wallet.certificate_chain(),
            emaid=wallet.emaid,
            list_of_root_certificate_ids=roots,
        )
        heard = yield from car.ask(newer, iso2.CertificateUpdateRes, signed=True)
    _check_signature(car, heard)
    chain = heard.contract_signature_cert_chain
    subs = chain.sub_certificates.certificate if chain.sub_certificates is not None else ()
    key = _decrypted(heard, recipient)
    car.wallet = replace(wallet, emaid=heard.emaid.value, chain=(chain.certificate, *subs), key=key)
    car.announce("provisioned", f"contract {EMAID.parse(heard.emaid.value).masked} received", {"by": kind.value})


def _check_signature(car: Exchange, heard: Response) -> None:
    """The provisioning service, below the car's V2G root, has signed all four parts."""
    request, wallet = car.party.request, car.wallet
    assert request is not None
    assert wallet is not None
    chain = heard.sa_provisioning_certificate_chain
    subs = chain.sub_certificates.certificate if chain.sub_certificates is not None else ()
    parts = (
        heard.contract_signature_cert_chain,
        heard.contract_signature_encrypted_private_key,
        heard.dh_publickey,
        heard.emaid,
    )
    try:
        if wallet.v2g_root is not None:
            root = parse_certificate(wallet.v2g_root, Edition.ISO2, "root")
            verify_chain((chain.certificate, *subs), CPS_2, Anchors(v2g=(root,)), datetime.now(UTC))
        key = parse_certificate(chain.certificate, Edition.ISO2, "leaf").public_key
        ids = dict(zip(SIGNED, (part.id for part in parts), strict=True))
        verify(request.header.signature, ids, request.octets, key, iso2.SCHEMA, P256_SHA256)
    except ChainRejected as error:
        raise StationWrong("provisioning-chain", "ISO 15118-2 Annex F", str(error)) from None
    except SignatureRejected as error:
        raise StationWrong("provisioning-signature", "[V2G2-909]", str(error)) from None


def _decrypted(heard: Response, recipient: ec.EllipticCurvePrivateKey) -> ec.EllipticCurvePrivateKey:
    """Returns the contract's key, which fits its certificate."""
    leaf = parse_certificate(heard.contract_signature_cert_chain.certificate, Edition.ISO2, "contract").public_key
    try:
        ephemeral = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), heard.dh_publickey.value)
        key = decrypt(heard.contract_signature_encrypted_private_key.value, shared_key(recipient, ephemeral))
    except ValueError as error:
        raise StationWrong("provisioning-key", "[V2G2-818]", str(error)) from None
    if not isinstance(leaf, ec.EllipticCurvePublicKey) or key.public_key().public_numbers() != leaf.public_numbers():
        raise StationWrong("provisioning-key", "[V2G2-818]", "not the key of the contract")
    return key
