"""One whole Plug & Charge session with DC: our share of the way to power, the station's CPU, and Josev's SECC beside it under the same car."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from . import josev_secc
from .answers import LOOP
from .car import Order
from .cars import Cars
from .codec import CACHE
from .figures import Section, quantile, spread
from .line import Exchange
from .proc import Tree, cores
from .stations import BenchFailed, Ground, by_contract, running

LOOPS = 20
TIMES = 20.0
"""How many times Josev's speed: answers, and CPU of a session."""
HARDWARE = ("CheckCable", "StartPower", "StopPower")
START = "PowerDeliveryReq(Start)"
SETTLE_SECONDS = 1.5


def waits(trace: Iterable[str]) -> float:
    """Seconds until power in which a request was open, but the conversation waited for the hardware: the pilot, the power path.

    From a session's trace: between two steps of the conversation nothing is computed; what the second step is told says who was waited for.
    """
    total = last = 0.0
    is_open = started = False
    for text in trace:
        line = json.loads(text)
        match line["kind"]:
            case "received":
                is_open, last = True, line["t"]
                started = started or "Start" in json.dumps(line.get("message", {}).get("PowerDeliveryReq", {}))
            case "sent":
                is_open = False
                if started:
                    return total
            case "event" | "expired" if is_open:
                if _is_hardware(line):
                    total += line["t"] - last
                last = line["t"]
    return total


def _is_hardware(line: dict[str, Any]) -> bool:
    value = line.get("value") or {}
    if value.get("type") != "Answered":
        return True
    return value["ticket"]["question"] in HARDWARE


def until_power(car: tuple[Exchange, ...]) -> list[Exchange]:
    """The exchanges from the SDP request to PowerDelivery(Start)."""
    place = next((number for number, one in enumerate(car) if one.name == START), None)
    if place is None:
        raise BenchFailed("the car never asked for power")
    return list(car[: place + 1])


def own_session(ground: Ground) -> dict[str, Any]:
    """One session on the loopback, pinned, with a trace."""
    configuration, places = ground.configure(1)
    own, other = cores()
    with running(configuration, core=own) as station:
        station.wait_for(places[0].panel)
        time.sleep(0.5)
        before = station.tree.cpu()
        order = Order(places[0].sdp_port, str(places[0].panel), str(ground.pki / "car"), loops=LOOPS)
        cars = Cars([order], core=other)
        trips = cars.done()
        station.charged_by_contract(1)
        time.sleep(SETTLE_SECONDS)
        cpu = station.tree.cpu().since(before)
    found = until_power(trips.cars[0])
    traces = list((configuration.parent / "state" / "traces").glob("*.jsonl"))
    if len(traces) != 1:
        raise BenchFailed(f"{len(traces)} traces of one session")
    hardware = waits(traces[0].read_text().splitlines())
    answered = sum(one.answer for one in found)
    return {
        "wall": found[-1].arrived - found[0].sent,
        "answers": len(found),
        "share": answered - hardware,
        "hardware": hardware,
        "slowest": {one.name: round(1000.0 * one.answer, 2) for one in sorted(found, key=lambda one: -one.answer)[:5]},
        "cpu": cpu.seconds,
        "messages": 2 * len(trips.cars[0]),
    }


def compared(directory: Path, rounds: int) -> dict[str, list[dict[str, Any]]]:
    """Josev's SECC and ours by turns, each in a namespace, each a fresh process, under our car."""
    found: dict[str, list[dict[str, Any]]] = {"josev": [], "ours": []}
    directory.mkdir()
    pki = josev_secc.car_of(CACHE / "pki", directory / "car")
    with josev_secc.network() as bench:
        for number in range(rounds):
            for which, said in found.items():
                station = josev_secc.start(bench, which, directory / f"{which}{number}")
                try:
                    said.append(_under_our_car(bench, station, which, pki))
                finally:
                    station.stop()
                if which == "ours":
                    by_contract(directory / f"{which}{number}" / "secc.log", 1)
    return found


