"""How long the event loop is held: by the worst that strangers can send to twenty outlets at once, and by sessions that end together.

A further outlet has a car that charges all the while: it keeps its power, and every heartbeat goes out. The station gets real-time priority where the
bench may give it, so that what else the machine does is not in the figures.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hal.sim.panel import Hand
from secc.errors import SeccError
from secc.link.v2gtp import PayloadType, frame

from .car import Order
from .cars import Cars
from .figures import Section
from .line import ask
from .proc import cores, precede
from .stations import WATCHED, BenchFailed, Ground, Outlet, Station, running
from .streams import Stream, negotiation, streams

MANY = 20
STREAM_MS = 20.0
TOGETHER_MS = {20: 30.0, 100: 60.0}
"""Sessions that begin or end together: what the loop may be held for. (A-RES-09)"""
PREPARED_SECONDS = 3.0
"""What a station prepares once it is ready."""
PERIOD = 0.5
"""Seconds between two requests of a car, where there are many: the cars have but one core."""
WITHHELD = "heartbeat withheld"
WELDED = re.compile("contactor[-_]welded")
"""As the power path says it, and as the board does."""


class Watched:
    """A running station whose event loop is looked at, and what its log says of heartbeats and outlets."""

    def __init__(self, station: Station) -> None:
        self._station = station
        self.alone = precede(station.tree.pid)
        """Whether what else the machine does is kept out of the figures."""

    def holds(self, work: Callable[[], object]) -> dict[str, Any]:
        """What the loop was held by while this ran, and how many heartbeats were withheld."""
        before = self.withheld
        self._station.look()
        work()
        return self._station.look() | {"withheld": self.withheld - before, "alone": self.alone}

    def why(self, outlet: str) -> str:
        """The last that the log says of an outlet."""
        lines = self._station.log.splitlines()
        return " / ".join([line for line in lines if f"outlet {outlet}:" in line or WITHHELD in line][-6:])

    @property
    def withheld(self) -> int:
        """Heartbeats that were withheld, so far."""
        return self._station.log.count(WITHHELD)

    @property
    def welded(self) -> int:
        """Contactors that were called welded, so far."""
        return len(WELDED.findall(self._station.log))


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


async def _attack_all(places: Sequence[Outlet], stream: Stream, station: Station) -> dict[str, Any]:
    """What the loop was held by from the moment when all of them send. Plugging in and out, one after the other, is not part of it."""
    hands = [Hand(place.panel) for place in places]
    try:
        for hand in hands:
            await hand.act("plug_in")
        ready = asyncio.Barrier(len(places) + 1)
        attacks = [asyncio.create_task(_attack(place, stream, ready)) for place in places]
        await ready.wait()
        station.look()
        results = await asyncio.gather(*attacks, return_exceptions=True)
        found = station.look()
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
    with running(configuration, program=WATCHED) as station:
        for place in places:
            station.wait_for(place.panel)
        watched = Watched(station)
        cars = Cars([Order(places[0].sdp_port, str(places[0].panel))], limit=660.0, core=other)
        try:
            cars.charging()
            for stream in sent:
                before = watched.withheld
                held = asyncio.run(_attack_all(places[1:], stream, station))
                found[stream.name] = held | {"withheld": watched.withheld - before, "alone": watched.alone}
                if not cars.running:
                    raise BenchFailed(f"the car that charged has ended, by: {stream.name}; {watched.why('1')}")
                time.sleep(1.0)
        finally:
            cars.stop()
    return found


def together(ground: Ground, sessions: int) -> dict[str, dict[str, Any]]:
    """So many sessions begin at once, because their cars plug in in the same moment, and end at once, because all of them hang up. One more
    charges all the while."""
    configuration, places = ground.configure(sessions + 1)
    _, other = cores()
    pki = str(ground.pki / "car")
    all_of_them = [Order(place.sdp_port, str(place.panel), pki, loop_seconds=PERIOD) for place in places]
    with running(configuration, program=WATCHED) as station:
        for place in places:
            station.wait_for(place.panel)
        time.sleep(PREPARED_SECONDS)
        watched = Watched(station)
        stays = Cars(all_of_them[:1], limit=900.0, core=other)
        stays.charging()
        leave: list[Cars] = []

        def begin() -> None:
            leave.append(Cars(all_of_them[1:], limit=900.0, core=other))
            leave[0].charging()

        def end() -> None:
            leave[0].stop()
            _traces(configuration.parent / "state" / "traces", sessions)

        found = {}
        try:
            for what, work in (("begin", begin), ("end", end)):
                found[what] = watched.holds(work)
                found[what] |= {
                    "lost": sessions - station.log.count("authorised: by contract") + 1 if what == "begin" else 0,
                    "goes on": stays.running,
                    "why": "" if stays.running else watched.why("1"),
                    "welded": watched.welded,
                }
                time.sleep(2.0)
        finally:
            for cars in (stays, *leave):
                cars.stop()
    return found


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
    section = Section(
        "holds", "How long the event loop is held at most, while a car charges at another outlet", ground.factor
    )
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
    section.judge(
        what,
        found["hold"],
        "ms, every beat",
        goal,
        timed=timed,
        shown=f"{found['hold']:.1f} ms",
        also=not (found["withheld"] or found.get("welded") or lost) and found.get("goes on", True),
        note=f"{found['cpu']:.1f} ms of processor time in a turn; {found['withheld']} beats withheld"
        + (f"; {full['count']} full collections, {full['longest']:.1f} ms" if full["count"] else "")
        + (f"; {lost} sessions lost" if lost else "")
        + (f"; {found['welded']} contactors called welded" if found.get("welded") else "")
        + ("" if found.get("goes on", True) else f"; the car that stayed has ended: {found['why']}")
        + ("" if found["alone"] else "; without priority over what else the machine does"),
    )
