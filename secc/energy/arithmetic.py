"""Calculations of the power path, without time and without state but the ramp's. A value from a car
may be any float.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from secc.session.offer import AcLimits, DcLimits

LEAST_PROTECTION_AMPERES: Final = 1.0
"""The lowest setting of the protection, for no power at all: a board refuses 0 A."""


def cable_check_volts(ev_maximum_volts: float, limits: DcLimits) -> float | None:
    """Returns the voltage of the insulation test for this car; None if it is not a number or beyond
    the station's limits. IEC 61851-23:2023 CC.4.1.2.
    """
    if not math.isfinite(ev_maximum_volts) or ev_maximum_volts <= 0.0:
        return None
    if ev_maximum_volts <= 500.0:
        volts = min(ev_maximum_volts + 50.0, 500.0, limits.maximum_volts)
    else:
        volts = min(1.1 * ev_maximum_volts, limits.maximum_volts)
    return volts if volts >= limits.minimum_volts else None


@lru_cache(maxsize=16)
def over_voltage(maximum_volts: float) -> float:
    """Returns the voltage above which power goes off at once, by the highest voltage of this
    session. IEC 61851-23:2023 6.3.1.106.
    """
    for highest, threshold in ((500.0, 550.0), (750.0, 825.0), (850.0, 935.0), (1000.0, 1100.0)):
        if maximum_volts <= highest:
            return threshold
    return 1375.0


def watts_allowed(watts: float | None) -> float | None:
    """Returns the present limit; NaN or a negative one allows nothing."""
    if watts is None:
        return None
    return watts if math.isfinite(watts) and watts > 0.0 else 0.0


def overcurrent_amperes(limits: AcLimits, watts: float | None) -> float:
    """Returns the amperes that a phase may carry now. The protection itself has the tolerance of a
    car's regulation (10 % and 0.5 A, for some seconds).
    """
    allowed = watts_allowed(watts)
    if allowed is None:
        return limits.maximum_amperes
    return max(LEAST_PROTECTION_AMPERES, limits.amperes_within(allowed, limits.phases))


@dataclass(slots=True)
class Ramp:
    """A setpoint that rises at most at ``rate``, and falls at once. Units a second."""

    rate: float
    longest_step: float = 0.25
    """Longest time between steps that one step covers, in seconds, so that a pause does not cause a
    jump.
    """
    value: float = 0.0
    at: float = 0.0

    def reset(self, value: float, now: float) -> None:
        self.value, self.at = value, now

    def follow(self, goal: float, now: float) -> float:
        """Returns the setpoint for now, towards ``goal``."""
        step = self.rate * min(max(now - self.at, 0.0), self.longest_step)
        self.value, self.at = min(goal, self.value + step), now
        return self.value
