"""DIN SPEC 70121 beside ISO 15118-2, both without TLS: answers, processor time of a session, memory.

Both protocols run by turns at one station, with the same simulated car.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from typing import Any, Final

from secc.protocols import protocols
from tools.evcc.behaviour import Behaviour

from .answers import LOOP, MANY, P99_MS, found_in
from .cars import Cars
from .cpu import LOOPS, SPEED, WRITTEN_SECONDS
from .figures import Section, spread
from .inside import charge, run, station
from .starts import PREPARED_SECONDS
from .stations import WATCHED, BenchFailed, Ground, ready
from .walks import Counting

DIN: Final = "din"
ISO2: Final = "iso2"
BOTH_MIB = 1.0
"""Goal for the memory that the second protocol takes."""
SECONDS = 20.0


def answers(ground: Ground, protocol: str, sessions: int, seconds: float) -> dict[str, Any]:
    """Returns the answers of so many sessions of this protocol at once."""
    with ready(ground, sessions, tls=False) as host:
        each = enumerate(host.places)
        cars = Cars([place.order(protocols=(protocol,), delay=0.05 * at) for at, place in each])
        cars.charging()
        window = host.rest(seconds)
        cars.leave()
        trips = cars.done()
        _spoke(host.log, {protocol: sessions})
    return found_in(window, [trips])


def by_turns(ground: Ground, later: int, loops: int) -> dict[str, list[float]]:
    """Returns the milliseconds of processor time of sessions of both protocols, boards apart, at one station. The
    first of each is left out: it compiles.
    """
    found: dict[str, list[float]] = {DIN: [], ISO2: []}

    def session() -> None:
        Cars([host.places[0].order(protocols=(protocol,), loops=loops)]).done()
        time.sleep(WRITTEN_SECONDS)

    with ready(ground, 1, WATCHED, first=True, speed=SPEED, tls=False) as host:
        time.sleep(PREPARED_SECONDS)
        for _ in range(1 + later):
            for protocol in found:
                found[protocol].append(1000.0 * host.span(session, watched=True).own)
        _spoke(host.log, dict.fromkeys(found, 1 + later))
    return {protocol: taken[1:] for protocol, taken in found.items()}


def calls(ground: Ground, loops: int) -> dict[str, int]:
    """Returns the calls of ours on the event loop in a session of each protocol, in virtual time. A first session
    compiles and caches.
    """
    configuration, (place,) = ground.configure(1, tls=False)
    found: dict[str, int] = {}

    async def sessions() -> None:
        async with station(configuration):
            for protocol in (DIN, ISO2):
                await charge(ground, place, Behaviour(protocols=(protocol,), loops=2))
                counter = Counting()
                counter.begin()
                await charge(ground, place, Behaviour(protocols=(protocol,), loops=loops))
                found[protocol] = counter.end().calls

    run(sessions())
    return found


def resident(ground: Ground, protocols: Sequence[str]) -> tuple[float, float]:
    """Returns the MiB of a station that speaks these: idle, and after two sessions, one of each if it speaks two."""
    with ready(ground, 1, first=True, tls=False, protocols=protocols) as host:
        time.sleep(PREPARED_SECONDS)
        idle = host.tree.resident()
        for protocol in (protocols[0], protocols[-1]):
            Cars([host.places[0].order(protocols=(protocol,), loops=3)]).done()
            time.sleep(WRITTEN_SECONDS)
        return idle, host.tree.resident()


def _spoke(log: str, sessions: dict[str, int]) -> None:
    """Raises BenchFailed unless the log has so many sessions of each protocol."""
    names = _names()
    for protocol, count in sessions.items():
        said = sum(f": {names[protocol]}, offered: " in line for line in log.splitlines())
        if said != count:
            raise BenchFailed(f"{said} sessions of {names[protocol]} instead of {count}")


def _names() -> dict[str, str]:
    """Returns the names of both protocols. Raises BenchFailed if the station lacks one."""
    names = {protocol.key: protocol.name for protocol in protocols() if protocol.key in (DIN, ISO2)}
    if len(names) != 2:
        raise BenchFailed("the station does not have both protocols")
    return names


def measure(ground: Ground, *, quick: bool) -> Section:
    """Returns the table of both."""
    names = _names()
    din, iso2 = names[DIN], names[ISO2]
    section = Section("din", "DIN SPEC 70121 beside ISO 15118-2, both on plain TCP, traces on", ground.factor)
    sessions, seconds, later, loops, rounds = (3, 1.0, 1, 5, 1) if quick else (MANY, SECONDS, 5, LOOPS, 3)
    for protocol in (DIN, ISO2):
        found = answers(ground, protocol, sessions, seconds)
        section.facts[f"answers, {protocol}"] = found
        what = f"{names[protocol]}: answer to {LOOP}, {sessions} sessions, every 100 ms"
        cost = found["cpu"]
        note = f"station's CPU {found['cpu us an answer']:.0f} us an answer"
        section.judge_p99(what, found["answers"], P99_MS.get(sessions), cost, found["seconds"], note)
    taken = by_turns(ground, later, loops)
    section.facts["sessions"] = taken
    medians = {protocol: statistics.median(samples) for protocol, samples in taken.items()}
    section.add(
        f"{din}: processor time of a session with {loops} loops and its trace",
        f"{spread(taken[DIN])} ms",
        goal=f"at most that of {iso2}",
        met=medians[DIN] <= medians[ISO2],
        note=f"{iso2}: {spread(taken[ISO2])} ms",
    )
    counts = calls(ground, loops)
    section.facts["calls"] = counts
    section.add(
        f"{din}: calls of ours in such a session, on the event loop",
        f"{counts[DIN]}",
        goal=f"at most those of {iso2}",
        met=counts[DIN] <= counts[ISO2],
        note=f"{iso2}: {counts[ISO2]}",
    )
    memory = {both: [resident(ground, keys) for _ in range(rounds)] for both, keys in _spoken().items()}
    section.facts["memory"] = memory
    for number, when in enumerate(("idle", "after two sessions, one of each")):
        both, one = ([samples[number] for samples in memory[which]] for which in ("both", "one"))
        more = statistics.median(both) - statistics.median(one)
        note = f"{spread(both)} MiB, {spread(one)} MiB with {iso2} alone"
        what = f"memory of the second protocol, {when}"
        section.judge(what, more, "MiB", BOTH_MIB, timed=False, shown=f"{more:.2f} MiB", note=note)
    return section


def _spoken() -> dict[str, tuple[str, ...]]:
    return {"one": (ISO2,), "both": (ISO2, DIN)}
