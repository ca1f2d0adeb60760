"""The time that a station takes to answer CurrentDemandReq over TLS: with one session and many, and beside
its other work.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from .cars import Cars, Trips
from .figures import Section, answer_times
from .stations import BenchFailed, Ground, Span, Station, by_contract, ready

LOOP = "CurrentDemandReq"
MANY = 20
P99_MS = {1: None, MANY: 6.0, 50: 15.0, 100: None}
"""Goals by number of sessions; None: the p99 is reported only."""
SECONDS = 60.0
"""After this time the rings of all traces are full."""
ANSWERS_A_SECOND = 900.0
"""The goal of a hundred sessions."""
FULL_RINGS_MIB = 55.0
BESIDE_SECONDS = 8.0
ENDING = 30
"""Of fifty sessions, this many end, and the others go on beside the writing of their traces."""
SLOW_KEY_MS = 6.0


def arriving(station: Station, period: float = 0.1, *, ending: int = 0) -> list[Cars]:
    """One car for each outlet, with a message each ``period``; they arrive one after the other, and all charge
    when this returns. ``ending``: this many are in a second process, and can end earlier.
    """
    each = [place.order(loop_seconds=period, delay=0.05 * at) for at, place in enumerate(station.places)]
    groups = [Cars(some) for some in (each[ending:], each[:ending]) if some]
    for cars in groups:
        cars.charging()
    return groups


def found_in(span: Span, trips: Sequence[Trips]) -> dict[str, Any]:
    """Returns the answers to requests sent in this span, and their cost. Raises BenchFailed if there are none."""
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
    """Run this many sessions at once at one station. Returns their answers and cost. ``beside`` has those of
    some further seconds, in which ``ending`` sessions end, or roots, lists and keys are reloaded each second.
    """
    with ready(ground, sessions) as station:
        groups = arriving(station, ending=ending)
        before = sum(cars.tree.cpu().seconds for cars in groups)
        window = station.rest(seconds)
        busy = (sum(cars.tree.cpu().seconds for cars in groups) - before) / seconds
        resident = station.tree.resident()
        beside = None
        if ending or reloads:
            leaving = groups[1] if ending else None
            beside = station.span(lambda: _beside(station, leaving, min(BESIDE_SECONDS, seconds)))
        for cars in groups:
            cars.leave()
        trips = [cars.done(all_well=False) for cars in groups]
        problems = [problem for each in trips for problem in each.problems]
        if not problems:
            by_contract(station.directory / "log", sessions)
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
    """One outlet charges; at another one a car repeats the handshake with a key that takes 300 ms to sign."""
    with ready(ground, 2, ("tools.bench.slow_key",)) as station:
        car, shaking = (place.order(delay=0.05 * at) for at, place in enumerate(station.places))
        cars = Cars([car, replace(shaking, shakes=True)])
        cars.charging()
        window = station.rest(seconds)
        cars.leave()
        trips = cars.done()
        by_contract(station.directory / "log", 1)
    shook = [one.answer_seen for one in trips.sent("shaken", window.began, window.ended)]
    if len(shook) < 3:
        raise BenchFailed(f"only {len(shook)} handshakes beside the session")
    return found_in(window, [trips]) | {"handshakes": len(shook), "handshake ms": answer_times(shook)}


def measure(ground: Ground, *, quick: bool) -> Section:
    """Returns the table of answer times."""
    title = "Answers to CurrentDemandReq over TLS 1.2, every 100 ms a session, traces on"
    section = Section("answers", title, ground.factor)
    for sessions, goal in {3: None}.items() if quick else P99_MS.items():
        ending = 1 if quick else ENDING if sessions == 50 else 0
        seconds = 2.0 if quick else 6.0 if sessions == 1 else SECONDS
        found = loaded(ground, sessions, seconds, ending=ending, reloads=sessions == MANY)
        section.facts[f"{sessions} sessions"] = found
        lost = found["lost"]
        what = f"{sessions} session{'s' if sessions > 1 else ''} in one process, {seconds:.0f} s"
        _answers(section, what, found, goal)
        reasons = "; ".join(sorted(set(lost))[:2])
        if sessions == 100:
            met = not lost and found["a second"] >= ANSWERS_A_SECOND
            shown = f"{len(lost)}, {found['a second']:.0f}"
            aim = f"none, at least {ANSWERS_A_SECOND:.0f}"
            section.add("— sessions lost, answers a second", shown, goal=aim, met=met, note=reasons)
        elif lost:
            section.add("— sessions lost", f"{len(lost)}", goal="none", met=False, note=reasons)
        if sessions == MANY:
            section.judge("— resident, with full rings", found["resident"], "MiB", FULL_RINGS_MIB, timed=False)
        if found["beside"] is not None:
            ends = f"{ending} others end and their traces are written"
            doing = ends if ending else "roots, lists and keys are read anew every second"
            _answers(section, f"{sessions - ending} sessions, while {doing}", found["beside"])
    found = beside_slow_key(ground, 2.0 if quick else 6.0)
    section.facts["slow key"] = found
    note = f"{found['handshakes']} handshakes beside it, {found['handshake ms']['p50']:.0f} ms each"
    _answers(section, "1 session, while the key of another outlet takes 300 ms", found, SLOW_KEY_MS, note)
    return section


def _answers(
    section: Section, what: str, found: dict[str, Any], goal: float | None = None, note: str | None = None
) -> None:
    if note is None:
        note = (
            f"{found['a second']:.0f} answers a second, at the car {found['seen by the car']['p99']:.2f} ms p99; station's "
            f"CPU {found['cpu us an answer']:.0f} us an answer ({found['cpu'].seconds / found['seconds']:.0%} of a core)"
            + (f"; the cars took {found['cars']:.0%} of theirs" if found.get("cars", 0.0) > 0.5 else "")
        )
    section.judge_p99(what, found["answers"], goal, found["cpu"], found["seconds"], note)
