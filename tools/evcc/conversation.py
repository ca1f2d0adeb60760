"""One ISO 15118-2 session of the car, in the order of the standard's sequence diagram."""

from __future__ import annotations

from secc.conversation import Conversation, Party
from secc.iso2.messages import ChargeProgress

from . import ac, dc
from .battery import Battery
from .behaviour import Behaviour, Current, Payment
from .charging import charge_parameter_discovery, power_delivery, session_stop
from .exchange import Exchange, LeaveEarly
from .setup_phases import (
    authorization,
    payment_details,
    payment_service_selection,
    service_discovery,
    session_setup,
    supported_app_protocol,
)
from .vocabulary import Ended, MoveRelays, SetPilot
from .wallet import Wallet


def conversation(party: Party, behaviour: Behaviour, battery: Battery, wallet: Wallet | None) -> Conversation[str]:
    """The whole session. Returns the name of its ending, for the reason code."""
    car = Exchange(party, behaviour, wallet)
    yield from supported_app_protocol(car)
    ended = yield from _session(car, battery)
    car.settle()
    car.announce("stopped", f"session stopped: {ended.value}", {"ended": ended.name, "watt_hours": battery.delivered})
    return ended.name.lower().replace("_", "-")


def _session(car: Exchange, battery: Battery) -> Conversation[Ended]:
    charge = _charge_dc if car.behaviour.current is Current.DC else _charge_ac
    try:
        yield from session_setup(car)
        yield from service_discovery(car)
        yield from payment_service_selection(car)
        challenge = (yield from payment_details(car)) if car.behaviour.payment is Payment.CONTRACT else None
        yield from authorization(car, challenge)
        ended = yield from charge(car, battery)
    except LeaveEarly:
        # The station answers a stop of a DC session only when it sees that the car wants no power.
        # [V2G2-921]
        car.do(MoveRelays(closed=False))
        car.do(SetPilot("B"))
        ended = Ended.EARLY
    yield from session_stop(car)
    return ended


def _charge_dc(car: Exchange, battery: Battery) -> Conversation[Ended]:
    while True:
        terms = yield from charge_parameter_discovery(car, battery)
        yield from dc.cable_check(car, battery)
        yield from dc.pre_charge(car, battery)
        yield from power_delivery(car, battery, terms, ChargeProgress.START)
        ended = yield from dc.charging_loop(car, battery, terms)
        if isinstance(ended, Ended):
            break
        car.renegotiated = True
        yield from power_delivery(car, battery, terms, ChargeProgress.RENEGOTIATE)
        # The cable check that follows needs an inlet without the battery on it. [V2G2-592]
        if not car.behaviour.keep_relays:
            dc.take_off(car)
        car.announce("renegotiation", "negotiating anew")
    yield from dc.ramp_down(car, battery, terms)
    if car.behaviour.stop_before != "WeldingDetection":
        yield from dc.welding_detection(car, battery)
    return ended


def _charge_ac(car: Exchange, battery: Battery) -> Conversation[Ended]:
    while True:
        terms = yield from charge_parameter_discovery(car, battery)
        yield from ac.power_delivery_start(car, battery, terms)
        ended = yield from ac.charging_loop(car, battery, terms)
        if isinstance(ended, Ended):
            break
        car.renegotiated = True
        yield from power_delivery(car, battery, terms, ChargeProgress.RENEGOTIATE)
        car.announce("renegotiation", "negotiating anew")
    yield from ac.power_delivery_stop(car, battery, terms)
    return ended
