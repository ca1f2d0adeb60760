"""A register: entries by their code, some of them shared, the others from the protocols that are spoken."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol, TypeVar

from secc.errors import SeccError


class Entry(Protocol):
    """What stands under a code."""

    @property
    def code(self) -> str: ...


E = TypeVar("E", bound=Entry)


class Register(Mapping[str, E]):
    """Codes and what stands under them, in the order in which they were added."""

    def __init__(self, *entries: E) -> None:
        self._entries: dict[str, E] = {}
        self.add(*entries)

    def add(self, *entries: E) -> None:
        """Add entries; what is in it already changes nothing. Raises SeccError for a code under which something else stands."""
        for entry in entries:
            if self._entries.setdefault(entry.code, entry) != entry:
                raise SeccError(f"{entry.code} has another meaning already")

    def __getitem__(self, code: str) -> E:
        return self._entries[code]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)
