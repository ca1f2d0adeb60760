"""Processor time of the station without the simulated boards: a session, a second of charging, an idle
outlet, an answer.

:mod:`tools.bench.watched` tells the boards' share of the same run.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

from .answers import LOOP, MANY, arriving
from .cars import Cars, Trips
from .figures import Section, quantile, spread
from .stations import WATCHED, Ground, Span, Station, by_contract, ready

LOOPS = 20
SPEED = 10.0
"""Of a session's simulated world: its cable check takes half a second instead of five, so less is subtracted."""
SILENT = 4.0
"""Seconds between two messages of a silent car, fewer in a short run. After five the station takes its current
away.
"""
PREPARED = 0.3
"""Share of the time that a ready station gets for its preparations, three seconds of ten: they belong to no
session.
"""
RISING = 1.5
"""Share of the time in which a car's current rises, 15 seconds of ten: it gets ten new setpoints a second then."""
WINDOWS = 3
WRITTEN_SECONDS = 1.5
SESSION_MS, SECOND_MS, IDLE_MS, ANSWER_MS, DECODE_US = 40.0, 7.0, 0.2, 0.4, 20.0


def without_passing(session: Span, trips: Trips, silent: float, idle: float) -> float:
    """Returns a session's cost less the cost of the seconds that pass: ``silent`` is that of a second while a
    car charges without messages, ``idle`` without a car.
    """
    exchanges = trips.cars[0]
    connected = exchanges[-1].seen - exchanges[0].sent
    return session.own - silent * connected - idle * (session.seconds - connected)


def one_outlet(ground: Ground, later: int, loops: int, seconds: float) -> dict[str, Any]:
    """Measure sessions of a fresh process, one after the other, then a car that charges without messages."""

    def session() -> None:
        trips.append(Cars([station.places[0].order(loops=loops)]).done())
        time.sleep(WRITTEN_SECONDS)

    trips: list[Trips] = []
    with ready(ground, 1, WATCHED, first=True, speed=SPEED) as station:
        time.sleep(PREPARED * seconds)
        sessions = [station.span(session, watched=True) for _ in range(1 + later)]
        idle = _windows(station, seconds / 6)
        silent = _charging(station, min(SILENT, 1.5 * seconds), min(1.0, seconds / 3))
        by_contract(station.directory / "log", 2 + later)
    passing = [statistics.median(span.rate for span in spans) for spans in (silent, idle)]
    return {
        "sessions": [without_passing(cost, trip, *passing) for cost, trip in zip(sessions, trips, strict=True)],
        "with what passes": [cost.own for cost in sessions],
        "boards": [cost.board for cost in sessions],
        "silent": passing[0],
        "idle": passing[1],
    } | charging_outlet(ground, seconds)


def charging_outlet(ground: Ground, seconds: float) -> dict[str, Any]:
    """Measure a second of charging at 10 Hz. The world has its own speed: in ten times that, the battery fills
    and the insulation is measured so much faster, and the station answers both.
    """
    with ready(ground, 1, WATCHED, first=True) as station:
        second = _charging(station, 0.1, seconds / WINDOWS, RISING * seconds)
        by_contract(station.directory / "log", 1)
    return {
        "charging": statistics.median(span.rate for span in second),
        "charging, board": statistics.median(span.board / span.seconds for span in second),
        "turns": statistics.median(span.seen["turns"] / span.seconds for span in second),
        "decodes": [one for span in second for one in span.seen["decodes"]],
    }


def _windows(station: Station, seconds: float) -> list[Span]:
    """Returns windows of so many seconds; their median leaves out work that is due once a minute."""
    return [station.rest(seconds, watched=True) for _ in range(WINDOWS)]


def _charging(station: Station, period: float, seconds: float, rising: float = 0.2) -> list[Span]:
    """The same while a car charges at each outlet, with a message every ``period`` seconds; its current has
    risen for so long before.
    """
    (cars,) = arriving(station, period)
    time.sleep(rising)
    spans = _windows(station, seconds)
    cars.leave()
    cars.done()
    time.sleep(WRITTEN_SECONDS)
    return spans


def many_outlets(ground: Ground, outlets: int, seconds: float) -> dict[str, Any]:
    """Measure so many outlets, first without cars, then each with a car that charges at 10 Hz."""
    with ready(ground, outlets, WATCHED, first=True) as station:
        time.sleep(PREPARED * seconds)
        idle = _windows(station, seconds / WINDOWS)
        (cars,) = arriving(station)
        cost = station.rest(seconds, watched=True)
        cars.leave()
        answers = len(cars.done().sent(LOOP, cost.began, cost.ended))
        by_contract(station.directory / "log", outlets)
    return {
        "idle": statistics.median(span.rate for span in idle) / outlets,
        "idle, board": statistics.median(span.board / span.seconds for span in idle) / outlets,
        "answer": cost.own / answers,
        "answer, board": cost.board / answers,
    }


def measure(ground: Ground, *, quick: bool) -> Section:
    """Returns the table of processor time."""
    section = Section("cpu", "Processor time of the station, simulated boards apart, traces on", ground.factor)
    outlets = 3 if quick else MANY
    later, loops, seconds = (1, 5, 1.0) if quick else (4, LOOPS, 10.0)
    runs = [one_outlet(ground, later, loops, seconds) for _ in range(1 if quick else 2)]
    many = many_outlets(ground, outlets, seconds)
    section.facts = {"runs": runs, "many": many}

    def typical(name: str) -> float:
        return statistics.median(float(run[name]) for run in runs)

    first = [1000.0 * run["sessions"][0] for run in runs]
    others = [1000.0 * one for run in runs for one in run["sessions"][1:]]
    boards = statistics.median(1000.0 * one for run in runs for one in run["boards"])
    beside = f"beside it {1000.0 * typical('silent'):.1f} ms a second that passes, and {boards:.0f} ms of the board"
    session = f"a DC Plug & Charge session with {loops} loops and its trace"
    charging = [1000.0 * run["charging"] for run in runs]
    turns = (
        f"{typical('turns'):.0f} turns of the loop; beside it {1000.0 * typical('charging, board'):.1f} ms of the board"
    )
    decodes = [one for run in runs for one in run["decodes"]]
    rare = f"p99 {quantile(decodes, 0.99):.0f} us of {len(decodes)}, one every 100 ms"
    for what, samples, goal, note in (
        (f"{session}, the first of a process: without the seconds that pass", first, SESSION_MS, beside),
        (f"{session}, later ones: without the seconds that pass", others, SESSION_MS, beside),
        ("a second of charging at 10 Hz, one outlet", charging, SECOND_MS, turns),
    ):
        section.judge(what, statistics.median(samples), "ms", goal, shown=f"{spread(samples)} ms", note=note)
    for what, name, goal in (
        (f"a second of an idle outlet, of {outlets}", "idle", IDLE_MS),
        (f"an answer at {outlets} outlets, 10 Hz", "answer", ANSWER_MS),
    ):
        note = f"beside it {1000.0 * many[f'{name}, board']:.2f} ms of the board"
        section.judge(what, 1000.0 * many[name], "ms", goal, note=note)
    section.judge(f"{LOOP}, decoded in a session", statistics.median(decodes), "us", DECODE_US, note=rare)
    return section
