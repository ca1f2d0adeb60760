"""How long the event loop is held: by the worst that strangers can send to twenty outlets at once, and by sessions that end together.

A further outlet has a car that charges all the while: it keeps its power, and every heartbeat goes out. The station gets real-time priority where the
bench may give it, so that what else the machine does is not in the figures.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hal.sim.panel import Hand
from secc.errors import SeccError
from secc.link.v2gtp import PayloadType, frame

from .car import Order, ask
from .cars import Cars
from .figures import Section
from .proc import cores, precede
from .stations import BenchFailed, Ground, Outlet, Station, running
from .streams import Stream, negotiation, streams

MANY = 20
STREAM_MS = 20.0
ENDS_MS = {20: 50.0, 50: 75.0, 100: 100.0}
"""Sessions that end together: what the loop may be held for. (A-RES-09)"""
PERIOD = 0.5
"""Seconds between two requests of a car, where there are many: the cars have but one core."""
WITHHELD = "heartbeat withheld"
WELDED = re.compile("contactor[-_]welded")
"""As the power path says it, and as the board does."""


class Watched:
    """A running station, its charging car apart, and what is known of its event loop."""

    def __init__(self, station: Station) -> None:
        self._station = station
        self.alone = precede(station.tree.pid)
        """Whether what else the machine does is kept out of the figures."""
        self._report = station.directory / "holds.json"

    def look(self) -> dict[str, Any]:
        """What the loop was held by since the last look."""
        self._report.unlink(missing_ok=True)
        os.kill(self._station.tree.pid, signal.SIGUSR1)
        until = time.monotonic() + 10.0
        while not self._report.exists():
            if time.monotonic() > until:
                raise BenchFailed(f"the watch does not answer: {self._station.last_words()}")
            time.sleep(0.01)
        found: dict[str, Any] = json.loads(self._report.read_text())
        return found

    def why(self, outlet: str) -> str:
        """The last that the log says of an outlet."""
        lines = (self._station.directory / "log").read_text(errors="replace").splitlines()
        return " / ".join([line for line in lines if f"outlet {outlet}:" in line or WITHHELD in line][-6:])

    @property
    def withheld(self) -> int:
        """Heartbeats that were withheld, so far."""
        return (self._station.directory / "log").read_text(errors="replace").count(WITHHELD)


async def _attack(place: Outlet, stream: Stream, ready: asyncio.Barrier) -> None:
    """Come as far as any stranger does, wait for the others, and send."""
    found, _, _ = await asyncio.to_thread(ask, "lo", place.sdp_port, tls=False)
    reader, writer = await asyncio.open_connection(str(found.address), found.port)
    if not stream.opening:
        writer.write(frame(PayloadType.EXI, negotiation()))
        await reader.read(1024)
    await ready.wait()
    writer.write(stream.octets)
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(10.0):
            await writer.drain()
            while await reader.read(4096):
                pass
    writer.close()


async def _attack_all(places: Sequence[Outlet], stream: Stream, watched: Watched) -> dict[str, Any]:
    """What the loop was held by from the moment when all of them send. Plugging in and out, one after the other, is not part of it."""
    hands = [Hand(place.panel) for place in places]
    try:
        for hand in hands:
            await hand.act("plug_in")
        ready = asyncio.Barrier(len(places) + 1)
        attacks = [asyncio.create_task(_attack(place, stream, ready)) for place in places]
        await ready.wait()
        watched.look()
        results = await asyncio.gather(*attacks, return_exceptions=True)
        found = watched.look()
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
    """Each stream at so many outlets at once; what the loop was held by, for each."""
    configuration, places = ground.configure(outlets + 1, tls=False)
    _, other = cores()
    found: dict[str, dict[str, Any]] = {}
    with running(configuration, program=("tools.bench.watched",)) as station:
        for place in places:
            station.wait_for(place.panel)
        watched = Watched(station)
        cars = Cars([Order(places[0].sdp_port, str(places[0].panel))], seconds=600.0, limit=660.0, core=other)
        try:
            cars.charging()
            for stream in sent:
                before = watched.withheld
                held = asyncio.run(_attack_all(places[1:], stream, watched))
                found[stream.name] = held | {"withheld": watched.withheld - before, "alone": watched.alone}
                if not cars.running:
                    raise BenchFailed(f"the car that charged has ended, by: {stream.name}; {watched.why('1')}")
                time.sleep(1.0)
        finally:
            cars.stop()
    return found


def ending(ground: Ground, sessions: int) -> dict[str, Any]:
    """So many sessions end at once, because all of their cars hang up; one more goes on."""
    configuration, places = ground.configure(sessions + 1, tls=False)
    _, other = cores()
    with running(configuration, program=("tools.bench.watched",)) as station:
        for place in places:
            station.wait_for(place.panel)
        watched = Watched(station)
        spaced = [
            Order(place.sdp_port, str(place.panel), delay=0.2 * number, loop_seconds=PERIOD)
            for number, place in enumerate(places)
        ]
        stays = Cars(spaced[:1], seconds=600.0, limit=900.0, core=other)
        leave = Cars(spaced[1:], seconds=600.0, limit=900.0, core=other)
        try:
            leave.charging()
            time.sleep(2.0)
            charging = watched.look()
            before = watched.withheld
            leave.stop()
            _traces(configuration.parent / "state" / "traces", sessions)
            found = watched.look()
            return found | {
                "withheld": watched.withheld - before,
                "withheld before": before,
                "while charging": charging,
                "goes on": stays.running,
                "why": "" if stays.running else watched.why("1"),
                "alone": watched.alone,
                "welded": len(WELDED.findall((station.directory / "log").read_text(errors="replace"))),
            }
        finally:
            stays.stop()


def _traces(directory: Path, count: int) -> None:
    """Until all of them are written."""
    until = time.monotonic() + 120.0
    while not directory.exists() or len(list(directory.glob("*.jsonl"))) < count:
        if time.monotonic() > until:
            raise BenchFailed("the traces were not written")
        time.sleep(0.1)
    time.sleep(1.0)


def measure(ground: Ground, *, quick: bool) -> Section:
    """The table of what holds the event loop."""
    section = Section("holds", "How long the event loop is held at most, while a car charges at another outlet")
    sent, taken = streams(2.0 if quick else 20.0)
    section.add("the message that costs most to decode, of those searched", f"{taken:.0f} us")
    section.facts["worst message us"] = taken
    outlets = 3 if quick else MANY
    attacked = under_attack(ground, outlets, sent)
    section.facts["streams"] = attacked
    for name, found in attacked.items():
        _row(section, f"{name}, at {outlets} outlets at once", found, STREAM_MS)
    for sessions in (3,) if quick else ENDS_MS:
        found = ending(ground, sessions)
        section.facts[f"{sessions} end"] = found
        _row(
            section,
            f"{sessions} sessions end at once, their traces are written",
            found,
            ENDS_MS.get(sessions, STREAM_MS),
        )
    return section


def _row(section: Section, what: str, found: dict[str, Any], goal: float) -> None:
    full = found["full"]
    section.add(
        what,
        f"{found['hold']:.1f} ms",
        goal=f"under {goal:g} ms, every beat",
        met=found["hold"] < goal and not found["withheld"] and not found.get("welded") and found.get("goes on", True),
        note=f"{found['cpu']:.1f} ms of processor time in a turn; {found['withheld']} beats withheld"
        + (f"; {full['count']} full collections, {full['longest']:.1f} ms" if full["count"] else "")
        + (f"; {found['welded']} contactors called welded" if found.get("welded") else "")
        + ("" if found.get("goes on", True) else f"; the car that stayed has ended: {found['why']}")
        + ("" if found["alone"] else "; without priority over what else the machine does"),
    )
