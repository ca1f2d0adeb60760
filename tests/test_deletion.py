"""A protocol is a folder, its tests and two lines: without ISO 15118-2, and without DIN SPEC 70121, everything else works."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.deletion import PROTOCOLS, doors, imports, named, needing, run_tests, without

pytestmark = pytest.mark.slow

NEAREST = (
    "tests/conversation",
    "tests/session/test_negotiation.py",
    "tests/session/test_identification.py",
    "tests/trace/test_json.py",
    "tests/trace/test_reasons.py",
    "tests/trace/test_register.py",
    "tests/config/test_sources.py",
    "tests/config/test_spoken.py",
    "tests/ops/test_check.py",
)
SELECTIONS = {
    "iso2": (
        *NEAREST,
        "tests/outlet",
        "tests/energy/test_ac.py",
        "tests/link/test_sdp.py",
        "tests/hal/test_guard.py",
        "tests/uplink/test_policy.py",
    ),
    "din": (
        *NEAREST,
        "tests/trace/test_quirks.py",
        "tests/trace/test_explain.py",
        "tests/iso2/test_dialogue.py",
        "tests/iso2/test_reasons.py",
        "tests/station/test_wiring.py",
        "tests/test_house.py",
        "tests/tools/test_config_doc.py",
        "tests/tools/test_docs.py",
        "tests/tools/test_quirks_doc.py",
        "tests/tools/test_reasons_doc.py",
        "tests/tools/test_replay.py",
    ),
}
"""What is nearest to a session in the rooms that list protocols or speak of one; `make deletion`, which CI runs, runs more, in two minutes."""


@pytest.fixture(scope="module", params=SELECTIONS)
def gone(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """The name of a protocol, and a copy without it."""
    return request.param, without(request.param, tmp_path_factory.mktemp("without"))


def test_every_protocol_can_be_deleted() -> None:
    folders = {path.parents[1].name for path in (Path(__file__).parents[1] / "secc").glob("*/messages/__init__.py")}
    assert set(PROTOCOLS) == set(SELECTIONS) == folders


def test_every_module_that_is_left_can_be_imported_and_none_looks_for_the_protocol(gone: tuple[str, Path]) -> None:
    outcome = imports(*gone)
    assert outcome.returncode == 0, outcome.stderr[-2000:]


def test_the_doors_are_still_held(gone: tuple[str, Path]) -> None:
    outcome = doors(gone[1])
    assert outcome.returncode == 0, outcome.stdout[-2000:] + outcome.stderr[-2000:]


def test_the_tests_that_are_left_pass(gone: tuple[str, Path]) -> None:
    outcome = run_tests(gone[1], SELECTIONS[gone[0]])
    assert outcome.returncode == 0, outcome.stdout[-4000:] + outcome.stderr[-2000:]


def test_a_module_that_needs_the_protocol_is_noticed(gone: tuple[str, Path]) -> None:
    name, copy = gone
    culprit = copy / "secc" / "session" / "culprit.py"
    culprit.write_text(f"from secc.{name}.messages import SCHEMA\n")
    try:
        assert f"No module named 'secc.{name}'" in imports(name, copy).stderr
    finally:
        culprit.unlink()


def test_what_needs_din_says_so_in_its_name() -> None:
    """So that nothing goes with it but what is about it. Most tests charge by ISO 15118-2, and go with that by what they import."""
    assert needing("din") - named("din") == set()
