"""The demo with a car of DIN SPEC 70121: two processes, real sockets, the simulated world."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tools import demo
from tools.replay import replay


@pytest.mark.slow
def test_demo_of_a_killed_car_of_din_is_true(tmp_path: Path) -> None:
    """The car is killed while power flows, the next one charges, and both traces say the same again."""
    command = [sys.executable, "-m", "tools.demo", "--protocol", "din", "--protocol", "iso2", "--no-tls", "--kill"]
    done = subprocess.run(
        [*command, "--speed", "300", "--directory", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == demo.OK, done.stdout + done.stderr
    assert done.stdout.count("car      agreed on DIN SPEC 70121") == 2
    traces = sorted((tmp_path / "traces").glob("*.jsonl"), key=lambda path: path.stat().st_mtime)
    ends = [json.loads(path.read_text().splitlines()[-1])["code"] for path in traces]
    assert ends == ["severed.connection-closed", "completed.terminated"]
    for path in traces:
        outcome = replay(path.read_text().splitlines())
        assert outcome.differences == []
        assert outcome.steps > 20


def test_a_car_of_din_with_a_contract_is_no_car(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tools.evcc", "--protocol", "din", "--pki", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "--protocol din goes with --payment eim" in done.stderr
