"""No book, no energy: a whole station whose disk does not take the book of its sessions (A-RES-06)."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hal.readings import Indication
from hal.sim.clock import run_virtual
from secc.config import Hlc
from secc.ops.report import status_lines
from secc.station.shared import traces
from secc.trace.history import records
from tests.station_scene import LONG, QUICK, Scene, configured, judged, station

pytestmark = pytest.mark.case("A-RES-06")


def book(scene: Scene) -> Path:
    path = scene.config.uplink.sessions
    assert path is not None
    return path


def disk_away(scene: Scene) -> None:
    """The book cannot be written: something else stands in its place. (Root may write on a disk that others find read-only.)"""
    if book(scene).exists():
        book(scene).rename(book(scene).with_suffix(".kept"))
    book(scene).mkdir()


def disk_back(scene: Scene) -> None:
    book(scene).rmdir()
    kept = book(scene).with_suffix(".kept")
    if kept.exists():
        kept.rename(book(scene))


def booked(scene: Scene) -> list[dict[str, Any]]:
    return [json.loads(line) for line in book(scene).read_text().splitlines()] if book(scene).exists() else []


def shown(scene: Scene) -> tuple[Indication, str]:
    plugin = scene.outlet().plug.plugin
    assert plugin is not None
    return plugin.state.indication(asyncio.get_running_loop().time(), plugin.session.levels)


def test_nobody_charges_while_nothing_can_be_booked(tmp_path: Path) -> None:
    """The station must not charge, and must not say "ready"."""

    async def main() -> None:
        async with station(configured(tmp_path)) as scene:
            disk_away(scene)
            await asyncio.sleep(11.0)
            assert shown(scene) == (Indication.UNAVAILABLE, "sessions cannot be booked")
            status = scene.station.state()["uplink"]
            assert status["state"] == "degraded"
            assert "problem   charging sessions cannot be booked" in "\n".join(status_lines(scene.station.state()))
            drive = scene.drive(QUICK, stay=True)
            await drive.done()
            assert drive.failed is not None, "nobody answers it"
            assert shown(scene) == (Indication.FAULTED, "sessions cannot be booked")
            assert scene.watches[0].closed_seconds == 0.0
            scene.world().unplug()
            disk_back(scene)
            await asyncio.sleep(11.0)
            assert scene.station.state()["uplink"]["state"] == "ready"
            await scene.charges()
            await scene.until(lambda: len(booked(scene)) == 2, what="booked")
            judged(scene)

    run_virtual(main())


def test_a_session_that_has_begun_is_booked_when_the_disk_is_back(tmp_path: Path) -> None:
    async def main() -> None:
        async with station(configured(tmp_path)) as scene:
            drive = await scene.charging(scene.drive(LONG))
            disk_away(scene)
            await asyncio.sleep(20.0)
            assert scene.world().contactor.closed, "it goes on"
            scene.outlet().commands.stop("operator")
            assert (await drive.done()).outcome == "completed.by-station"
            await asyncio.sleep(5.0)
            assert "1 lines wait for the disk" in scene.station.state()["uplink"]["problems"][0]
            disk_back(scene)
            await asyncio.sleep(11.0)
            begun, ended = booked(scene)
            assert (begun["what"], ended["what"], begun["session"]) == ("started", "ended", ended["session"])
            assert ended["watt_hours"] > begun["watt_hours"]
            assert ended["reason"] == "completed.terminated"

    run_virtual(main())


def test_a_meter_that_hangs_keeps_no_session_out_of_the_book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with station(configured(tmp_path)) as scene:
            meter = scene.board().meter
            monkeypatch.setattr(meter, "read", lambda: asyncio.sleep(3600.0))
            await scene.charges()
            await scene.until(lambda: len(booked(scene)) == 2, 10.0, "booked")
            assert booked(scene)[1]["watt_hours"] > booked(scene)[0]["watt_hours"], "what the board said last"
            await asyncio.sleep(5.0)
            await scene.charging(scene.drive(LONG, stay=True))
            await scene.until(lambda: len(booked(scene)) == 3, 1.0, "booked while it charges")

    run_virtual(main())


def test_a_session_is_booked_while_the_trace_of_the_one_before_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(traces, "FIRST_SECONDS", 600.0)

    async def main() -> None:
        async with station(configured(tmp_path), watch=False) as scene:
            await scene.charges()
            await asyncio.sleep(5.0)
            drive = await scene.charging(scene.drive(LONG, stay=True))
            await scene.until(lambda: len(booked(scene)) == 3, 1.0, "booked while it charges")
            drive.reset()
            await drive.done()
            await scene.until(lambda: len(booked(scene)) == 4, 10.0, "booked though no trace is written")
            assert not scene.outlet().writes.idle
            await scene.until(lambda: scene.outlet().writes.idle, 1000.0)
            assert all(record.ended and record.trace for record in records(scene.state))

    run_virtual(main())


def test_a_setting_lets_cars_charge_all_the_same(tmp_path: Path) -> None:
    async def main() -> None:
        config = configured(tmp_path)
        config = replace(config, uplink=replace(config.uplink, danger_charge_unbooked=True))
        async with station(config) as scene:
            assert "uplink.danger_charge_unbooked is set" in scene.station.state()["dangers"]
            disk_away(scene)
            await asyncio.sleep(11.0)
            assert shown(scene) == (Indication.AVAILABLE, "")
            assert scene.station.state()["uplink"]["state"] == "degraded"
            await scene.charges()
            disk_back(scene)
            await asyncio.sleep(11.0)
            assert [row["what"] for row in booked(scene)] == ["started", "ended"]

    run_virtual(main())


def test_charging_by_pilot_needs_the_book_too(tmp_path: Path) -> None:
    async def main() -> None:
        config = configured(tmp_path, dc=False)
        config = replace(config, outlets=(replace(config.outlets[0], hlc=Hlc.OFF),))
        async with station(config) as scene:
            disk_away(scene)
            await asyncio.sleep(11.0)
            scene.world().plug_in()
            await asyncio.sleep(1.0)
            scene.world().close_s2(True)
            await asyncio.sleep(30.0)
            assert scene.watches[0].closed_seconds == 0.0
            disk_back(scene)
            await scene.until(lambda: scene.world().contactor.closed, what="power")
            await scene.until(lambda: len(booked(scene)) == 1, what="booked")

    run_virtual(main())


def test_the_record_of_a_session_that_ended_on_a_full_disk_comes_when_there_is_room(tmp_path: Path) -> None:
    """``secc explain`` told of a power cut, because the beginning was all that the disk had taken."""

    async def main() -> None:
        async with station(configured(tmp_path)) as scene:
            drive = await scene.charging(scene.drive(QUICK))
            await scene.until(lambda: scene.outlet().writes.idle)
            place, kept = scene.state / "history" / "1", scene.state / "kept"
            place.rename(kept)
            place.write_text("in the way")
            await drive.done()
            await scene.ended()
            await scene.until(lambda: scene.outlet().writes.idle)
            place.unlink()
            kept.rename(place)
            assert [record.reason.code for record in records(scene.state)] == ["severed.power-lost"]
            await asyncio.sleep(11.0)
            assert [record.reason.code for record in records(scene.state)] == ["completed.terminated"]

    run_virtual(main())
