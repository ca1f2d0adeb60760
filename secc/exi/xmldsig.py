"""XML signature (xmldsig-core), the part that V2G uses: ECDSA over SHA-256, detached references, no
KeyInfo, no Object.

Particles that no V2G peer sends are declared as refused: they count for event codes, and neither
direction accepts them.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Final

from frozen import dataclass
from secc.exi.declarations import (
    Attribute,
    Base64,
    Content,
    Identifier,
    Integer,
    Message,
    Named,
    Occurs,
    Refused,
    Text,
    Uri,
)
from secc.exi.fragments import Vocabulary
from secc.exi.schema import Schema

Id = Annotated[str, Identifier(), Attribute(), Named("Id")]
Algorithm = Annotated[str, Uri(), Attribute()]

REFERENCES: Final = 8
"""V2G signs up to four elements. [V2G2-909] A few more are read, so that such a signature is
refused with its code; thousands are an attack.
"""

TRANSFORMS: Final = 8
"""V2G has exactly one a reference. [V2G2-767]"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CanonicalizationMethod:
    """Which octets of SignedInfo are signed: ``http://www.w3.org/TR/canonical-exi/``."""

    algorithm: Algorithm
    wildcard: ClassVar[Refused] = Refused("*", 0, None)
    text: ClassVar[Refused] = Refused("#text")


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureMethod:
    """``http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256`` in ISO 15118-2."""

    algorithm: Algorithm
    hmac_output_length: ClassVar[Refused] = Refused("HMACOutputLength")
    wildcard: ClassVar[Refused] = Refused("*", 0, None)
    text: ClassVar[Refused] = Refused("#text")


@dataclass(frozen=True, slots=True, kw_only=True)
class Transform:
    """The transformation of the referenced element before it is hashed: always canonical EXI."""

    algorithm: Algorithm
    x_path: ClassVar[Refused] = Refused("XPath", 0, None)
    wildcard: ClassVar[Refused] = Refused("*", 0, None)
    text: ClassVar[Refused] = Refused("#text")


@dataclass(frozen=True, slots=True, kw_only=True)
class Transforms:
    """The transforms, in order."""

    transform: Annotated[tuple[Transform, ...], Occurs(1, None, enough=TRANSFORMS)]


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestMethod:
    """``http://www.w3.org/2001/04/xmlenc#sha256`` in ISO 15118-2."""

    algorithm: Algorithm
    wildcard: ClassVar[Refused] = Refused("*", 0, None)
    text: ClassVar[Refused] = Refused("#text")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """One signed element: ``uri`` is ``#`` and the element's Id, ``digest_value`` the hash of its
    fragment stream.
    """

    id: Id | None = None
    uri: Annotated[str | None, Uri(), Attribute(), Named("URI")] = None
    type: Annotated[str | None, Uri(), Attribute()] = None
    transforms: Transforms | None = None
    digest_method: DigestMethod
    digest_value: Annotated[bytes, Base64()]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedInfo:
    """The content of the signature: the algorithms and a digest of every signed element. V2G peers
    give it no Id.
    """

    id: Id | None = None
    canonicalization_method: CanonicalizationMethod
    signature_method: SignatureMethod
    reference: Annotated[tuple[Reference, ...], Occurs(1, None, enough=REFERENCES)]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureValue:
    """The signature as raw ``r || s`` (not DER), 64 octets for P-256."""

    id: Id | None = None
    value: Annotated[bytes, Base64(), Content()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """The signature in a message header."""

    id: Id | None = None
    signed_info: SignedInfo
    signature_value: SignatureValue
    key_info: ClassVar[Refused] = Refused("KeyInfo")
    object: ClassVar[Refused] = Refused("Object", 0, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class X509IssuerSerial:
    """Names a root certificate, in the lists of roots that a car trusts. Serial numbers take up to
    20 octets.
    """

    x509_issuer_name: Annotated[str, Text(), Named("X509IssuerName")]
    x509_serial_number: Annotated[int, Integer(), Named("X509SerialNumber")]


# Source of the names: xmldsig-core-schema.xsd (W3C); event codes count also names that are never
# sent. A test compares.

_GLOBALS: Final = """
    CanonicalizationMethod DSAKeyValue DigestMethod DigestValue KeyInfo KeyName KeyValue Manifest MgmtData Object
    PGPData RSAKeyValue Reference RetrievalMethod SPKIData Signature SignatureMethod SignatureProperties
    SignatureProperty SignatureValue SignedInfo Transform Transforms X509Data
"""

GLOBALS: Final = tuple(_GLOBALS.split())
"""All global elements, in the order of their codes."""

_LOCALS: Final = """
    Exponent G HMACOutputLength J Modulus P PGPKeyID PGPKeyPacket PgenCounter Q SPKISexp Seed X509CRL
    X509Certificate X509IssuerName X509IssuerSerial X509SKI X509SerialNumber X509SubjectName XPath Y
"""

LOCALS: Final = tuple(_LOCALS.split())
"""All local elements."""

SCHEMA: Schema[Message] = Schema(
    "xmldsig", roots=(), globals_=GLOBALS, vocabulary=Vocabulary(tuple(sorted(GLOBALS + LOCALS))), elements=(Signature,)
)
"""XML signature as a schema of its own: SignedInfo is signed as a fragment of it, not of the
message's (ISO 15118-2 annex J).
"""
