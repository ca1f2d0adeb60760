"""The arithmetic of scaled numbers, as the messages of every protocol carry quantities."""

from __future__ import annotations

from typing import Protocol


class Scaled(Protocol):
    """A number on the wire."""

    @property
    def multiplier(self) -> int: ...
    @property
    def value(self) -> int: ...


def scaled(value: float) -> tuple[int, int]:
    """Returns the multiplier and the short for a number; -3 is the finest multiplier, of which -1 is
    the finest that is used. Raises ValueError.
    """
    for multiplier in (-1, 0, 1, 2, 3):
        short = round(value / 10.0**multiplier)
        if -32_768 <= short <= 32_767:
            return multiplier, short
    raise ValueError(f"{value} does not fit a PhysicalValue")


def real(value: Scaled) -> float:
    """Returns the quantity in its unit."""
    return float(value.value * 10.0**value.multiplier)
