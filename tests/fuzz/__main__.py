"""``make fuzz``: what takes hours, or a part of it: ``make fuzz FUZZ="frames --count 100000 --seed 7"``.

Prints what was seen, with seed and duration, and fails on a finding.
Parts: ``branches``, ``aborts``, ``datagrams``, ``stations``, ``frames``, ``sessions``.
"""

from __future__ import annotations

import argparse
import functools
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

SEED: Final = 15118
SHARE: Final = 0.95
"""Of the branches of generated code, at least."""


def told(line: str) -> None:
    print(line, flush=True)


def frames(count: int, seed: int, seconds: float | None) -> list[str]:
    from tests.fuzz import decoder

    found = decoder.run(count, seed, seconds=seconds, told=told)
    told(str(found))
    return found.wrong


def sessions(count: int, seed: int, seconds: float | None) -> list[str]:
    from tests.fuzz import sessions

    found = sessions.run(count, seed, seconds=seconds, told=told)
    told(str(found))
    return found.wrong


def branches(count: int, seed: int, seconds: float | None) -> list[str]:
    del seconds
    from tests.fuzz.branches import measure

    with tempfile.TemporaryDirectory(prefix="secc-generated-") as directory:
        found = measure(Path(directory), count, seed)
    told(str(found))
    return [] if found.share >= SHARE else [f"{found.share:.1%} of the branches of generated code"]


def aborts(count: int, seed: int, seconds: float | None) -> list[str]:
    del seconds
    from tests.fuzz import sockets

    return [
        one
        for tls in (False, True)
        for one in _station(functools.partial(sockets.aborts, count=count // 2, seed=seed, tls=tls))
    ]


def datagrams(count: int, seed: int, seconds: float | None) -> list[str]:
    del seconds
    from tests.fuzz import sockets

    return _station(functools.partial(sockets.datagrams, count=count, seed=seed))


def stations(count: int, seed: int, seconds: float | None) -> list[str]:
    del seconds
    from tests.fuzz import stations

    def run(directory: Path, told: Callable[[str], None]) -> list[str]:
        found = stations.run(directory, count=count, seed=seed, told=told)
        told(str(found))
        return found.wrong

    return _station(run)


def _station(run: Callable[..., list[str]]) -> list[str]:
    with tempfile.TemporaryDirectory(prefix="secc-") as directory:
        return run(Path(directory), told=told)


PARTS: Final[dict[str, tuple[Callable[[int, int, float | None], list[str]], int]]] = {
    # First, because only what is compiled in this process is measured.
    "branches": (branches, 20_000),
    "aborts": (aborts, 10_000),
    "datagrams": (datagrams, 100_000),
    "stations": (stations, 3_000),
    "frames": (frames, 10_000_000),
    "sessions": (sessions, 100_000),
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument(
        "parts",
        nargs="*",
        metavar="part",
        choices=[[], *PARTS],
        help=f"one of {', '.join(PARTS)}; all of them by default",
    )
    parser.add_argument(
        "--count", type=int, help="how many, instead of " + ", ".join(f"{n} {name}" for name, (_, n) in PARTS.items())
    )
    parser.add_argument("--seconds", type=float, help="of the clock on the wall, after which frames and sessions end")
    parser.add_argument("--seed", type=int, default=SEED)
    asked = parser.parse_args()
    wrong: list[str] = []
    for name, (run, count) in PARTS.items():
        if name in (asked.parts or PARTS):
            began = time.monotonic()
            found = run(asked.count or count, asked.seed, asked.seconds)
            told(f"{name}: {len(found)} findings in {time.monotonic() - began:.0f} s")
            wrong += found
    for one in wrong:
        told(one)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
