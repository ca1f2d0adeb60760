"""The conformance run: its lists, and everything on which it has to fail."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tools.conformance import MOST_EXEMPT, Lists, Recorder, judged
from tools.conformance_marks import ELSEWHERE

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT.parent / "shared" / "reference" / "conformance-cases.md"
COMMITTED = Lists.read(ROOT / "tests" / "conformance.toml")
OF_TLS = {*(f"TLS-{number:02}" for number in range(1, 12)), "TLS-21", "TLS-22"}
"""The others are of ISO 15118-20."""


@pytest.mark.skipif(not REFERENCE.exists(), reason="the list of cases stays in ../shared, which is missing here")
def test_the_rows_are_those_of_the_reference() -> None:
    found = re.findall(r"^\| ((?:I2|I2X|TP|SAP|TLS|DIN)-[A-Z0-9-]+) \|", REFERENCE.read_text("utf-8"), re.MULTILINE)
    assert list(COMMITTED.rows) == [row for row in found if not row.startswith("TLS-") or row in OF_TLS]


def test_the_committed_lists() -> None:
    assert list(COMMITTED.wrong()) == []
    assert sum(row.startswith("I2-") for row in COMMITTED.rows) == 272
    assert len(COMMITTED.rows) == 380
    assert hashlib.sha256("\n".join(sorted(COMMITTED.rows)).encode()).hexdigest()[:16] == "039502365cbc221e"
    assert not any(ELSEWHERE.fullmatch(row) for row in COMMITTED.rows)
    assert all(set_up and case for set_up, case in COMMITTED.rows.values())


def lists(**of: dict[str, str]) -> Lists:
    rows = {f"I2-X-{number:02}": ("AC", f"case {number}") for number in range(1, 20)}
    return Lists(rows, of.get("waits", {}), of.get("exempt", {}), of.get("open", {}))


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (lists(exempt={f"I2-X-{n:02}": "no such set-up" for n in range(1, MOST_EXEMPT + 2)}), "13 rows are exempt"),
        (lists(open={"I2-X-01": "x"}, exempt={"I2-X-01": "y"}), "I2-X-01 stands in two lists"),
        (lists(waits={"I2-Y-01": "DIN"}), "I2-Y-01 is not a row"),
        (lists(open={"I2-X-01": " "}), "I2-X-01 has no reason"),
    ],
)
def test_a_list_that_is_wrong(wrong: Lists, text: str) -> None:
    assert [found for found in wrong.wrong() if text in found]


def heard(**tests: tuple[str, ...]) -> Recorder:
    """Outcome and rows by test."""
    recorder = Recorder()
    for test, (outcome, *rows) in tests.items():
        for when in ("setup", "call", "teardown"):
            told = outcome if when == "call" else "passed"
            report = pytest.TestReport(test, ("", 0, ""), {}, told, None, when)  # type: ignore[arg-type]
            report.user_properties.append(("conformance rows", rows))
            recorder.pytest_runtest_logreport(report)
    return recorder


def words(of: Lists, recorder: Recorder, *rows: str) -> list[str]:
    lines, _ = judged(of, recorder)
    return [next(line.word for line in lines if line.row == row) for row in rows]


def test_a_row_is_as_good_as_its_worst_test() -> None:
    recorder = heard(a=("passed", "I2-X-01", "I2-X-02"), b=("failed", "I2-X-02"), c=("skipped", "I2-X-03"))
    found = words(lists(), recorder, "I2-X-01", "I2-X-02", "I2-X-03", "I2-X-04")
    assert found == ["passed", "failed", "failed", "failed"]


def test_rows_that_are_listed_count_as_what_they_are_listed_as() -> None:
    some = lists(waits={"I2-X-01": "DIN"}, exempt={"I2-X-02": "no such set-up"}, open={"I2-X-03": "pause"})
    rows = ("I2-X-01", "I2-X-02", "I2-X-03")
    assert words(some, heard(), *rows) == ["not applicable", "not applicable", "open"]
    # What waits may have tests of what is there already; the two other lists are for rows without one.
    passes = heard(a=("passed", "I2-X-01"), b=("passed", "I2-X-02"), c=("passed", "I2-X-03"))
    assert words(some, passes, *rows) == ["not applicable", "failed", "failed"]
    fails = heard(a=("failed", "I2-X-01"), b=("failed", "I2-X-02"), c=("failed", "I2-X-03"))
    assert words(some, fails, *rows) == ["failed", "failed", "failed"]


def test_unknown_rows_and_tables_that_name_many_are_told() -> None:
    _, wrong = judged(lists(), heard(a=("passed", "I2-X-99"), b=("passed", "I2-X-01", "I2-X-02", "I2-X-03")))
    assert wrong == ["I2-X-99 is not a row: a", "3 rows on one test: b"]


EXAMPLE = """
import pytest

@pytest.mark.parametrize("good", [
    pytest.param(True, marks=pytest.mark.case("I2-X-01")),
    pytest.param({second}, marks=pytest.mark.case("I2-X-02", "A-PNC-01")),
])
def test_rows(good):
    assert good

@pytest.mark.case("Q-01")
def test_of_a_quirk():
    raise AssertionError("is not run")

@pytest.mark.case("{third}")
def test_third():
    {body}
"""
THREE = """
[rows]
I2-X-01 = ["AC", "the first"]
I2-X-02 = ["DC", "the second"]
I2-X-03 = ["any", "the third"]
I2-X-04 = ["any", "the fourth"]
[waits]
[exempt]
[open]
I2-X-04 = "a pause"
"""


@pytest.mark.parametrize(
    ("second", "third", "body", "code", "last"),
    [
        ("True", "I2-X-03", "pass", 0, "3 passed, 0 failed, 0 not applicable of 4 rows"),
        ("False", "I2-X-03", "pass", 1, "2 passed, 1 failed, 0 not applicable of 4 rows"),
        ("True", "I2-X-03", "pytest.skip('not here')", 1, "2 passed, 1 failed, 0 not applicable of 4 rows"),
        ("True", "I2-X-03", "pytest.xfail('some day')", 1, "2 passed, 1 failed, 0 not applicable of 4 rows"),
        ("True", "I2-X-04", "pass", 1, "2 passed, 2 failed, 0 not applicable of 4 rows"),
        ("True", "I2-Z-01", "pass", 1, "2 passed, 1 failed, 0 not applicable of 4 rows"),
        ("True", "I2-X-03", "pass\n\nimport nothing_of_that_name", 1, "0 passed, 3 failed, 0 not applicable of 4 rows"),
    ],
    ids=["all well", "a red row", "skipped", "expected to fail", "open with a test", "unknown", "not collected"],
)
def test_a_run(tmp_path: Path, second: str, third: str, body: str, code: int, last: str) -> None:
    # Reports of workers are others than those of a run without: one example of each.
    jobs = "2" if second == "False" else "0"
    (tmp_path / "test_example.py").write_text(EXAMPLE.format(second=second, third=third, body=body))
    (tmp_path / "rows.toml").write_text(THREE)
    command = [sys.executable, "-m", "tools.conformance", "--jobs", jobs, "--lists", str(tmp_path / "rows.toml")]
    done = subprocess.run([*command, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.stdout.splitlines()[-1] == last, done.stdout + done.stderr
    assert "1 rows are open" in done.stdout or third == "I2-X-04"
    assert done.returncode == code
