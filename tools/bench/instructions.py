"""Instructions of a start, and of the messages of the charging loop, counted by valgrind's cachegrind.

A count hardly depends on the machine and does not depend on its load, so counts of different years
compare: :data:`LAST` has those of the last release. ``python -m tools.bench.instructions WAY CALLS``
is the program that is counted for a message.
"""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from .figures import Section
from .messages import loop_samples
from .stations import ROOT, BenchFailed, Ground, environment

LAST: Final = Path(__file__).with_suffix(".json")
"""Counts of the last release; written again with each release from the facts of ``--json``."""
START_GOAL: Final = 1300.0
READY_SECONDS: Final = 300.0
CALLS: Final = 2000
WARM_CALLS: Final = 200
"""Python specialises code after some calls."""
COUNTED: Final = re.compile(r"I\s+refs:\s+([\d,]+)")
REQUEST, RESPONSE = loop_samples()
WAYS: Final = {
    "decode CurrentDemandReq": REQUEST.decode,
    "encode CurrentDemandReq": REQUEST.encode,
    "encode CurrentDemandRes": RESPONSE.encode,
}


def cachegrind(log: Path, command: Sequence[str], ground: Path, **more: str) -> subprocess.Popen[bytes]:
    """Start the command below cachegrind, which writes its count to ``log``."""
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
    """Wait for the end of the process. Returns its count. Raises BenchFailed."""
    try:
        status: int | str = process.wait(READY_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        status = f"no status after {READY_SECONDS:.0f} s"
    said = log.read_text(errors="replace")
    if status or (found := COUNTED.search(said)) is None:
        raise BenchFailed(f"cachegrind ended with {status}: {said[-300:]}")
    return int(found[1].replace(",", ""))


def start(ground: Ground) -> int:
    """Count from the start of the process to READY=1 to the service manager, and the stop right after it."""
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
    """Count a call of the codec for each message of the charging loop."""
    found = {}
    log = ground.directory / "cachegrind"
    program = ("tools.bench.instructions", "nothing", "0")
    # The first run writes the byte code.
    subprocess.run([sys.executable, "-m", *program], cwd=ROOT, env=environment(ground.directory), check=True)
    for way in ("nothing", *WAYS):
        found[way] = counted(log, cachegrind(log, (program[0], way, str(CALLS)), ground.directory))
    nothing = found.pop("nothing")
    return {way: (count - nothing) / CALLS for way, count in found.items()}


def measure(ground: Ground, *, quick: bool) -> Section:
    """Returns the table of counts; the same with ``quick``."""
    section = Section("instructions", "Instructions")
    if shutil.which("valgrind") is None:
        section.missing.append("instructions: valgrind is not installed")
        return section
    last = json.loads(LAST.read_text())
    section.facts = {"start": start(ground) / 1e6, **messages(ground)}
    for what, count in section.facts.items():
        before = last["counts"].get(what)
        note = f"{count / before - 1.0:+.1%} against {before:.0f} of {last['release']}" if before else ""
        if what == "start":
            what, goal, shown = "`secc run` until it is ready, and its stop", START_GOAL, f"{count:.0f} million"
            section.judge(what, count, "million", goal, timed=False, shown=shown, note=note)
        else:
            section.add(what, f"{count:.0f}", note=note)
    return section


def main() -> int:
    for call in WAYS.values():
        for _ in range(WARM_CALLS):
            call()
    way, calls = sys.argv[1], int(sys.argv[2])
    for _ in range(calls if way in WAYS else 0):
        WAYS[way]()
    return 0


if __name__ == "__main__":
    sys.exit(main())
