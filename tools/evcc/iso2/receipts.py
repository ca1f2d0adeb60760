"""The car signs the reading that the station has sent, where the station demands a receipt."""

from __future__ import annotations

from secc.conversation import Conversation
from secc.iso2 import messages as iso2

from ..behaviour import Payment
from ..vocabulary import StationWrong
from .exchange import Exchange


def receipt(car: Exchange, heard: iso2.CurrentDemandRes | iso2.ChargingStatusRes) -> Conversation[None]:
    """Give the receipt that this answer demands, if it demands one. [V2G2-903] Raises StationWrong for
    a demand that the station may not make.
    """
    if not heard.receipt_required or car.behaviour.ignore_receipts:
        return
    if car.behaviour.payment is not Payment.CONTRACT:
        raise StationWrong("receipt-for-external-payment", "[V2G2-691]")
    if heard.meter_info is None:
        raise StationWrong("receipt-without-a-reading", "[V2G2-902]")
    request = iso2.MeteringReceiptReq(
        id="id1",
        session_id=car.session_id,
        sa_schedule_tuple_id=heard.sa_schedule_tuple_id,
        meter_info=heard.meter_info,
    )
    yield from car.ask(request, iso2.MeteringReceiptRes, signed=True)
    reading = heard.meter_info.meter_reading
    shown = "without a reading" if reading is None else f"{reading} Wh"
    car.announce("receipt", f"receipt for the meter's {shown} accepted", {"meter_watt_hours": reading})
