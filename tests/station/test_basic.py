"""Charging by pilot and duty on a whole station, in virtual time; judged by the simulated contactor and meter."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from hal.sim.clock import run_virtual
from secc.config import Config, Eim, Hlc
from secc.trace.history import records
from tests.station_scene import OPEN_SECONDS, Scene, configured, judged, station

AC = "sim:?connector=ac"
AC_MODEM = "sim:?connector=ac&modem=1"


def plain(directory: Path, *, hlc: Hlc = Hlc.OFF, hal: str = AC, eim: Eim = Eim.FREE) -> Config:
    config = configured(directory, dc=False, hal=hal, eim=eim)
    return replace(config, outlets=tuple(replace(outlet, hlc=hlc) for outlet in config.outlets))


async def charging(scene: Scene) -> None:
    world = scene.world()
    world.plug_in()
    await scene.until(lambda: (world.duty or 0.0) > 0.08 and world.duty != 1.0, what="nominal duty")
    world.close_s2()
    assert await scene.until(lambda: world.contactor.closed, 3.0, "IEC 61851-1 sequence 4") < 1.0
    await asyncio.sleep(10.0)
    assert world.watts() > 1000.0


def books(scene: Scene) -> list[dict[str, object]]:
    return [json.loads(line) for line in (scene.state / "sessions.jsonl").read_text().splitlines()]


def test_what_a_plug_in_delivered_that_failed_is_booked_and_the_next_has_a_transaction_of_its_own(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        async with station(plain(tmp_path), watch=False) as scene:
            await charging(scene)
            scene.seat("plug-in").fail(ZeroDivisionError("planted"))
            await scene.opened()
            await asyncio.sleep(20.0)
            assert scene.world().contactor.closed, "the car is still there, and may charge"
            scene.world().unplug(force=True)
            await scene.until(lambda: scene.outlet().writes.idle and len(books(scene)) == 4, 10.0)
            first, failed, second, gone = books(scene)
            assert failed["reason"] == "bug.PlugIn"
            assert gone["reason"] == "completed.unplugged"
            assert first["session"] == failed["session"] != second["session"] == gone["session"]
            assert failed["watt_hours"] == pytest.approx(second["watt_hours"], abs=0.1)
            assert [one.reason.code for one in records(scene.state)] == ["bug.PlugIn", "completed.unplugged"]

    run_virtual(main())


def test_from_plugging_to_unplugging_and_in_the_books(tmp_path: Path) -> None:
    async def main() -> None:
        async with station(plain(tmp_path)) as scene:
            world = scene.world()
            await charging(scene)
            assert world.duty == 0.5333
            assert world.present()[1] == 16.0, "the car's own charger"
            world.close_s2(False)
            await scene.opened()
            await asyncio.sleep(20.0)
            world.close_s2()
            await scene.until(lambda: world.contactor.closed, 3.0)
            await asyncio.sleep(10.0)
            world.unplug(force=True)
            await scene.opened()
            await asyncio.sleep(10.0)
            metered = world.books.metered
            assert metered > 50.0
            written = books(scene)
            assert len(written) == 2, written
            assert "completed.unplugged" in json.dumps(written[1])
            await charging(scene)
            judged(scene)

    run_virtual(main())


def test_the_grid_limits_the_current_by_the_duty(tmp_path: Path) -> None:
    async def main() -> None:
        async with station(plain(tmp_path)) as scene:
            world = scene.world()
            await charging(scene)
            scene.outlet().commands.limit(8.0 * 690.0)
            await scene.until(lambda: 7.9 < world.present()[1] <= 8.0, 6.0)
            scene.outlet().commands.limit(1000.0)
            await scene.until(lambda: world.duty == 1.0, 1.0)
            assert world.present()[1] == 0.0
            world.close_s2(False)
            await scene.opened()
            scene.outlet().commands.limit(None)
            await scene.until(lambda: world.duty == 0.5333, 6.0)
            world.close_s2()
            await scene.until(lambda: world.contactor.closed, 3.0)
            judged(scene)

    run_virtual(main())


def test_a_stop_at_a_car_that_does_not_listen_opens_under_load(tmp_path: Path) -> None:
    async def main() -> None:
        async with station(plain(tmp_path)) as scene:
            await charging(scene)
            scene.world().press_stop()
            await asyncio.sleep(5.5)
            assert scene.world().contactor.closed, "the car has its time"
            await scene.opened(seconds=1.0)
            await asyncio.sleep(60.0)
            assert not scene.world().contactor.closed
            judged(scene)

    run_virtual(main())


@pytest.mark.case("A-SES-14")
def test_a_contactor_that_is_about_to_close_stays_open_after_a_stop(tmp_path: Path) -> None:
    """A car that draws whatever the pilot says would have six seconds that stand in no book."""

    async def main() -> None:
        async with station(plain(tmp_path)) as scene:
            world = scene.world()
            world.plug_in()
            await scene.until(lambda: world.duty == 0.5333, 10.0, "nominal duty")
            world.close_s2()
            await scene.until(lambda: scene.outlet().hardware.levels().pilot == "C", 1.0)
            assert not world.contactor.closed, "it needs a moment"
            world.press_stop()
            await scene.until(lambda: world.duty == 1.0, 1.0, "the stop is heard")
            await asyncio.sleep(1.0)
            assert not world.contactor.closed
            assert not (scene.state / "sessions.jsonl").exists()
            judged(scene)

    run_virtual(main())


def test_dangers(tmp_path: Path) -> None:
    async def main() -> None:
        async with station(plain(tmp_path)) as scene:
            world = scene.world()
            for number, danger in enumerate(("emergency", "door", "residual_current", "pilot_short", "pilot_diode")):
                await charging(scene)
                if danger == "emergency":
                    world.press_emergency_stop()
                elif danger == "door":
                    world.open_door()
                else:
                    world.inject(danger)
                await scene.opened(seconds=OPEN_SECONDS)
                await asyncio.sleep(10.0)
                assert not world.contactor.closed, danger
                world.press_emergency_stop(False)
                world.open_door(False)
                world.heal(danger)
                world.unplug(force=True)
                await asyncio.sleep(2.0)
                for fault in scene.board().faults.active:
                    await scene.board().faults.clear(fault.code)
                await asyncio.sleep(2.0)
                assert len(books(scene)) == 2 * (number + 1)
            judged(scene)

    run_virtual(main())


def test_a_car_that_does_not_speak_charges_after_three_offers(tmp_path: Path) -> None:
    """Q-13"""

    async def main() -> None:
        async with station(plain(tmp_path, hlc=Hlc.PREFERRED, hal=AC_MODEM)) as scene:
            world = scene.world()
            world.plug_in()
            await asyncio.sleep(1.0)
            assert world.duty == 0.05
            took = await scene.until(lambda: world.duty == 0.5333, 200.0)
            assert 150.0 < took < 180.0, "three times TT_EVSE_SLAC_init, and the steps between"
            world.close_s2()
            await scene.until(lambda: world.contactor.closed, 3.0)
            await asyncio.sleep(1.0)
            assert world.watts() > 1000.0
            judged(scene)

    run_virtual(main())


def test_a_socket_locks_before_there_is_power_and_unlocks_after_it(tmp_path: Path) -> None:
    async def main() -> None:
        async with station(plain(tmp_path, hal=AC + "&lock=1&max_amperes=20")) as scene:
            world = scene.world()
            await charging(scene)
            assert world.locked
            assert world.duty == 0.3333, "the cable is good for 20 A"
            world.press_stop()
            world.close_s2(False)
            await scene.until(lambda: not world.locked, 5.0)
            assert not world.contactor.closed
            judged(scene)

    run_virtual(main())


def test_the_station_goes_down_with_a_car_on_the_cable(tmp_path: Path) -> None:
    async def main() -> None:
        async with station(plain(tmp_path)) as scene:
            await charging(scene)
            world, state = scene.world(), scene.state
            closing = asyncio.create_task(scene.station.outlets[0].close(10.0))
            await scene.until(lambda: world.duty == 1.0, 1.0)
            await asyncio.sleep(1.0)
            world.close_s2(False)
            await closing
            assert not world.contactor.closed
            assert len((state / "sessions.jsonl").read_text().splitlines()) == 2

    run_virtual(main())
