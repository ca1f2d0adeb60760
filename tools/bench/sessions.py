"""One whole Plug & Charge session with DC: our station and Josev's SECC by turns, with the same car."""

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
"""Goal for answers and for CPU of a session: this many times Josev's speed."""
SETTLE_SECONDS = 1.5


def compared(directory: Path, rounds: int) -> dict[str, list[dict[str, Any]]]:
    """Run Josev's SECC and ours by turns, each in a namespace, each a fresh process, with our car."""
    found: dict[str, list[dict[str, Any]]] = {"josev": [], "ours": []}
    directory.mkdir()
    pki = josev_secc.car_of(CACHE / "pki", directory / "car")
    with josev_secc.network() as bench:
        for number in range(rounds):
            for which, said in found.items():
                place = directory / f"{which}{number}"
                station = josev_secc.start(bench, which, place)
                try:
                    said.append(_with_our_car(bench, station, which, pki))
                finally:
                    station.stop()
                if which == "ours":
                    by_contract(place / "secc.log", 1)
    return found


def _with_our_car(bench: Any, station: Any, which: str, pki: Path) -> dict[str, Any]:
    tree = Tree(station.process.pid)
    time.sleep(0.5)
    before = tree.cpu()
    # The simulated outlet of Josev's station stays at 1 V, so the car's battery must have next to no voltage.
    volts = 10.0 if which == "josev" else 230.0
    order = Order(josev_secc.SDP_PORT, None, str(pki), bench.ev_iface, loops=LOOPS, volts=volts)
    (exchanges,) = Cars([order], within=bench.ev([])).done().cars
    time.sleep(SETTLE_SECONDS)
    return {
        "listening": station.listen_s,
        "cpu": tree.cpu().since(before).seconds,
        "resident": tree.resident(),
        "messages": 2 * len(exchanges),
        "answers": [1000.0 * one.answer for one in exchanges if one.name == LOOP],
    }


def measure(ground: Ground, *, quick: bool) -> Section:
    """Returns the table of whole sessions."""
    section = Section("sessions", "A whole DC Plug & Charge session beside Josev's SECC", ground.factor)
    why = "not with --quick" if quick else josev_secc.missing()
    if why:
        section.missing.append(f"Josev's SECC beside ours: {why}")
        return section
    found = compared(ground.directory / "compared", 2)
    section.facts["compared"] = found
    ours, theirs = found["ours"], found["josev"]
    for what, unit, digits in (("answer to CurrentDemandReq, median", "ms", 2), ("CPU a session", "s", 3)):
        both = [
            [one["cpu"] if unit == "s" else statistics.median(one["answers"]) for one in said]
            for said in (ours, theirs)
        ]
        ratio = statistics.median(both[1]) / statistics.median(both[0])
        shown = f"{spread(both[0], digits)} {unit}; Josev {spread(both[1], digits)} {unit}"
        note, goal = f"{ratio:.0f} times", f"{TIMES:g} times"
        section.add(f"beside Josev's SECC: {what}", shown, goal=goal, met=ratio >= TIMES, note=note)
        section.facts[f"ratio {what}"] = ratio
    worst = [max(quantile(one["answers"], 0.99) for one in said) for said in (ours, theirs)]
    shown, note = (
        f"{worst[0]:.1f} ms; Josev {worst[1]:.1f} ms",
        f"{ours[0]['messages']} and {theirs[0]['messages']} messages",
    )
    section.add("beside Josev's SECC: worst answer to CurrentDemandReq", shown, note=note)
    resident = [spread([one["resident"] for one in said], 0) for said in (ours, theirs)]
    shown = f"{resident[0]} MiB; Josev {resident[1]} MiB"
    section.add("beside Josev's SECC: resident after the session", shown)
    return section
