"""Cars as the bench sees them: a process on its own core, and its report."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from .car import Order
from .line import Exchange
from .proc import Tree, cores, pin
from .stations import ROOT, BenchFailed

LIMIT_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Trips:
    """The exchanges of each car of one process; ``problems`` of the cars whose session did not end in
    order.
    """

    cars: tuple[tuple[Exchange, ...], ...]
    problems: tuple[str, ...] = ()

    def sent(self, name: str, began: float, ended: float) -> list[Exchange]:
        """Returns the exchanges of this name whose request left between these moments."""
        return [one for car in self.cars for one in car if one.name == name and began <= one.sent < ended]


class Cars:
    """Cars that begin at once, and give up after ``limit`` seconds. ``within`` is a command before theirs."""

    def __init__(self, orders: Sequence[Order], *, limit: float = LIMIT_SECONDS, within: Sequence[str] = ()) -> None:
        self._limit = limit
        self._report = tempfile.NamedTemporaryFile(prefix="cars")  # noqa: SIM115  # it lives as long as the cars
        asked = {"report": self._report.name, "orders": [asdict(order) for order in orders], "limit": limit}
        command = [*within, sys.executable, "-m", "tools.bench.car", json.dumps(asked)]
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        self.tree = Tree(self._process.pid)
        if not within:
            pin(self._process.pid, cores()[1])

    def charging(self) -> None:
        """Wait until each car has begun to charge or has given up; ``done`` tells which."""
        assert self._process.stdout is not None
        self._process.stdout.readline()

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def leave(self) -> None:
        """Tell all cars to stop charging in order."""
        self._process.terminate()

    def stop(self) -> None:
        """Kill the process: every car's connection breaks."""
        self._process.kill()
        self._process.wait()

    def done(self, *, all_well: bool = True) -> Trips:
        """Wait for the end. Raises BenchFailed if the process failed, or, with ``all_well``, if a session did
        not end in order.
        """
        try:
            self._process.communicate(timeout=self._limit + 30.0)
        except subprocess.TimeoutExpired:
            self.stop()
            raise BenchFailed("the cars did not end") from None
        if self._process.returncode:
            raise BenchFailed(f"the cars' process ended with {self._process.returncode}")
        cars = json.loads(self._report.read())
        problems = tuple(car["problem"] for car in cars if car["problem"])
        if problems and all_well:
            raise BenchFailed("cars: " + "; ".join(sorted(set(problems))[:3]))
        return Trips(tuple(tuple(Exchange(*one) for one in car["exchanges"]) for car in cars), problems)
