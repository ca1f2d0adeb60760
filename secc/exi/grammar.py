"""Content models from declarations, and the counting of event codes (EXI 1.0 section 8.5.4, default
fidelity, not strict).

A content model is a row of *parts*: attributes, elements (one, or a choice or substitution group of
them), the text of simple content. A *state* of the grammar is before a part; its productions are
the alternatives of every part from there to the first mandatory one, plus the end of the element if
there is none. One more code is the escape, which no V2G peer sends.
"""

from __future__ import annotations

import types
from functools import cached_property
from typing import Annotated, Any, ClassVar, Final, Union, get_args, get_origin, get_type_hints

from frozen import dataclass
from secc.exi.datatypes import Boolean, Datatype, Enumeration, NBit, Signed, Unsigned, bits_for, datatype_of
from secc.exi.declarations import (
    Attribute,
    Binary,
    Choice,
    Content,
    Head,
    Members,
    Named,
    Occurs,
    Refused,
    Text,
    Whole,
    Within,
    spelled,
)

WILDCARD: Final = "*"
TEXT: Final = "#text"


@dataclass(frozen=True, slots=True)
class Alternative:
    """One production: the element (or attribute) ``name`` of ``type``, stored in ``field``.
    ``type`` None: counted, never accepted.
    """

    name: str
    type: ComplexType | Datatype | None
    field: str | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """A particle: ``alternatives`` in the order of their event codes, from ``fewest`` to ``most``
    times (None: unbounded; at most ``enough`` are read).

    ``kind`` is "attribute", "element", "group" (a substitution group: one field, the class tells
    which), "choice" (a field for each branch), "text".
    """

    kind: str
    alternatives: tuple[Alternative, ...]
    fewest: int = 1
    most: int | None = 1
    enough: int | None = None

    @property
    def repeats(self) -> bool:
        """Whether the field is a tuple."""
        return self.most is None or self.most > 1

    @property
    def refused(self) -> bool:
        """Whether all alternatives are refused."""
        return all(alternative.type is None for alternative in self.alternatives)


class ComplexType:
    """Content model of a class, or (``cls`` None) of a wrapper element whose only part is the
    field's value.
    """

    def __init__(self, name: str, cls: type | None, parts: tuple[Part, ...], *, mixed: bool = False) -> None:
        self.name = name
        self.cls = cls
        self.parts = parts
        self.mixed = mixed

    def __repr__(self) -> str:
        return f"ComplexType({self.name})"

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        """For every part (and the end) the number of alternatives before it."""
        offsets = [0]
        for part in self.parts:
            offsets.append(offsets[-1] + len(part.alternatives))
        return tuple(offsets)

    def productions(self, state: int) -> int:
        """First-level productions of the state before part ``state``."""
        count = 0
        for part in self.parts[state:]:
            count += len(part.alternatives)
            if part.fewest:
                return count
        return count + (2 if self.mixed else 1)

    def width(self, state: int) -> int:
        """Bits of an event code in the state before part ``state``, the escape included."""
        return bits_for(self.productions(state) + 1)

    def loop_width(self, index: int) -> int:
        """Bits of an event code after an item of the repeating part ``index``, while one more is
        allowed.
        """
        return bits_for(self.productions(index + 1) + 2)

    @property
    def simple(self) -> bool:
        """Whether every part is one mandatory element of simple type: such a type is read and
        written inline.
        """
        return (
            self.cls is not None
            and not self.mixed
            and 0 < len(self.parts) <= LARGEST_INLINE
            and all(
                part.kind == "element"
                and part.fewest == part.most == 1
                and not isinstance(part.alternatives[0].type, ComplexType)
                and part.alternatives[0].type is not None
                for part in self.parts
            )
        )

    @property
    def counted(self) -> bool:
        """Whether it is a number behind values of fixed width, as a PhysicalValue: cars send the same
        ones again and again, and they hold nothing about a person.
        """
        *fixed, last = (part.alternatives[0].type for part in self.parts) if self.simple else (None,)
        return isinstance(last, Unsigned | Signed) and all(
            isinstance(kind, Boolean | Enumeration | NBit) for kind in fixed
        )


LARGEST_INLINE: Final = 4
_TYPES: dict[type, ComplexType] = {}


