"""The scenarios of ``run_station`` as tests: ``pytest -m live tests/live/slac``."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.live.slac.run_station import SCENARIOS

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.live
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_whole_station_behind_emulated_modems(scenario: str) -> None:
    if shutil.which("pev") is None:
        pytest.skip("pev is not installed (Debian: plc-utils-extra)")
    command = [sys.executable, "-m", "tests.live.slac.run_station", scenario]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    if result.returncode == 2:
        pytest.skip(result.stderr.strip())
    assert result.returncode == 0, result.stdout + result.stderr
