"""The levels of an outlet are taken from what its board has stored."""

from __future__ import annotations

import sys
from pathlib import Path
from unittest import mock

import pytest

from hal.sim.clock import run_virtual
from hal.sim.world import World
from secc.station.serving import levels
from tests.station_scene import configured, judged, station
from tools.evcc.behaviour import Behaviour, Current

LOOPS = 30
LEVELS = levels.__file__


def looked_at() -> bool:
    """Whether this call comes out of a look of the station at its board."""
    frame = sys._getframe(2)
    while frame.f_back is not None:
        if frame.f_code.co_filename == LEVELS:
            return True
        frame = frame.f_back
    return False


@pytest.mark.parametrize("current", list(Current))
def test_no_look_of_a_session_has_the_world_computed_anew(tmp_path: Path, current: Current) -> None:
    """``hal.ports`` promises that a reading costs nothing. Whoever measures by this simulation measures what a board would cost."""
    computed = moved = 0
    advance = World.advance

    def advanced(world: World, moment: float = 0.0) -> None:
        nonlocal computed, moved
        moved += 1
        computed += looked_at()
        advance(world, moment)

    async def main() -> None:
        async with station(configured(tmp_path, dc=current is Current.DC)) as scene:
            drive = await scene.drive(Behaviour(current=current, loops=LOOPS)).done()
            assert drive.outcome == "completed.full"
            assert len(drive.meter_readings) >= LOOPS
            judged(scene)

    with mock.patch.object(World, "advance", advanced):
        run_virtual(main())
    assert moved > LOOPS, "the world is computed when it moves"
    assert computed == 0
