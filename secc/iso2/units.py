"""PhysicalValue to SI floats and back. Scaled numbers stay within ``secc.iso2``."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Final

from secc.errors import Refusal
from secc.iso2.messages import PhysicalValue, ResponseCode, UnitSymbol

_LARGEST = 32_767
_SMALLEST = -32_768
_NOISE = 1e-12
"""By how much of itself a product of floats may be too small."""


def amount(value: PhysicalValue, unit: UnitSymbol, code: ResponseCode = ResponseCode.FAILED) -> float:
    """Returns the quantity in ``unit``. Raises :class:`Refusal` with ``code`` for another unit or
    numbers outside the schema.
    """
    if value.unit != unit:
        raise Refusal(code, "[V2G2-477]", f"{value.unit} where {unit} belongs")
    if not (-3 <= value.multiplier <= 3 and _SMALLEST <= value.value <= _LARGEST):
        raise Refusal(code, "[V2G2-477]", "a PhysicalValue outside its facets")
    # Multiply or divide integers, so that 2305 with multiplier -1 is exactly 230.5.
    return float(value.value * 10**value.multiplier) if value.multiplier >= 0 else value.value / 10**-value.multiplier


# Not functions around it: each request of the charging loop has up to five quantities.
volts: Final = partial(amount, unit=UnitSymbol.V)
amperes: Final = partial(amount, unit=UnitSymbol.A)
watts: Final = partial(amount, unit=UnitSymbol.W)


def physical(quantity: float, unit: UnitSymbol, *, rounded: Callable[[float], int] = round) -> PhysicalValue:
    """Returns the nearest PhysicalValue; with ``rounded`` another one beside it.

    Raises ValueError for NaN, which is a bug of the caller: measurements are checked before they
    are sent.
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
    return PhysicalValue(multiplier=multiplier, unit=unit, value=value)


@lru_cache(maxsize=16)
def limit(quantity: float, unit: UnitSymbol) -> PhysicalValue:
    """Returns the largest PhysicalValue that is not above a limit of the station. Cached: each
    answer of the charging loop repeats the limits.
    """
    return physical(quantity, unit, rounded=_down)


def _down(scaled: float) -> int:
    # 3 x 230 V x 15.7 A is a little less than 10833 W as a float, and the car may ask for 10833 W.
    return math.floor(scaled + abs(scaled) * _NOISE)
