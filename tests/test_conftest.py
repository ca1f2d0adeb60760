"""What the configuration of the tests promises."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def test_a_test_that_never_ends_fails_and_the_others_run(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    """A fault that makes a wait spin for ever is a red test with a name, not a run that somebody has to kill."""
    assert float(pytestconfig.getini("timeout")) > 0.0
    (tmp_path / "test_spin.py").write_text(
        "def test_spin():\n    while True:\n        pass\n\n\ndef test_next():\n    pass\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-c", str(ROOT / "pyproject.toml"), "-p", "no:randomly"]
    run = subprocess.run(
        [*command, "-o", "timeout=1", "--rootdir", str(tmp_path), str(tmp_path / "test_spin.py")],
        capture_output=True,
        text=True,
        timeout=60.0,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert run.returncode == 1, run.stdout + run.stderr
    assert run.stdout.startswith("F. "), run.stdout
    assert "Timeout" in run.stdout
