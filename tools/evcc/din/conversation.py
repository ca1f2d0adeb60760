"""One DIN SPEC 70121 session of the car, in the order of the standard's sequence diagram."""

from __future__ import annotations

from secc.conversation import Conversation

from ..battery import Battery
from ..speaker import LeaveEarly, Speaker
from ..vocabulary import Ended, MoveRelays, SetPilot
from ..wallet import Wallet
from .charging import charging_loop, power_off, power_on
from .exchange import Exchange
from .preparation import cable_check, charge_parameter_discovery, pre_charge
from .setup_phases import (
    contract_authentication,
    service_discovery,
    service_payment_selection,
    session_setup,
    session_stop,
)


def conversation(speaker: Speaker, battery: Battery, wallet: Wallet | None) -> Conversation[str]:
    """From SessionSetup to SessionStop. Returns the name of its ending, for the reason code. The
    car's contract is not used.
    """
    del wallet
    car = Exchange(speaker)
    ended = yield from _session(car, battery)
    car.settle()
    car.announce("stopped", f"session stopped: {ended.value}", {"ended": ended.name, "watt_hours": battery.delivered})
    return ended.name.lower().replace("_", "-")


def _session(car: Exchange, battery: Battery) -> Conversation[Ended]:
    try:
        yield from session_setup(car)
        transfer = yield from service_discovery(car)
        yield from service_payment_selection(car)
        yield from contract_authentication(car)
        terms = yield from charge_parameter_discovery(car, battery, transfer)
        yield from cable_check(car, battery)
        yield from pre_charge(car, battery)
        yield from power_on(car, battery, terms)
        ended = yield from charging_loop(car, battery, terms)
        yield from power_off(car, battery)
    except LeaveEarly as left:
        # The station answers a stop only when it sees that the car wants no power.
        car.do(MoveRelays(closed=False))
        car.do(SetPilot("B"))
        ended = left.ended
    yield from session_stop(car)
    return ended
