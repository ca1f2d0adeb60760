"""Cost of the matching session (SLAC) between simulated modems: in virtual time, measured in real time.

Reading and building frames counts; the packet socket and the event loop do not.
"""

from __future__ import annotations

import asyncio
import gc
import os
from typing import Any

from hal.sim.clock import LoopClock, run_virtual
from hal.sim.modem import Medium
from secc.link.slac import mme, timing
from secc.link.slac.events import FrameReceived
from secc.link.slac.mme import BROADCAST, AttenCharInd, Message, SlacParmCnf, SlacParmReq

from .figures import Section, quantile, spread
from .proc import Tree
from .slac_line import Car, Outlet
from .stations import Ground

FLOOD_PER_SECOND = 10_000
CARS = 5
BEGUN_SECONDS = 0.5
"""In this time a station takes its key, and sees the link come up."""
TABLE_ENTRIES = timing.INVITATIONS + timing.C_EVSE_MATCH_PARALLEL


async def answers(kept: type[Message], count: int) -> list[tuple[float, float]]:
    """Returns wall and CPU seconds of the steps that made so many answers of this kind: to one unknown car after the
    other, each gone before the next one comes.
    """
    outlet = Outlet(Medium(LoopClock()), 1, kept)
    await asyncio.sleep(BEGUN_SECONDS)
    while len(outlet.session.steps) < count:
        car = outlet.arrive()
        await asyncio.sleep(0.02 if kept is SlacParmCnf else 0.5)
        await car.go()
        outlet.pilot("A")
        await asyncio.sleep(0.001)
    outlet.task.cancel()
    return outlet.session.steps


async def crowd() -> tuple[int, float, float]:
    """Cars and stations on one line, all cars at the same moment. Returns the number of cars with a link to their own
    station, CPU seconds and virtual seconds.
    """
    loop, medium = asyncio.get_running_loop(), Medium(LoopClock())
    outlets = [Outlet(medium, number) for number in range(1, CARS + 1)]
    await asyncio.sleep(BEGUN_SECONDS)
    before, began = sum(outlet.session.cpu for outlet in outlets), loop.time()
    cars = [outlet.arrive(number) for number, outlet in enumerate(outlets, 1)]
    await asyncio.wait([car.task for car in cars], timeout=20.0)
    ended = loop.time()
    await asyncio.sleep(BEGUN_SECONDS)
    matched = sum(outlet.linked and car.station == outlet.mac for outlet, car in zip(outlets, cars, strict=True))
    for outlet, car in zip(outlets, cars, strict=True):
        await car.go()
        outlet.task.cancel()
    return matched, sum(outlet.session.cpu for outlet in outlets) - before, ended - began


async def flood(seconds: float) -> dict[str, Any]:
    """Send CM_SLAC_PARM.REQ of unknown cars all the time; in the middle, a real car comes."""
    loop, outlet = asyncio.get_running_loop(), Outlet(Medium(LoopClock()), 1)
    outlet.plug_in()
    await asyncio.sleep(BEGUN_SECONDS)
    gc.collect()
    before, most = Tree(os.getpid()).resident(), 0
    spent, frames = {True: 0.0, False: 0.0}, {True: 0, False: 0}
    template = mme.build(BROADCAST, bytes(6), SlacParmReq(0, 0, b"a RunID!"))
    at = template.index(b"a RunID!")
    total, began, session = round(FLOOD_PER_SECOND * seconds), loop.time(), outlet.session
    car: Car | None = None
    for number in range(total):
        # The cost of expiry between two frames counts, too.
        matched, cpu = car is not None and car.station is not None, session.cpu
        if number == total // 2:
            car = outlet.arrive()
        chance = os.urandom(13)
        octets = template[:6] + b"\x06" + chance[:5] + template[12:at] + chance[5:] + template[at + 8 :]
        outlet.say(FrameReceived(octets))
        await asyncio.sleep(began + (number + 1) / FLOOD_PER_SECOND - loop.time())
        spent[matched] += session.cpu - cpu
        frames[matched] += 1
        if number % 100 == 0:
            most = max(most, session.remembered)
    assert car is not None
    await asyncio.sleep(3.0)
    gc.collect()
    outlet.task.cancel()
    return {
        "frames": total,
        "us a frame": 1e6 * spent[False] / frames[False],
        "us a frame, matched": 1e6 * spent[True] / frames[True] if frames[True] else None,
        "cpu": sum(spent.values()),
        "matched": outlet.linked and car.station == outlet.mac,
        "attempt": car.attempt,
        "entries": most,
        "entries left": session.remembered,
        "resident": (before, Tree(os.getpid()).resident()),
    }


