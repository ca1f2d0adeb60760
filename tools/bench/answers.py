"""How long a station takes to answer CurrentDemandReq over TLS: one session, twenty, and one beside an outlet whose private key is slow."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

from hal.sim.panel import Hand

from .car import Order
from .cars import Cars
from .figures import Section, answer_times, shown_times
from .proc import cores, pin
from .stations import ROOT, BenchFailed, Ground, Outlet, Station, running

LOOP = "CurrentDemandReq"
MANY = 20
P99_MS = 10.0


def orders(ground: Ground, places: Sequence[Outlet]) -> list[Order]:
    """A car for each outlet; they arrive one after the other, and send every 100 ms."""
    return [
        Order(place.sdp_port, str(place.panel), str(ground.pki / "car"), delay=0.05 * number)
        for number, place in enumerate(places)
    ]


def ready(station: Station, places: Sequence[Outlet]) -> None:
    for place in places:
        station.wait_for(place.panel)


def loaded(ground: Ground, sessions: int, seconds: float) -> dict[str, Any]:
    """This many sessions at once in one station; what its answers took and what they cost."""
    configuration, places = ground.configure(sessions)
    own, other = cores()
    with running(configuration, core=own) as station:
        ready(station, places)
        cars = Cars(orders(ground, places), seconds=seconds, core=other)
        cars.charging()
        before, began = station.tree.cpu(), time.time()
        time.sleep(seconds * 0.8)
        cost, ended = station.tree.cpu().since(before), time.time()
        trips = cars.done()
        station.charged_by_contract(sessions)
    exchanges = trips.together(LOOP)
    answered = sum(began <= one.sent < ended for one in exchanges)
    return {
        "sessions": sessions,
        "answers": answer_times(one.answer for one in exchanges),
        "seen by the car": answer_times(one.answer_seen for one in exchanges),
        "cpu share": cost.seconds / (ended - began),
        "cpu us an answer": 1e6 * cost.seconds / answered,
        "waited us an answer": 1e6 * cost.waited / answered,
    }


def beside_slow_key(ground: Ground, seconds: float) -> dict[str, Any]:
    """One outlet charges while another shakes hands again and again with a key that takes 300 ms."""
    configuration, places = ground.configure(2)
    own, other = cores()
    with running(configuration, program=("tools.bench.slow_key",), core=own) as station:
        ready(station, places)
        asyncio.run(_plug_in(places[1]))
        cars = Cars(orders(ground, places[:1]), seconds=seconds, core=other)
        shaking = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tools.bench.handshakes",
                str(places[1].sdp_port),
                str(ground.pki / "car"),
                str(seconds + (3.0 if seconds < 3.0 else 8.0)),
            ],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        pin(shaking.pid, other)
        try:
            trips = cars.done()
            text, _ = shaking.communicate(timeout=60.0)
        finally:
            if shaking.poll() is None:
                shaking.kill()
                shaking.communicate()
        station.charged_by_contract(1)
    shook = json.loads(text)
    if len(shook["took"]) < 3:
        raise BenchFailed(f"only {len(shook['took'])} handshakes came about beside the session")
    return {
        "answers": answer_times(one.answer for one in trips.together(LOOP)),
        "handshakes": len(shook["took"]),
        "handshake ms": answer_times(shook["took"]),
    }


async def _plug_in(place: Outlet) -> None:
    hand = Hand(place.panel)
    try:
        await hand.act("plug_in")
    finally:
        hand.close()


def measure(ground: Ground, *, quick: bool) -> Section:
    """The table of answer times."""
    section = Section("answers", "Answers to CurrentDemandReq over TLS 1.2, every 100 ms a session, traces on")
    for sessions in (3,) if quick else (1, MANY):
        for number in range(1 if quick else 2):
            found = loaded(ground, sessions, 2.0 if quick else 6.0)
            section.facts[f"{sessions} sessions, run {number + 1}"] = found
            times = found["answers"]
            section.add(
                f"{sessions} session{'s' if sessions > 1 else ''} in one process",
                shown_times(times),
                goal=f"p99 under {P99_MS:g} ms" if sessions > 1 else "",
                met=times["p99"] < P99_MS if sessions > 1 else None,
                note=_costs(found),
            )
    found = beside_slow_key(ground, 2.0 if quick else 6.0)
    section.facts["slow key"] = found
    times = found["answers"]
    section.add(
        "1 session, while the key of another outlet takes 300 ms",
        shown_times(times),
        goal=f"p99 under {P99_MS:g} ms",
        met=times["p99"] < P99_MS,
        note=f"{found['handshakes']} handshakes beside it, {found['handshake ms']['p50']:.0f} ms each",
    )
    return section


def _costs(found: dict[str, Any]) -> str:
    return (
        f"at the car {found['seen by the car']['p99']:.2f} ms p99; station's CPU {found['cpu us an answer']:.0f} us an answer "
        f"({100.0 * found['cpu share']:.0f} % of a core), {found['waited us an answer']:.0f} us waiting for it"
    )
