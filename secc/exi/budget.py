"""What it may cost to read one message, from any sender.

The schema bounds what stands once in a message. Lists are what a peer can make costly: thousands of empty items fit into a few KiB, and a stream that
is read in several passes costs that much in each of them. So the items of all lists, in all passes over one message, come out of one budget.
"""

from __future__ import annotations

from typing import Any, Final

ITEMS: Final = 65_536
"""More than any stream of 64 KiB holds in all passes together: what tools and a car read with, who chose their peer."""

AT_ONCE: Final = 8
"""Items of a message that is read in passing, where nothing else may wait: some fifty microseconds."""

CHARACTERS: Final = 16
"""So many characters beyond ASCII, which are read one by one, cost as much as an item."""


class Budget:
    """Counts down while one message is read. ``items`` are left; ``compiles``: whether a reader may be compiled on the way.

    ``spans`` are the notes of where elements stand, for readers that note it: name, element, bits left at its start and at its end.
    """

    __slots__ = ("compiles", "items", "spans")

    def __init__(self, items: int = ITEMS, *, compiles: bool = True) -> None:
        self.items = items
        self.compiles = compiles
        self.spans: list[tuple[str, Any, int, int]] = []
