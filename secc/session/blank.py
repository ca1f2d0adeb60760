"""Blank messages, for responses that refuse: every mandatory element with filler that the schema
allows, and none of the optional ones.
"""

from __future__ import annotations

from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from typing import Any, Final, TypeVar, get_type_hints

from secc.exi.declarations import Identifier, IdentifierReference, Occurs, Text, Whole
from secc.session.facets import unfold

A = TypeVar("A")

_ID: Final = "id1"


def blank(message: type[A]) -> A:
    """Returns a message of this type: zeros, empty texts and octets, the first member of each
    enumeration, the first type of several. Reads the declaration, which takes some 100 us: not for
    the event loop.
    """
    hints = get_type_hints(message, include_extras=True)
    mandatory = (field for field in fields(message) if field.default is MISSING)  # type: ignore[arg-type]  # a dataclass
    return message(**{field.name: _filler(hints[field.name]) for field in mandatory})


def _filler(hint: Any) -> Any:
    metadata, leaves, many = unfold(hint)
    fewest = next((fact.fewest for fact in metadata if isinstance(fact, Occurs)), 0)
    value = _value(leaves[-1], metadata)
    return (value,) * fewest if many else value


def _value(leaf: Any, metadata: list[Any]) -> Any:
    if is_dataclass(leaf):
        return blank(leaf)  # type: ignore[arg-type]  # a type, not an instance
    if issubclass(leaf, Enum):
        return next(iter(leaf))
    for fact in metadata:
        if isinstance(fact, Whole):
            return max(0, fact.lowest or 0)
        if isinstance(fact, Identifier | IdentifierReference):
            return _ID
        if isinstance(fact, Text):
            return "0" * fact.shortest
    return leaf()
