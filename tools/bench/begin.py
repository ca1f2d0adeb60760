"""How long a driver waits for power: from the plug, and from SDP, with the pauses of recorded cars.

A car thinks before each request. The pauses here are those of cars in public recordings: a real
Audi at a DC charger, and a test system's AC car. Matching (SLAC) is measured in virtual time, since
the standard's pauses make it up; from SDP on it is a real station. **Our share** is the time from
each request to its answer, up to the power.
"""

from __future__ import annotations

import asyncio
import statistics
from typing import Final

from hal.sim.clock import LoopClock, run_virtual
from hal.sim.modem import Medium
from tools.evcc.matching import SDP_AFTER_SECONDS

from .car import DISCOVERY
from .cars import Cars
from .figures import Section, spread
from .line import Exchange
from .proc import Cpu
from .slac import BEGUN_SECONDS
from .slac_line import Outlet
from .stations import Ground, by_contract, ready

AUDI_POLL_SECONDS: Final = 0.121
DC_PAUSES: Final = {
    DISCOVERY: SDP_AFTER_SECONDS,
    "SessionSetupReq": 0.057,
    "ServiceDiscoveryReq": 0.112,
    "PaymentServiceSelectionReq": 0.082,
    "PaymentDetailsReq": 0.082,
    "AuthorizationReq": 0.051,
    "ChargeParameterDiscoveryReq": 0.132,
    "CableCheckReq": 0.740,
    "PreChargeReq": 0.070,
    "PowerDeliveryReq(Start)": AUDI_POLL_SECONDS,
}
"""The Audi paid externally; before PaymentDetailsReq it is given the pause before its selection."""
AC_PAUSES: Final = dict.fromkeys(DC_PAUSES.keys() - {"CableCheckReq", "PreChargeReq"}, 0.105) | {
    DISCOVERY: SDP_AFTER_SECONDS,
    "SessionSetupReq": 0.197,
}
CONTACTOR_MS: Final = 35.0
"""A simulated contactor closes in 30 ms, and its mirror contact follows 5 ms later: part of an AC car's last answer."""
POWER: Final = "PowerDeliveryReq(Start)"
AC_SECONDS, SHARE_MS = 3.0, 60.0
PREPARED_SECONDS: Final = 12.0
"""A station that has been up for so long has prepared everything."""


async def match() -> float:
    """Returns the virtual seconds from the plug to a link, of one car with one station."""
    loop = asyncio.get_running_loop()
    outlet = Outlet(Medium(LoopClock()), 1)
    await asyncio.sleep(BEGUN_SECONDS)
    began, car = loop.time(), outlet.arrive(compares=False)
    await car.task
    seconds = loop.time() - began
    await car.go()
    outlet.task.cancel()
    return seconds


def trip(ground: Ground, current: str, rounds: int, *, prepared: bool = True) -> tuple[list[tuple[Exchange, ...]], Cpu]:
    """Returns the exchanges up to the power of so many Plug & Charge sessions, and the station's cost."""
    found: list[tuple[Exchange, ...]] = []
    with ready(ground, 1, first=True, connector="dc" if current == "dc" else "ac") as station:
        if prepared:
            station.rest(PREPARED_SECONDS)
        pauses = DC_PAUSES if current == "dc" else AC_PAUSES
        before = station.tree.cpu()
        for _ in range(rounds):
            (exchanges,) = Cars([station.places[0].order(current=current, pauses=pauses, loops=3)]).done().cars
            names = [one.name for one in exchanges]
            found.append(exchanges[names.index(DISCOVERY) : names.index(POWER) + 1])
        cost = station.tree.cpu().since(before)
        by_contract(station.directory / "log", rounds)
    return found, cost


def measure(ground: Ground, *, quick: bool) -> Section:
    """Returns the table of times until power."""
    section = Section("begin", "From the plug to power, Plug & Charge, with the pauses of recorded cars", ground.factor)
    matched = run_virtual(match()) + SDP_AFTER_SECONDS
    section.add("from the plug to SDP: matching in virtual time, and the car's wait after the link", f"{matched:.2f} s")
    for current, limit in (("ac", AC_SECONDS), ("dc", None)):
        sessions, cost = trip(ground, current, 1 if quick else 3, prepared=not quick)
        seconds = [one[-1].arrived - one[0].sent for one in sessions]
        apart = CONTACTOR_MS if current == "ac" else 0.0
        shares = [1000.0 * sum(exchange.answer for exchange in one) - apart for one in sessions]
        section.facts[current] = {"seconds": seconds, "share ms": shares, "matched": matched}
        name, middle = current.upper(), statistics.median(seconds)
        section.add(f"{name}: from SDP to power", f"{spread(seconds, 2)} s")
        whole = matched + middle
        shown = f"{whole:.2f} s"
        section.judge(f"{name}: from the plug to power", whole, "s", limit, timed=False, shown=shown)
        goal, shown = SHARE_MS if current == "ac" else None, f"{spread(shares, 0)} ms"
        wait = f"{apart:.0f} ms of the contactor" if current == "ac" else "the insulation test"
        note = f"{len(sessions[0])} answers, without {wait}"
        what = f"{name}: our share of it"
        section.judge(what, statistics.median(shares), "ms", goal, shown=shown, waiting=cost.waiting, note=note)
    return section
