"""Instructions that a start takes until the station is ready, and those of the messages of the charging loop, counted by valgrind's cachegrind.

A count hardly depends on the machine and not on what else it does, so it can be compared over years: :data:`LAST` has those of the last release.
``python -m tools.bench.instructions WAY CALLS`` is what is counted of a message.
"""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from .figures import Section
from .messages import loop_samples
from .stations import ROOT, BenchFailed, Ground, environment

LAST: Final = Path(__file__).with_suffix(".json")
"""Counts of the last release, and how they were taken. With a release it is written anew, from the facts of ``--json``."""
START_GOAL: Final = 1300.0
READY_SECONDS: Final = 300.0
CALLS: Final = 2000
WARM_CALLS: Final = 200
"""Python makes code quicker that has run some times."""
COUNTED: Final = re.compile(r"I\s+refs:\s+([\d,]+)")


def cachegrind(log: Path, command: Sequence[str], ground: Path, **more: str) -> subprocess.Popen[bytes]:
    """The command below cachegrind, which leaves its count in ``log``."""
    tool = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null", f"--log-file={log}"]
    return subprocess.Popen(
        [*tool, sys.executable, "-m", *command],
        cwd=ROOT,
        env=environment(ground) | {"PYTHONHASHSEED": "0"} | more,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def counted(log: Path, process: subprocess.Popen[bytes]) -> int:
    """Once the process has ended by itself. BenchFailed when it does not, or fails."""
    try:
        if process.wait(READY_SECONDS):
            raise BenchFailed(f"valgrind ended with {process.returncode}: {log.read_text(errors='replace')[-300:]}")
    except subprocess.TimeoutExpired:
        raise BenchFailed("what cachegrind counts does not end") from None
    finally:
        process.kill()
    found = COUNTED.search(log.read_text(errors="replace"))
    if found is None:
        raise BenchFailed(f"cachegrind has not counted: {log.read_text(errors='replace')[-300:]}")
    return int(found[1].replace(",", ""))


def start(ground: Ground) -> int:
    """From the start of the process until it has told the service manager that it is ready, and its stop at once after that."""
    configuration, _ = ground.configure(1)
    log, said = configuration.parent / "cachegrind", configuration.parent / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(said))
        manager.settimeout(READY_SECONDS)
        process = cachegrind(log, ("secc", "run", str(configuration)), ground.directory, NOTIFY_SOCKET=str(said))
        try:
            while b"READY=1" not in manager.recv(4096):
                pass
        except TimeoutError:
            process.kill()
            raise BenchFailed("the station is not ready") from None
        process.send_signal(signal.SIGTERM)
        return counted(log, process)


def messages(ground: Ground) -> dict[str, float]:
    """A call each of what the charging loop does with its messages."""
    found = {}
    log = ground.directory / "cachegrind"
    # The first run leaves the byte code.
    subprocess.run(
        [sys.executable, "-m", "tools.bench.instructions", "nothing", "0"],
        cwd=ROOT,
        env=environment(ground.directory),
        check=True,
    )
    for way in ("nothing", *WAYS):
        command = ("tools.bench.instructions", way, str(CALLS))
        found[way] = counted(log, cachegrind(log, command, ground.directory))
    nothing = found.pop("nothing")
    return {way: (count - nothing) / CALLS for way, count in found.items()}


def _ways() -> dict[str, Callable[[], Any]]:
    request, response = loop_samples()
    return {
        "decode CurrentDemandReq": request.decode,
        "encode CurrentDemandReq": request.encode,
        "encode CurrentDemandRes": response.encode,
    }


WAYS: Final = tuple(_ways())


def measure(ground: Ground, *, quick: bool) -> Section:
    """The same, quick or not: nothing is timed."""
    section = Section("instructions", "Instructions")
    if shutil.which("valgrind") is None:
        section.missing.append("instructions: valgrind is not installed")
        return section
    last = json.loads(LAST.read_text())
    millions = start(ground) / 1e6
    section.facts = {"start": millions, **messages(ground)}
    for what, count in section.facts.items():
        before = last["counts"].get(what)
        note = f"{count / before - 1.0:+.1%} against {before:.0f} of {last['release']}" if before else ""
        if what == "start":
            section.judge(
                "`secc run` until it is ready, and its stop",
                count,
                "million",
                START_GOAL,
                timed=False,
                shown=f"{count:.0f} million",
                note=note,
            )
        else:
            section.add(what, f"{count:.0f}", note=note)
    return section


def main() -> int:
    way, calls = sys.argv[1], int(sys.argv[2])
    ways = _ways()
    for call in ways.values():
        for _ in range(WARM_CALLS):
            call()
    if way in ways:
        call = ways[way]
        for _ in range(calls):
            call()
    return 0


if __name__ == "__main__":
    sys.exit(main())
