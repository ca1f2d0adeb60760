"""``secc clock``: what is known of the time, and root's confirmation of it."""

from __future__ import annotations

import asyncio
import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hal.sim.clock import run_virtual
from secc.cli import main
from secc.ops.calendar import Calendar, read_seen
from tests.station_config import configured, running


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Of a station that has once seen the year 2038."""
    (tmp_path / "last-seen").write_text("2038-01-19T00:00:00+00:00\n")
    return tmp_path


def test_show_says_what_is_the_matter(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["clock", "--state", str(state), "show"]) == 0
    said = capsys.readouterr().out
    assert "last seen  2038-01-19 00:00 UTC (build date: 2026-11-20 00:00 UTC)" in said
    assert "confirmed  no" in said
    assert main(["clock", "--state", str(state / "none"), "show"]) == 1
    assert "none cannot be read" in capsys.readouterr().err


def test_the_setting_that_vouches_for_the_hardware_clock_counts(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = state / "station.toml"
    config.write_text('[station]\nstate_directory = "."\n[[outlet]]\ninterface = "lo"\n[trust]\nclock = "rtc"\n')
    assert main(["clock", "--config", str(config), "show"]) == 0
    said = capsys.readouterr().out
    assert "the operator vouches for it" in said
    assert "problem    the clock says 20" in said
    assert "if it is right now, confirm it as root: secc clock reset" in said


def test_reset_is_for_root_alone(
    state: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert main(["clock", "--state", str(state), "reset"]) == 1
    assert capsys.readouterr().err == "secc: only root may say what time it is\n"
    assert read_seen(state / "last-seen").time == datetime(2038, 1, 19, tzinfo=UTC)


def test_reset_takes_the_clock_at_roots_word(
    state: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert main(["clock", "--state", str(state), "reset"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("the last time seen was 2038-01-19 00:00 UTC and is 20")
    assert "no running station could be told (no station is running at" in said
    assert abs((read_seen(state / "last-seen").time - datetime.now(UTC)).total_seconds()) < 60
    assert Calendar(state / "last-seen", vouched=True).wall().trusted
    assert main(["clock", "--state", str(state), "show"]) == 0
    assert "note       root has reset the last time seen, from 2038-01-19 00:00 UTC" in capsys.readouterr().out
    assert main(["clock", "--state", str(state / "none"), "reset"]) == 1
    assert "there is no state directory" in capsys.readouterr().err


def test_a_clock_from_before_the_software_is_not_believed_from_root_either(
    state: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr("secc.ops.clocks.Clocks.now", lambda clocks: datetime(1970, 1, 1, tzinfo=UTC))
    assert main(["clock", "--state", str(state), "reset"]) == 1
    assert "before this software was made" in capsys.readouterr().err


def test_a_running_station_hears_of_it_and_shows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)

    async def run() -> None:
        config = configured(tmp_path)
        config.station.state_directory.mkdir()
        (config.station.state_directory / "last-seen").write_text("2038-01-19T00:00:00+00:00\n")
        async with running(config) as station:
            assert not station.state()["clock"]["trusted"]
            where = ["--state", str(config.station.state_directory)]
            assert await asyncio.to_thread(main, ["clock", *where, "reset"]) == 0
            assert "the running station has been told" in capsys.readouterr().out
            async with asyncio.timeout(30.0):
                while not station.state()["clock"]["remark"]:
                    await asyncio.sleep(0.05)
            assert await asyncio.to_thread(main, ["status", *where]) == 0
            assert "note      root has reset the last time seen, from 2038-01-19" in capsys.readouterr().out
            assert json.dumps(station.state())

    run_virtual(run())
