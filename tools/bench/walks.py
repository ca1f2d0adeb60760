"""The number of the station's calls for an answer, and of the files that they are in: a walk of docs/performance.md.

:mod:`tools.bench.inside` says which calls count.
"""

from __future__ import annotations

import gc
import logging
import sys
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any
from unittest import mock

from secc.station.serving.connection import V2gConnection
from tools.evcc.behaviour import Behaviour, Payment
from tools.evcc.line import Line

from .figures import Section
from .inside import UNNAMED, caller, charge, is_stations, run, station
from .stations import ROOT, BenchFailed, Ground

LOOPS = 20
DEMAND_CALLS, DEMAND_FILES = 140, 26


@dataclass(frozen=True, slots=True)
class Walk:
    """So many calls in so many files; ``by_file`` has the calls of each."""

    calls: int
    files: int
    by_file: tuple[tuple[str, int], ...] = field(compare=False, repr=False, default=())


class Counting:
    """Counts calls between ``begin`` and ``end``."""

    def __init__(self) -> None:
        self._found: list[str] = []
        self._written = 0
        """The number of calls before the station last wrote to a socket."""

    def begin(self) -> None:
        self._found, self._written = [], 0
        sys.setprofile(self._note)

    def end(self, *, at_write: bool = False) -> Walk:
        """Returns the calls since ``begin``; ``at_write``: only up to the last octets that were written."""
        sys.setprofile(None)
        counted = Counter(self._found[: self._written] if at_write else self._found)
        return Walk(sum(counted.values()), len(counted), tuple(counted.most_common()))

    def _note(self, frame: FrameType, event: str, _: Any) -> None:
        if event != "call":
            return
        file, name = frame.f_code.co_filename, frame.f_code.co_name
        if is_stations(file):
            if name not in UNNAMED and caller(frame):
                self._found.append(file.removeprefix(f"{ROOT}/"))
        elif name == "write" and frame.f_back and is_stations(frame.f_back.f_code.co_filename) and caller(frame):
            self._written = len(self._found)


@dataclass(slots=True)
class Walks:
    """The walks of one session."""

    demands: list[Walk] = field(default_factory=list)
    """For each CurrentDemandReq: from the arrival of its octets at the connection to the return of that call."""
    authorization: Walk | None = None
    """From the arrival of PaymentDetailsReq until the octets of AuthorizationRes with Finished are written, in any
    number of turns.
    """

    @property
    def demand(self) -> Walk:
        """The most frequent one: a few requests also change the log or the output."""
        if not self.demands:
            raise BenchFailed("no CurrentDemandReq arrived")
        return Counter(self.demands).most_common(1)[0][0]


@contextmanager
def counting() -> Iterator[Walks]:
    """Count at the one connection that a car opens in the block."""
    walks, counter = Walks(), Counting()
    said: deque[str] = deque()
    send, arrived = Line.send, V2gConnection.data_received
    under_way = False

    async def sent(line: Line, octets: bytes, name: str = "") -> None:
        said.append(name)
        await send(line, octets, name)

    def received(connection: V2gConnection, data: bytes) -> None:
        nonlocal under_way
        # Before the car's first message the handshake arrives. Afterwards each segment is one message.
        name = said.popleft() if said else ""
        if name == "ChargeParameterDiscoveryReq" and under_way:
            walks.authorization, under_way = counter.end(at_write=True), False
        if name == "CurrentDemandReq":
            counter.begin()
            arrived(connection, data)
            walks.demands.append(counter.end())
            return
        if name == "PaymentDetailsReq":
            under_way = True
            counter.begin()
        arrived(connection, data)

    # Generators of earlier sessions run once more when they are collected.
    gc.collect()
    gc.disable()
    # The log is discarded, so that its handlers do not count.
    root = logging.getLogger()
    handlers, level, root.handlers = root.handlers, root.level, [logging.NullHandler()]
    root.setLevel(logging.INFO)
    with mock.patch.object(Line, "send", sent), mock.patch.object(V2gConnection, "data_received", received):
        try:
            yield walks
        finally:
            sys.setprofile(None)
            gc.enable()
            root.handlers = handlers
            root.setLevel(level)


def count(ground: Ground) -> Walks:
    """Count a DC session by contract over TLS at a simulated board. A first session compiles and caches."""
    configuration, (place,) = ground.configure(1)

    async def session() -> Walks:
        async with station(configuration):
            await charge(ground, place, Behaviour(payment=Payment.CONTRACT, loops=2))
            with counting() as walks:
                await charge(ground, place, Behaviour(payment=Payment.CONTRACT, loops=LOOPS))
        return walks

    return run(session())


def measure(ground: Ground, *, quick: bool) -> Section:
    """Returns the table of walks; the same with ``quick``."""
    section = Section("walks", "Calls of ours for an answer, and the files that they are in")
    walks = count(ground)
    demand, authorization = walks.demand, walks.authorization
    if authorization is None:
        raise BenchFailed("AuthorizationRes with Finished did not go out")
    most = max(one.calls for one in walks.demands)
    section.facts = {
        "demand": dict(demand.by_file),
        "demands": [one.calls for one in walks.demands],
        "authorization": dict(authorization.by_file),
    }
    shown, goal = f"{demand.calls} calls, {demand.files} files", f"{DEMAND_CALLS} calls, {DEMAND_FILES} files"
    note, met = f"at most {most} calls, the first one included", demand.calls <= DEMAND_CALLS
    met = met and demand.files <= DEMAND_FILES
    section.add("CurrentDemandReq, until the connection has dealt with it", shown, goal=goal, met=met, note=note)
    shown = f"{authorization.calls} calls, {authorization.files} files"
    section.add("PaymentDetailsReq until AuthorizationRes(Finished) goes out", shown)
    return section
