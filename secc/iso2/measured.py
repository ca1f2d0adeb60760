"""Measured values in the form of a response."""

from __future__ import annotations

from secc.conversation import Levels, Party
from secc.iso2 import timing
from secc.iso2.messages import MeterInfo
from secc.iso2.refusals import Malfunction
from secc.iso2.session_state import SessionState
from secc.session.measured import stale, whole_watt_hours
from secc.session.offer import MeterDetail


def fresh(secc: Party) -> Levels:
    """Returns the levels. Raises Malfunction if volts and amperes are older than a second, or not
    numbers.
    """
    if why := stale(secc.levels, secc.now, timing.STALE_SECONDS):
        raise Malfunction(why)
    return secc.levels


def meter_info(secc: Party, state: SessionState) -> MeterInfo | None:
    """Returns the billing meter's reading; None without a meter or a reading, or if a lab wants none."""
    detail, meter_id = state.offer.meter_detail, state.offer.meter_id[:32]
    if not meter_id or detail is MeterDetail.NONE:
        return None
    if detail is MeterDetail.IDENTITY:
        return MeterInfo(meter_id=meter_id)
    reading = whole_watt_hours(secc.levels)
    return None if reading is None else MeterInfo(meter_id=meter_id, meter_reading=reading)
