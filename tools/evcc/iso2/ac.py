"""The AC car: its on-board charger draws power through the station's contactor."""

from __future__ import annotations

from secc.conversation import Conversation
from secc.iso2.messages import ChargeProgress, ChargingStatusReq, ChargingStatusRes

from ..battery import Battery
from ..vocabulary import Ended, SetLoad, SetPilot, StationWrong
from .charging import Terms, Turn, power_delivery, reason_to_leave
from .exchange import Exchange
from .quantities import real
from .receipts import receipt


def start(car: Exchange, battery: Battery, terms: Terms) -> Conversation[None]:
    """Ask for power; the pilot goes to C right after the request has left. [V2G2-847]"""
    yield from power_delivery(car, battery, terms, ChargeProgress.START, then=SetPilot("C"))
    _check_rcd(car)


def charging_loop(car: Exchange, battery: Battery, terms: Terms) -> Conversation[Ended | Turn]:
    """Draw what schedule and station allow, until there is a reason to stop."""
    loops = 0
    drawn = 0.0
    while True:
        heard = yield from car.ask(ChargingStatusReq(), ChargingStatusRes)
        _check_rcd(car)
        if heard.sa_schedule_tuple_id != terms.schedule.sa_schedule_tuple_id:
            raise StationWrong("other-schedule", "reference: ChargingStatus", f"{heard.sa_schedule_tuple_id}")
        allowed = terms.watts_at(car.party.now) / (terms.maximum_volts * car.behaviour.phases)
        if heard.evse_max_current is not None:
            allowed = min(allowed, real(heard.evse_max_current))
        wanted = min(car.behaviour.ac_amperes, terms.maximum_amperes, allowed)
        if wanted != drawn:
            drawn = wanted
            car.do(SetLoad(drawn))
        car.draw(battery, drawn * terms.maximum_volts * car.behaviour.phases)
        yield from receipt(car, heard)
        loops += 1
        leaving = reason_to_leave(car, battery, heard, loops, terms.maximum_volts, drawn)
        if leaving is not None:
            return leaving
        yield from car.rest(car.behaviour.loop_seconds)


def stop(car: Exchange, battery: Battery, terms: Terms) -> Conversation[None]:
    """Stop drawing, send PowerDelivery(Stop), and go to B right after. [V2G2-848]"""
    car.do(SetLoad(0.0))
    car.draw(battery, 0.0)
    yield from power_delivery(car, battery, terms, ChargeProgress.STOP, then=SetPilot("B"))


def _check_rcd(car: Exchange) -> None:
    if car.wishes.residual_current:
        raise StationWrong("residual-current", "AC_EVSEStatus: RCD")
