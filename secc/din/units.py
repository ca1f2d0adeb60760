"""PhysicalValue to SI floats and back. Scaled numbers stay within ``secc.din``."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Final

from secc.din.messages import PhysicalValue, UnitSymbol
from secc.session.scaled import Scale

_SCALE: Final = Scale(PhysicalValue, "DIN SPEC 70121, PhysicalValue")

amount: Final = _SCALE.amount
physical: Final = _SCALE.physical
volts: Final = partial(amount, unit=UnitSymbol.V)
amperes: Final = partial(amount, unit=UnitSymbol.A)
watts: Final = partial(amount, unit=UnitSymbol.W)
limit: Final = lru_cache(maxsize=16)(_SCALE.limit)
