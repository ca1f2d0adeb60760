"""The car while power flows: PowerDelivery, the charging loop, welding detection."""

from __future__ import annotations

from typing import Final

from secc.conversation import Conversation
from secc.din import messages as din

from ..battery import Battery
from ..speaker import LeaveEarly
from ..vocabulary import Ended, MoveRelays, SetPilot, StationWrong
from .exchange import Exchange
from .preparation import Terms, ev_status
from .quantities import amperes, real, volts
from .timing import WELDING_DETECTION

SAFE_VOLTS: Final = 60.0
OVERSHOOT: Final = 1.1
"""A voltage this far above the car's limit is dangerous for it."""

STOPS: Final = (
    din.DC_EVSEStatusCode.EVSE_SHUTDOWN,
    din.DC_EVSEStatusCode.EVSE_EMERGENCY_SHUTDOWN,
    din.DC_EVSEStatusCode.EVSE_MALFUNCTION,
    din.DC_EVSEStatusCode.EVSE_UTILITY_INTERRUPT_EVENT,
)
"""The states of a station in which the car stops."""


def power_on(car: Exchange, battery: Battery, terms: Terms) -> Conversation[None]:
    """Ask for power, by the schedule on offer."""
    yield from _power_delivery(car, battery, terms)


def _power_delivery(car: Exchange, battery: Battery, terms: Terms | None) -> Conversation[None]:
    status = din.DC_EVPowerDeliveryParameter(
        dc_ev_status=ev_status(battery, ready=terms is not None), charging_complete=terms is None
    )
    request = din.PowerDeliveryReq(
        ready_to_charge_state=terms is not None,
        charging_profile=None if terms is None else terms.profile(battery.maximum_watts),
        ev_power_delivery_parameter=status,
    )
    yield from car.ask(request, din.PowerDeliveryRes)
    car.draw(battery, 0.0)


def charging_loop(car: Exchange, battery: Battery, terms: Terms) -> Conversation[Ended]:
    """Demand current until there is a reason to stop; the battery takes what the station reports.
    Raises LeaveEarly if this car then sends SessionStopReq out of the loop.
    """
    loops = 0
    while True:
        request = din.CurrentDemandReq(
            dc_ev_status=ev_status(battery),
            ev_target_current=amperes(_wanted_amperes(battery, terms, car.party.now)),
            ev_maximum_voltage_limit=volts(battery.full_volts),
            ev_maximum_current_limit=amperes(battery.maximum_amperes),
            charging_complete=False,
            ev_target_voltage=volts(battery.full_volts),
        )
        heard = yield from car.ask(request, din.CurrentDemandRes)
        present_volts, present_amperes = real(heard.evse_present_voltage), real(heard.evse_present_current)
        if present_volts > battery.full_volts * OVERSHOOT:
            raise StationWrong("overvoltage", "EVMaximumVoltageLimit", f"{present_volts:.0f} V")
        if present_amperes > battery.maximum_amperes * OVERSHOOT + 1.0:
            raise StationWrong("overcurrent", "EVMaximumCurrentLimit", f"{present_amperes:.0f} A")
        car.draw(battery, present_volts * present_amperes)
        car.show_progress(battery, present_volts, present_amperes)
        _follow(terms, heard)
        loops += 1
        leaving = _reason_to_leave(car, battery, loops)
        if leaving is not None and car.behaviour.stop_before == "CurrentDemand":
            car.draw(battery, 0.0)
            raise LeaveEarly(leaving)
        if leaving is not None:
            return leaving
        yield from car.rest(car.behaviour.loop_seconds)


def _follow(terms: Terms, heard: din.CurrentDemandRes) -> None:
    """Take the limits that this answer has: DIN knows no renegotiation. Raises StationWrong."""
    if heard.evse_maximum_current_limit is not None:
        terms.maximum_amperes = real(heard.evse_maximum_current_limit)
    if heard.evse_maximum_power_limit is not None:
        terms.maximum_watts = real(heard.evse_maximum_power_limit)
    if min(terms.maximum_amperes, terms.maximum_watts) < 0.0:
        raise StationWrong(
            "negative-limit", "reference: DIN", f"{terms.maximum_amperes:g} A, {terms.maximum_watts:g} W"
        )


def _wanted_amperes(battery: Battery, terms: Terms, now: float) -> float:
    by_power = min(battery.maximum_watts, terms.watts_at(now)) / max(battery.volts, 1.0)
    return min(battery.maximum_amperes, terms.maximum_amperes, by_power)


def _reason_to_leave(car: Exchange, battery: Battery, loops: int) -> Ended | None:
    """Returns why to leave the loop after this answer; None: continue."""
    if car.speaker.leaving:
        return Ended.BY_CAR
    if car.wishes.notification is din.EVSENotification.STOP_CHARGING or car.wishes.status_code in STOPS:
        return Ended.BY_STATION
    return Ended.FULL if car.speaker.has_enough(battery, loops) else None


def power_off(car: Exchange, battery: Battery) -> Conversation[None]:
    """Stop the current, open the relays, set the pilot to B, and check that no contactor is welded."""
    yield from _power_delivery(car, battery, None)
    car.do(MoveRelays(closed=False))
    car.do(SetPilot("B"))
    if car.behaviour.stop_before != "WeldingDetection":
        yield from welding_detection(car, battery)


def welding_detection(car: Exchange, battery: Battery) -> Conversation[None]:
    """With the car's relays open, the inlet must have no voltage: otherwise a contactor of the
    station or a relay is welded.
    """
    limit = car.party.limit(car.behaviour.patient(WELDING_DETECTION))
    while True:
        request = din.WeldingDetectionReq(dc_ev_status=ev_status(battery, ready=False))
        heard = yield from car.ask(request, din.WeldingDetectionRes)
        present = real(heard.evse_present_voltage)
        if present < SAFE_VOLTS:
            car.announce("welding", f"no voltage left at the inlet ({present:.0f} V)", {"volts": present})
            return
        if car.party.now >= limit.at:
            raise StationWrong("voltage-stays", "reference: WeldingDetection", f"{present:.0f} V")
        yield from car.rest(car.behaviour.poll_seconds)
