"""Measured values for a response: never a copy of the car's request, never old. (Q-53, Q-54)"""

from __future__ import annotations

import math
from typing import Final

from secc.conversation import Levels, Party
from secc.errors import Refusal
from secc.session.dc_limits import BREAKABLE_AMPERES

STALE_SECONDS: Final = 1.0
"""An older measurement is not used; the session ends as with a malfunction."""


class Malfunction(Refusal):
    """The station cannot go on: it answers FAILED and, where there is a status, EVSE_Malfunction."""

    def __init__(self, detail: str) -> None:
        super().__init__("FAILED", "EVSE_Malfunction", detail)


def fresh(secc: Party) -> Levels:
    """Returns the levels. Raises Malfunction if volts and amperes are older than a second, or not
    numbers.
    """
    if why := stale(secc.levels, secc.now, STALE_SECONDS):
        raise Malfunction(why)
    return secc.levels


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


def breakable(secc: Party) -> bool:
    """Whether the contactor can break the current, by a fresh measurement."""
    return not stale(secc.levels, secc.now, STALE_SECONDS) and abs(secc.levels.amperes) <= BREAKABLE_AMPERES


def whole_watt_hours(levels: Levels) -> int | None:
    """Returns the billing meter's reading; None if there is none yet."""
    if math.isinf(levels.metered_at) or not math.isfinite(levels.watt_hours):
        return None
    return max(0, math.floor(levels.watt_hours))
