"""What one driver leaves behind is not the next one's: energy, transaction, and the right to charge."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hal.sim.clock import run_virtual
from secc.config import Eim
from tests.station.test_basic import books, charging, plain
from tests.station_scene import LONG, configured, station


def test_what_the_next_car_gets_is_not_booked_to_the_one_before_while_the_books_are_slow(tmp_path: Path) -> None:
    """The last reading was taken when its turn to be written had come: with a slow backend, or a slow disk, while the next car charged."""

    async def main() -> None:
        async with station(plain(tmp_path), watch=False) as scene:
            world = scene.world()
            uplink = scene.services.uplink
            started, slow = uplink.session_started, [40.0]

            async def late(report: Any) -> None:
                await asyncio.sleep(slow[0])
                await started(report)

            uplink.session_started = late  # type: ignore[method-assign]  # a backend that takes its time
            await charging(scene)
            world.unplug(force=True)
            await asyncio.sleep(3.0)
            at_rest = world.books.metered
            slow[0] = 0.0
            await charging(scene)
            await asyncio.sleep(60.0)
            world.unplug(force=True)
            await scene.until(lambda: scene.outlet().writes.idle and len(books(scene)) == 4, 200.0)
            first, ended, second, _ = books(scene)
            assert ended["session"] == first["session"]
            assert ended["watt_hours"] == pytest.approx(second["watt_hours"], abs=0.2)
            assert ended["watt_hours"] - first["watt_hours"] == pytest.approx(at_rest, abs=0.2)

    run_virtual(main())


def test_an_onlooker_that_raises_at_the_end_does_not_leave_the_next_car_on_this_ones_account(tmp_path: Path) -> None:
    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
        async with station(configured(tmp_path), watch=False) as scene:
            drive = await scene.charging(scene.drive(replace(LONG, patience=1000.0), stay=True))
            sessions = scene.outlet().sessions
            publish = sessions._publish

            def bug(event: str, **facts: Any) -> None:
                raise ZeroDivisionError(event)

            sessions._publish = bug
            scene.world().unplug(force=True)
            await asyncio.sleep(2.0)
            sessions._publish = publish
            drive.task.cancel()
            await asyncio.sleep(20.0)
            await scene.charges()
            await asyncio.sleep(10.0)
            assert len({entry["session"] for entry in books(scene)}) == 2
            assert len(books(scene)) == 4

    run_virtual(main())


def test_a_card_that_is_accepted_while_a_stopped_session_winds_down_is_not_lost(tmp_path: Path) -> None:
    async def main() -> None:
        async with station(configured(tmp_path, eim=Eim.ANY), watch=False) as scene:
            world = scene.world()
            world.present_token("rfid", "04A2B3C4")
            await asyncio.sleep(1.0)
            drive = await scene.charging(scene.drive(replace(LONG, patience=1000.0), stay=True))
            drive.hush()
            world.press_stop()
            await asyncio.sleep(0.5)
            world.present_token("rfid", "04A2B3C5")
            await asyncio.sleep(60.0)
            drive.task.cancel()
            await asyncio.sleep(60.0)
            plugin = scene.outlet().plug.plugin
            assert plugin is not None
            assert plugin.state.identification.external is not None
            assert plugin.state.over is None

    run_virtual(main())


def test_a_stop_in_the_moment_after_a_plug_in_failed_is_not_lost(tmp_path: Path) -> None:
    """No plug-in hears anything between one that failed by a bug and the next: at a free station the car was given power again."""

    async def main() -> None:
        async with station(plain(tmp_path), watch=False) as scene:
            await charging(scene)
            scene.seat("plug-in").fail(ZeroDivisionError("planted"))
            await asyncio.sleep(0.3)
            scene.world().press_stop()
            await scene.opened()
            await asyncio.sleep(60.0)
            assert not scene.world().contactor.closed
            scene.world().unplug(force=True)
            await asyncio.sleep(3.0)
            await charging(scene)

    run_virtual(main())
