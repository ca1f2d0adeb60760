"""The budget for reading one message, from any sender.

The schema bounds single elements. Lists can be costly: thousands of empty items fit into a few KiB,
and each pass over the stream reads them again. So the items of all lists, in all passes over one
message, share one budget.
"""

from __future__ import annotations

from typing import Any, Final

ITEMS: Final = 65_536
"""More than a stream of 64 KiB holds in all passes: for tools and a car, which chose their peer."""

AT_ONCE: Final = 8
"""Items of a message that is read on the event loop: some fifty microseconds."""

CHARACTERS: Final = 16
"""This many characters beyond ASCII, which are read one by one, cost as much as an item."""


class Budget:
    """Counts down while one message is read. ``items`` are left; ``compiles``: whether a reader may
    be compiled meanwhile.

    ``spans`` are the positions of elements, if the reader notes them: name, element, bits left at
    its start and at its end.
    """

    __slots__ = ("compiles", "items", "spans")
    spans: list[tuple[str, Any, int, int]]

    def __init__(self, items: int = ITEMS, *, compiles: bool = True) -> None:
        self.items = items
        self.compiles = compiles
