"""Annotations of message declarations: XSD base types with their facets, and occurrences of fields.

A complex type is a frozen dataclass. Its fields have the order of the XSD (attributes first); an
optional element is ``... | None``,
a repeating one a ``tuple``; ``Annotated`` has what the type hint cannot express::

    @dataclass(frozen=True, slots=True, kw_only=True)
    class PaymentDetailsReq(Body):
        emaid: Annotated[str, Text(15, shortest=14), Named("eMAID")]
        contract_signature_cert_chain: CertificateChain

Declarations state base type, occurrence and order; bit widths and event codes are computed from
them.
"""

from __future__ import annotations

from typing import Final

from frozen import dataclass


class Message:
    """Base of all messages: roots of a schema, and the body elements of ISO 15118-2 and DIN."""

    __slots__ = ()


# --- values ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Text:
    """xs:string of at most ``longest`` (and at least ``shortest``) code points; ``None``: no limit."""

    longest: int | None = None
    shortest: int = 0
    xsd: str = "string"


@dataclass(frozen=True, slots=True)
class Uri(Text):
    """xs:anyURI."""

    xsd: str = "anyURI"


@dataclass(frozen=True, slots=True)
class Identifier(Text):
    """xs:ID."""

    xsd: str = "ID"


@dataclass(frozen=True, slots=True)
class IdentifierReference(Text):
    """xs:IDREF, which DIN SPEC 70121 uses for the Id of a signed element."""

    xsd: str = "IDREF"


@dataclass(frozen=True, slots=True)
class Binary:
    """Octets, at most ``longest`` and at least ``shortest``; use :class:`Hex` or :class:`Base64`,
    as the XSD does.
    """

    longest: int | None = None
    shortest: int = 0
    xsd: str = ""


@dataclass(frozen=True, slots=True)
class Hex(Binary):
    """xs:hexBinary."""

    xsd: str = "hexBinary"


@dataclass(frozen=True, slots=True)
class Base64(Binary):
    """xs:base64Binary."""

    xsd: str = "base64Binary"


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number from ``lowest`` to ``highest``; ``None``: no limit. Use the subclass of the
    XSD's base type.
    """

    lowest: int | None = None
    highest: int | None = None
    xsd: str = "integer"


@dataclass(frozen=True, slots=True)
class Integer(Whole):
    """xs:integer, which has no limit."""


@dataclass(frozen=True, slots=True)
class Byte(Whole):
    """xs:byte."""

    lowest: int | None = -(2**7)
    highest: int | None = 2**7 - 1
    xsd: str = "byte"


@dataclass(frozen=True, slots=True)
class Short(Whole):
    """xs:short."""

    lowest: int | None = -(2**15)
    highest: int | None = 2**15 - 1
    xsd: str = "short"


@dataclass(frozen=True, slots=True)
class Int(Whole):
    """xs:int."""

    lowest: int | None = -(2**31)
    highest: int | None = 2**31 - 1
    xsd: str = "int"


@dataclass(frozen=True, slots=True)
class Long(Whole):
    """xs:long."""

    lowest: int | None = -(2**63)
    highest: int | None = 2**63 - 1
    xsd: str = "long"


@dataclass(frozen=True, slots=True)
class UnsignedByte(Whole):
    """xs:unsignedByte."""

    lowest: int | None = 0
    highest: int | None = 2**8 - 1
    xsd: str = "unsignedByte"


@dataclass(frozen=True, slots=True)
class UnsignedShort(Whole):
    """xs:unsignedShort."""

    lowest: int | None = 0
    highest: int | None = 2**16 - 1
    xsd: str = "unsignedShort"


@dataclass(frozen=True, slots=True)
class UnsignedInt(Whole):
    """xs:unsignedInt."""

    lowest: int | None = 0
    highest: int | None = 2**32 - 1
    xsd: str = "unsignedInt"


@dataclass(frozen=True, slots=True)
class UnsignedLong(Whole):
    """xs:unsignedLong."""

    lowest: int | None = 0
    highest: int | None = 2**64 - 1
    xsd: str = "unsignedLong"


# --- places ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Named:
    """The element's (or attribute's) name if :func:`spelled` does not derive it from the field's
    name.
    """

    name: str


@dataclass(frozen=True, slots=True)
class Attribute:
    """The field is an XML attribute; all others are elements."""


@dataclass(frozen=True, slots=True)
class Content:
    """The field is the text of an element that also has attributes (simple content)."""


@dataclass(frozen=True, slots=True)
class Occurs:
    """A repeating element: from ``fewest`` to ``most`` times; ``None`` is unbounded.

    ``enough``: at most this many items of an unbounded one are read, because V2G does not use more.
    It does not change the grammar.
    """

    fewest: int
    most: int | None
    enough: int | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """One branch of an xs:choice: of consecutive fields with this mark exactly one is present, or
    at most one if ``fewest`` is 0.
    """

    fewest: int = 1


@dataclass(frozen=True, slots=True)
class Head:
    """The *abstract* head of the substitution group that the field's union lists: it takes an event
    code and is never sent.
    """

    name: str


@dataclass(frozen=True, slots=True)
class Members:
    """The members of the substitution group, if the type hint names their base class instead of the
    union.
    """

    types: tuple[type, ...]


@dataclass(frozen=True, slots=True)
class Within:
    """The field's element is in a wrapper element of this name, which has no other content and no
    class.
    """

    name: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A particle of the XSD that V2G never uses, declared as ``name: ClassVar[Refused]`` at its
    place among the fields.

    It counts for event codes, and both directions refuse it. ``name`` is the element's, ``"*"`` a
    wildcard, ``"#text"`` the untyped text of a mixed type.
    """

    name: str
    fewest: int = 0
    most: int | None = 1


# --- names ----------------------------------------------------------------------------------------------------------------

ACRONYMS: Final = frozenset({"ev", "evcc", "evse", "id", "oem", "ress", "sa", "secc", "soc"})
"""Words of field names that are in capitals in the XSDs."""

PREFIXES: Final = {"ac": "AC_", "dc": "DC_"}
"""First words of field names that an underscore follows in the XSDs."""


def spelled(field: str) -> str:
    """Returns the XSD's spelling of a field name: ``evse_id`` is EVSEID, ``dc_ev_status`` is
    DC_EVStatus, ``p_max`` is PMax.
    """
    words = field.split("_")
    prefix = PREFIXES.get(words[0], "")
    rest = words[1:] if prefix else words
    return prefix + "".join(word.upper() if word in ACRONYMS else word.capitalize() for word in rest)