def measure(ground: Ground | None, *, quick: bool) -> Section:
    """Returns the table of matching, measured in this process."""
    section = Section("slac", "SLAC: simulated modems and line, virtual time, real CPU")
    limit = timing.TT_MATCH_RESPONSE.seconds
    kinds: tuple[tuple[str, type[Message], int], ...] = (
        ("CM_SLAC_PARM.REQ to CM_SLAC_PARM.CNF", SlacParmCnf, 1000 if quick else 20_000),
        ("last CM_ATTEN_PROFILE.IND to CM_ATTEN_CHAR.IND", AttenCharInd, 100 if quick else 2000),
    )
    for what, kept, count in kinds:
        steps = run_virtual(answers(kept, count))
        wall = [1e6 * one for one, _ in steps]
        cpu = 1e6 * sum(one for _, one in steps) / len(steps)
        middle, late = quantile(wall, 0.5), quantile(wall, 0.99)
        section.facts[kept.__name__] = {"p50 us": middle, "p99 us": late, "max us": max(wall), "cpu us": cpu}
        shown = f"p50 {middle:.0f}, p99 {late:.0f}, max {max(wall):.0f} us ({len(wall)} answers)"
        goal, met = (f"p99 under {1000 * limit:g} ms", late < 1e6 * limit) if kept is SlacParmCnf else ("", None)
        section.add(what, shown, goal=goal, met=met, note=f"CPU {cpu:.0f} us an answer")
    rounds = [run_virtual(crowd()) for _ in range(3 if quick else 20)]
    matched, costs = [one for one, _, _ in rounds], [1000 * cpu for _, cpu, _ in rounds]
    section.facts["crowd"] = {"matched": matched, "cpu ms": costs}
    note = f"{min(matched)} of {CARS} matched in each of {len(rounds)} rounds; link after {rounds[0][2]:.2f} s of virtual time"
    what, goal = (
        f"{CARS} cars at once at {CARS} stations on one line: CPU of all stations",
        "all matched, each with its own",
    )
    section.add(what, f"{spread(costs)} ms", goal=goal, met=min(matched) == CARS, note=note)
    found = run_virtual(flood(1.0 if quick else 10.0))
    section.facts["flood"] = found
    before, after = found["resident"]
    cost, later = found["us a frame"], found["us a frame, matched"]
    shown = f"{cost:.1f} us a frame" + (f"; once matched {later:.1f} us" if later is not None else "")
    note = f"{cost * FLOOD_PER_SECOND / 1e4:.0f} % of a core before the match"
    what = f"{found['frames']} CM_SLAC_PARM.REQ of unknown cars, {FLOOD_PER_SECOND} a second: CPU"
    section.add(what, shown, note=note)
    shown, note = "matched" if found["matched"] else "not matched", f"attempt {found['attempt']}"
    section.add("— the real car among them", shown, goal="matched", met=found["matched"], note=note)
    most, note = found["entries"], f"{found['entries left']} afterwards"
    goal, met = f"at most {TABLE_ENTRIES}", most <= TABLE_ENTRIES
    section.add("— cars that the station remembers, at most", f"{most}", goal=goal, met=met, note=note)
    section.add("— resident memory of the bench before and after", f"{before:.1f} and {after:.1f} MiB")
    return section
