"""Microseconds for decode and encode, ours and Josev's by turns in the same run: the machine's other load
slows down both.

Both are measured alike: octets to message objects and back, by the same loop over as many calls,
after as many calls that warm up.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import statistics
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tools.evcc.wallet import Wallet

from .figures import Section, spread
from .messages import SAP_NAMESPACE, Sample, din_samples, samples
from .reference import mean, timed
from .stations import BenchFailed, Ground

CACHE = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "josev-interop"
PYTHON = CACHE / "venv" / "bin" / "python"
GOALS = {True: 90.0, False: 500.0}
"""In multiples of Josev's speed: SupportedAppProtocol (True), and the messages of ISO 15118-2."""
CALLS = {True: (2000, 100), False: (40, 10)}
"""Calls that warm up, and measured calls in a round. Josev's codec of ISO 15118-2 takes ten milliseconds and
more a call.
"""
HOT_US = {
    "CurrentDemandReq": (3.2, 2.4),
    "CurrentDemandReq of DIN": (15.0, 12.0),
    "CurrentDemandRes of DIN": (15.0, 12.0),
}
"""The goals of decode and encode for messages that are measured again and again, with warm caches."""


def josev_missing() -> str:
    """Returns why Josev cannot run here; empty if it can."""
    if not PYTHON.exists():
        return f"the package iso15118 is not in {PYTHON.parent.parent} (tests/live/josev_interop.py puts it there)"
    if shutil.which("java") is None:
        return "no Java runtime, which its codec needs"
    return ""


class JosevCodec:
    """Josev's codec, in a process of its own."""

    def __init__(self) -> None:
        command = [str(PYTHON), str(Path(__file__).with_name("josev_codec.py"))]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self._process = subprocess.Popen(command, **pipes, text=True, cwd="/")
        self.version = self._read()["version"]

    def measure(self, sample: Sample, calls: int) -> dict[str, Any]:
        asked = {"octets": sample.octets.hex(), "namespace": sample.namespace, "calls": calls}
        print(json.dumps(asked), file=self._process.stdin, flush=True)
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
        self._process.kill()
        self._process.wait()


def measure(ground: Ground, *, quick: bool) -> Section:
    """Returns the codec's table."""
    section = Section("codec", "EXI codec: microseconds a message, octets to objects and back", ground.factor)
    chosen = samples(Wallet.load(ground.pki / "car"))
    for sample in (*chosen, *din_samples()):
        if sample.name not in HOT_US:
            continue
        ways = (("decode", sample.decode), ("encode", sample.encode))
        for (way, call), goal in zip(ways, HOT_US[sample.name], strict=True):
            taken = timed(call, 0.05 if quick else 0.5)
            section.facts[f"{way} {sample.name}, hot"] = taken
            section.judge(f"{way} {sample.name}, hot", taken, "us", goal, note="the best of slices of a millisecond")
    missing = josev_missing()
    with contextlib.ExitStack() as stack:
        josev = None if missing else stack.enter_context(contextlib.closing(JosevCodec()))
        rounds = list(_rounds(chosen, josev, 1 if quick else 5, 5 if quick else 1))
    for sample in chosen:
        for place, way in enumerate(("decode", "encode")):
            ours = [one[sample.name][0][place] for one in rounds]
            theirs = [one[sample.name][1][place] for one in rounds if one[sample.name][1]]
            what = f"{way} {sample.name} ({len(sample.octets)} octets)"
            section.facts[what] = {"ours": ours, "josev": theirs}
            if not theirs:
                section.add(what, spread(ours))
                continue
            # Each round of ours is compared with the same round of Josev's.
            ratio = statistics.median(other / own for own, other in zip(ours, theirs, strict=True))
            goal, shown = GOALS[sample.namespace == SAP_NAMESPACE], f"{spread(ours)}; Josev {spread(theirs, 0)}"
            section.add(what, shown, goal=f"{goal:.0f} times", met=ratio >= goal, note=f"{ratio:.0f} times")
    if josev is None:
        section.missing.append(f"Josev's column: {missing}")
    else:
        differing = {name for one in rounds for name, (_, _, same) in one.items() if not same}
        section.facts |= {"josev": josev.version, "octets differ": sorted(differing)}
    return section


Round = dict[str, tuple[list[float], list[float], bool]]
"""By message: microseconds of decode and encode, ours and Josev's, which may be empty; whether Josev writes the same octets."""


def _rounds(chosen: Sequence[Sample], josev: JosevCodec | None, count: int, part: int) -> Iterator[Round]:
    """Yield rounds after one that warms both codecs up with as many calls."""
    for number in range(1 + count):
        found: Round = {}
        for sample in chosen:
            calls = CALLS[sample.namespace == SAP_NAMESPACE][1 if number else 0] // part
            theirs: dict[str, Any] = {"objects": None, "same": True} if josev is None else josev.measure(sample, calls)
            ours = [mean(call, calls) for call in (sample.decode, sample.encode)]
            found[sample.name] = ours, theirs["objects"] or [], theirs["same"]
        if number:
            yield found
