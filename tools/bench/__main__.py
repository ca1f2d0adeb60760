"""``python -m tools.bench``: one run of all measurements, or of some."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from secc.version import version

from . import (
    answers,
    beats,
    begin,
    beside,
    codec,
    cpu,
    holds,
    instructions,
    paused,
    ports,
    receipts,
    reference,
    relay,
    roots,
    sessions,
    slac,
    starts,
    walks,
)
from .figures import Section, table
from .stations import BenchFailed, Ground

MEASUREMENTS: dict[str, Callable[..., Section]] = {
    "start": starts.starts,
    "instructions": instructions.measure,
    "roots": roots.measure,
    "memory": starts.memory,
    "codec": codec.measure,
    "sessions": sessions.measure,
    "cpu": cpu.measure,
    "answers": answers.measure,
    "holds": holds.measure,
    "begin": begin.measure,
    "relay": relay.measure,
    "paused": paused.measure,
    "receipts": receipts.measure,
    "din": beside.measure,
    "slac": slac.measure,
    "walks": walks.measure,
    "ports": ports.measure,
    "beats": beats.measure,
}
QUICK_SPEED = 10.0


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.bench", description="Measure speed and cost of the station.")
    parser.add_argument("--quick", action="store_true", help="fewer repetitions and cars: no figures to quote")
    parser.add_argument("--only", nargs="+", choices=sorted(MEASUREMENTS), metavar="NAME", help=", ".join(MEASUREMENTS))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample to this file")
    return parser.parse_args(argv)


def machine() -> dict[str, Any]:
    """Returns facts of the machine and the software, and the time."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return {
        "software": version(),
        "python": platform.python_version(),
        "machine": f"{model or platform.machine()}, {len(os.sched_getaffinity(0))} cores",
        "kernel": ".".join(platform.release().split(".")[:2]),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "load before": os.getloadavg(),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and print the table. Returns 0, 1 if a measurement failed, 2 for a wrong option."""
    options = arguments(argv)
    facts = machine()
    began = time.monotonic()
    found: list[Section] = []
    broken: list[str] = []
    with tempfile.TemporaryDirectory(prefix="bench") as directory:
        # At speed 1 a cable check takes five seconds.
        ground = Ground(Path(directory) / "ground", speed=QUICK_SPEED if options.quick else 1.0)
        for name in options.only or MEASUREMENTS:
            print(f"measuring: {name}", file=sys.stderr, flush=True)
            load, started = os.getloadavg()[0], time.monotonic()
            ground.factor = reference.factor()
            try:
                section = MEASUREMENTS[name](ground, quick=options.quick)
            except Exception as error:  # noqa: BLE001  # the other measurements go on
                broken.append(f"{name}: {error or type(error).__name__}")
                if not isinstance(error, BenchFailed):
                    traceback.print_exc()
                continue
            section.facts |= {"load": load, "seconds": time.monotonic() - started}
            section.title += f" (load of the machine {load:.1f}, factor {ground.factor:.2f} when it began)"
            found.append(section)
    facts |= {"load after": os.getloadavg(), "seconds": round(time.monotonic() - began, 1), "broken": broken}
    head = [
        f"secc {facts['software']}, Python {facts['python']}, {facts['machine']}, Linux {facts['kernel']}",
        f"{facts['at']}, {facts['seconds']:.0f} s{', --quick' if options.quick else ''}; "
        f"load of the machine {facts['load before'][0]:.1f} before, {facts['load after'][0]:.1f} after",
    ]
    print(table(found, head))
    for text in broken:
        print(f"bench: {text}", file=sys.stderr)
    if options.json is not None:
        told = {**facts, "sections": [asdict(section) for section in found]}
        options.json.write_text(json.dumps(told, indent=1) + "\n")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
