"""The DC car: cable check, precharge, the charging loop, welding detection."""

from __future__ import annotations

from typing import Final

from secc.conversation import Conversation
from secc.iso2 import messages as iso2

from ..battery import Battery
from ..speaker import LeaveEarly
from ..vocabulary import Ended, MoveRelays, SetPilot, StationWrong
from .charging import Terms, Turn, ev_status, power_delivery, reason_to_leave
from .exchange import Exchange
from .quantities import amperes, real, volts
from .receipts import receipt
from .timing import CABLE_CHECK, PRE_CHARGE, WELDING_DETECTION

CLOSE_ENOUGH_VOLTS: Final = 20.0
"""The relays may close when the inlet is this near to the battery's voltage."""
PRE_CHARGE_AMPERES: Final = 2.0
SAFE_VOLTS: Final = 60.0
OVERSHOOT: Final = 1.1
"""A voltage this far above the car's limit is dangerous for it."""


def start(car: Exchange, battery: Battery, terms: Terms) -> Conversation[None]:
    """Cable check, precharge, and the request for power."""
    yield from cable_check(car, battery)
    yield from pre_charge(car, battery)
    yield from power_delivery(car, battery, terms, iso2.ChargeProgress.START)


def cable_check(car: Exchange, battery: Battery) -> Conversation[None]:
    """Pilot to C, then wait until the station has tested the insulation."""
    car.stay_for(iso2.CableCheckReq(dc_ev_status=ev_status(battery)))
    car.do(SetPilot("C"))
    limit = car.party.limit(car.behaviour.patient(CABLE_CHECK))
    while True:
        heard = yield from car.ask(iso2.CableCheckReq(dc_ev_status=ev_status(battery)), iso2.CableCheckRes)
        status = heard.dc_evse_status
        if heard.evse_processing is iso2.EVSEProcessing.FINISHED:
            break
        if car.party.now >= limit.at:
            raise StationWrong("cable-check-too-long", limit.timeout.clause)
        yield from car.rest(car.behaviour.poll_seconds)
    isolation = status.evse_isolation_status
    if isolation not in (iso2.IsolationLevel.VALID, iso2.IsolationLevel.WARNING, iso2.IsolationLevel.NO_IMD):
        raise StationWrong("isolation-not-valid", "reference: CableCheck", str(isolation))
    if status.evse_status_code is iso2.DC_EVSEStatusCode.EVSE_SHUTDOWN:
        raise LeaveEarly(Ended.BY_STATION)
    if status.evse_status_code is not iso2.DC_EVSEStatusCode.EVSE_READY:
        raise StationWrong("station-not-ready", "reference: CableCheck", status.evse_status_code)
    car.announce("cable-check", f"cable check passed, isolation {isolation}", {"isolation": str(isolation)})


def pre_charge(car: Exchange, battery: Battery) -> Conversation[None]:
    """Let the station bring the inlet to the battery's voltage, then close the relays."""
    limit = car.party.limit(car.behaviour.patient(PRE_CHARGE))
    sent = 0
    while True:
        request = iso2.PreChargeReq(
            dc_ev_status=ev_status(battery),
            ev_target_voltage=volts(battery.volts),
            ev_target_current=amperes(PRE_CHARGE_AMPERES),
        )
        heard = yield from car.ask(request, iso2.PreChargeRes)
        sent += 1
        present = real(heard.evse_present_voltage)
        near = abs(present - battery.volts) <= CLOSE_ENOUGH_VOLTS
        if near and sent >= car.behaviour.pre_charge_at_least:
            break
        if car.party.now >= limit.at:
            raise StationWrong("precharge-too-long", limit.timeout.clause, f"{present:.0f} V")
        yield from car.rest(car.behaviour.loop_seconds)
    car.do(MoveRelays(closed=True))
    car.announce("precharge", f"inlet at {present:.0f} V, battery at {battery.volts:.0f} V", {"volts": present})


def charging_loop(car: Exchange, battery: Battery, terms: Terms) -> Conversation[Ended | Turn]:
    """Demand current until there is a reason to stop; the battery takes what the station reports."""
    loops = 0
    while True:
        request = iso2.CurrentDemandReq(
            dc_ev_status=ev_status(battery),
            ev_target_current=amperes(_wanted_amperes(battery, terms, car.party.now)),
            ev_maximum_voltage_limit=volts(battery.full_volts),
            ev_maximum_current_limit=amperes(battery.maximum_amperes),
            charging_complete=False,
            ev_target_voltage=volts(battery.full_volts),
        )
        heard = yield from car.ask(request, iso2.CurrentDemandRes)
        present_volts, present_amperes = real(heard.evse_present_voltage), real(heard.evse_present_current)
        if present_volts > battery.full_volts * OVERSHOOT:
            raise StationWrong("overvoltage", "EVMaximumVoltageLimit", f"{present_volts:.0f} V")
        if present_amperes > battery.maximum_amperes * OVERSHOOT + 1.0:
            raise StationWrong("overcurrent", "EVMaximumCurrentLimit", f"{present_amperes:.0f} A")
        car.draw(battery, present_volts * present_amperes)
        yield from receipt(car, heard)
        loops += 1
        leaving = reason_to_leave(car, battery, heard, loops, present_volts, present_amperes)
        if leaving is not None:
            return leaving
        yield from car.rest(car.behaviour.loop_seconds)


def take_off(car: Exchange) -> None:
    """Open the relays; the pilot stays in C, because charging goes on."""
    car.do(MoveRelays(closed=False))


def stop(car: Exchange, battery: Battery, terms: Terms) -> Conversation[None]:
    """Stop the current, open the relays, set the pilot to B, and check that no contactor is welded."""
    yield from power_delivery(car, battery, terms, iso2.ChargeProgress.STOP)
    take_off(car)
    car.do(SetPilot("B"))
    if car.behaviour.stop_before != "WeldingDetection":
        yield from welding_detection(car, battery)


def welding_detection(car: Exchange, battery: Battery) -> Conversation[None]:
    """With the car's relays open, the inlet must have no voltage: otherwise a contactor of the
    station or a relay is welded.
    """
    limit = car.party.limit(car.behaviour.patient(WELDING_DETECTION))
    while True:
        request = iso2.WeldingDetectionReq(dc_ev_status=ev_status(battery, ready=False))
        heard = yield from car.ask(request, iso2.WeldingDetectionRes)
        present = real(heard.evse_present_voltage)
        if present < SAFE_VOLTS:
            car.announce("welding", f"no voltage left at the inlet ({present:.0f} V)", {"volts": present})
            return
        if car.party.now >= limit.at:
            raise StationWrong("voltage-stays", "reference: WeldingDetection", f"{present:.0f} V")
        yield from car.rest(car.behaviour.poll_seconds)


def _wanted_amperes(battery: Battery, terms: Terms, now: float) -> float:
    by_power = min(battery.maximum_watts, terms.maximum_watts, terms.watts_at(now)) / max(battery.volts, 1.0)
    return min(battery.maximum_amperes, terms.maximum_amperes, by_power)