def element_name(cls: type) -> str:
    """Returns the element name of a class that is a root or a member of a substitution group."""
    name: str = cls.__dict__.get("element", cls.__name__)
    return name


def complex_type(cls: type) -> ComplexType:
    """Returns the content model of a declared class. Raises TypeError for an incomplete
    declaration.
    """
    # Of two threads that read a class at once, both get what the first has made.
    return _TYPES.get(cls) or _TYPES.setdefault(cls, _read(cls))


def _read(cls: type) -> ComplexType:
    parts: list[Part] = []
    mixed = False
    for field, hint in get_type_hints(cls, include_extras=True).items():
        if get_origin(hint) is ClassVar:
            refused = getattr(cls, field)
            if isinstance(refused, Refused):
                if refused.name == TEXT:
                    mixed = True
                else:
                    parts.append(Part("element", (Alternative(refused.name, None),), refused.fewest, refused.most))
            continue
        use = _Use(cls, field, hint)
        if choice := use.find(Choice):
            branches: tuple[Alternative, ...] = ()
            if parts and parts[-1].kind == "choice":
                last = parts.pop()
                if last.fewest != choice.fewest:
                    raise TypeError(f"{use.where}: may the choice be absent? Its branches disagree")
                branches = last.alternatives
            parts.append(Part("choice", (*branches, use.alternative()), choice.fewest))
        else:
            parts.append(use.part())
    attributes = [part for part in parts if part.kind == "attribute"]
    attributes.sort(key=lambda part: part.alternatives[0].name)
    return ComplexType(cls.__name__, cls, (*attributes, *(p for p in parts if p.kind != "attribute")), mixed=mixed)


class _Use:
    """One field of a declaration, with its type hint taken apart."""

    def __init__(self, cls: type, field: str, hint: Any) -> None:
        self.where = f"{cls.__name__}.{field}"
        self.field = field
        self.optional = False
        self.types: list[Any] = []
        self.metadata: list[object] = []
        self._take(hint)

    def _take(self, hint: Any) -> None:
        origin = get_origin(hint)
        if origin is Annotated:
            inner, *metadata = get_args(hint)
            self.metadata.extend(metadata)
            self._take(inner)
        elif origin in (Union, types.UnionType):
            for member in get_args(hint):
                self._take(member)
        elif origin is tuple:
            self._take(get_args(hint)[0])
        elif hint is types.NoneType:
            self.optional = True
        else:
            self.types.append(hint)

    def find(self, kind: type[Any]) -> Any:
        return next((item for item in self.metadata if isinstance(item, kind)), None)

    def has(self, kind: type[Any]) -> bool:
        return self.find(kind) is not None

    @property
    def name(self) -> str:
        named = self.find(Named)
        return named.name if named else spelled(self.field)

    def type(self, hint: Any) -> ComplexType | Datatype:
        facet = next((item for item in self.metadata if isinstance(item, Text | Binary | Whole)), None)
        if facet is None and isinstance(hint, type) and hasattr(hint, "__dataclass_fields__"):
            return complex_type(hint)
        try:
            return datatype_of(hint, facet)
        except TypeError as error:
            raise TypeError(f"{self.where}: {error}") from None

    def alternative(self) -> Alternative:
        return Alternative(self.name, self.type(self.types[0]), self.field)

    def part(self) -> Part:
        fewest, most, enough = (0 if self.optional else 1), 1, None
        if occurs := self.find(Occurs):
            fewest, most, enough = occurs.fewest, occurs.most, occurs.enough
        if self.has(Content):
            return Part("text", (Alternative(TEXT, self.type(self.types[0]), self.field),))
        if self.has(Attribute):
            return Part("attribute", (self.alternative(),), fewest, most, enough)
        members: Members | None = self.find(Members)
        head: Head | None = self.find(Head)
        hints = members.types if members else tuple(self.types)
        if head is None and len(hints) == 1:
            return Part("element", (self.alternative(),), fewest, most, enough)
        group = [Alternative(element_name(hint), complex_type(hint), self.field) for hint in hints]
        if head is not None:
            group.append(Alternative(head.name, None))
        part = Part("group", tuple(sorted(group, key=lambda a: a.name)), fewest, most, enough)
        within: Within | None = self.find(Within)
        if within is None:
            return part
        wrapper = ComplexType(within.name, None, (part,))
        return Part("element", (Alternative(within.name, wrapper, self.field),))
