"""EXI datatypes of XSD types, computed from their facets (EXI 1.0 section 7.1)."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from frozen import dataclass
from secc.exi.declarations import Binary, Text, Whole

LARGEST_N_BIT_RANGE: Final = 4096
"""Integers with at most this many values take a fixed number of bits (EXI 1.0 section 7.1.9)."""

INTEGER_OCTETS: Final = 32
"""Most octets of an integer without limits; X509SerialNumber, 20 octets of 8 bits, needs 23 of 7."""


def bits_for(codes: int) -> int:
    """Returns the bits of a field with ``codes`` different values."""
    return max(0, (codes - 1).bit_length())


@dataclass(frozen=True, slots=True)
class Boolean:
    """One bit."""


@dataclass(frozen=True, slots=True)
class Enumeration:
    """The index of the value among ``type``'s members."""

    type: type[StrEnum]

    @property
    def bits(self) -> int:
        """Width of the index."""
        return bits_for(len(self.type))


@dataclass(frozen=True, slots=True)
class NBit:
    """The distance from ``lowest``, in a fixed number of bits."""

    lowest: int
    highest: int
    xsd: str

    @property
    def bits(self) -> int:
        """Width of the distance."""
        return bits_for(self.highest - self.lowest + 1)


@dataclass(frozen=True, slots=True)
class Unsigned:
    """Groups of seven bits, the least significant first."""

    lowest: int
    highest: int | None
    xsd: str


@dataclass(frozen=True, slots=True)
class Signed:
    """A sign bit, then the value, or minus the value minus one."""

    lowest: int | None
    highest: int | None
    xsd: str


@dataclass(frozen=True, slots=True)
class String:
    """Number of code points plus two, then each code point as an unsigned integer."""

    shortest: int
    longest: int | None
    xsd: str


@dataclass(frozen=True, slots=True)
class Octets:
    """Number of octets, then the octets."""

    shortest: int
    longest: int | None
    xsd: str


Datatype = Boolean | Enumeration | NBit | Unsigned | Signed | String | Octets


def integer_octets(datatype: Unsigned | Signed) -> int:
    """Returns the most octets of the XSD's base type; a longer integer is malformed, whatever its
    value.
    """
    bounds = {"short": 3, "unsignedShort": 3, "int": 5, "unsignedInt": 5, "long": 10, "unsignedLong": 10}
    return bounds.get(datatype.xsd, INTEGER_OCTETS)


def datatype_of(hint: object, facet: Text | Binary | Whole | None) -> Datatype:
    """Returns the datatype of a field with the type hint ``hint`` and the annotation ``facet``.
    Raises TypeError if the facet is missing.
    """
    match facet:
        case Text(longest, shortest, xsd):
            return String(shortest, longest, xsd)
        case Binary(longest, shortest, xsd):
            return Octets(shortest, longest, xsd)
        case Whole(lowest, highest, xsd):
            if lowest is not None and highest is not None and highest - lowest < LARGEST_N_BIT_RANGE:
                return NBit(lowest, highest, xsd)
            if lowest is not None and lowest >= 0:
                return Unsigned(lowest, highest, xsd)
            return Signed(lowest, highest, xsd)
    if hint is bool:
        return Boolean()
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return Enumeration(hint)
    raise TypeError(f"{hint!r} needs a facet that names its XSD type")
