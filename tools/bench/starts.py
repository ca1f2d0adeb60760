"""``secc run`` from the start of the process to its first SDP answer, and what it holds in memory from then on."""

from __future__ import annotations

import json
import statistics
import time
from pathlib import Path
from typing import Any

from .answers import LOOP
from .car import Order
from .cars import Cars
from .cpu import SPEED
from .figures import Section, spread
from .proc import Cpu, cores
from .stations import Ground, Station, running

WALL_SECONDS = 0.25
IDLE_MIB, SESSIONS_MIB, RESIDENT_MIB = 45.0, 47.0, 50.0
PREPARED_SECONDS = 3.0
"""What a station prepares once it is ready."""
SESSIONS, OUTLETS = 100, 5
"""Sessions, and at how many outlets: one after the other they would take four minutes."""
FLAT_MIB = 1.0
"""Growth over the second half of the messages that still counts as none: an arena of the allocator."""
BOOK_OCTETS, LISTED = 10_000_000, 100_000


def started(configuration: Path, port: int, bytecode: Path | None = None) -> tuple[float, Cpu]:
    """Seconds on the wall clock, and what the process took."""
    began = time.monotonic()
    station = Station(configuration, bytecode=bytecode)
    try:
        station.wait(port)
        return time.monotonic() - began, station.tree.cpu()
    finally:
        station.stop()


def starts(ground: Ground, *, quick: bool) -> Section:
    """Until SDP is answered; a car is plugged in already, since without one nothing is answered."""
    section = Section("start", "`secc run` until it answers SDP", ground.factor)
    number = 1 if quick else 5
    configuration, (place,) = ground.configure(1, plugged=True)
    ways: dict[str, list[tuple[float, Cpu]]] = {}
    ways["wall clock"] = [started(configuration, place.sdp_port) for _ in range(number)]
    ways["without byte code"] = [started(configuration, place.sdp_port, ground.directory / "none")]
    book, listed = ground.directory / "sessions.jsonl", ground.directory / "denylist.txt"
    book.write_text(_book(BOOK_OCTETS // (100 if quick else 1)))
    listed.write_text("".join(f"emaid DE8AAC{number:08}\n" for number in range(LISTED // (100 if quick else 1))))
    size = {"sessions": str(book), "sessions_megabytes": 3 * BOOK_OCTETS // 1_000_000}
    for what, uplink in (
        (f"with a session book of {len(book.read_bytes()) / 1e6:.0f} MB", size),
        (f"with a denylist of {LISTED // (100 if quick else 1)} contracts", {"denylist": str(listed)}),
    ):
        configuration, (place,) = ground.configure(1, plugged=True, **uplink)
        ways[what] = [started(configuration, place.sdp_port) for _ in range(number)]
    section.facts = {"ways": ways}
    for what, samples in ways.items():
        walls = [wall for wall, _ in samples]
        waiting = statistics.median(cpu.waiting for _, cpu in samples)
        note = f"CPU {spread([cpu.seconds for _, cpu in samples], 2)} s, {len(samples)} starts"
        goal = WALL_SECONDS if what == "wall clock" else None
        shown = f"{spread(walls, 2)} s"
        section.judge(what, statistics.median(walls), "s", goal, shown=shown, waiting=waiting, note=note)
    return section


def _book(octets: int) -> str:
    """Sessions that have ended, as the station books them."""
    lines: list[str] = []
    size = number = 0
    while size < octets:
        number += 1
        common = {
            "session": f"{number:032x}",
            "outlet": "1",
            "at": "2026-11-01T12:00:00.000+00:00",
            "clock_trusted": True,
        }
        begun = common | {
            "identity": "emaid",
            "masked": "DE8AA****3C4",
            "pseudonym": f"{number:032x}",
            "watt_hours": 1.0,
        }
        for what, row in (("started", begun), ("ended", common | {"reason": "ended.stopped", "watt_hours": 2.0})):
            lines.append(json.dumps({"what": what, **row}) + "\n")
            size += len(lines[-1])
    return "".join(lines)


def memory(ground: Ground, *, quick: bool) -> Section:
    """Resident memory of a station with one outlet: idle, after many sessions, and over many messages."""
    section = Section("memory", "Resident memory, one outlet, traces on", ground.factor)
    exchanges, sessions = (1000, OUTLETS) if quick else (5000, SESSIONS)
    grown = _grown(ground, sessions)
    configuration, (place,) = ground.configure(1)
    own, other = cores()
    order = Order(place.sdp_port, str(place.panel), str(ground.pki / "car"), loops=exchanges, loop_seconds=0.0)
    with running(configuration, core=own, first=True) as station:
        station.wait_for(place.panel)
        time.sleep(PREPARED_SECONDS)
        idle = station.tree.resident()
        cars = Cars([order], core=other, limit=120.0)
        samples: list[tuple[float, float]] = []
        # Until the car has unplugged: its process has ended.
        while cars.running:
            samples.append((time.time(), station.tree.resident()))
            time.sleep(0.05)
        trips = cars.done()
        time.sleep(1.0)
        after = station.tree.resident()
    sent = [one.sent for one in trips.cars[0] if one.name == LOOP]
    middle, end = sent[len(sent) // 2], sent[-1]
    half = max(mib for at, mib in samples if at <= middle)
    full = max(mib for at, mib in samples if at <= end)
    most = max(mib for _, mib in samples)
    section.facts = {"idle": idle, "grown": grown, "half": half, "full": full, "most": most, "after": after}
    _mib(section, "idle", idle, IDLE_MIB)
    note = f"idle, and the {grown:.1f} MiB by which a station of {OUTLETS} outlets grows in as many sessions"
    _mib(section, f"after {sessions} sessions", idle + grown, SESSIONS_MIB, note=note)
    section.add(f"after {exchanges} messages", f"{half:.1f} MiB")
    spent = f"{1e3 * (end - sent[0]) / len(sent):.2f} ms an exchange, back to back"
    _mib(section, f"after {2 * exchanges} messages", full, RESIDENT_MIB, also=full - half <= FLAT_MIB, note=spent)
    note = f"at most {most:.1f} on the way"
    section.add("when the session is over and its trace written", f"{after:.1f} MiB", note=note)
    return section


def _grown(ground: Ground, sessions: int) -> float:
    """MiB by which resident memory is more after so many short sessions, equally many at each outlet."""
    configuration, places = ground.configure(OUTLETS, speed=SPEED)
    own, other = cores()
    pki = str(ground.pki / "car")
    short = [
        Order(one.sdp_port, str(one.panel), pki, loops=3, loop_seconds=0.0, sessions=sessions // OUTLETS)
        for one in places
    ]
    with running(configuration, core=own, first=True) as station:
        station.wait_for(places[-1].panel)
        time.sleep(PREPARED_SECONDS)
        idle = station.tree.resident()
        Cars(short, core=other, limit=300.0).done()
        time.sleep(1.0)
        return station.tree.resident() - idle


def _mib(section: Section, what: str, value: float, goal: float, **more: Any) -> None:
    section.judge(what, value, "MiB", goal, timed=False, shown=f"{value:.1f} MiB", **more)
