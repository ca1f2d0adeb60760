"""Quantities as protocols write them, an integer with a power of ten, and SI floats. Scaled numbers
stay within the folder of their protocol.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, Generic, Protocol, TypeVar

from secc.errors import Refusal

_LARGEST: Final = 32_767
_SMALLEST: Final = -32_768
_NOISE: Final = 1e-12
"""By how much of itself a product of floats may be too small."""


class Scaled(Protocol):
    """A PhysicalValue: ``value`` times ten to the ``multiplier``, in ``unit`` (None: left out)."""

    @property
    def multiplier(self) -> int: ...
    @property
    def unit(self) -> object | None: ...
    @property
    def value(self) -> int: ...


P = TypeVar("P", bound=Scaled)


class Scale(Generic[P]):
    """The PhysicalValue of one protocol, made by ``make`` from ``multiplier``, ``unit`` and
    ``value``. ``clause`` names the protocol's requirement about units and facets.
    """

    def __init__(self, make: Callable[..., P], clause: str) -> None:
        self._make = make
        self._clause = clause

    def amount(self, value: P, unit: str, code: str = "FAILED") -> float:
        """Returns the quantity in ``unit``. Raises :class:`Refusal` with ``code`` for another unit
        or numbers outside the schema.
        """
        if value.unit != unit and value.unit is not None:
            raise Refusal(code, self._clause, f"{value.unit} where {unit} belongs")
        if not (-3 <= value.multiplier <= 3 and _SMALLEST <= value.value <= _LARGEST):
            raise Refusal(code, self._clause, "a PhysicalValue outside its facets")
        # Multiply or divide integers, so that 2305 with multiplier -1 is exactly 230.5.
        if value.multiplier >= 0:
            return float(value.value * 10**value.multiplier)
        divided: float = value.value / 10**-value.multiplier
        return divided

    def physical(self, quantity: float, unit: str, *, rounded: Callable[[float], int] = round) -> P:
        """Returns the nearest PhysicalValue; with ``rounded`` another one beside it.

        Raises ValueError for NaN, which is a bug of the caller: measurements are checked before
        they are sent.
        """
        if math.isnan(quantity):
            raise ValueError("cannot encode NaN as a PhysicalValue")
        quantity = min(max(quantity, _SMALLEST * 1000.0), _LARGEST * 1000.0)
        for multiplier in range(-3, 4):
            scaled = quantity * 10**-multiplier if multiplier <= 0 else quantity / 10**multiplier
            value = rounded(scaled)
            if _SMALLEST <= value <= _LARGEST:
                break
        while multiplier < 0 and value % 10 == 0:
            value //= 10
            multiplier += 1
        return self._make(multiplier=multiplier, unit=unit, value=value)

    def limit(self, quantity: float, unit: str) -> P:
        """Returns the largest PhysicalValue that is not above a limit of the station."""
        return self.physical(quantity, unit, rounded=down)


def down(scaled: float) -> int:
    """Returns the whole number below, or the next one if only the noise of a product is missing."""
    # 3 x 230 V x 15.7 A is a little less than 10833 W as a float, and the car may ask for 10833 W.
    return math.floor(scaled + abs(scaled) * _NOISE)
