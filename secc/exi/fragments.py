"""Fragment grammars: the names that they count, received elements as spans of bits, and the relaxed
grammar of ambiguous names.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any

from frozen import dataclass
from secc.errors import DecodeError
from secc.exi import bits
from secc.exi.budget import Budget
from secc.exi.datatypes import INTEGER_OCTETS, String, bits_for
from secc.exi.grammar import ComplexType


class Vocabulary:
    """The names of a fragment grammar: all element names, and all attribute names, each sorted by
    local name and then namespace.

    A name of several namespaces is listed once for each.
    """

    def __init__(self, elements: tuple[str, ...], attributes: tuple[str, ...] = (), id_code: int = 0) -> None:
        self.elements = elements
        self.attributes = attributes
        self.id_code = id_code
        """The code of the attribute Id of the data types, if several namespaces have one."""

    @property
    def bits(self) -> int:
        """Width of the fragment's codes: all names, any other, and the end."""
        return bits_for(len(self.elements) + 2)

    @property
    def end(self) -> int:
        """The code of the fragment's end."""
        return len(self.elements) + 1

    @cached_property
    def _codes(self) -> dict[str, int]:
        return {name: code for code, name in enumerate(self.elements) if self.elements.count(name) == 1}

    def code(self, name: str) -> int | None:
        """Returns the code of a name; None if the set does not have the name, or has it in several
        namespaces.
        """
        return self._codes.get(name)

    def name(self, code: int) -> str | None:
        """Returns the name of a code; None beyond the last."""
        return self.elements[code] if code < len(self.elements) else None


@dataclass(frozen=True, slots=True)
class Span:
    """An element of a received document: ``content`` are the bits after its start, its end
    included.
    """

    name: str
    element: Any
    stream: int
    start: int
    stop: int
    total: int

    @property
    def id(self) -> str | None:
        """The element's Id."""
        value: str | None = self.element.id
        return value

    @property
    def content(self) -> int:
        """The element's bits, ``stop - start`` of them."""
        return self.stream >> self.total - self.stop & (1 << self.stop - self.start) - 1


def only(spans: Iterable[Span], name: str, id: str | None = None) -> Span:
    """Returns the span of the element with this name and Id; without an Id the name must be unique.
    Raises DecodeError unless there is exactly one.
    """
    found = [span for span in spans if span.name == name and (id is None or span.id == id)]
    if len(found) != 1:
        raise DecodeError(f"{len(found)} elements {name} with that Id, where there must be one")
    return found[0]


class Relaxed:
    """EXI's grammar for an element whose name has different types in the set (EXI 1.0 section
    8.5.3), for text with an Id.

    In ISO 15118-2 this is eMAID, plain text in PaymentDetailsReq. The state after the start lists
    all attributes of the set, any attribute, all elements, any element, the end, and characters;
    the state after characters has no attributes.
    """

    def __init__(self, vocabulary: Vocabulary, ctype: ComplexType) -> None:
        self.vocabulary = vocabulary
        self.ctype = ctype
        text = ctype.parts[-1].alternatives[0].type
        assert isinstance(text, String)
        self.text = text
        first = len(vocabulary.attributes) + 1 + len(vocabulary.elements) + 3
        self.first_bits = bits_for(first + 1)
        self.characters = first - 1
        self.content_bits = bits_for(len(vocabulary.elements) + 3 + 1)
        self.end = len(vocabulary.elements) + 1

    @staticmethod
    def fits(ctype: ComplexType) -> bool:
        """Whether elements of this type can be written: text with one attribute, the Id."""
        return [part.kind for part in ctype.parts] == ["attribute", "text"] and isinstance(
            ctype.parts[1].alternatives[0].type, String
        )

    def write(self, n: int, element: Any, *, strict: bool = True) -> int:
        """Returns ``n`` with the element's content and end appended. Raises EncodeError outside of
        the facets if ``strict``.
        """
        shortest, longest = (self.text.shortest, self.text.longest) if strict else (0, None)
        n = bits.write_text(n << self.first_bits | self.vocabulary.id_code, element.id, 0, None, "Id")
        n = bits.write_text(
            n << self.first_bits | self.characters,
            element.value,
            shortest,
            longest,
            self.ctype.name,
        )
        return n << self.content_bits | self.end

    def read(self, n: int, r: int, budget: Budget) -> tuple[Any, int]:
        """Returns the element, and the bits that are left. Raises DecodeError."""
        try:
            r = self._expect(n, r, self.first_bits, self.vocabulary.id_code)
            identifier, r = self._text(n, r, budget)
            r = self._expect(n, r, self.first_bits, self.characters)
            value, r = self._text(n, r, budget)
            r = self._expect(n, r, self.content_bits, self.end)
        except ValueError:
            raise DecodeError(f"{self.ctype.name}: truncated") from None
        assert self.ctype.cls is not None
        return self.ctype.cls(id=identifier, value=value), r

    def _expect(self, n: int, r: int, width: int, code: int) -> int:
        r -= width
        if n >> r & (1 << width) - 1 != code:
            raise DecodeError(f"unexpected event in {self.ctype.name}")
        return r

    def _text(self, n: int, r: int, budget: Budget) -> tuple[str, int]:
        r -= 8
        count = n >> r & 255
        if count > 127:
            count, r = bits.read_more(n, r, count, INTEGER_OCTETS)
        return bits.read_text(n, r, count, budget)
