"""What has been measured, if it is worth telling: never a copy of what the car asked for, and never old. (Q-53, Q-54)"""

from __future__ import annotations

import math

from secc.conversation import Levels


def stale(levels: Levels, now: float, seconds: float) -> str:
    """Why volts and amperes are not worth telling: older than so many seconds, or not numbers. Empty if they are."""
    age = levels.age(now)
    if age > seconds:
        return f"the measurement is {age:.1f} s old"
    if not (math.isfinite(levels.volts) and math.isfinite(levels.amperes)):
        return "the measurement is no number"
    return ""


def whole_watt_hours(levels: Levels) -> int | None:
    """The billing meter's reading; None where there is none yet."""
    if math.isinf(levels.metered_at) or not math.isfinite(levels.watt_hours):
        return None
    return max(0, math.floor(levels.watt_hours))
