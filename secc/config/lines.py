"""Finds the line of a key in a TOML text, which ``tomllib`` does not tell.

A key stands on the last line of the shortest beginning of the text that has it. Brackets and
strings that such a beginning leaves open are closed.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any, TypeAlias

KeyPath: TypeAlias = tuple[str | int, ...]

_CLOSING = [*map("".join, product(("", '"""', "'''"), ("", "]", "]]", "]]]", "}", "}]", "}]]")))]
"""What the end of a line may leave open: long strings, lists, and tables around a long string."""


_MOST_TRIES = 500
"""With more tries than this, the error gets no line."""


def line_of(text: str, path: KeyPath) -> int | None:
    """Returns the line (from 1) of ``path``, or of the nearest table around it that the text has;
    None without one. ``text`` is valid TOML.
    """
    lines, tree = text.split("\n"), tomllib.loads(text)
    path = next((path[:length] for length in range(len(path), 0, -1) if _has(tree, path[:length])), ())
    if not path:
        return None
    found = end = len(lines)
    begin, tries = 0, iter(range(_MOST_TRIES))
    while end - begin > 1:
        middle = (begin + end) // 2
        longer = next(
            ((n, part) for n in range(middle, end) if (part := _beginning(lines[:n], tries)) is not None), None
        )
        if longer is None or _has(longer[1], path):
            # No beginning between the middle and this one is valid TOML.
            found, end = longer[0] if longer else found, middle
        else:
            begin = longer[0]
    return None if next(tries, None) is None else found


def _beginning(lines: Sequence[str], tries: Iterator[int]) -> dict[str, Any] | None:
    """Returns the tree of these lines; None if they need more lines to be valid."""
    for closing, _ in zip(_CLOSING, tries, strict=False):
        try:
            return tomllib.loads("\n".join([*lines, closing]))
        except ValueError:
            continue
    return None


def _has(tree: Any, path: KeyPath) -> bool:
    for part in path:
        try:
            tree = tree[part]
        except (LookupError, TypeError):
            return False
    return True
