"""What has been measured, if it is worth telling: never a copy of what the car asked for, and never old. (Q-53, Q-54)"""

from __future__ import annotations

import math

from secc.conversation import Levels, Party
from secc.iso2 import timing
from secc.iso2.messages import MeterInfo
from secc.iso2.refusals import Malfunction
from secc.iso2.session_state import SessionState


def fresh(secc: Party) -> Levels:
    """The levels, with volts and amperes of this very moment. Raises Malfunction where they are older than a second, or no numbers."""
    levels = secc.levels
    age = levels.age(secc.now)
    if age > timing.STALE_SECONDS:
        raise Malfunction(f"the measurement is {age:.1f} s old")
    if not (math.isfinite(levels.volts) and math.isfinite(levels.amperes)):
        raise Malfunction("the measurement is no number")
    return levels


def meter_info(secc: Party, state: SessionState) -> MeterInfo | None:
    """The billing meter's reading in whole watt hours; None where there is no meter, or no reading yet."""
    levels = secc.levels
    if not state.offer.meter_id or math.isinf(levels.metered_at) or not math.isfinite(levels.watt_hours):
        return None
    return MeterInfo(meter_id=state.offer.meter_id[:32], meter_reading=max(0, math.floor(levels.watt_hours)))
