"""Memory that a paused session takes of a station, counted in this process in virtual time."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from dataclasses import replace
from typing import Final

from tools.evcc.behaviour import Behaviour, Payment
from tools.evcc.driver import Trip, travel
from tools.evcc.hands import SimHands
from tools.evcc.trust import Trust
from tools.evcc.wallet import Wallet

from .figures import Section
from .inside import run, station
from .stations import BenchFailed, Ground, Outlet

LIMIT_KIB: Final = 20.0
CAR: Final = Behaviour(payment=Payment.CONTRACT, loops=5)
QUIET_SECONDS: Final = 120.0
"""After a pause or the end of a session, in virtual time: everything that goes on behind has ended."""


async def _stay(ground: Ground, place: Outlet, behaviour: Behaviour) -> SimHands:
    """A car charges, ends or pauses its session, and stays plugged in; its own objects are gone. Returns its
    hands. Raises BenchFailed for another end.
    """
    pki, hands = ground.pki / "car", SimHands(place.panel)
    trip = Trip(sdp_port=place.sdp_port, trust=Trust.load(pki), wallet=Wallet.load(pki))
    told: list[str] = []
    travelling = asyncio.create_task(travel(trip, behaviour, hands, lambda name, text, facts: told.append(name)))
    await asyncio.sleep(QUIET_SECONDS)
    travelling.cancel()
    await asyncio.gather(travelling, return_exceptions=True)
    if told[-1] != ("paused" if behaviour.pauses else "stopped"):
        raise BenchFailed(f"the car did not end or pause its session: {told}")
    await asyncio.sleep(1.0)
    return hands


async def _held(ground: Ground, cars: int) -> float:
    """Returns the octets that a paused session takes beyond one that has ended, with the car still plugged in."""
    configuration, places = ground.configure(cars)
    tracemalloc.start()
    try:
        async with station(configuration):
            ended = [await _stay(ground, place, CAR) for place in places]
            before = _octets()
            for hands in ended:
                await hands.unplug()
                hands.close()
            paused = [await _stay(ground, place, replace(CAR, pauses=1)) for place in places]
            held = _octets() - before
            for hands in paused:
                hands.close()
    finally:
        tracemalloc.stop()
    return held / cars


def _octets() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def measure(ground: Ground, *, quick: bool) -> Section:
    """Returns the table of memory for paused sessions."""
    section = Section("paused", "Paused Plug & Charge sessions", ground.factor)
    held = run(_held(ground, 2 if quick else 5)) / 1024.0
    section.facts = {"KiB": held}
    section.judge("memory of each", held, "KiB", LIMIT_KIB, timed=False, shown=f"{held:.1f} KiB")
    return section