def _under_our_car(bench: Any, station: Any, which: str, pki: Path) -> dict[str, Any]:
    tree = Tree(station.process.pid)
    time.sleep(0.5)
    before = tree.cpu()
    # The simulated outlet of the other station never leaves 1 V: a car whose battery has nearly none is content with it.
    volts = 10.0 if which == "josev" else 230.0
    cars = Cars(
        [Order(josev_secc.SDP_PORT, None, str(pki), bench.ev_iface, loops=LOOPS, volts=volts)], within=bench.ev([])
    )
    trips = cars.done()
    time.sleep(SETTLE_SECONDS)
    cpu = tree.cpu().since(before)
    exchanges = trips.cars[0]
    return {
        "listening": station.listen_s,
        "cpu": cpu.seconds,
        "resident": tree.resident(),
        "messages": 2 * len(exchanges),
        "answers": [1000.0 * one.answer for one in exchanges if one.name == LOOP],
    }


def measure(ground: Ground, *, quick: bool) -> Section:
    """The table of whole sessions."""
    section = Section("sessions", "A whole DC Plug & Charge session")
    runs = [own_session(ground) for _ in range(1 if quick else 2)]
    section.facts["own"] = runs
    _way_to_power(section, runs)
    section.add(
        f"CPU of the station for a session with {LOOPS} loops, simulated board and trace included",
        f"{spread([one['cpu'] for one in runs], 3)} s",
        note=f"{runs[0]['messages']} messages",
    )
    why = "not with --quick" if quick else josev_secc.missing()
    if why:
        section.missing.append(f"Josev's SECC beside ours: {why}")
        return section
    found = compared(ground.directory / "compared", 2)
    section.facts["compared"] = found
    _comparison(section, found)
    return section


def _way_to_power(section: Section, runs: list[dict[str, Any]]) -> None:
    section.add(
        "SDP request to PowerDelivery(Start): our share",
        f"{spread([1000.0 * one['share'] for one in runs])} ms",
        note=f"sum of {runs[0]['answers']} answers, waits for the hardware taken out",
    )
    section.add(
        "— waits for the simulated hardware inside those answers",
        f"{spread([1000.0 * one['hardware'] for one in runs])} ms",
        note="pilot and power path",
    )
    section.add(
        "— the whole way on the wall clock",
        f"{spread([one['wall'] for one in runs], 2)} s",
        note="mostly cable check and precharge of the simulated hardware, and the car's own pauses",
    )


def _comparison(section: Section, found: dict[str, list[dict[str, Any]]]) -> None:
    medians = {which: [statistics.median(one["answers"]) for one in said] for which, said in found.items()}
    worst = {which: max(quantile(one["answers"], 0.99) for one in said) for which, said in found.items()}
    cpu: dict[str, list[float]] = {which: [one["cpu"] for one in said] for which, said in found.items()}
    for what, unit, both, digits in (
        ("answer to CurrentDemandReq, median", "ms", medians, 2),
        ("CPU a session", "s", cpu, 3),
    ):
        ours, theirs = both["ours"], both["josev"]
        ratio = statistics.median(theirs) / statistics.median(ours)
        section.add(
            f"beside Josev's SECC: {what}",
            f"{spread(ours, digits)} {unit}; Josev {spread(theirs, digits)} {unit}",
            goal=f"{TIMES:g} times",
            met=ratio >= TIMES,
            note=f"{ratio:.0f} times",
        )
        section.facts[f"ratio {what}"] = ratio
    section.add(
        "beside Josev's SECC: worst answer to CurrentDemandReq",
        f"{worst['ours']:.1f} ms; Josev {worst['josev']:.1f} ms",
        note=f"{found['ours'][0]['messages']} and {found['josev'][0]['messages']} messages",
    )
    resident = {which: [one["resident"] for one in said] for which, said in found.items()}
    section.add(
        "beside Josev's SECC: resident after the session",
        f"{spread(resident['ours'], 0)} MiB; Josev {spread(resident['josev'], 0)} MiB",
    )
