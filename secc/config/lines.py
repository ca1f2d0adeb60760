"""Where in a TOML text each key stands: ``tomllib`` does not tell, and an error without a line is half an error.

The text has been read by ``tomllib`` before, so it is valid TOML; here it is only walked, never interpreted.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from typing import TypeAlias

KeyPath: TypeAlias = tuple[str | int, ...]

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SKIP_INLINE = re.compile(r"[ \t]*")
_SKIP = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_SCALAR = re.compile(r"[^,\]}#\r\n]+")
_BASIC = re.compile(r'"(?:[^"\\]|\\.)*"')
_LITERAL = re.compile(r"'[^']*'")
_LONG_BASIC = re.compile(r'"""(?:[^\\]|\\.)*?"{3,5}(?!")', re.DOTALL)
_LONG_LITERAL = re.compile(r"'''.*?'{3,5}(?!')", re.DOTALL)
_ESCAPE = re.compile(r'\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(["\\bfnrt]))')
_LETTERS = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}


class LinesLost(ValueError):
    """The walk and the text disagree; errors then go without a line."""


def key_lines(text: str) -> dict[KeyPath, int]:
    """The line (from 1) on which each key, table and list element first stands. Raises :class:`LinesLost`."""
    try:
        return _Walk(text).document()
    except (IndexError, RecursionError) as error:
        raise LinesLost(str(error)) from None


def line_of(lines: Mapping[KeyPath, int], path: KeyPath) -> int | None:
    """The line of ``path``, or of the nearest table around it that is written down."""
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return None


class _Walk:
    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0
        self._starts = [0] + [match.end() for match in re.finditer(r"\n", text)]
        self._lines: dict[KeyPath, int] = {}
        self._repeated: dict[KeyPath, int] = {}
        """Tables in double brackets: how often each has begun."""

    def document(self) -> dict[KeyPath, int]:
        table: KeyPath = ()
        while True:
            self._skip(_SKIP)
            if self._at >= len(self._text):
                return self._lines
            line = self._line()
            if self._take("[["):
                table = self._begin_repeated(tuple(self._key()), line)
                self._expect("]]")
            elif self._take("["):
                table = self._within(tuple(self._key()))
                self._note((), table, line)
                self._expect("]")
            else:
                self._key_value(table)

    def _begin_repeated(self, key: KeyPath, line: int) -> KeyPath:
        name = self._within(key[:-1]) + key[-1:]
        number = self._repeated.get(name, 0)
        self._repeated[name] = number + 1
        self._note((), (*name, number), line)
        return (*name, number)

    def _within(self, key: KeyPath) -> KeyPath:
        """``[outlet.dc]`` below ``[[outlet]]`` belongs to the outlet that began last."""
        path: KeyPath = ()
        for part in key:
            path = (*path, part)
            if path in self._repeated:
                path = (*path, self._repeated[path] - 1)
        return path

    def _key_value(self, table: KeyPath) -> None:
        line = self._line()
        path = (*table, *self._key())
        self._note(table, path, line)
        self._expect("=")
        self._value(path)

    def _note(self, known: KeyPath, path: KeyPath, line: int) -> None:
        for length in range(len(known) + 1, len(path) + 1):
            self._lines.setdefault(path[:length], line)

    def _key(self) -> Iterator[str]:
        while True:
            self._skip(_SKIP_INLINE)
            yield self._part()
            self._skip(_SKIP_INLINE)
            if not self._take("."):
                return

    def _part(self) -> str:
        if self._text[self._at] == "'":
            return self._match(_LITERAL)[1:-1]
        if self._text[self._at] == '"':
            return _ESCAPE.sub(_unescaped, self._match(_BASIC)[1:-1])
        return self._match(_BARE)

    def _value(self, path: KeyPath) -> None:
        self._skip(_SKIP_INLINE)
        if self._take("["):
            self._list(path)
        elif self._take("{"):
            self._inline_table(path)
        else:
            begins = self._text[self._at : self._at + 3]
            long = {'"""': _LONG_BASIC, "'''": _LONG_LITERAL}.get(begins)
            self._match(long or {'"': _BASIC, "'": _LITERAL}.get(begins[:1], _SCALAR))

    def _list(self, path: KeyPath) -> None:
        number = 0
        while True:
            self._skip(_SKIP)
            if self._take("]"):
                return
            self._lines.setdefault((*path, number), self._line())
            self._value((*path, number))
            number += 1
            self._skip(_SKIP)
            self._take(",")

    def _inline_table(self, path: KeyPath) -> None:
        while True:
            self._skip(_SKIP)
            if self._take("}"):
                return
            self._key_value(path)
            self._skip(_SKIP)
            self._take(",")

    def _line(self) -> int:
        return bisect_right(self._starts, self._at)

    def _skip(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self._text, self._at)
        self._at = match.end() if match else self._at

    def _match(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        if match is None:
            raise LinesLost(f"at character {self._at}")
        self._at = match.end()
        return match.group()

    def _take(self, text: str) -> bool:
        if self._text.startswith(text, self._at):
            self._at += len(text)
            return True
        return False

    def _expect(self, text: str) -> None:
        self._skip(_SKIP_INLINE)
        if not self._take(text):
            raise LinesLost(f"{text!r} expected at character {self._at}")


def _unescaped(match: re.Match[str]) -> str:
    short, long, letter = match.groups()
    return _LETTERS[letter] if letter else chr(int(short or long, 16))
