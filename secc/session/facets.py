"""Which field of a received message breaks a facet of the XSD: a length, a range, a number of entries.

Decoding is lenient there, because the answer to such a message is a response code and not a closed connection. The protocol says which code.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable, Collection
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin, get_type_hints

from secc.exi.declarations import Binary, Occurs, Text, Whole

_Check = Callable[[Any], bool]


class _Field(NamedTuple):
    """A field worth looking at: the check of its facets, the declared types that it may hold, whether it is a list."""

    name: str
    check: _Check | None
    nested: tuple[type, ...]
    many: bool


class Facets:
    """The facets of a protocol's messages, read from their declarations. ``free`` are fields that may hold anything: type and field, by name."""

    def __init__(self, free: Collection[tuple[str, str]] = ()) -> None:
        self._free = frozenset(free)
        self._read: dict[type, tuple[_Field, ...]] = {}

    def broken(self, message: Any) -> str | None:
        """The dotted path of the first field that breaks a facet, None if all hold."""
        for name, check, nested, many in self._fields(type(message)):
            value = getattr(message, name)
            if value is None:
                continue
            if check is not None and not check(value):
                return name
            if nested:
                for item in value if many else (value,):
                    inner = self.broken(item)
                    if inner is not None:
                        return f"{name}.{inner}"
        return None

    def warm(self, *types: type) -> None:
        """Reads the declarations of these types, and of all that they hold, ahead of time."""
        for cls in types:
            for field in self._fields(cls):
                self.warm(*field.nested)

    def _fields(self, cls: Any) -> tuple[_Field, ...]:
        if (known := self._read.get(cls)) is not None:
            return known
        hints = get_type_hints(cls, include_extras=True)
        found = []
        for field in dataclasses.fields(cls):
            metadata, leaves, many = _unfold(hints[field.name])
            check = None if (cls.__name__, field.name) in self._free else _check(metadata, many)
            nested = tuple(leaf for leaf in leaves if isinstance(leaf, type) and dataclasses.is_dataclass(leaf))
            if check is not None or nested:
                found.append(_Field(field.name, check, nested, many))
        return self._read.setdefault(cls, tuple(found))


def _unfold(hint: Any) -> tuple[list[Any], list[Any], bool]:
    """What is written beside a type hint, the types in it, and whether it is a tuple of them."""
    metadata: list[Any] = []
    leaves: list[Any] = []
    many = False
    pending = [hint]
    while pending:
        part = pending.pop()
        origin = get_origin(part)
        if origin is Annotated:
            inner, *beside = get_args(part)
            metadata.extend(beside)
            pending.append(inner)
        elif origin is tuple:
            many = True
            pending.append(get_args(part)[0])
        elif origin in (Union, types.UnionType):
            pending.extend(arg for arg in get_args(part) if arg is not type(None))
        else:
            leaves.append(part)
    return metadata, leaves, many


def _check(metadata: list[Any], many: bool) -> _Check | None:
    checks = [check for check in (_fact_check(fact, many) for fact in metadata) if check is not None]
    if not checks:
        return None
    return checks[0] if len(checks) == 1 else lambda value: all(check(value) for check in checks)


def _fact_check(fact: Any, many: bool) -> _Check | None:
    match fact:
        case Occurs(fewest, most):
            return lambda value: _between(len(value), fewest, most)
        case Text(longest, shortest) | Binary(longest, shortest):
            return _each(many, lambda value: _between(len(value), shortest, longest))
        case Whole(lowest, highest):
            return _each(many, lambda value: _between(value, lowest, highest))
    return None


def _each(many: bool, check: _Check) -> _Check:
    return (lambda values: all(map(check, values))) if many else check


def _between(value: int, lowest: int | None, highest: int | None) -> bool:
    return (lowest is None or lowest <= value) and (highest is None or value <= highest)
