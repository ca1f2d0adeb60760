"""Microseconds for decode and encode, ours and Josev's by turns in the same run, so that whatever else the machine does falls on both.

Both are measured alike: octets to message objects and back, the same loop over as many calls, after as many calls that make them warm.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tools.evcc.wallet import Wallet

from .figures import Section, spread
from .josev_codec import mean
from .messages import SAP_NAMESPACE, Sample, samples
from .reference import timed
from .stations import BenchFailed, Ground

CACHE = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "josev-interop"
PYTHON = CACHE / "venv" / "bin" / "python"
GOALS = {True: 90.0, False: 500.0}
"""How many times Josev's speed: SupportedAppProtocol, and the messages of ISO 15118-2."""
CALLS = {True: (2000, 100), False: (40, 10)}
"""Calls that make warm, and those that are measured in a round. Josev's codec of ISO 15118-2 takes ten milliseconds and more a call."""
HOT_US = 3.2, 2.4


def josev_missing() -> str:
    """Why Josev cannot be run here, in words; empty when it can."""
    if not PYTHON.exists():
        return f"the package iso15118 is not in {PYTHON.parent.parent} (tests/live/josev_interop.py puts it there)"
    if shutil.which("java") is None:
        return "no Java runtime, which its codec needs"
    return ""


class JosevCodec:
    """The other codec, in a process of its own."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [str(PYTHON), str(Path(__file__).with_name("josev_codec.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd="/",
        )
        self.version = self._read()["version"]

    def measure(self, sample: Sample, calls: int) -> dict[str, Any]:
        assert self._process.stdin is not None
        asked = {"octets": sample.octets.hex(), "namespace": sample.namespace, "calls": calls}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        found = self._read()
        if "error" in found:
            raise BenchFailed(f"Josev's codec, {sample.name}: {found['error']}")
        return found

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise BenchFailed("Josev's codec does not run")
        found: dict[str, Any] = json.loads(line)
        return found

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(5.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@dataclass(slots=True)
class Rounds:
    """Microseconds of one message in one direction, a sample a round."""

    ours: list[float] = field(default_factory=list)
    josev: list[float] = field(default_factory=list)

    def ratio(self) -> float:
        """How many times as fast we are: the median over the rounds, each compared with the same round of the other's."""
        return statistics.median(other / own for own, other in zip(self.ours, self.josev, strict=True))


def measure(ground: Ground, *, quick: bool) -> Section:
    """The codec's table."""
    section = Section("codec", "EXI codec: microseconds a message, octets to objects and back", ground.factor)
    chosen = samples(Wallet.load(ground.pki / "car"))
    loop = next(sample for sample in chosen if sample.name == "CurrentDemandReq")
    for way, call, goal in (("decode", loop.decode, HOT_US[0]), ("encode", loop.encode, HOT_US[1])):
        taken = timed(call, 0.05 if quick else 0.5)
        section.facts[f"{way} hot"] = taken
        section.judge(f"{way} {loop.name}, hot", taken, "us", goal, note="the best of slices of a millisecond")
    missing = josev_missing()
    josev = None if missing else JosevCodec()
    rounds = {(sample.name, way): Rounds() for sample in chosen for way in ("decode", "encode")}
    differing: set[str] = set()
    try:
        # The first round makes both warm alike: the same calls, as many, and counts for nothing.
        for number in range(2 if quick else 6):
            for sample in chosen:
                calls = CALLS[sample.namespace == SAP_NAMESPACE][1 if number else 0] // (5 if quick else 1)
                theirs = None if josev is None else josev.measure(sample, calls)
                if theirs is not None and not theirs["same"]:
                    differing.add(sample.name)
                for place, (way, call) in enumerate((("decode", sample.decode), ("encode", sample.encode))):
                    ours = mean(call, calls)
                    if number:
                        rounds[sample.name, way].ours.append(ours)
                        if theirs is not None and theirs["objects"] is not None:
                            rounds[sample.name, way].josev.append(theirs["objects"][place])
    finally:
        if josev is not None:
            josev.close()
    for sample in chosen:
        for way in ("decode", "encode"):
            _add(section, sample, way, rounds[sample.name, way])
    if josev is None:
        section.missing.append(f"Josev's column: {missing}")
    else:
        section.facts |= {"josev": josev.version, "octets differ": sorted(differing)}
    return section


def _add(section: Section, sample: Sample, way: str, found: Rounds) -> None:
    what = f"{way} {sample.name} ({len(sample.octets)} octets)"
    section.facts[what] = {"ours": found.ours, "josev": found.josev}
    if not found.josev:
        section.add(what, spread(found.ours))
        return
    goal, ratio = GOALS[sample.namespace == SAP_NAMESPACE], found.ratio()
    section.add(
        what,
        f"{spread(found.ours)}; Josev {spread(found.josev, 0)}",
        goal=f"{goal:.0f} times",
        met=ratio >= goal,
        note=f"{ratio:.0f} times",
    )
