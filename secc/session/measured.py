"""Measured values for a response: never a copy of the car's request, never old. (Q-53, Q-54)"""

from __future__ import annotations

import math

from secc.conversation import Levels


def stale(levels: Levels, now: float, seconds: float) -> str:
    """Returns why volts and amperes cannot be reported: older than ``seconds``, or not numbers.
    Empty if they can.
    """
    age = now - levels.measured_at
    if age > seconds:
        return f"the measurement is {age:.1f} s old"
    if not (math.isfinite(levels.volts) and math.isfinite(levels.amperes)):
        return "the measurement is not a number"
    return ""


def whole_watt_hours(levels: Levels) -> int | None:
    """Returns the billing meter's reading; None if there is none yet."""
    if math.isinf(levels.metered_at) or not math.isfinite(levels.watt_hours):
        return None
    return max(0, math.floor(levels.watt_hours))
