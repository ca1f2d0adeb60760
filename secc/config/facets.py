"""Declarations of settings: meaning and allowed values.

A setting is an annotated field of a frozen dataclass. The parser reads the annotations to check
values, ``tools.config_doc`` to explain them.
"""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields, is_dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

from frozen import dataclass


@dataclass(frozen=True, slots=True)
class Doc:
    """The meaning of a setting, in a sentence or two. ``default`` replaces the literal default in
    the documentation.
    """

    text: str
    default: str = ""


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers from ``low`` to ``high``, inclusive."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Pattern:
    """Texts that match ``regex`` completely; ``meaning`` describes them to a person."""

    regex: re.Pattern[str]
    meaning: str


@dataclass(frozen=True, slots=True)
class OneOf:
    """Texts that ``known`` returns: what a register has, where an enumeration would have to list it
    a second time.
    """

    known: Callable[[], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Length:
    """Lists with at least ``low`` entries, and at most ``high`` (None: any number); entries never
    repeat.
    """

    low: int = 1
    high: int | None = None


@dataclass(frozen=True, slots=True)
class Named:
    """The key in the file if it is not the field's name: OCPP's spelling, or the singular of a
    repeated table.
    """

    key: str


@dataclass(frozen=True, slots=True)
class Danger:
    """Values that weaken trust, money or power although the setting's name does not say so. The
    station logs them when it starts.
    """

    values: tuple[object, ...]
    why: str


@dataclass(frozen=True, slots=True)
class Setting:
    """One declared setting, for the parser and the documentation."""

    field: str
    key: str
    kind: Any
    """The type without annotations and without None."""
    optional: bool
    required: bool
    default: Any
    facets: tuple[Any, ...]

    def facet(self, wanted: type[Any]) -> Any:
        """Returns the facet of this class, or None."""
        return next((facet for facet in self.facets if isinstance(facet, wanted)), None)

    @property
    def element(self) -> Any:
        """Its type, or that of a list's entries."""
        return typing.get_args(self.kind)[0] if typing.get_origin(self.kind) is tuple else self.kind

    @property
    def choices(self) -> tuple[str, ...]:
        """The texts that it, or an entry of its list, may be; empty if it is not one of a few."""
        known: OneOf | None = self.facet(OneOf)
        if known is not None:
            return known.known()
        kind = self.element
        return tuple(kind) if isinstance(kind, type) and issubclass(kind, StrEnum) else ()

    @property
    def table(self) -> type | None:
        """The dataclass, if the setting is a table or a list of tables."""
        return self.element if isinstance(self.element, type) and is_dataclass(self.element) else None

    @property
    def help(self) -> str:
        """Its meaning as plain text, for a command line."""
        doc = self.facet(Doc)
        return str(doc.text).replace("`", "") + (f" Default: {doc.default.replace('`', '')}." if doc.default else "")

    @property
    def metavar(self) -> str:
        """Its values, for a command line."""
        inner = self.element
        if self.choices:
            return ("," if inner is not self.kind else "|").join(self.choices)
        return {int: "N", Path: "PATH", str: self.key.upper()}.get(inner, "VALUE")


def settings(table: type) -> tuple[Setting, ...]:
    """Returns the settings that a table's dataclass declares, in order. A field without a ``Doc``
    is not one.
    """
    return _settings(table)


@cache
def _settings(table: type) -> tuple[Setting, ...]:
    hints = typing.get_type_hints(table, include_extras=True)
    found = []
    for field in fields(table):
        hint, *facets = typing.get_args(hints[field.name]) or (hints[field.name],)
        if not any(isinstance(facet, Doc) for facet in facets):
            continue
        optional = False
        if typing.get_origin(hint) in (types.UnionType, typing.Union):
            kinds = [kind for kind in typing.get_args(hint) if kind is not type(None)]
            assert len(kinds) == 1, f"{table.__name__}.{field.name}: a setting has one type"
            hint, optional = kinds[0], True
        default = field.default
        name = next((facet.key for facet in facets if isinstance(facet, Named)), field.name)
        found.append(Setting(field.name, name, hint, optional, default is MISSING, default, tuple(facets)))
    return tuple(found)


def leaves(table: type) -> Iterator[tuple[tuple[str, ...], Setting]]:
    """Yields the settings of a table and of the tables in it, each with its key path; tables
    themselves are left out.
    """
    for setting in settings(table):
        if setting.table is None:
            yield (setting.key,), setting
        else:
            yield from (((setting.key, *path), leaf) for path, leaf in leaves(setting.table))
