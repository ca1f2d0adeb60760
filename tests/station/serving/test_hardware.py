"""The board of an outlet: one that comes late, one that was wrong before the car came, one whose events were missed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from hal.errors import HalLost
from hal.open import open_hal
from hal.sim.clock import run_virtual
from tests.station_scene import LONG, Scene, configured, station


def test_a_board_that_does_not_open_is_tried_again(tmp_path: Path) -> None:
    tries = 0

    async def reluctant(where: str, *, name: str = "1") -> Any:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise HalLost("nothing answers")
        return await open_hal(where, name=name)

    async def main() -> None:
        with mock.patch("secc.station.serving.hardware.open_hal", reluctant):
            async with station(configured(tmp_path), watch=False) as scene:
                state = scene.outlet().state()
                assert (state["phase"], state["problem"]) == ("down", "the board does not open")
                assert state["pilot"] == "?"
                await scene.until(lambda: scene.outlet().state()["phase"] == "available", 30.0)
                assert tries == 3
                await scene.charges()

    run_virtual(main())


@pytest.mark.parametrize("trouble", ["hangs", "bug"])
def test_a_board_that_hangs_or_has_a_bug_as_it_opens_keeps_no_other_outlet_down(tmp_path: Path, trouble: str) -> None:
    ill = True

    async def one_of_two(where: str, *, name: str = "1") -> Any:
        if ill and name == "1":
            if trouble == "bug":
                raise ZeroDivisionError("planted")
            await asyncio.sleep(3600.0)
        return await open_hal(where, name=name)

    async def main() -> None:
        nonlocal ill
        loop = asyncio.get_running_loop()
        began = loop.time()
        with mock.patch("secc.station.serving.hardware.open_hal", one_of_two):
            async with station(configured(tmp_path, outlets=2), watch=False) as scene:
                assert loop.time() - began < 15.0
                assert scene.outlet(0).state()["problem"] == "the board does not open"
                await scene.charges(1)
                ill = False
                await scene.until(lambda: scene.outlet(0).state()["phase"] == "available", 30.0)
                await scene.charges(0)

    run_virtual(main())


@pytest.mark.parametrize("trouble", ["emergency-stop", "door", "fault", "silent board"])
def test_what_was_wrong_before_the_car_came_is_wrong_for_it_too(tmp_path: Path, trouble: str) -> None:
    """The plug-in before it heard of it; this one was not there."""

    async def main() -> None:
        async with station(configured(tmp_path)) as scene:
            world = scene.world()
            await scene.charges()
            await asyncio.sleep(5.0)
            world.plug_in()
            await scene.until(lambda: scene.outlet().sockets.port)
            match trouble:
                case "emergency-stop":
                    world.press_emergency_stop()
                case "door":
                    world.open_door()
                case "fault":
                    world.inject("residual_current")
                case _:
                    world.inject("controller_silent")
            await asyncio.sleep(10.0)
            assert scene.outlet().sockets.port is None
            world.unplug()
            await asyncio.sleep(5.0)
            world.plug_in()
            for _ in range(40):
                await asyncio.sleep(0.5)
                assert scene.outlet().sockets.port is None, "offered while power is forbidden"
            world.press_emergency_stop(False)
            world.open_door(False)
            for name in list(world.faults):
                world.heal(name)
            await asyncio.sleep(1.0)
            board = scene.board()
            for fault in board.faults.active:
                await board.faults.clear(fault.code)
            world.unplug()
            await scene.until(lambda: scene.outlet().state()["phase"] == "available", 10.0)
            await scene.charges()

    run_virtual(main())


def test_an_emergency_stop_among_events_that_were_missed_is_heard(tmp_path: Path) -> None:
    async def main() -> None:
        async with station(configured(tmp_path)) as scene:
            drive = await scene.charging(scene.drive(LONG, stay=True))
            scene.world().press_emergency_stop()
            missed(scene)
            await scene.opened(seconds=0.15)
            assert await scene.ended() == ["emergency.emergency-stop"]
            await drive.done()

    run_virtual(main())


def test_a_plug_that_was_pulled_among_events_that_were_missed_is_gone(tmp_path: Path) -> None:
    async def main() -> None:
        async with station(configured(tmp_path), watch=False) as scene:
            scene.world().plug_in()
            await scene.until(lambda: scene.outlet().sockets.port)
            scene.world().unplug()
            while scene.board().pilot.reading.state.connected:
                await asyncio.sleep(0.001)
            missed(scene)
            await scene.until(lambda: scene.outlet().state()["phase"] == "available", 0.5)

    run_virtual(main())


def missed(scene: Scene) -> None:
    """The reader of the station's events loses everything up to now."""
    for stream in scene.board().levels.events._streams:
        stream.lose()
