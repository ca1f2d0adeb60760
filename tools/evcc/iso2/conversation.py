"""One ISO 15118-2 session of the car, in the order of the standard's sequence diagram."""

from __future__ import annotations

from secc.conversation import Conversation
from secc.iso2.messages import ChargeProgress

from ..battery import Battery
from ..behaviour import Current, Payment, Remembered
from ..speaker import LeaveEarly, Speaker
from ..vocabulary import Ended, MoveRelays, RememberSession, SetPilot
from ..wallet import Wallet
from . import ac, dc
from .charging import charge_parameter_discovery, power_delivery, session_stop
from .exchange import Exchange
from .provisioning import provisioned
from .setup_phases import (
    authorization,
    payment_details,
    payment_service_selection,
    service_discovery,
    session_setup,
)


def conversation(speaker: Speaker, battery: Battery, wallet: Wallet | None) -> Conversation[str]:
    """From SessionSetup to SessionStop. Returns the name of its ending, for the reason code."""
    car, behaviour = Exchange(speaker, wallet), speaker.behaviour
    ended = yield from _session(car, battery)
    car.settle()
    if behaviour.pauses and ended is not Ended.EARLY:
        car.do(RememberSession(Remembered(car.session_id, car.tuple_id, car.departs_at)))
        car.announce("paused", "session paused", {"watt_hours": battery.delivered})
        return "pause"
    car.announce("stopped", f"session stopped: {ended.value}", {"ended": ended.name, "watt_hours": battery.delivered})
    return ended.name.lower().replace("_", "-")


def _session(car: Exchange, battery: Battery) -> Conversation[Ended]:
    try:
        yield from session_setup(car)
        yield from service_discovery(car)
        yield from payment_service_selection(car)
        if car.behaviour.provision is not None:
            yield from provisioned(car, car.behaviour.provision)
        challenge = (yield from payment_details(car)) if car.behaviour.payment is Payment.CONTRACT else None
        yield from authorization(car, challenge)
        ended = yield from _charge(car, battery)
    except LeaveEarly as left:
        # The station answers a stop of a DC session only when it sees that the car wants no power.
        # [V2G2-921]
        car.do(MoveRelays(closed=False))
        car.do(SetPilot("B"))
        ended = left.ended
    yield from session_stop(car)
    return ended


def _charge(car: Exchange, battery: Battery) -> Conversation[Ended]:
    is_dc = car.behaviour.current is Current.DC
    start, loop, stop = (dc.start, dc.charging_loop, dc.stop) if is_dc else (ac.start, ac.charging_loop, ac.stop)
    while True:
        terms = yield from charge_parameter_discovery(car, battery)
        yield from start(car, battery, terms)
        ended = yield from loop(car, battery, terms)
        if isinstance(ended, Ended):
            break
        car.renegotiated = True
        yield from power_delivery(car, battery, terms, ChargeProgress.RENEGOTIATE)
        # The cable check that follows needs an inlet without the battery on it. [V2G2-592]
        if is_dc and not car.behaviour.keep_relays:
            dc.take_off(car)
        car.announce("renegotiation", "negotiating anew")
    yield from stop(car, battery, terms)
    return ended
