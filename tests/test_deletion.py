"""A protocol is a folder, its tests and two lines: without ISO 15118-2 everything else works."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.deletion import doors, imports, run_tests, without

SELECTION = (
    "tests/conversation",
    "tests/session/test_negotiation.py",
    "tests/session/test_identification.py",
    "tests/trace/test_json.py",
    "tests/trace/test_reasons.py",
    "tests/trace/test_register.py",
    "tests/outlet",
    "tests/energy/test_ac.py",
    "tests/link/test_sdp.py",
    "tests/hal/test_guard.py",
    "tests/config/test_sources.py",
    "tests/ops/test_check.py",
    "tests/uplink/test_policy.py",
)
"""What is nearest to a session in the rooms that list protocols or speak of one; `make deletion`, which CI runs, runs all, in some minutes."""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return without("iso2", tmp_path_factory.mktemp("without"))


def test_every_module_that_is_left_can_be_imported_and_none_looks_for_the_protocol(copy: Path) -> None:
    outcome = imports("iso2", copy)
    assert outcome.returncode == 0, outcome.stderr[-2000:]


def test_the_doors_are_still_held(copy: Path) -> None:
    outcome = doors(copy)
    assert outcome.returncode == 0, outcome.stdout[-2000:] + outcome.stderr[-2000:]


def test_the_tests_that_are_left_pass(copy: Path) -> None:
    outcome = run_tests(copy, SELECTION)
    assert outcome.returncode == 0, outcome.stdout[-4000:] + outcome.stderr[-2000:]


def test_a_module_that_needs_the_protocol_is_noticed(copy: Path) -> None:
    culprit = copy / "secc" / "session" / "culprit.py"
    culprit.write_text("from secc.iso2.messages import SCHEMA\n")
    try:
        assert "No module named 'secc.iso2'" in imports("iso2", copy).stderr
    finally:
        culprit.unlink()
