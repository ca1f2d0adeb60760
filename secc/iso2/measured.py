"""The billing meter in the form of a response."""

from __future__ import annotations

from typing import Final

from secc.conversation import Party
from secc.iso2.messages import MeterInfo
from secc.iso2.session_state import SessionState
from secc.session.measured import whole_watt_hours
from secc.session.offer import MeterDetail

SIGNATURE_OCTETS: Final = 64
"""Of SigMeterReading. A longer record of the meter is left out of MeterInfo, and goes to the backend
with the receipt.
"""


def meter_info(secc: Party, state: SessionState) -> MeterInfo | None:
    """Returns the billing meter's reading, with its own signature if there is one that fits; None
    without a meter or a reading, or if a lab wants none. [V2G2-902]
    """
    detail, meter_id = state.offer.meter_detail, state.offer.meter_id[:32]
    if not meter_id or detail is MeterDetail.NONE:
        return None
    if detail is MeterDetail.IDENTITY:
        return MeterInfo(meter_id=meter_id)
    reading, record = whole_watt_hours(secc.levels), secc.levels.meter_record
    if reading is None:
        return None
    fits = record is not None and len(record) <= SIGNATURE_OCTETS
    return MeterInfo(meter_id=meter_id, meter_reading=reading, sig_meter_reading=record if fits else None)
