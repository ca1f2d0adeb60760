"""A register of entries by code: shared ones, and those of the imported protocols."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol, TypeVar

from secc.errors import SeccError


class Entry(Protocol):
    """An entry with a code."""

    @property
    def code(self) -> str: ...


E = TypeVar("E", bound=Entry)


class Register(Mapping[str, E]):
    """Entries by code, in the order in which they were added."""

    def __init__(self, *entries: E) -> None:
        self._entries: dict[str, E] = {}
        self.add(*entries)

    def add(self, *entries: E) -> None:
        """Add entries; an equal entry may be added again. Raises SeccError for a code with a
        different entry.
        """
        for entry in entries:
            if self._entries.setdefault(entry.code, entry) != entry:
                raise SeccError(f"{entry.code} has another meaning already")

    def __getitem__(self, code: str) -> E:
        return self._entries[code]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)
