"""What a planted fault is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutant:
    """One fault: in ``path``, ``old`` (which stands there exactly once) becomes ``new``; ``tests`` have to notice."""

    name: str
    why: str
    path: str
    old: str
    new: str
    tests: tuple[str, ...]
