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
from .proc import pin
from .stations import ROOT, BenchFailed


@dataclass(frozen=True, slots=True)
class Trips:
    """What the cars of one process saw. ``began`` is when the last of them had begun to charge."""

    began: float
    cars: tuple[tuple[Exchange, ...], ...]

    def together(self, name: str) -> list[Exchange]:
        """Exchanges of this name while all cars were charging: from when the last began until the first stopped."""
        own = [[one for one in car if one.name == name] for car in self.cars]
        until = min(exchanges[-1].sent for exchanges in own)
        return [one for exchanges in own for one in exchanges if self.began <= one.sent <= until]


class Cars:
    """Begins at once; ``charging`` waits until all charge, ``done`` for the end."""

    def __init__(
        self,
        orders: Sequence[Order],
        *,
        seconds: float | None = None,
        limit: float = 60.0,
        core: int | None = None,
        within: Sequence[str] = (),
    ) -> None:
        self._limit = limit
        self._process = subprocess.Popen(
            [*within, sys.executable, "-m", "tools.bench.car"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        if core is not None:
            pin(self._process.pid, core)
        descriptor, report = tempfile.mkstemp(prefix="cars", suffix=".json")
        os.close(descriptor)
        self._report = Path(report)
        spoken = {
            "report": report,
            "orders": [asdict(order) for order in orders],
            "seconds": seconds,
            "limit": limit,
        }
        assert self._process.stdin is not None
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

    def stop(self) -> None:
        """Whatever they are doing."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()
        self._report.unlink(missing_ok=True)

    def done(self) -> Trips:
        """What they saw. BenchFailed when a car did not end its session in order."""
        try:
            self._process.communicate(timeout=self._limit + 30.0)
        except subprocess.TimeoutExpired:
            self.stop()
            raise BenchFailed("the cars did not end") from None
        if self._process.returncode:
            raise BenchFailed(f"the cars' process ended with {self._process.returncode}")
        told = json.loads(self._report.read_text())
        self._report.unlink()
        problems = sorted({car["problem"] for car in told["cars"] if car["problem"]})
        if problems:
            raise BenchFailed("cars: " + "; ".join(problems[:3]))
        return Trips(told["began"], tuple(tuple(Exchange(**one) for one in car["exchanges"]) for car in told["cars"]))
