"""What the power path orders of a board, and what it hears of that."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hal.sim.clock import VirtualLoop, run_virtual
from secc.conversation import Effect
from secc.energy.effects import OpenDcContactor, WithdrawPower
from tests.station_scene import QUICK, configured, station
from tools.evcc.behaviour import Current


@pytest.mark.case("A-RES-09")
@pytest.mark.parametrize("seconds", [0.17, 0.6])
@pytest.mark.parametrize("told", [False, True], ids=["before the order leaves", "when the board was told"])
@pytest.mark.parametrize("current", list(Current))
def test_a_loop_that_is_held_up_while_the_contactor_opens_makes_no_weld_of_it(
    tmp_path: Path, current: Current, told: bool, seconds: float
) -> None:
    """Of fifty sessions that end together none may be called welded because order or feedback waits behind the others' work."""

    async def main() -> None:
        async with station(configured(tmp_path, dc=current is Current.DC), watch=False) as scene:
            drive = scene.drive(replace(QUICK, current=current))
            await scene.until(lambda: scene.world().contactor.closed)
            loop = asyncio.get_running_loop()
            assert isinstance(loop, VirtualLoop)
            board, performers = scene.outlet().hardware.board, scene.outlet().router._performers
            assert board is not None
            opening = OpenDcContactor if current is Current.DC else WithdrawPower
            perform, held = performers[opening], []
            port: Any = board.dc if current is Current.DC else board.ac
            name = "set_contactor" if current is Current.DC else "allow"
            command = getattr(port, name)

            def hold_up() -> None:
                if scene.world().contactor.closed and not held:
                    held.append(loop.time())
                    loop.call_soon(loop.jump, seconds)  # a busy machine

            def perform_late(effect: Effect) -> None:
                # It waits in the queue of its port, and that in the queue of the loop.
                hold_up()
                perform(effect)

            async def command_late(on: bool, *reason: str) -> None:
                await command(on, *reason)
                if not on:
                    # The armature is on its way, and what is to be heard of it waits in the queue of the loop.
                    hold_up()

            if told:
                setattr(port, name, command_late)
            else:
                performers[opening] = perform_late
            await drive.done()
            await scene.ended()
            await asyncio.sleep(5.0)
            assert held
            assert not [event for event in scene.published if event["event"] == "fault" and "weld" in event["code"]]
            # Nothing is latched: the next car charges.
            performers[opening] = perform
            setattr(port, name, command)
            await scene.charges(current=current)

    run_virtual(main())
