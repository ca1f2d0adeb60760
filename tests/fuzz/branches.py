"""Which branches of the generated readers and writers a run of the decoder takes: their source is dumped to files, and ``coverage`` measures those.

In a process of its own, because a function that has been compiled before is not dumped: ``python -m tests.fuzz branches``.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from unittest import mock

import coverage

from tests.fuzz import sweep
from tests.fuzz.decoder import run


@dataclass(frozen=True)
class Branches:
    """Branches of all generated functions, and for each file the lines with one that was not taken."""

    functions: int
    all: int
    taken: int
    missing: dict[str, list[int]]

    @property
    def share(self) -> float:
        return self.taken / self.all

    def __str__(self) -> str:
        lines = [f"{name}: {', '.join(map(str, lines))}" for name, lines in sorted(self.missing.items())]
        head = f"{self.taken} of {self.all} branches of {self.functions} generated functions: {100 * self.share:.1f} %"
        return "\n".join([*lines, head])


@contextmanager
def dumped(directory: Path) -> Iterator[None]:
    """Write each function that is generated meanwhile to a file, and compile it as that file's."""
    numbers = itertools.count(1)

    def compiled(source: str, file: str) -> CodeType:
        path = directory / f"{file.strip('<>')}-{next(numbers)}.py"
        path.write_text(source, encoding="utf-8")
        return compile(source, str(path), "exec")

    with mock.patch("secc.exi.source.compiled", compiled):
        yield


def measure(directory: Path, frames: int, seed: int) -> Branches:
    """Read so many frames with readers and writers that are dumped to this directory. Returns what of them was run."""
    directory = directory.resolve()
    measured = coverage.Coverage(branch=True, data_file=None, config_file=False, include=[f"{directory}/*"])
    with dumped(directory), measured.collect():
        found = run(frames, seed)
        sweep.read_everything(seed)
        sweep.write_everything(seed)
    assert not found.wrong, found.wrong
    report = directory / "branches.json"
    measured.json_report(outfile=str(report))
    told = json.loads(report.read_text())
    missing = {
        Path(name).stem: sorted({line for line, _ in one["missing_branches"]}) for name, one in told["files"].items()
    }
    return Branches(
        functions=len(told["files"]),
        all=told["totals"]["num_branches"],
        taken=told["totals"]["covered_branches"],
        missing={name: lines for name, lines in missing.items() if lines},
    )
