"""What holds for every test, and what a run could not prove."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from frozen import code

# Many distributions let a user's group write new files. Lists, stores and configuration that others may write are not used (A-PKI-07), and the tests
# write them as an operator does on a board.
os.umask(0o022)

# How long an example takes is the machine's business: on a busy one any of them may take longer than hypothesis allows by default.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


@pytest.fixture
def sockets() -> Iterator[Path]:
    """A short path: those of unix sockets may have about 100 octets."""
    with tempfile.TemporaryDirectory(prefix="secc-") as directory:
        yield Path(directory)


@pytest.fixture
def process(tmp_path: Path, sockets: Path) -> Iterator[Any]:
    """A station as a process (``tests.station_process.Process``)."""
    from tests.station_process import Process  # with a whole station, which most tests do not need

    started = Process(tmp_path, sockets)
    yield started
    started.close()


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of all functions that the EXI codec makes meanwhile: ``read_`` or ``write_`` and the type."""
    found: list[str] = []

    def noted(text: str, file: str) -> Any:
        found.append(text.partition("(")[0].removeprefix("def "))
        return code.compiled(text, file)

    monkeypatch.setattr("secc.exi.source.compiled", noted)
    return found


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped:
        rows = sorted({str(row) for mark in item.iter_markers("case") for row in mark.args})
        report.user_properties.append(("rows", rows))
    return report


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Skipped tests by reason, with the conformance rows that they would have proved: a green run without them proves less."""
    skipped = terminalreporter.stats.get("skipped", [])
    if not skipped:
        return
    reasons: dict[str, tuple[list[str], set[str]]] = {}
    for report in skipped:
        why = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        tests, rows = reasons.setdefault(why.removeprefix("Skipped: "), ([], set()))
        tests.append(report.nodeid)
        rows.update(*(value for name, value in report.user_properties if name == "rows"))
    terminalreporter.section(f"not proved here: {len(skipped)} tests", sep="-")
    for why, (tests, rows) in sorted(reasons.items()):
        files = sorted({name.partition("::")[0] for name in tests})
        terminalreporter.write_line(f"{len(tests):4d}  {why}: {', '.join(files)}")
        if rows:
            terminalreporter.write_line(f"      rows of the conformance list: {' '.join(sorted(rows))}")
