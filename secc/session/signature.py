"""XML signatures over EXI fragments, as V2G uses them.

The signature stands in the message header; each of its references names an element of the message
by Id and carries the digest of that element's fragment stream. The received bits of the elements
are verified, never a re-encoding. Two encodings of SignedInfo are in the field: as a fragment of
the XML signature schema alone, as ISO 15118-2 annex J has it, and as one of the message's schema
set (Q-69).
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from enum import Enum
from functools import cache
from typing import Any, Final, TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurve,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, Hash, HashAlgorithm

from frozen import dataclass
from secc.errors import DecodeError, SignatureRejected
from secc.exi.fragments import Span, only
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
MOST_REFERENCES: Final = 4
"""[V2G2-909]"""


@dataclass(frozen=True, slots=True)
class EcdsaSuite:
    """A way to digest elements and sign SignedInfo: a curve, a hash, and their names in the
    message.
    """

    curve: EllipticCurve
    order: int
    """The number of points on the curve: r and s are smaller, and not zero."""
    hash: HashAlgorithm
    signature_method: str
    digest_method: str

    @property
    def half(self) -> int:
        """Octets of r, and of s."""
        return (self.curve.key_size + 7) // 8

    def digest(self, octets: bytes) -> bytes:
        digest = Hash(self.hash)
        digest.update(octets)
        return digest.finalize()

    def read(self, key: object, value: bytes) -> tuple[EllipticCurvePublicKey, bytes]:
        """Returns the key, and the signature ``r || s`` in DER. Raises :class:`SignatureRejected`
        if they are not of this suite.
        """
        if not isinstance(key, EllipticCurvePublicKey) or key.curve.name != self.curve.name:
            raise SignatureRejected(Flaw.KEY, f"not on {self.curve.name}")
        if len(value) != 2 * self.half:
            raise SignatureRejected(Flaw.LENGTH, f"{len(value)} octets")
        r, s = int.from_bytes(value[: self.half], "big"), int.from_bytes(value[self.half :], "big")
        if not (0 < r < self.order and 0 < s < self.order):
            raise SignatureRejected(Flaw.RANGE)
        return key, encode_dss_signature(r, s)

    def sign(self, key: EllipticCurvePrivateKey, octets: bytes) -> bytes:
        """``r || s``."""
        r, s = decode_dss_signature(key.sign(octets, ECDSA(self.hash)))
        return r.to_bytes(self.half, "big") + s.to_bytes(self.half, "big")


P256_SHA256: Final = EcdsaSuite(
    curve=SECP256R1(),
    order=0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    hash=SHA256(),
    signature_method="http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
    digest_method="http://www.w3.org/2001/04/xmlenc#sha256",
)
"""The suite of ISO 15118-2; the order is from SEC 2."""


class Form(Enum):
    """The grammar in which the signer encoded SignedInfo; ``quirk`` is the code of the less usual
    one.
    """

    XMLDSIG = "XML signature"
    MESSAGE_SET = "the message set"

    @property
    def quirk(self) -> str:
        return "Q-69" if self is Form.MESSAGE_SET else ""


class Flaw:
    """Flaws of a signature: stable names, in logs and traces."""

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


Named: TypeAlias = Mapping[str, "str | tuple[str, ...] | None"]
"""Names of elements with their Ids; several elements of one name have a tuple of them."""


def verify(
    signature: Signature | None,
    elements: Named,
    octets: bytes,
    key: object,
    schema: Schema[Any],
    suite: EcdsaSuite,
) -> Form:
    """Check that ``key`` signed these elements of the received document ``octets``, and no others.
    Returns the grammar of SignedInfo.

    Raises :class:`SignatureRejected`, its ``flaw`` one of :class:`Flaw`.
    """
    if signature is None:
        raise SignatureRejected(Flaw.MISSING)

    @cache
    def spans() -> tuple[Span, ...]:
        # The document is read once for all elements: it may take longer than to check the signature.
        return schema.spans(octets)

    verify_references(signature, elements, lambda name, id: schema.splice(only(spans(), name, id)), suite)
    return _check_value(signature.signature_value.value, spans, key, schema, suite)


def verify_references(
    signature: Signature, elements: Named, fragment_of: Callable[[str, str], bytes], suite: EcdsaSuite
) -> None:
    """Check that the references of a signature are to these elements, and no others, and that their
    digests hold; the signature's value is not checked.

    ``fragment_of`` returns the fragment stream of an element by name and Id, or raises DecodeError.
    Raises :class:`SignatureRejected`.
    """
    info = signature.signed_info
    if info.canonicalization_method.algorithm != CANONICAL_EXI:
        raise SignatureRejected(Flaw.CANONICALIZATION)
    if info.signature_method.algorithm != suite.signature_method:
        raise SignatureRejected(Flaw.SIGNATURE_METHOD)
    wanted = [(name, id) for name, ids in elements.items() for id in (ids if isinstance(ids, tuple) else (ids,))]
    if len(info.reference) > MOST_REFERENCES or len(info.reference) != len(wanted):
        raise SignatureRejected(Flaw.REFERENCES, f"{len(info.reference)} for {len(wanted)} elements")
    by_uri = {reference.uri: reference for reference in info.reference}
    for name, id in wanted:
        reference = by_uri.pop(f"#{id}", None) if id else None
        if id is None or reference is None:
            raise SignatureRejected(Flaw.URI, f"none names {name}")
        transforms = () if reference.transforms is None else reference.transforms.transform
        if [transform.algorithm for transform in transforms] != [CANONICAL_EXI]:
            raise SignatureRejected(Flaw.TRANSFORMS, name)
        if reference.digest_method.algorithm != suite.digest_method:
            raise SignatureRejected(Flaw.DIGEST_METHOD, name)
        try:
            fragment = fragment_of(name, id)
        except DecodeError as error:
            raise SignatureRejected(Flaw.ELEMENT, f"{name}: {error}") from error
        if not hmac.compare_digest(suite.digest(fragment), reference.digest_value):
            raise SignatureRejected(Flaw.DIGEST, name)


def _check_value(
    value: bytes, spans: Callable[[], tuple[Span, ...]], key: object, schema: Schema[Any], suite: EcdsaSuite
) -> Form:
    public, der = suite.read(key, value)
    for form, grammar in ((Form.XMLDSIG, XMLDSIG), (Form.MESSAGE_SET, schema)):
        try:
            public.verify(der, grammar.splice(only(spans(), "SignedInfo")), ECDSA(suite.hash))
        except DecodeError as error:
            raise SignatureRejected(Flaw.ELEMENT, f"SignedInfo: {error}") from error
        except InvalidSignature:
            continue
        return form
    raise SignatureRejected(Flaw.VALUE)


def sign(
    element: Any, key: EllipticCurvePrivateKey, schema: Schema[Any], suite: EcdsaSuite, *, form: Form = Form.XMLDSIG
) -> Signature:
    """Returns the header signature over one element with an Id, under its only name: for a car or a
    provisioning service.
    """
    return sign_elements({type(element).__name__: element}, key, schema, suite, form=form)


def sign_elements(
    elements: Mapping[str, Any],
    key: EllipticCurvePrivateKey,
    schema: Schema[Any],
    suite: EcdsaSuite,
    *,
    form: Form = Form.XMLDSIG,
) -> Signature:
    """Returns the header signature over elements with an Id, by their names; several elements of one
    name are a tuple.
    """
    signed = [(name, element) for name, found in elements.items() for element in _each(found)]
    references = tuple(
        Reference(
            uri=f"#{element.id}",
            transforms=Transforms(transform=(Transform(algorithm=CANONICAL_EXI),)),
            digest_method=DigestMethod(algorithm=suite.digest_method),
            digest_value=suite.digest(schema.fragment(element, name)),
        )
        for name, element in signed
    )
    info = SignedInfo(
        canonicalization_method=CanonicalizationMethod(algorithm=CANONICAL_EXI),
        signature_method=SignatureMethod(algorithm=suite.signature_method),
        reference=references,
    )
    value = sign_info(info, key, schema, suite, form=form)
    return Signature(signed_info=info, signature_value=SignatureValue(value=value))


def _each(found: Any) -> tuple[Any, ...]:
    return found if isinstance(found, tuple) else (found,)


def sign_info(
    info: SignedInfo, key: EllipticCurvePrivateKey, schema: Schema[Any], suite: EcdsaSuite, *, form: Form = Form.XMLDSIG
) -> bytes:
    """Returns ``r || s`` over SignedInfo, valid or not."""
    grammar: Schema[Any] = XMLDSIG if form is Form.XMLDSIG else schema
    return suite.sign(key, grammar.fragment(info))
