"""PhysicalValue to SI floats and back. Scaled numbers stay within ``secc.iso2``."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Final

from secc.iso2.messages import PhysicalValue, UnitSymbol
from secc.session.scaled import Scale

_SCALE: Final = Scale(PhysicalValue, "[V2G2-477]")

amount: Final = _SCALE.amount
physical: Final = _SCALE.physical

# Not functions around it: each request of the charging loop has up to five quantities.
volts: Final = partial(amount, unit=UnitSymbol.V)
amperes: Final = partial(amount, unit=UnitSymbol.A)
watts: Final = partial(amount, unit=UnitSymbol.W)

# Cached: each answer of the charging loop repeats the limits.
limit: Final = lru_cache(maxsize=16)(_SCALE.limit)
