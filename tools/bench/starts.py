"""``secc run`` from the start of its process to its first SDP answer, and its memory from then on."""

from __future__ import annotations

import json
import statistics
import time
from pathlib import Path
from typing import Any

from .answers import LOOP
from .cars import Cars
from .cpu import SPEED
from .figures import Section, spread
from .proc import Cpu
from .stations import Ground, ready, running

WALL_SECONDS = 0.25
IDLE_MIB, SESSIONS_MIB, RESIDENT_MIB = 45.0, 47.0, 50.0
PREPARED_SECONDS = 3.0
"""A ready station prepares readers and writers in this time."""
SESSIONS, OUTLETS = 100, 5
"""Number of sessions, and of outlets that share them: one outlet would take four minutes."""
FLAT_MIB = 1.0
"""Growth over the second half of the messages that does not count: one arena of the allocator."""
BOOK_OCTETS, LISTED = 10_000_000, 100_000


def started(configuration: Path, port: int, bytecode: Path | None = None) -> tuple[float, Cpu]:
    """Returns seconds on the wall clock, and the cost of the process."""
    began = time.monotonic()
    with running(configuration, bytecode=bytecode) as station:
        station.wait(port)
        return time.monotonic() - began, station.tree.cpu()


def starts(ground: Ground, *, quick: bool) -> Section:
    """Measure starts. A car is plugged in from the start: without a car the station does not answer SDP."""
    section = Section("start", "`secc run` until it answers SDP", ground.factor)
    number, octets, listed = (1, BOOK_OCTETS // 100, LISTED // 100) if quick else (5, BOOK_OCTETS, LISTED)
    configuration, (place,) = ground.configure(1, plugged=True)
    ways: dict[str, list[tuple[float, Cpu]]] = {}
    ways["wall clock"] = [started(configuration, place.sdp_port) for _ in range(number)]
    ways["without byte code"] = [started(configuration, place.sdp_port, ground.directory / "none")]
    book, denylist = ground.directory / "sessions.jsonl", ground.directory / "denylist.txt"
    book.write_text(_book(octets))
    denylist.write_text("".join(f"emaid DE8AAC{number:08}\n" for number in range(listed)))
    size = {"sessions": str(book), "sessions_megabytes": 3 * BOOK_OCTETS // 1_000_000}
    for what, uplink in (
        (f"with a session book of {len(book.read_bytes()) / 1e6:.0f} MB", size),
        (f"with a denylist of {listed} contracts", {"denylist": str(denylist)}),
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
    """Returns the lines of ended sessions, as the station writes them."""
    started = {"identity": "emaid", "masked": "DE8AA****3C4", "watt_hours": 1.0}
    lines: list[str] = []
    size = 0
    while size < octets:
        number = f"{len(lines):032x}"
        at = {"session": number, "outlet": "1", "at": "2026-11-01T12:00:00.000+00:00", "clock_trusted": True}
        for row in (
            {"what": "started"} | at | started | {"pseudonym": number},
            {"what": "ended"} | at | {"reason": "ended.stopped", "watt_hours": 2.0},
        ):
            lines.append(json.dumps(row) + "\n")
            size += len(lines[-1])
    return "".join(lines)


def memory(ground: Ground, *, quick: bool) -> Section:
    """Measure the resident memory of a station: idle, after many sessions, and over many messages."""
    section = Section("memory", "Resident memory, one outlet, traces on", ground.factor)
    exchanges, sessions = (1000, OUTLETS) if quick else (5000, SESSIONS)
    grown = _grown(ground, sessions)
    with ready(ground, 1, first=True) as station:
        time.sleep(PREPARED_SECONDS)
        idle = station.tree.resident()
        cars = Cars([station.places[0].order(loops=exchanges, loop_seconds=0.0)])
        samples: list[tuple[float, float]] = []
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
    """Returns the growth of resident memory over so many short sessions, in MiB."""
    with ready(ground, OUTLETS, first=True, speed=SPEED) as station:
        time.sleep(PREPARED_SECONDS)
        idle = station.tree.resident()
        each = {"loops": 3, "loop_seconds": 0.0, "sessions": sessions // OUTLETS}
        Cars([place.order(**each) for place in station.places]).done()
        time.sleep(1.0)
        return station.tree.resident() - idle


def _mib(section: Section, what: str, value: float, goal: float, **more: Any) -> None:
    section.judge(what, value, "MiB", goal, timed=False, shown=f"{value:.1f} MiB", **more)
