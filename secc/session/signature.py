"""XML signatures over EXI fragments, as V2G uses them: who holds the key has said just this.

The signature stands in the message header; each of its references names an element of the message by Id and carries the digest of that
element's fragment stream. What is verified are the received bits of the elements, never a re-encoding. Two encodings of SignedInfo are in
the field: as a fragment of the XML signature schema alone, as ISO 15118-2 annex J has it, and as one of the message's schema set (Q-69).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from enum import Enum
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from secc.errors import DecodeError, SignatureRejected
from secc.exi.schema import Schema
from secc.exi.xmldsig import (
    SCHEMA as XMLDSIG,
)
from secc.exi.xmldsig import (
    CanonicalizationMethod,
    DigestMethod,
    Reference,
    Signature,
    SignatureMethod,
    SignatureValue,
    SignedInfo,
    Transform,
    Transforms,
)

CANONICAL_EXI: Final = "http://www.w3.org/TR/canonical-exi/"
ECDSA_SHA256: Final = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
SHA256: Final = "http://www.w3.org/2001/04/xmlenc#sha256"

MOST_REFERENCES: Final = 4
"""[V2G2-909]"""

_HALF: Final = 32
"""Octets of r, and of s."""

_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""The number of points on secp256r1 (SEC 2): r and s are less, and not zero."""


class Form(Enum):
    """Which grammar the signer encoded SignedInfo in; ``quirk`` is the code under which the less usual one is remarked upon."""

    XMLDSIG = "XML signature"
    MESSAGE_SET = "the message set"

    @property
    def quirk(self) -> str:
        return "Q-69" if self is Form.MESSAGE_SET else ""


class Flaw:
    """The ways in which a signature is bad: stable names, in logs and traces."""

    MISSING = "signature-missing"
    CANONICALIZATION = "canonicalization-method"
    SIGNATURE_METHOD = "signature-method"
    REFERENCES = "reference-count"
    URI = "reference-uri"
    TRANSFORMS = "transforms"
    DIGEST_METHOD = "digest-method"
    ELEMENT = "element-missing"
    DIGEST = "digest"
    KEY = "key"
    LENGTH = "signature-length"
    RANGE = "signature-range"
    VALUE = "signature-value"


def verify(
    signature: Signature | None, elements: Mapping[str, str | None], octets: bytes, key: object, schema: Schema[Any]
) -> Form:
    """Holds if ``key`` signed these elements of the received document ``octets``, and no others.

    ``elements`` are the elements that must be covered: name and Id. Raises :class:`SignatureRejected`, its ``flaw`` one of :class:`Flaw`.
    """
    if signature is None:
        raise SignatureRejected(Flaw.MISSING)
    info = signature.signed_info
    if info.canonicalization_method.algorithm != CANONICAL_EXI:
        raise SignatureRejected(Flaw.CANONICALIZATION)
    if info.signature_method.algorithm != ECDSA_SHA256:
        raise SignatureRejected(Flaw.SIGNATURE_METHOD)
    if len(info.reference) > MOST_REFERENCES or len(info.reference) != len(elements):
        raise SignatureRejected(Flaw.REFERENCES, f"{len(info.reference)} for {len(elements)} elements")
    by_uri = {reference.uri: reference for reference in info.reference}
    for name, id in elements.items():
        reference = by_uri.get(f"#{id}") if id else None
        if reference is None:
            raise SignatureRejected(Flaw.URI, f"none names {name}")
        _check_reference(reference, name, id, octets, schema)
    return _check_value(signature.signature_value.value, octets, key, schema)


def _check_reference(reference: Reference, name: str, id: str | None, octets: bytes, schema: Schema[Any]) -> None:
    transforms = () if reference.transforms is None else reference.transforms.transform
    if [transform.algorithm for transform in transforms] != [CANONICAL_EXI]:
        raise SignatureRejected(Flaw.TRANSFORMS, name)
    if reference.digest_method.algorithm != SHA256:
        raise SignatureRejected(Flaw.DIGEST_METHOD, name)
    try:
        fragment = schema.fragment_of(octets, name, id)
    except DecodeError as error:
        raise SignatureRejected(Flaw.ELEMENT, f"{name}: {error}") from error
    if not hmac.compare_digest(hashlib.sha256(fragment).digest(), reference.digest_value):
        raise SignatureRejected(Flaw.DIGEST, name)


def _check_value(value: bytes, octets: bytes, key: object, schema: Schema[Any]) -> Form:
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        raise SignatureRejected(Flaw.KEY, "not on secp256r1")
    if len(value) != 2 * _HALF:
        raise SignatureRejected(Flaw.LENGTH, f"{len(value)} octets")
    r, s = int.from_bytes(value[:_HALF], "big"), int.from_bytes(value[_HALF:], "big")
    if not (0 < r < _ORDER and 0 < s < _ORDER):
        raise SignatureRejected(Flaw.RANGE)
    der = encode_dss_signature(r, s)
    for form, grammar in ((Form.XMLDSIG, XMLDSIG), (Form.MESSAGE_SET, schema)):
        try:
            signed = schema.fragment_of(octets, "SignedInfo", grammar=grammar)
            key.verify(der, signed, ECDSA(hashes.SHA256()))
        except DecodeError as error:
            raise SignatureRejected(Flaw.ELEMENT, f"SignedInfo: {error}") from error
        except InvalidSignature:
            continue
        return form
    raise SignatureRejected(Flaw.VALUE)


def sign(element: Any, key: EllipticCurvePrivateKey, schema: Schema[Any], *, form: Form = Form.XMLDSIG) -> Signature:
    """The header signature over one element with an Id, under its only name: what a car does, or a provisioning service."""
    return sign_elements({type(element).__name__: element}, key, schema, form=form)


def sign_elements(
    elements: Mapping[str, Any], key: EllipticCurvePrivateKey, schema: Schema[Any], *, form: Form = Form.XMLDSIG
) -> Signature:
    """The header signature over elements with an Id, by their names."""
    references = tuple(
        Reference(
            uri=f"#{element.id}",
            transforms=Transforms(transform=(Transform(algorithm=CANONICAL_EXI),)),
            digest_method=DigestMethod(algorithm=SHA256),
            digest_value=hashlib.sha256(schema.fragment(element, name)).digest(),
        )
        for name, element in elements.items()
    )
    info = SignedInfo(
        canonicalization_method=CanonicalizationMethod(algorithm=CANONICAL_EXI),
        signature_method=SignatureMethod(algorithm=ECDSA_SHA256),
        reference=references,
    )
    return Signature(signed_info=info, signature_value=SignatureValue(value=sign_info(info, key, schema, form=form)))


def sign_info(
    info: SignedInfo, key: EllipticCurvePrivateKey, schema: Schema[Any], *, form: Form = Form.XMLDSIG
) -> bytes:
    """``r || s`` over SignedInfo as it stands, right or wrong."""
    grammar: Schema[Any] = XMLDSIG if form is Form.XMLDSIG else schema
    r, s = decode_dss_signature(key.sign(grammar.fragment(info), ECDSA(hashes.SHA256())))
    return r.to_bytes(_HALF, "big") + s.to_bytes(_HALF, "big")
