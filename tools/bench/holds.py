"""How long the event loop is held: by the costliest octets that an unknown car can send to twenty outlets at once,
and by sessions that begin or end together.

At one more outlet a car charges all the time: it keeps its power, and the station withholds no
heartbeat. The station gets real-time priority if this process may give it, so that other processes
of the machine do not count.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hal.sim.panel import Hand
from secc.errors import SeccError
from secc.link import sdp
from secc.link.v2gtp import PayloadType, frame
from tools.evcc.discovery import discover

from .cars import Cars
from .figures import Section
from .stations import WATCHED, BenchFailed, Ground, Outlet, Station, ready
from .streams import Stream, negotiation, streams

MANY = 20
STREAM_MS = 20.0
TOGETHER_MS = {20: 30.0, 100: 60.0}
"""Goals by number of sessions that begin or end together. (A-RES-09)"""
PREPARED_SECONDS = 3.0
"""A ready station prepares readers and writers in this time."""
PERIOD = 0.5
"""Seconds between two requests of a car where there are many: all cars share one core."""
LIMIT_SECONDS = 900.0
WITHHELD = "heartbeat withheld"
WELDED = re.compile("contactor[-_]welded")
"""As the power path and as the board write it."""


class Watched:
    """A watched station with a car that stays at outlet 1."""

    def __init__(self, station: Station, period: float = 0.1) -> None:
        self.station = station
        self.stays = self.cars(station.places[:1], period)

    def cars(self, places: Sequence[Outlet], period: float) -> Cars:
        """Returns cars at these outlets; each of them charges, or has given up."""
        cars = Cars([place.order(loop_seconds=period) for place in places], limit=LIMIT_SECONDS)
        cars.charging()
        return cars

    def begin(self) -> None:
        """Start a measurement."""
        self._before = self.station.log.count(WITHHELD)
        self.station.look()

    def end(self) -> dict[str, Any]:
        """Returns how long the loop was held since ``begin``, and the number of withheld heartbeats."""
        found = self.station.look()
        log = self.station.log
        lines = [line for line in log.splitlines() if "outlet 1:" in line or WITHHELD in line]
        return found | {
            "withheld": log.count(WITHHELD) - self._before,
            "welded": len(WELDED.findall(log)),
            "alone": self.station.alone,
            "why": "" if self.stays.running else " / ".join(lines[-6:]),
            "goes on": self.stays.running,
        }


async def _attack(place: Outlet, stream: Stream, barrier: asyncio.Barrier) -> None:
    """Connect as an unknown car does, wait for the others, and send."""
    found, _ = await discover("lo", sdp.Security.NONE, port=place.sdp_port)
    reader, writer = await asyncio.open_connection(str(found.address), found.port)
    if not stream.opening:
        writer.write(frame(PayloadType.EXI, negotiation()))
        await reader.read(1024)
    await barrier.wait()
    writer.write(stream.octets)
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(10.0):
            await writer.drain()
            while await reader.read(4096):
                pass
    writer.close()


async def _attack_all(watched: Watched, stream: Stream) -> dict[str, Any]:
    """Returns how long the loop was held after all of them sent. Plugging in and out is not measured."""
    places = watched.station.places[1:]
    hands = [Hand(place.panel) for place in places]
    try:
        for hand in hands:
            await hand.act("plug_in")
        barrier = asyncio.Barrier(len(places) + 1)
        attacks = [asyncio.create_task(_attack(place, stream, barrier)) for place in places]
        await barrier.wait()
        watched.begin()
        results = await asyncio.gather(*attacks, return_exceptions=True)
        found = watched.end()
        for hand in hands:
            await hand.act("unplug")
    finally:
        for hand in hands:
            hand.close()
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, OSError | SeccError):
            raise result
    return found


def under_attack(ground: Ground, outlets: int, sent: Sequence[Stream]) -> dict[str, dict[str, Any]]:
    """Send each stream to so many outlets at once. Returns what was measured, by stream."""
    found: dict[str, dict[str, Any]] = {}
    with ready(ground, outlets + 1, WATCHED, pinned=False, first=True, tls=False) as station:
        watched = Watched(station)
        try:
            for stream in sent:
                found[stream.name] = asyncio.run(_attack_all(watched, stream))
                if not watched.stays.running:
                    why = found[stream.name]["why"]
                    raise BenchFailed(f"the car that charged has ended after: {stream.name}; {why}")
                time.sleep(1.0)
        finally:
            watched.stays.stop()
    return found


def together(ground: Ground, sessions: int) -> dict[str, dict[str, Any]]:
    """So many sessions begin at once, because their cars plug in in the same moment, and end at once, because
    all connections break.
    """
    with ready(ground, sessions + 1, WATCHED, pinned=False, first=True) as station:
        time.sleep(PREPARED_SECONDS)
        watched = Watched(station, PERIOD)
        leave: list[Cars] = []
        try:
            watched.begin()
            leave.append(watched.cars(station.places[1:], PERIOD))
            begun = watched.end() | {"lost": sessions - station.log.count("authorised: by contract") + 1}
            time.sleep(2.0)
            watched.begin()
            leave[0].stop()
            _traces(station.directory / "state" / "traces", sessions)
            ended = watched.end()
        finally:
            for cars in (watched.stays, *leave):
                cars.stop()
    return {"begin": begun, "end": ended}


def _traces(directory: Path, count: int) -> None:
    """Wait until all of them are written."""
    until = time.monotonic() + 120.0
    while not directory.exists() or len(list(directory.glob("*.jsonl"))) < count:
        if time.monotonic() > until:
            raise BenchFailed("the traces were not written")
        time.sleep(0.1)
    time.sleep(1.0)


def measure(ground: Ground, *, quick: bool) -> Section:
    """Returns the table of the longest holds of the event loop."""
    title = "How long the event loop is held at most, while a car charges at another outlet"
    section = Section("holds", title, ground.factor)
    sent, taken = streams(2.0 if quick else 20.0)
    section.add("the message that costs most to decode, of those searched", f"{taken:.0f} us")
    section.facts["worst message us"] = taken
    outlets = 3 if quick else MANY
    attacked = under_attack(ground, outlets, sent)
    section.facts["streams"] = attacked
    for name, found in attacked.items():
        _row(section, f"{name}, at {outlets} outlets at once", found, STREAM_MS)
    for sessions in (3,) if quick else TOGETHER_MS:
        for what, found in together(ground, sessions).items():
            section.facts[f"{sessions} {what}"] = found
            traces = ", their traces are written" if what == "end" else ", by contract over TLS"
            goal = TOGETHER_MS.get(sessions, STREAM_MS)
            _row(section, f"{sessions} sessions {what} at once{traces}", found, goal, timed=True)
    return section


def _row(section: Section, what: str, found: dict[str, Any], goal: float, *, timed: bool = False) -> None:
    full, lost = found["full"], found.get("lost", 0)
    note = (
        f"{found['cpu']:.1f} ms of processor time in a turn; {found['withheld']} beats withheld"
        + (f"; {full['count']} full collections, {full['longest']:.1f} ms" if full["count"] else "")
        + (f"; {lost} sessions lost" if lost else "")
        + (f"; {found['welded']} contactors called welded" if found["welded"] else "")
        + ("" if found["goes on"] else f"; the car that stayed has ended: {found['why']}")
        + ("" if found["alone"] else "; without priority over the other processes of the machine")
    )
    well = found["goes on"] and not (found["withheld"] or found["welded"] or lost)
    shown = f"{found['hold']:.1f} ms"
    section.judge(what, found["hold"], "ms, every beat", goal, timed=timed, shown=shown, also=well, note=note)
