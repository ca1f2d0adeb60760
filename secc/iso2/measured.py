"""What has been measured, in the words of a response."""

from __future__ import annotations

from secc.conversation import Levels, Party
from secc.iso2 import timing
from secc.iso2.messages import MeterInfo
from secc.iso2.refusals import Malfunction
from secc.iso2.session_state import SessionState
from secc.session.measured import stale, whole_watt_hours


def fresh(secc: Party) -> Levels:
    """The levels, with volts and amperes of this very moment. Raises Malfunction where they are older than a second, or not numbers."""
    if why := stale(secc.levels, secc.now, timing.STALE_SECONDS):
        raise Malfunction(why)
    return secc.levels


def meter_info(secc: Party, state: SessionState) -> MeterInfo | None:
    """The billing meter's reading; None where there is no meter, or no reading yet."""
    reading = whole_watt_hours(secc.levels) if state.offer.meter_id else None
    return None if reading is None else MeterInfo(meter_id=state.offer.meter_id[:32], meter_reading=reading)
