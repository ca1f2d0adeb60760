"""The fixture for other projects: the example of its page, run as another project would run it, and what the example does not show."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from hal.errors import HalRejected
from secc.station.control import ControlError
from secc.testing import StationUnderTest

ROOT = Path(__file__).resolve().parent.parent


def test_the_example_of_the_page_runs_in_another_project(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "testing.md").read_text()
    found = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert found is not None
    (tmp_path / "test_my_car.py").write_text(found.group(1))
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "--strict-markers",
            "-p",
            "no:asyncio",
            "test_my_car.py",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout


def test_the_world_is_at_hand_and_says_what_it_cannot(secc_station: StationUnderTest) -> None:
    world = secc_station.world
    with pytest.raises(HalRejected, match="not plugged in"):
        world.close_s2()
    world.plug_in()
    secc_station.until(lambda: secc_station.control.state()["pilot"] == "B")
    world.close_s2()
    secc_station.until(lambda: secc_station.control.state()["pilot"] == "C")
    world.press_emergency_stop()
    secc_station.until(lambda: any(event["event"] == "emergency-stop" for event in secc_station.events))
    assert secc_station.port is None
    world.press_emergency_stop(False)
    with pytest.raises(HalRejected, match="no such fault"):
        world.inject("gremlins")
    assert not world.contactor_closed


def test_the_levers_are_those_of_the_control_socket(secc_station: StationUnderTest) -> None:
    control = secc_station.control
    control.limit(11_000.0)
    assert control.state()["watts_limit"] == 11_000.0
    control.limit(None)
    assert control.state()["watts_limit"] is None
    with pytest.raises(ControlError, match="no session"):
        control.renegotiate()


@pytest.mark.secc_station(connector="ac", settings={"strict": True})
def test_the_marker_says_what_the_station_is_like(secc_station: StationUnderTest) -> None:
    assert secc_station.world.truth()["dc"] is False
    assert secc_station.config.lab.strict


def test_nothing_is_left_of_a_station(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    station: StationUnderTest = request.getfixturevalue("secc_station")
    station.world.plug_in()
    station.close()
    assert not station._thread.is_alive()
    assert not station.config.control_socket.exists()
    assert not station.panel.exists()
