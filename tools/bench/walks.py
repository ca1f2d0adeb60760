"""How many calls of ours, in how many files, an answer takes: what docs/performance.md calls a walk.

A call is one that ``sys.setprofile`` tells of on the event loop's thread: a function of a file in ``secc``, ``hal`` or ``certs`` is entered, or a
generator is resumed. Left out are comprehensions, generator expressions and lambdas, generated code (which has no file), the simulated board
(``hal/sim``, and what it shares with other boards in ``hal/boards``, but not what it calls), the car, and whatever worker threads do.
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
from typing import Any, Final
from unittest import mock

from secc.station.serving.connection import V2gConnection
from tools.evcc.behaviour import Behaviour, Payment
from tools.evcc.line import Line

from .figures import Section
from .inside import charge, run, station
from .stations import ROOT, BenchFailed, Ground

OURS: Final = tuple(f"{ROOT / room}/" for room in ("secc", "hal", "certs"))
BOARD: Final = tuple(f"{ROOT / 'hal' / room}/" for room in ("sim", "boards"))
CAR: Final = f"{ROOT / 'tools'}/"
UNNAMED: Final = frozenset({"<genexpr>", "<listcomp>", "<setcomp>", "<dictcomp>", "<lambda>"})
LOOPS = 20
DEMAND_CALLS, DEMAND_FILES = 140, 26


@dataclass(frozen=True, slots=True)
class Walk:
    """So many calls, in so many files; ``by_file`` says where."""

    calls: int
    files: int
    by_file: tuple[tuple[str, int], ...] = field(compare=False, repr=False, default=())


class Counting:
    """Counts between ``begin`` and ``end``."""

    def __init__(self) -> None:
        self._found: list[str] = []
        self._outside = 0
        """How many frames deep the car is, which runs in this process too: what it calls of ours is not the station's."""
        self._written = 0
        """How much was found when the station wrote to a socket the last time."""

    def begin(self) -> None:
        self._found, self._outside, self._written = [], 0, 0
        sys.setprofile(self._note)

    def end(self, *, at_write: bool = False) -> Walk:
        """What was found since ``begin``, or until the last octets went out."""
        sys.setprofile(None)
        counted = Counter(self._found[: self._written] if at_write else self._found)
        return Walk(sum(counted.values()), len(counted), tuple(counted.most_common()))

    def _note(self, frame: FrameType, event: str, _: Any) -> None:
        if event == "return" and self._outside:
            self._outside -= 1
        if event != "call":
            return
        file, name = frame.f_code.co_filename, frame.f_code.co_name
        if self._outside or (file.startswith(CAR) and file != __file__):
            self._outside += 1
        elif _is_ours(file):
            if name not in UNNAMED:
                self._found.append(file.removeprefix(f"{ROOT}/"))
        elif name == "write" and frame.f_back is not None and _is_ours(frame.f_back.f_code.co_filename):
            self._written = len(self._found)


def _is_ours(file: str) -> bool:
    return file.startswith(OURS) and not file.startswith(BOARD)


@dataclass(slots=True)
class Walks:
    """What was counted in one session."""

    demands: list[Walk] = field(default_factory=list)
    """For each CurrentDemandReq: from the arrival of its octets at the connection until the connection has dealt with them."""
    authorization: Walk | None = None
    """From the arrival of PaymentDetailsReq until the octets of AuthorizationRes with Finished go out, whatever turn of the loop that is in."""

    @property
    def demand(self) -> Walk:
        """The one that most requests take; a few have something to do beside."""
        if not self.demands:
            raise BenchFailed("no CurrentDemandReq arrived")
        return Counter(self.demands).most_common(1)[0][0]


@contextmanager
def counting() -> Iterator[Walks]:
    """Count at the one connection that is made in the block."""
    walks, counter = Walks(), Counting()
    said: deque[str] = deque()
    send, arrived = Line.send, V2gConnection.data_received
    under_way = False

    async def sent(line: Line, octets: bytes, name: str = "") -> None:
        said.append(name)
        await send(line, octets, name)

    def received(connection: V2gConnection, data: bytes) -> None:
        nonlocal under_way
        # Until the car's first message, what arrives is the handshake. After it, one segment is one message.
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

    # What was left behind before, sessions without an end among it, would run once more when it is collected.
    gc.collect()
    gc.disable()
    # The log was set up before: here it is discarded.
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
    """A DC session by contract over TLS at a simulated board. The car before it lets what is made once be made."""
    configuration, (place,) = ground.configure(1)

    async def session() -> Walks:
        async with station(configuration):
            await charge(ground, place, Behaviour(payment=Payment.CONTRACT, loops=2))
            with counting() as walks:
                await charge(ground, place, Behaviour(payment=Payment.CONTRACT, loops=LOOPS))
        return walks

    return run(session())


def measure(ground: Ground, *, quick: bool) -> Section:
    """The same, quick or not: nothing is timed."""
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
    section.add(
        "CurrentDemandReq, until the connection has dealt with it",
        f"{demand.calls} calls, {demand.files} files",
        goal=f"{DEMAND_CALLS} calls, {DEMAND_FILES} files",
        met=demand.calls <= DEMAND_CALLS and demand.files <= DEMAND_FILES,
        note=f"at most {most} calls, the first one included",
    )
    section.add(
        "PaymentDetailsReq until AuthorizationRes(Finished) goes out",
        f"{authorization.calls} calls, {authorization.files} files",
    )
    return section
