"""Microseconds for decode and encode, ours and Josev's by turns in the same run, so that whatever else the machine does falls on both."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tools.evcc.wallet import Wallet

from .figures import Section, spread
from .messages import SAP_NAMESPACE, Sample, samples
from .stations import BenchFailed

CACHE = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "josev-interop"
PYTHON = CACHE / "venv" / "bin" / "python"
GOALS = {True: 90.0, False: 500.0}
"""How many times Josev's speed: SupportedAppProtocol, and the messages of ISO 15118-2."""


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
    json: list[float] = field(default_factory=list)
    objects: list[float] = field(default_factory=list)

    def ratio(self, theirs: list[float]) -> float:
        """How many times as fast we are: the median over the rounds, each compared with the same round of the other's."""
        return statistics.median(other / own for own, other in zip(self.ours, theirs, strict=True))


def timed(call: Callable[[], Any], seconds: float) -> float:
    """Microseconds a call: the best of slices of a millisecond or so, because what interrupts can only add."""
    call()
    begin = time.perf_counter()
    for _ in range(20):
        call()
    count = max(20, int(0.001 / max((time.perf_counter() - begin) / 20, 1e-7)))
    best = float("inf")
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        begin = time.perf_counter()
        for _ in range(count):
            call()
        best = min(best, (time.perf_counter() - begin) / count)
    return best * 1e6


def measure(pki: Path, *, quick: bool) -> Section:
    """The codec's table."""
    section = Section("codec", "EXI codec: microseconds a message")
    chosen = samples(Wallet.load(pki / "car"))
    missing = josev_missing()
    josev = None if missing else JosevCodec()
    rounds = {(sample.name, way): Rounds() for sample in chosen for way in ("decode", "encode")}
    differing: list[str] = []
    try:
        for number in range(1 if quick else 5):
            for sample in chosen:
                theirs = None
                if josev is not None:
                    is_sap = sample.namespace == SAP_NAMESPACE
                    calls = (50 if is_sap else 2) if quick else (100 if is_sap else 6)
                    if not number:
                        josev.measure(sample, calls)  # its virtual machine compiles what is used often
                    theirs = josev.measure(sample, calls)
                    if not theirs["same"]:
                        differing.append(sample.name)
                for place, (way, call) in enumerate((("decode", sample.decode), ("encode", sample.encode))):
                    found = rounds[sample.name, way]
                    found.ours.append(timed(call, 0.02 if quick else 0.05))
                    if theirs is not None:
                        found.json.append(theirs["json"][place])
                        if theirs["objects"] is not None:
                            found.objects.append(theirs["objects"][place])
    finally:
        if josev is not None:
            josev.close()
    for sample in chosen:
        for way in ("decode", "encode"):
            _add(section, sample, way, rounds[sample.name, way])
    if missing:
        section.missing.append(f"Josev's column: {missing}")
    elif josev is not None:
        section.facts["josev"] = josev.version
        section.facts["octets differ"] = sorted(set(differing))
    return section


def _add(section: Section, sample: Sample, way: str, found: Rounds) -> None:
    what = f"{way} {sample.name} ({len(sample.octets)} octets)"
    fact: dict[str, Any] = {"ours": found.ours, "json": found.json, "objects": found.objects}
    section.facts[what] = fact
    if not found.json:
        section.add(what, spread(found.ours))
        return
    goal = GOALS[sample.namespace == SAP_NAMESPACE]
    ratio = fact["ratio"] = found.ratio(found.json)
    note = f"{ratio:.0f} times"
    if len(found.objects) == len(found.ours):
        fact["ratio objects"] = found.ratio(found.objects)
        note += f"; {fact['ratio objects']:.0f} times to objects, as ours"
    section.add(
        what,
        f"{spread(found.ours)}; Josev {spread(found.json, 0)}",
        goal=f"{goal:.0f} times",
        met=ratio >= goal,
        note=note,
    )
