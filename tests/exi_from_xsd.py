"""Declarations of whole schema sets, made from the XSD files in the words of ``secc.exi.declarations``. For tests; nothing made here is kept."""

from __future__ import annotations

from enum import StrEnum
from types import NoneType
from typing import TYPE_CHECKING, Annotated, Any, get_args

from frozen import dataclass
from secc.exi import Schema, declarations, xmldsig
from secc.exi.declarations import Attribute, Binary, Choice, Head, Members, Named, Occurs, Text, Whole
from secc.exi.fragments import Vocabulary

if TYPE_CHECKING:
    from tests.xsd import XsdSet

WORDS = {
    cls().xsd: cls
    for cls in vars(declarations).values()
    if isinstance(cls, type) and issubclass(cls, Text | Binary | Whole)
}
"""The word for each base type of XSD."""

SIGNATURE = {name: cls for name, cls in vars(xmldsig).items() if getattr(cls, "__module__", "") == xmldsig.__name__}
"""XML signature is declared once for all sets, and refuses much of what its XSD allows."""


def schema_from(name: str, xsd: XsdSet) -> Schema[Any]:
    """The schema of all messages of a set."""
    made = _Made(xsd)
    return Schema(
        name,
        roots=[made.element(message) for message in xsd.messages()],
        globals_=tuple(xsd.globals()),
        vocabulary=Vocabulary(tuple(xsd.element_names())),
    )


class _Made:
    """The classes of a set, each made when it is first asked for. A field is called like its element, which ``Named`` says once more."""

    def __init__(self, xsd: XsdSet) -> None:
        self.xsd = xsd
        self.facts = xsd.facts()
        self.groups = {
            local: {local, *(member for _, member in members)} for (_, local), members in xsd.members.items()
        }
        self.classes: dict[str, type] = dict(SIGNATURE)
        self.enumerations: dict[tuple[str, ...], type[StrEnum]] = {}

    def element(self, name: str) -> type:
        """The class of a global element: that of its type; where that is called otherwise, one that extends it and adds nothing."""
        kind = self.xsd.type_of(name)
        if name not in self.classes:
            self.classes[name] = self.type(kind) if kind == name else _class(name, (self.type(kind),), {})
        return self.classes[name]

    def type(self, name: str) -> type:
        """The class of a complex type."""
        if name not in self.classes:
            fields = {}
            for attribute, required, kind in self.facts[name]["attributes"]:
                hint = Annotated[self.simple(attribute, kind), Attribute(), Named(attribute)]
                fields["id" if attribute == "Id" else f"at_{attribute}"] = hint if required else hint | None
            for fewest, most, alternatives in self.facts[name]["content"]:
                fields.update(self.part(fewest, most, alternatives))
            self.classes[name] = _class(name, (), fields)
        return self.classes[name]

    def part(self, fewest: int, most: int | None, alternatives: list[Any]) -> dict[str, Any]:
        """The fields of a particle: one for each branch of a choice, one for anything else."""
        names = {name for name, _ in alternatives}
        head = next((head for head, group in self.groups.items() if group == names), None)
        if head is not None:
            members = tuple(self.element(name) for name, kind in alternatives if kind is not None)
            group: Any = Annotated[members[0], Members(members)]
            group = group if len(members) == len(names) else Annotated[group, Head(head)]
            return {head: group if fewest else group | None}
        if len(alternatives) > 1:
            return {
                name: Annotated[self.of(name, kind) | None, Choice(fewest), Named(name)] for name, kind in alternatives
            }
        ((name, kind),) = alternatives
        hint: Any = Annotated[self.of(name, kind), Named(name)]
        if most != 1:
            return {name: Annotated[tuple[hint, ...], Occurs(fewest, most)]}
        return {name: hint if fewest else hint | None}

    def of(self, name: str, kind: Any) -> Any:
        return self.type(kind) if isinstance(kind, str) else self.simple(name, kind)

    def simple(self, name: str, facts: Any) -> Any:
        """A type hint, with its facets."""
        base, *rest = facts
        if base == "boolean":
            return bool
        if base == "enumeration":
            members = [(f"V{code}", value) for code, value in enumerate(rest)]
            return self.enumerations.setdefault(tuple(rest), StrEnum(name, members))
        word = WORDS[base]
        lowest, highest = rest
        if issubclass(word, Whole):
            return Annotated[int, word(lowest, highest)]
        return Annotated[str if issubclass(word, Text) else bytes, word(highest, lowest)]


def _class(name: str, bases: tuple[type, ...], fields: dict[str, Any]) -> type:
    content: dict[str, Any] = {"__annotations__": fields, "__module__": __name__}
    for field, hint in fields.items():
        _, *notes = get_args(hint)
        if NoneType in get_args(hint) or any(isinstance(note, Choice) for note in notes):
            content[field] = None
        elif any(isinstance(note, Occurs) and not note.fewest for note in notes):
            content[field] = ()
    made: type = dataclass(frozen=True, slots=True, kw_only=True)(type(name, bases, content))
    return made
