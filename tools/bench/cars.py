"""Cars as seen from the bench: a process on a core of its own, and what it has to tell afterwards."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from .car import Order
from .line import Exchange
from .proc import Tree, pin
from .stations import ROOT, BenchFailed


@dataclass(frozen=True, slots=True)
class Trips:
    """What the cars of one process saw; ``problems`` is what those say whose session did not end in order."""

    cars: tuple[tuple[Exchange, ...], ...]
    problems: tuple[str, ...] = ()

    def sent(self, name: str, began: float, ended: float) -> list[Exchange]:
        """Exchanges of this name whose request went out between these moments."""
        return [one for car in self.cars for one in car if one.name == name and began <= one.sent < ended]


class Cars:
    """Begins at once; ``charging`` waits until all charge, ``done`` for the end."""

    def __init__(
        self, orders: Sequence[Order], *, limit: float = 60.0, core: int | None = None, within: Sequence[str] = ()
    ) -> None:
        self._limit = limit
        self._process = subprocess.Popen(
            [*within, sys.executable, "-m", "tools.bench.car"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.tree = Tree(self._process.pid)
        if core is not None:
            pin(self._process.pid, core)
        descriptor, report = tempfile.mkstemp(prefix="cars", suffix=".json")
        os.close(descriptor)
        self._report = Path(report)
        assert self._process.stdin is not None
        spoken = {"report": report, "orders": [asdict(order) for order in orders], "limit": limit}
        self._process.stdin.write(json.dumps(spoken))
        self._process.stdin.close()
        self._process.stdin = None

    def charging(self) -> None:
        """Until the last of them has begun to charge, or has given up: ``done`` tells which."""
        assert self._process.stdout is not None
        self._process.stdout.readline()

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def leave(self) -> None:
        """Have all of them stop charging, in order."""
        self._process.terminate()

    def stop(self) -> None:
        """Whatever they are doing."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._report.unlink(missing_ok=True)

    def done(self, *, all_well: bool = True) -> Trips:
        """What they saw. BenchFailed when a car did not end its session in order, if ``all_well``."""
        try:
            self._process.communicate(timeout=self._limit + 30.0)
        except subprocess.TimeoutExpired:
            self.stop()
            raise BenchFailed("the cars did not end") from None
        if self._process.returncode:
            raise BenchFailed(f"the cars' process ended with {self._process.returncode}")
        told = json.loads(self._report.read_text())
        self._report.unlink()
        problems = tuple(car["problem"] for car in told["cars"] if car["problem"])
        if problems and all_well:
            raise BenchFailed("cars: " + "; ".join(sorted(set(problems))[:3]))
        cars = tuple(tuple(Exchange(**one) for one in car["exchanges"]) for car in told["cars"])
        return Trips(cars, problems)
