"""One whole Plug & Charge session with DC: our station and Josev's SECC by turns, under the same car."""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any

from . import josev_secc
from .answers import LOOP
from .car import Order
from .cars import Cars
from .codec import CACHE
from .figures import Section, quantile, spread
from .proc import Tree
from .stations import Ground, by_contract

LOOPS = 20
TIMES = 20.0
"""How many times Josev's speed: answers, and CPU of a session."""
SETTLE_SECONDS = 1.5


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
    section = Section("sessions", "A whole DC Plug & Charge session beside Josev's SECC", ground.factor)
    why = "not with --quick" if quick else josev_secc.missing()
    if why:
        section.missing.append(f"Josev's SECC beside ours: {why}")
        return section
    found = compared(ground.directory / "compared", 2)
    section.facts["compared"] = found
    _comparison(section, found)
    return section


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
