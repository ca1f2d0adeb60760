"""Checks whether a reading can be true, before it is billed."""

from __future__ import annotations

import math

from frozen import dataclass
from hal.readings import MeterReading

COUNTER_WATT_HOURS = 100.0
"""What a counter may gain beyond the energy that can have flowed: the coarsest SDM counts in steps
of 10 Wh.
"""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The most that is possible at the outlet. ``volts`` and ``amperes`` of one conductor."""

    volts: float = 520.0
    amperes: float = 500.0


@dataclass(frozen=True, slots=True)
class Flaw:
    """Why a reading is rejected. ``standing``: it does not end by itself (the counter has fallen)."""

    text: str
    standing: bool = False


class Plausibility:
    """Checks readings in order; remembers the counter."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._watt_hours: float | None = None
        self._at = 0.0

    def forget(self) -> None:
        """Accept the next counter value: the meter was exchanged, or reset."""
        self._watt_hours = None

    def flaw(self, measured: MeterReading, now: float) -> Flaw | None:
        """Returns the flaw of this reading; None if it is good, and then remembers it."""
        found = self._out_of_range(measured) or self._counter(measured, now)
        if found is None:
            self._watt_hours, self._at = measured.watt_hours_import, now
        return found

    def _out_of_range(self, measured: MeterReading) -> Flaw | None:
        values = (measured.watt_hours_import, measured.watts, *measured.volts, *measured.amperes)
        if not all(math.isfinite(value) for value in values):
            return Flaw("a value is not a number")
        bounds = self._bounds
        for volts in measured.volts:
            if not 0.0 <= volts <= bounds.volts:
                return Flaw(f"{volts:.1f} V, and the outlet has at most {bounds.volts:g}")
        for amperes in measured.amperes:
            if not abs(amperes) <= bounds.amperes:
                return Flaw(f"{amperes:.1f} A, and the outlet has at most {bounds.amperes:g}")
        apparent = sum(volts * abs(amperes) for volts, amperes in zip(measured.volts, measured.amperes, strict=True))
        # The registers are not read at one instant, and the meter does not count very small
        # currents.
        if abs(measured.watts) > 1.2 * apparent + 200.0:
            return Flaw(f"{measured.watts:.0f} W from {apparent:.0f} VA")
        if measured.watt_hours_import < 0.0:
            return Flaw(f"a counter of {measured.watt_hours_import:.0f} Wh")
        return None

    def _counter(self, measured: MeterReading, now: float) -> Flaw | None:
        before = self._watt_hours
        if before is None:
            return None
        gained = measured.watt_hours_import - before
        if gained < -1.0:
            return Flaw(f"the counter fell from {before:.0f} to {measured.watt_hours_import:.0f} Wh", standing=True)
        most = len(measured.volts) * self._bounds.volts * self._bounds.amperes * max(now - self._at, 0.0) / 3600.0
        if gained > most + COUNTER_WATT_HOURS:
            return Flaw(f"the counter gained {gained:.0f} Wh in {now - self._at:.1f} s", standing=True)
        return None
