"""Makes a frozen dataclass from a tree of plain values. Every error names the path of the wrong
value.
"""

from __future__ import annotations

import math
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import is_dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from frozen import dataclass
from secc.config.facets import Length, OneOf, Pattern, Range, Setting, settings
from secc.config.lines import KeyPath

T = TypeVar("T")

MAX_TEXT = 4096
"""Characters that any text in the file may have."""


class Wrong(Exception):
    """``path`` holds a wrong value; ``hint`` says what would be right.

    It never leaves this package: ``sources`` adds file and line and raises a ConfigError.
    """

    def __init__(self, path: KeyPath, hint: str) -> None:
        super().__init__(f"{spelled(path)}: {hint}")
        self.path, self.hint = path, hint


@dataclass(frozen=True, slots=True)
class Parser:
    """Makes dataclasses. Relative paths are relative to ``directory``; ``everywhere`` returns the
    keys of all tables, for better hints.
    """

    directory: Path
    everywhere: Callable[[], Mapping[str, str]]
    """Returns a table for each key; only called for an error."""

    def table(self, wanted: type[T], tree: object, path: KeyPath) -> T:
        """Returns ``tree`` as a ``wanted``. Raises :class:`Wrong`."""
        if not isinstance(tree, Mapping):
            raise Wrong(path, f"must be a table, not {_named(tree)}")
        declared = {setting.key: setting for setting in settings(wanted)}
        for key in tree:
            if key not in declared:
                raise Wrong((*path, key), self._unknown(key, tuple(declared), path))
        values: dict[str, Any] = {}
        for key, setting in declared.items():
            if key in tree:
                values[setting.field] = self._value(setting, setting.kind, tree[key], (*path, key))
            elif setting.required:
                raise Wrong((*path, key), "is missing")
        return wanted(**values)

    def _unknown(self, key: str, known: tuple[str, ...], path: KeyPath) -> str:
        close = _close(key, known) or [k for k in known if k.lower() == key.lower()]
        if close:
            return f"is not known; did you mean {close[0]}?"
        here = "".join(f"{part}." for part in path if isinstance(part, str))[:-1]
        if (table := self.everywhere().get(key)) is not None and table != here:
            return f"is not known here; it belongs {f'in [{table}]' if table else 'at the top of the file'}"
        return "is not known; known are " + ", ".join(known)

    def _value(self, setting: Setting, kind: Any, value: object, path: KeyPath) -> Any:
        if typing.get_origin(kind) is tuple:
            return self._list(setting, typing.get_args(kind)[0], value, path)
        if isinstance(kind, type) and is_dataclass(kind):
            return self.table(kind, value, path)
        if kind is Path:
            return self.directory / _text(value, path, "a path")
        if isinstance(kind, type) and issubclass(kind, StrEnum):
            return kind(_choice(tuple(member.value for member in kind), value, path))
        return _scalar(setting, kind, value, path)

    def _list(self, setting: Setting, kind: Any, value: object, path: KeyPath) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise Wrong(path, f"must be a list, not {_named(value)}")
        if (length := setting.facet(Length)) is not None and len(value) < length.low:
            raise Wrong(path, f"must have at least {length.low} entry")
        if length is not None and length.high is not None and len(value) > length.high:
            raise Wrong(path, f"has {len(value)} entries; cars can be sent {length.high}")
        entries = tuple(self._value(setting, kind, entry, (*path, n)) for n, entry in enumerate(value))
        for number, entry in enumerate(entries):
            if entry in entries[:number]:
                raise Wrong((*path, number), "is in the list twice")
        return entries


def _scalar(setting: Setting, kind: Any, value: object, path: KeyPath) -> Any:
    if kind is bool:
        if not isinstance(value, bool):
            raise Wrong(path, f"must be true or false, not {_named(value)}")
        return value
    if (one_of := setting.facet(OneOf)) is not None:
        return _choice(one_of.known(), value, path)
    if kind is str:
        text = _text(value, path, "a text")
        if (pattern := setting.facet(Pattern)) is not None and not pattern.regex.fullmatch(text):
            raise Wrong(path, f"must be {pattern.meaning}")
        return text
    assert kind in (int, float), f"{setting.field}: no settings of type {kind}"
    if isinstance(value, bool) or not isinstance(value, int if kind is int else (int, float)):
        raise Wrong(path, f"must be {'a whole number' if kind is int else 'a number'}, not {_named(value)}")
    allowed = setting.facet(Range)
    assert allowed is not None, f"{setting.field}: a number has a range"
    # Compare before the conversion to a float: the file may hold an integer of any size.
    if (isinstance(value, float) and not math.isfinite(value)) or not allowed.low <= value <= allowed.high:
        raise Wrong(path, f"must be from {allowed.low:g} to {allowed.high:g}, not {_shown(value)}")
    return kind(value)


def _choice(allowed: tuple[str, ...], value: object, path: KeyPath) -> str:
    if isinstance(value, str) and value in allowed:
        return value
    close = _close(value, allowed) if isinstance(value, str) else []
    meant = f"; did you mean {close[0]!r}?" if close else ""
    raise Wrong(path, f"must be one of {', '.join(map(repr, allowed))}, not {_shown(value)}{meant}")


def _text(value: object, path: KeyPath, what: str) -> str:
    if not isinstance(value, str):
        raise Wrong(path, f"must be {what}, not {_named(value)}")
    if not value or len(value) > MAX_TEXT or not value.isprintable():
        raise Wrong(path, f"must be {what} of 1 to {MAX_TEXT} printable characters")
    return value


def spelled(path: KeyPath) -> str:
    """Returns ``("outlet", 0, "evse_id")`` as ``outlet[0].evse_id``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            plain = part.replace("_", "").replace("-", "").isalnum()
            text += ("." if text else "") + (part if plain else repr(part[:60]))
    return text or "file"


def _named(value: object) -> str:
    names = {bool: "true or false", str: "a text", int: "a number", float: "a number", list: "a list", dict: "a table"}
    return names.get(type(value), "a date or time")


def _shown(value: object) -> str:
    if isinstance(value, str):
        return repr(value[:40])
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 10**18:
        return "a number that large"
    return str(value) if isinstance(value, (int, float, bool)) else _named(value)


def _close(text: str, known: Sequence[str]) -> list[str]:
    """Returns the most similar known word, if there is one. The import is late because a correct
    configuration does not need it.
    """
    import difflib

    return difflib.get_close_matches(text[:100], known, 1)
