"""A station says "ready" of an outlet only when a car could charge there, says loudly what keeps it from that, and says when it changes."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hal.sim.clock import run_virtual
from secc.config import Config, Eim, Tls
from secc.conversation import Wall
from secc.ops.calendar import Calendar
from secc.session.offer import Payment
from secc.station.station import examine
from tests.station_scene import BOTH, Scene, configured, station

CONTRACT = (Payment.CONTRACT,)


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What the log says about readiness, with its level."""
    caplog.set_level(logging.INFO)

    def lines() -> list[str]:
        found = [record for record in caplog.records if record.name == "secc.station.station"]
        return [f"{record.levelname} {record.getMessage()}" for record in found if "ready" in record.getMessage()]

    return lines


def stays(config: Config, act: Callable[[Scene], Awaitable[None]] | None = None) -> list[str]:
    """The problem of each outlet, two seconds after the start (and after ``act``)."""

    async def main() -> list[str]:
        async with station(config) as scene:
            if act is not None:
                await act(scene)
            await asyncio.sleep(2.0)
            return [outlet["problem"] for outlet in scene.station.state()["outlets"]]

    return run_virtual(main())


def test_an_outlet_where_a_car_can_charge_is_ready(tmp_path: Path, told: Callable[[], list[str]]) -> None:
    assert stays(configured(tmp_path)) == [""]
    assert told() == ["INFO ready: outlet 1 on lo"]


def test_one_of_two_is_ready(tmp_path: Path, told: Callable[[], list[str]]) -> None:
    """It must not say "ready: outlet 1 on lo, outlet 2 on eth987"."""
    config = configured(tmp_path, outlets=2)
    config = replace(config, outlets=(config.outlets[0], replace(config.outlets[1], interface="eth987")))
    assert stays(config) == ["", "there is no interface eth987"]
    assert told() == ["ERROR outlet 2 is not ready: there is no interface eth987", "INFO ready: outlet 1 on lo"]


def test_tls_without_a_chain(tmp_path: Path, told: Callable[[], list[str]]) -> None:
    config = configured(tmp_path, tls=Tls.REQUIRED, payments=BOTH)
    (tmp_path / "empty").mkdir(mode=0o700)
    config = replace(config, trust=replace(config.trust, keystore=tmp_path / "empty"))
    said = "tls is 'required', and no chain of the keystore can be used"
    assert stays(config) == [said]
    assert told() == [f"ERROR outlet 1 is not ready: {said}"]


@pytest.mark.parametrize("lacking", ["clock", "roots"])
def test_contract_alone_that_nobody_can_judge(
    tmp_path: Path, told: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch, lacking: str
) -> None:
    config = configured(tmp_path, tls=Tls.REQUIRED, payments=CONTRACT, eim=Eim.LIST)
    assert stays(config) == [""]
    if lacking == "clock":
        monkeypatch.setattr(Calendar, "wall", lambda self: Wall(datetime.now(UTC), trusted=False))
    else:
        (tmp_path / "empty").mkdir(mode=0o700)
        config = replace(config, trust=replace(config.trust, truststore=tmp_path / "empty"))
    (problem,) = stays(config)
    assert problem == "only contract is offered, and no contract can be judged: look at roots, chain and clock"
    assert told()[-1] == f"ERROR outlet 1 is not ready: {problem}"


def test_an_emergency_stop_comes_and_goes(tmp_path: Path, told: Callable[[], list[str]]) -> None:
    async def act(scene: Scene) -> None:
        scene.world().press_emergency_stop()
        await asyncio.sleep(2.0)
        assert scene.station.state()["outlets"][0]["problem"].startswith("the emergency stop is pressed")
        scene.world().press_emergency_stop(False)

    assert stays(configured(tmp_path), act) == [""]
    assert [line.partition(" ")[0] for line in told()] == ["INFO", "ERROR", "INFO"]
    assert "outlet 1 is not ready: the emergency stop is pressed" in told()[1]


def test_run_says_loudly_what_check_calls_bad(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = configured(tmp_path, tls=Tls.OFFERED, payments=BOTH, eim=Eim.LIST)
    (tmp_path / "empty").mkdir(mode=0o700)
    config = replace(config, trust=replace(config.trust, truststore=tmp_path / "empty"))

    async def main() -> None:
        async with station(config) as scene:
            await asyncio.get_running_loop().run_in_executor(scene.services.work.long, examine, config)

    run_virtual(main())
    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert errors == [f"check: BAD  truststore: {tmp_path}/empty holds no root, so no contract can be accepted"]


def test_secc_run_does_so_when_it_has_started(tmp_path: Path) -> None:
    """A station whose truststore is empty must not only say that it is ready."""
    (tmp_path / "empty").mkdir(mode=0o700)
    flags = [
        "--iface",
        "lo",
        "--state",
        str(tmp_path / "state"),
        "--truststore",
        str(tmp_path / "empty"),
        "--clock",
        "rtc",
    ]
    flags += ["--sdp-port", str(configured(tmp_path).outlets[0].sdp_port)]
    child = subprocess.Popen([sys.executable, "-m", "secc", "run", *flags], stderr=subprocess.PIPE, text=True)
    assert child.stderr is not None
    try:
        said = ""
        for line in child.stderr:
            said += line
            if "check: BAD" in line:
                break
        assert f"error: check: BAD  truststore: {tmp_path}/empty holds no root" in said
        assert "ready: outlet 1 on lo" in said
    finally:
        child.terminate()
        child.stderr.close()
        assert child.wait(30) == 0
