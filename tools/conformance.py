"""Run the tests that prove rows of ``tests/conformance.toml``, and say of each row whether it
holds (``make conformance``).

A test names its row by a ``case`` mark, on the parameter that is the row's where
it has some. A row is passed if it has a test and all its tests pass. The run fails on

* a row without a test that is not in ``[exempt]``, ``[waits]`` or ``[open]``,
* a row in ``[exempt]`` or ``[open]`` of which a test passes: these lists only shrink,
* a failed or a skipped test, a name that is not a row, a test that names more than two rows, and an
  error in the lists.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tools.conformance_marks import PROPERTY

LISTS = Path("tests/conformance.toml")
MOST_EXEMPT = 12
MOST_ROWS = 2
"""A test may prove two rows, each asserted on its own. If all cases of a table name all its rows, a
failure does not tell which row has failed.
"""


@dataclass(frozen=True)
class Lists:
    """The committed lists. The values of the last three are reasons."""

    rows: dict[str, tuple[str, str]]
    """Row: its set-up, and the case with what is expected."""
    waits: dict[str, str]
    exempt: dict[str, str]
    open: dict[str, str]

    @classmethod
    def read(cls, path: Path = LISTS) -> Lists:
        found = tomllib.loads(path.read_text())
        rows = {row: (set_up, case) for row, (set_up, case) in found["rows"].items()}
        return cls(rows, found["waits"], found["exempt"], found["open"])

    def wrong(self) -> Iterator[str]:
        """The errors in the lists."""
        if len(self.exempt) > MOST_EXEMPT:
            yield f"{len(self.exempt)} rows are exempt, at most {MOST_EXEMPT} may be"
        times = Counter(row for rows in (self.waits, self.exempt, self.open) for row in rows)
        yield from (f"{row} stands in two lists" for row, count in times.items() if count > 1)
        yield from (f"{row} is not a row" for row in times if row not in self.rows)
        for rows in (self.waits, self.exempt, self.open):
            yield from (f"{row} has no reason" for row, why in rows.items() if not why.strip())


@dataclass
class Recorder:
    """The pytest plugin that collects the reports of all workers."""

    tests: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    """Outcomes by row and test. A test whose set-up or teardown fails has failed."""
    rows: dict[str, list[str]] = field(default_factory=dict)
    """Rows by test."""
    broken: list[str] = field(default_factory=list)
    """Files that could not be collected."""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        found: list[Any] = [value for name, value in report.user_properties if name == PROPERTY]
        rows: list[str] = found[0] if found else []
        self.rows[report.nodeid] = list(rows)
        # A test that is expected to fail proves nothing, whether it fails or passes.
        outcome = "failed" if hasattr(report, "wasxfail") else report.outcome
        for row in rows:
            before = self.tests[row].get(report.nodeid, "passed")
            self.tests[row][report.nodeid] = outcome if before == "passed" else before

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.outcome != "passed":
            self.broken.append(report.nodeid)


@dataclass(frozen=True)
class Line:
    """The result of a row."""

    row: str
    word: str
    """passed, failed, not applicable or open."""
    why: str = ""


def judged(lists: Lists, recorder: Recorder) -> tuple[list[Line], list[str]]:
    """Returns a line for each row, and what makes the run fail beside failed rows."""
    lines = [_line(row, lists, recorder.tests.get(row, {})) for row in lists.rows]
    wrong = [
        *lists.wrong(),
        *(f"{file} could not be collected" for file in recorder.broken),
        *(f"{row} is not a row: {min(recorder.tests[row])}" for row in sorted(recorder.tests) if row not in lists.rows),
        *(f"{len(rows)} rows on one test: {test}" for test, rows in recorder.rows.items() if len(rows) > MOST_ROWS),
    ]
    return lines, wrong


def _line(row: str, lists: Lists, tests: dict[str, str]) -> Line:
    bad = sorted(f"{test} {outcome}" for test, outcome in tests.items() if outcome != "passed")
    if bad:
        return Line(row, "failed", "; ".join(bad))
    if row in lists.waits:
        return Line(row, "not applicable", f"waits for {lists.waits[row]}")
    for name, rows, word in (("[exempt]", lists.exempt, "not applicable"), ("[open]", lists.open, "open")):
        if row in rows:
            stale = f"{min(tests)} passes: take the row out of {name}" if tests else ""
            return Line(row, "failed", stale) if stale else Line(row, word, rows[row])
    return Line(row, "passed") if tests else Line(row, "failed", "no test")


def report(lists: Lists, lines: list[Line], wrong: list[str]) -> bool:
    """Print the result. Returns whether the run has passed."""
    for line in lines:
        print(f"{line.row:12} {line.word:14} {line.why or ': '.join(lists.rows[line.row])}")
    counts = Counter(line.word for line in lines)
    for text in wrong:
        print(f"wrong: {text}")
    print(f"{counts['open']} rows are open: they have no test yet, and count neither as passed nor as failed")
    print(
        f"{counts['passed']} passed, {counts['failed']} failed, {counts['not applicable']} not applicable of {len(lines)} rows"
    )
    return not wrong and not counts["failed"]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="conformance", description=__doc__.partition("\n")[0])
    parser.add_argument("--jobs", default="2", help="workers of pytest-xdist; 0 for none (default: 2)")
    parser.add_argument("--lists", type=Path, default=LISTS, help="the rows (default: %(default)s)")
    parser.add_argument("tests", nargs="*", default=["tests"], help="where to look for tests (default: tests)")
    told = parser.parse_args(arguments)
    lists = Lists.read(told.lists)
    recorder = Recorder()
    plugins = ["-p", "tools.conformance_marks"]
    code = pytest.main(
        [*plugins, "-n", told.jobs, "--dist", "worksteal", "-q", "--no-header", "--no-summary", *told.tests], [recorder]
    )
    lines, wrong = judged(lists, recorder)
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        wrong.append(f"pytest ended with {code!r}")
    return 0 if report(lists, lines, wrong) else 1


if __name__ == "__main__":
    sys.exit(main())
