"""SLAC: the matching session between simulated modems, in virtual time. What it costs is measured in real time.

Frames go in and come out as octets, so reading and building them counts. The packet socket and the event loop do not.
"""

from __future__ import annotations

import gc
import os
from typing import Any

from hal.sim.clock import VirtualClock
from hal.sim.modem import Medium
from secc.link.slac import mme, timing
from secc.link.slac.events import FrameReceived
from secc.link.slac.mme import BROADCAST, AttenCharInd, Message, SlacParmCnf, SlacParmReq

from .figures import Section, quantile, spread
from .proc import Tree
from .slac_line import Car, pair
from .stations import Ground

FLOOD_PER_SECOND = 10_000
CARS = 5
TABLE_ENTRIES = timing.INVITATIONS + timing.C_EVSE_MATCH_PARALLEL


def answers(kept: type[Message], count: int) -> list[tuple[float, float]]:
    """What the steps took that made so many answers of this kind: one unknown car after the other, each gone before the next one comes."""
    clock = VirtualClock(100.0)
    outlet, car = pair(clock, Medium(clock), 1, kept)
    while len(outlet.steps) < count:
        outlet.plug()
        car = Car(clock, car.modem)
        car.begin()
        clock.advance(0.02 if kept is SlacParmCnf else 0.5)
        car.gone = True
        outlet.plug(connected=False)
    return outlet.steps


def crowd() -> tuple[int, float, float]:
    """Cars and stations on one line, all cars at the same moment: how many have the link to their own station, CPU and virtual seconds."""
    clock = VirtualClock(100.0)
    medium = Medium(clock)
    pairs = [pair(clock, medium, number) for number in range(1, CARS + 1)]
    before = sum(outlet.cpu for outlet, _ in pairs)
    for outlet, car in pairs:
        outlet.plug()
        car.begin()
    began = clock.now()
    while not all(outlet.linked for outlet, _ in pairs) and clock.now() < began + 20.0:
        clock.advance(0.05)
    matched = sum(outlet.linked and car.station == outlet.modem.mac for outlet, car in pairs)
    return matched, sum(outlet.cpu for outlet, _ in pairs) - before, clock.now() - began


def flood(seconds: float) -> dict[str, Any]:
    """CM_SLAC_PARM.REQ from cars that nobody has seen before, all the time; in the middle of it a real one comes."""
    clock = VirtualClock(100.0)
    outlet, car = pair(clock, Medium(clock), 1)
    outlet.plug()
    gc.collect()
    before, most = Tree(os.getpid()).resident(), 0
    spent, frames = {True: 0.0, False: 0.0}, {True: 0, False: 0}
    template = mme.build(BROADCAST, bytes(6), SlacParmReq(0, 0, b"a RunID!"))
    at = template.index(b"a RunID!")
    total = round(FLOOD_PER_SECOND * seconds)
    began = clock.now()
    for number in range(total):
        # What expires between two frames is the flood's doing as well.
        matched, cpu = car.station is not None, outlet.cpu
        clock.advance(max(0.0, began + number / FLOOD_PER_SECOND - clock.now()))
        if number == total // 2:
            car.begin()
        chance = os.urandom(13)
        octets = template[:6] + b"\x06" + chance[:5] + template[12:at] + chance[5:] + template[at + 8 :]
        outlet.step(FrameReceived(octets))
        spent[matched] += outlet.cpu - cpu
        frames[matched] += 1
        if number % 100 == 0:
            most = max(most, outlet.session.remembered)
    clock.advance(3.0)
    gc.collect()
    return {
        "frames": total,
        "us a frame": 1e6 * spent[False] / frames[False],
        "us a frame, matched": 1e6 * spent[True] / frames[True] if frames[True] else None,
        "cpu": sum(spent.values()),
        "matched": outlet.linked and car.station == outlet.modem.mac,
        "attempt": car.attempt,
        "requests": car.asked,
        "entries": most,
        "entries left": outlet.session.remembered,
        "resident": (before, Tree(os.getpid()).resident()),
    }


def measure(ground: Ground | None, *, quick: bool) -> Section:
    """All of it, in this process."""
    section = Section("slac", "SLAC: simulated modems and line, virtual time, real CPU")
    limit = timing.TT_MATCH_RESPONSE.seconds
    kinds: tuple[tuple[str, type[Message], int], ...] = (
        ("CM_SLAC_PARM.REQ to CM_SLAC_PARM.CNF", SlacParmCnf, 1000 if quick else 20_000),
        ("last CM_ATTEN_PROFILE.IND to CM_ATTEN_CHAR.IND", AttenCharInd, 100 if quick else 2000),
    )
    for what, kept, count in kinds:
        steps = answers(kept, count)
        wall = [1e6 * one for one, _ in steps]
        cpu = 1e6 * sum(one for _, one in steps) / len(steps)
        middle, late = quantile(wall, 0.5), quantile(wall, 0.99)
        section.facts[kept.__name__] = {"p50 us": middle, "p99 us": late, "max us": max(wall), "cpu us": cpu}
        section.add(
            what,
            f"p50 {middle:.0f}, p99 {late:.0f}, max {max(wall):.0f} us ({len(wall)} answers)",
            goal=f"p99 under {1000 * limit:g} ms" if kept is SlacParmCnf else "",
            met=late < 1e6 * limit if kept is SlacParmCnf else None,
            note=f"CPU {cpu:.0f} us an answer",
        )
    rounds = [crowd() for _ in range(3 if quick else 20)]
    costs = [1000 * cpu for _, cpu, _ in rounds]
    fewest = min(matched for matched, _, _ in rounds)
    section.facts["crowd"] = {"matched": [matched for matched, _, _ in rounds], "cpu ms": costs}
    section.add(
        f"{CARS} cars at once at {CARS} stations on one line: CPU of all stations",
        f"{spread(costs)} ms",
        goal="all matched, each with its own",
        met=fewest == CARS,
        note=f"{fewest} of {CARS} matched in each of {len(rounds)} rounds; link after {rounds[0][2]:.2f} s of virtual time",
    )
    found = flood(1.0 if quick else 10.0)
    section.facts["flood"] = found
    before, after = found["resident"]
    matched = found["us a frame, matched"]
    section.add(
        f"{found['frames']} CM_SLAC_PARM.REQ of unknown cars, {FLOOD_PER_SECOND} a second: CPU",
        f"{found['us a frame']:.1f} us a frame" + (f"; once matched {matched:.1f} us" if matched is not None else ""),
        note=f"{found['us a frame'] * FLOOD_PER_SECOND / 1e4:.0f} % of a core before the match",
    )
    section.add(
        "— the real car among them",
        "matched" if found["matched"] else "not matched",
        goal="matched",
        met=found["matched"],
        note=f"attempt {found['attempt']}, with CM_SLAC_PARM.REQ number {found['requests']} of it",
    )
    section.add(
        "— cars that the station remembers, at most",
        f"{found['entries']}",
        goal=f"at most {TABLE_ENTRIES}",
        met=found["entries"] <= TABLE_ENTRIES,
        note=f"{found['entries left']} afterwards",
    )
    section.add("— resident memory of the bench before and after", f"{before:.1f} and {after:.1f} MiB")
    return section
