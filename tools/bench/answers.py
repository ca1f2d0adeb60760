"""How long a station takes to answer CurrentDemandReq over TLS: one session and many, and beside what else a station does."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from .car import Order
from .cars import Cars, Trips
from .figures import Section, answer_times
from .proc import cores
from .stations import BenchFailed, Ground, Outlet, Span, Station, running

LOOP = "CurrentDemandReq"
MANY = 20
P99_MS = {1: None, MANY: 6.0, 50: 15.0, 100: None}
"""By sessions; where there is no goal the p99 is reported."""
SECONDS = 60.0
"""Long enough for the rings of all traces to be full."""
ANSWERS_A_SECOND = 900.0
"""Of a hundred sessions."""
FULL_RINGS_MIB = 55.0
BESIDE_SECONDS = 8.0
ENDING = 30
"""Of fifty sessions so many end, and twenty go on beside the writing of their traces."""
SLOW_KEY_MS = 6.0


def orders(ground: Ground, places: Sequence[Outlet], period: float = 0.1) -> list[Order]:
    """A car for each outlet; they arrive one after the other, and send every 100 ms."""
    return [
        Order(place.sdp_port, str(place.panel), str(ground.pki / "car"), loop_seconds=period, delay=0.05 * number)
        for number, place in enumerate(places)
    ]


def ready(station: Station, places: Sequence[Outlet]) -> None:
    for place in places:
        station.wait_for(place.panel)


def found_in(span: Span, trips: Sequence[Trips]) -> dict[str, Any]:
    """What was answered of what was sent in it, and what it cost. BenchFailed where it is nothing."""
    sent = [one for each in trips for one in each.sent(LOOP, span.began, span.ended)]
    if not sent:
        raise BenchFailed("nothing was answered")
    return {
        "answers": answer_times(one.answer for one in sent),
        "seen by the car": answer_times(one.answer_seen for one in sent),
        "a second": len(sent) / span.seconds,
        "seconds": span.seconds,
        "cpu": span.cost,
        "cpu us an answer": 1e6 * span.cost.seconds / len(sent),
    }


def loaded(ground: Ground, sessions: int, seconds: float, *, ending: int = 0, reloads: bool = False) -> dict[str, Any]:
    """This many sessions at once in one station; what its answers took and what they cost. ``beside`` is the same of some seconds after
    that, in which so many sessions end, or what a station reads is read anew every second."""
    configuration, places = ground.configure(sessions)
    own, other = cores()
    with running(configuration, core=own) as station:
        ready(station, places)
        each = orders(ground, places)
        groups = [Cars(some, limit=seconds + 120.0, core=other) for some in (each[ending:], each[:ending]) if some]
        for cars in groups:
            cars.charging()
        before = sum(cars.tree.cpu().seconds for cars in groups)
        window = station.span(lambda: time.sleep(seconds))
        busy = (sum(cars.tree.cpu().seconds for cars in groups) - before) / seconds
        resident = station.tree.resident()
        beside = None
        if ending or reloads:
            leaving = groups[1] if ending else None
            beside = station.span(lambda: _beside(station, leaving, min(BESIDE_SECONDS, seconds)))
        for cars in groups:
            cars.leave()
        trips = [cars.done(all_well=False) for cars in groups]
        problems = [problem for each_trips in trips for problem in each_trips.problems]
        if not problems:
            station.charged_by_contract(sessions)
    return found_in(window, trips) | {
        "sessions": sessions,
        "resident": resident,
        "cars": busy,
        "lost": problems,
        "beside": None if beside is None else found_in(beside, trips[:1]),
    }


def _beside(station: Station, leaving: Cars | None, seconds: float) -> None:
    if leaving is not None:
        leaving.leave()
    for _ in range(int(seconds)):
        if leaving is None:
            os.kill(station.tree.pid, signal.SIGHUP)
        time.sleep(1.0)


def beside_slow_key(ground: Ground, seconds: float) -> dict[str, Any]:
    """One outlet charges while another shakes hands again and again with a key that takes 300 ms."""
    configuration, places = ground.configure(2)
    own, other = cores()
    car, shaking = orders(ground, places)
    with running(configuration, program=("tools.bench.slow_key",), core=own) as station:
        ready(station, places)
        cars = Cars([car, replace(shaking, shakes=True)], core=other)
        cars.charging()
        window = station.span(lambda: time.sleep(seconds))
        cars.leave()
        trips = cars.done()
        station.charged_by_contract(1)
    shook = [one.answer_seen for one in trips.sent("shaken", window.began, window.ended)]
    if len(shook) < 3:
        raise BenchFailed(f"only {len(shook)} handshakes came about beside the session")
    return found_in(window, [trips]) | {"handshakes": len(shook), "handshake ms": answer_times(shook)}


def measure(ground: Ground, *, quick: bool) -> Section:
    """The table of answer times."""
    title = "Answers to CurrentDemandReq over TLS 1.2, every 100 ms a session, traces on"
    section = Section("answers", title, ground.factor)
    for sessions, goal in {3: None}.items() if quick else P99_MS.items():
        ending = 1 if quick else ENDING if sessions == 50 else 0
        seconds = 2.0 if quick else 6.0 if sessions == 1 else SECONDS
        found = loaded(ground, sessions, seconds, ending=ending, reloads=sessions == MANY)
        section.facts[f"{sessions} sessions"] = found
        lost = found["lost"]
        what = f"{sessions} session{'s' if sessions > 1 else ''} in one process, {seconds:.0f} s"
        _answers(section, what, found, goal, _costs(found))
        if sessions == 100:
            section.add(
                "— sessions lost, answers a second",
                f"{len(lost)}, {found['a second']:.0f}",
                goal=f"none, at least {ANSWERS_A_SECOND:.0f}",
                met=not lost and found["a second"] >= ANSWERS_A_SECOND,
                note="; ".join(sorted(set(lost))[:2]),
            )
        elif lost:
            section.add(
                "— sessions lost", f"{len(lost)}", goal="none", met=False, note="; ".join(sorted(set(lost))[:2])
            )
        if sessions == MANY:
            section.judge("— resident, with full rings", found["resident"], "MiB", FULL_RINGS_MIB, timed=False)
        beside = found["beside"]
        if beside is not None:
            doing = (
                f"{ending} others end and their traces are written"
                if ending
                else "roots, lists and keys are read anew every second"
            )
            _answers(section, f"{sessions - ending} sessions, while {doing}", beside, None, _costs(beside))
    found = beside_slow_key(ground, 2.0 if quick else 6.0)
    section.facts["slow key"] = found
    note = f"{found['handshakes']} handshakes beside it, {found['handshake ms']['p50']:.0f} ms each"
    _answers(section, "1 session, while the key of another outlet takes 300 ms", found, SLOW_KEY_MS, note)
    return section


def _answers(section: Section, what: str, found: dict[str, Any], goal: float | None, note: str) -> None:
    section.judge_p99(what, found["answers"], goal, found["cpu"], found["seconds"], note)


def _costs(found: dict[str, Any]) -> str:
    return (
        f"{found['a second']:.0f} answers a second, at the car {found['seen by the car']['p99']:.2f} ms p99; station's CPU "
        f"{found['cpu us an answer']:.0f} us an answer ({found['cpu'].seconds / found['seconds']:.0%} of a core)"
        + (f"; the cars took {found['cars']:.0%} of theirs" if found.get("cars", 0.0) > 0.5 else "")
    )
