"""What the power path orders of a board, and what it hears of that."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from hal.sim.clock import VirtualLoop, run_virtual
from secc.conversation import Effect
from secc.energy import OpenDcContactor, WithdrawPower
from tests.station_scene import QUICK, configured, station
from tools.evcc.behaviour import Current


@pytest.mark.case("A-RES-09")
@pytest.mark.parametrize("current", list(Current))
def test_a_loop_that_is_held_up_while_the_contactor_opens_makes_no_weld_of_it(tmp_path: Path, current: Current) -> None:
    """Of fifty sessions that end together none may be called welded because the order waits behind the others' work."""

    async def main() -> None:
        async with station(configured(tmp_path, dc=current is Current.DC), watch=False) as scene:
            drive = scene.drive(replace(QUICK, current=current))
            await scene.until(lambda: scene.world().contactor.closed)
            loop = asyncio.get_running_loop()
            assert isinstance(loop, VirtualLoop)
            power = scene.outlet().hardware.power
            assert power is not None
            perform, held = power.perform, []

            def perform_late(effect: Effect) -> bool:
                if isinstance(effect, OpenDcContactor | WithdrawPower) and scene.world().contactor.closed and not held:
                    held.append(effect)
                    # Before the order leaves: it waits in the queue of its port, and that in the queue of the loop.
                    loop.call_soon(loop.jump, 0.6)
                return perform(effect)

            power.perform = perform_late  # type: ignore[method-assign]  # a busy machine
            await drive.done()
            await scene.ended()
            await asyncio.sleep(5.0)
            assert held
            assert not [event for event in scene.published if event["event"] == "fault" and "weld" in event["code"]]
            # Nothing is latched: the next car charges.
            power.perform = perform  # type: ignore[method-assign]  # the real one again
            await scene.charges(current=current)

    run_virtual(main())
