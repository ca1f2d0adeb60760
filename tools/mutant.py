"""A planted fault."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutant:
    """One fault: in ``path``, ``old`` (which occurs exactly once) becomes ``new``; ``tests`` have
    to fail.
    """

    name: str
    why: str
    path: str
    old: str
    new: str
    tests: tuple[str, ...]
