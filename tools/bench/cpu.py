"""Processor time of the station, without that of the simulated boards: a session, a second of charging, an idle outlet, an answer.

The boards' share is what the account of :mod:`tools.bench.watched` says of the same run.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

from .answers import LOOP, MANY, orders, ready
from .car import Order
from .cars import Cars, Trips
from .figures import Section, quantile, spread
from .proc import cores
from .stations import WATCHED, Ground, Outlet, Span, Station, running

LOOPS = 20
SPEED = 10.0
"""Of the simulated world of a session: its cable check takes half a second, which is less to take away from the figure than five."""
SILENT = 4.0
"""Seconds between two messages of a car that charges in silence; of one that is silent for longer the current is taken away."""
PREPARED = 0.3
"""What a station prepares once it is ready belongs to no session: it has three seconds for it, or where all is shorter its share of the time."""
WINDOWS = 3
WRITTEN_SECONDS = 1.5
SESSION_MS, SECOND_MS, IDLE_MS, ANSWER_MS, DECODE_US = 40.0, 7.0, 0.2, 0.4, 20.0


def without_passing(session: Span, trips: Trips, silent: float, idle: float) -> float:
    """What is left of a session's cost when the seconds that merely pass are taken away: ``silent`` is what a second takes while a car charges
    and says nothing, ``idle`` without a car."""
    exchanges = trips.cars[0]
    connected = exchanges[-1].seen - exchanges[0].sent
    return session.own - silent * connected - idle * (session.seconds - connected)


def one_outlet(ground: Ground, later: int, loops: int, seconds: float) -> dict[str, Any]:
    """Sessions of a fresh process, one after the other; then a car that charges, in silence and at 10 Hz."""
    configuration, places = ground.configure(1, speed=SPEED)
    own, other = cores()
    car = Order(places[0].sdp_port, str(places[0].panel), str(ground.pki / "car"), loops=loops)

    def session() -> None:
        trips.append(Cars([car], core=other).done())
        time.sleep(WRITTEN_SECONDS)

    trips: list[Trips] = []

    with running(configuration, program=WATCHED, core=own, first=True) as station:
        ready(station, places)
        time.sleep(PREPARED * seconds)
        sessions = [station.span(session, watched=True) for _ in range(1 + later)]
        idle = _windows(station, seconds / 6)
        silent = _charging(ground, station, places, SILENT, min(1.0, seconds / 3))
        second = _charging(ground, station, places, 0.1, seconds / WINDOWS)
        station.charged_by_contract(3 + later)
    passing = [statistics.median(span.rate for span in spans) for spans in (silent, idle)]
    return {
        "sessions": [without_passing(cost, trip, *passing) for cost, trip in zip(sessions, trips, strict=True)],
        "with what passes": [cost.own for cost in sessions],
        "boards": [cost.board for cost in sessions],
        "silent": passing[0],
        "idle": passing[1],
        "charging": statistics.median(span.rate for span in second),
        "charging, board": statistics.median(span.board / span.seconds for span in second),
        "turns": statistics.median(span.seen["turns"] / span.seconds for span in second),
        "decodes": [one for span in second for one in span.seen["decodes"]],
    }


def _windows(station: Station, seconds: float) -> list[Span]:
    """What it takes in some windows of so many seconds: their median leaves out what comes once a minute."""
    return [station.span(lambda: time.sleep(seconds), watched=True) for _ in range(WINDOWS)]


def _charging(
    ground: Ground, station: Station, places: tuple[Outlet, ...], period: float, seconds: float
) -> list[Span]:
    """The same while a car charges at each outlet, with a message every ``period`` seconds."""
    _, other = cores()
    cars = Cars(orders(ground, places, period), limit=120.0, core=other)
    cars.charging()
    time.sleep(0.2)
    spans = _windows(station, seconds)
    cars.leave()
    cars.done()
    time.sleep(WRITTEN_SECONDS)
    return spans


def many_outlets(ground: Ground, outlets: int, seconds: float) -> dict[str, Any]:
    """So many outlets, first without cars, then each with one that charges at 10 Hz."""
    configuration, places = ground.configure(outlets)
    own, other = cores()
    with running(configuration, program=WATCHED, core=own, first=True) as station:
        ready(station, places)
        time.sleep(PREPARED * seconds)
        idle = _windows(station, seconds / WINDOWS)
        cars = Cars(orders(ground, places), limit=120.0, core=other)
        cars.charging()
        cost = station.span(lambda: time.sleep(seconds), watched=True)
        cars.leave()
        answers = len(cars.done().sent(LOOP, cost.began, cost.ended))
        station.charged_by_contract(outlets)
    return {
        "idle": statistics.median(span.rate for span in idle) / outlets,
        "idle, board": statistics.median(span.board / span.seconds for span in idle) / outlets,
        "answer": cost.own / answers,
        "answer, board": cost.board / answers,
    }


def measure(ground: Ground, *, quick: bool) -> Section:
    """The table of processor time."""
    section = Section("cpu", "Processor time of the station, simulated boards apart, traces on", ground.factor)
    outlets = 3 if quick else MANY
    later, loops, seconds = (1, 5, 1.0) if quick else (4, LOOPS, 10.0)
    runs = [one_outlet(ground, later, loops, seconds) for _ in range(1 if quick else 2)]
    many = many_outlets(ground, outlets, seconds)
    section.facts = {"runs": runs, "many": many}
    first = [1000.0 * run["sessions"][0] for run in runs]
    others = [1000.0 * one for run in runs for one in run["sessions"][1:]]
    boards = statistics.median(1000.0 * one for run in runs for one in run["boards"])
    silent = statistics.median(1000.0 * run["silent"] for run in runs)
    for what, samples in (("the first of a process", first), ("later ones", others)):
        section.judge(
            f"a DC Plug & Charge session with {loops} loops and its trace, {what}: without the seconds that pass",
            statistics.median(samples),
            "ms",
            SESSION_MS,
            shown=f"{spread(samples)} ms",
            note=f"beside it {silent:.1f} ms a second that passes, and {boards:.0f} ms of the board",
        )
    charging = [1000.0 * run["charging"] for run in runs]
    board = statistics.median(1000.0 * run["charging, board"] for run in runs)
    turns = statistics.median(run["turns"] for run in runs)
    section.judge(
        "a second of charging at 10 Hz, one outlet",
        statistics.median(charging),
        "ms",
        SECOND_MS,
        shown=f"{spread(charging)} ms",
        note=f"{turns:.0f} turns of the loop; beside it {board:.1f} ms of the board",
    )
    section.judge(
        f"a second of an idle outlet, of {outlets}",
        1000.0 * many["idle"],
        "ms",
        IDLE_MS,
        note=f"beside it {1000.0 * many['idle, board']:.2f} ms of the board",
    )
    section.judge(
        f"an answer at {outlets} outlets, 10 Hz",
        1000.0 * many["answer"],
        "ms",
        ANSWER_MS,
        note=f"beside it {1000.0 * many['answer, board']:.2f} ms of the board",
    )
    decodes = [one for run in runs for one in run["decodes"]]
    section.judge(
        "CurrentDemandReq, decoded in a session",
        statistics.median(decodes),
        "us",
        DECODE_US,
        note=f"p99 {quantile(decodes, 0.99):.0f} us of {len(decodes)}, one every 100 ms",
    )
    return section
