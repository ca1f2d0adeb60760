"""A foreign car in the lab: the station tells the follower of its simulated outlet what the car says, and when a session is over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from hal.sim.clock import run_virtual
from secc.config import Lab
from secc.config.settings import Config
from tests.station_scene import LONG, QUICK, Drive, WorldHands, configured, judged, station


def lab(tmp_path: Path, mode: str) -> Config:
    return configured(tmp_path, hal=f"sim:?connector=dc&follower={mode}", lab=Lab(danger_follower=True))


class NoHands(WorldHands):
    """A car that speaks the protocol and stands in no world."""

    async def plug_in(self) -> None:
        return

    async def unplug(self) -> None:
        return


@pytest.mark.parametrize("mode", ["follow", "hold"])
def test_a_foreign_car_charges_on_after_a_renegotiation(tmp_path: Path, mode: str) -> None:
    """Whether a car like it opens its relay meanwhile or not."""

    async def main() -> None:
        async with station(lab(tmp_path, mode)) as scene:
            hands = NoHands(scene.world(), dead=True)
            drive = await scene.drive(replace(QUICK, loops=30, renegotiate_after=15), hands=hands).done()
            assert drive.outcome == "completed.full", drive.outcome
            assert "renegotiation" in drive.names
            assert scene.world().truth()["incidents"] == []
            assert scene.world().books.metered > 0.1
            judged(scene)

    run_virtual(main())


ENDINGS: dict[str, Callable[[Drive], bytes]] = {
    "garbage": lambda drive: b"\xde\xad\xbe\xef" * 64,
    "two requests in one segment": lambda drive: drive.sent * 10,
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_next_car_charges_after_a_session_that_the_station_ended(tmp_path: Path, ending: str) -> None:
    """The follower has heard neither a stop nor the end of the connection. Its car stayed in C with the relay closed, and every later cable check
    failed by the voltage at the output."""

    async def main() -> None:
        async with station(lab(tmp_path, "follow")) as scene:
            world = scene.world()
            drive = scene.drive(replace(LONG, patience=1000.0), hands=NoHands(world, dead=True))
            await scene.charging(drive)
            drive.hush()
            drive.line._writer.write(ENDINGS[ending](drive))
            await scene.ended()
            await scene.until(lambda: not world.car.relay_closed and not world.car.ready, 1.0, "relay and S2 open")
            await drive.done()
            after = await scene.drive(replace(QUICK, loops=20), hands=NoHands(world, dead=True)).done()
            assert after.outcome == "completed.full", after.outcome
            assert world.truth()["incidents"] == []
            judged(scene)

    run_virtual(main())
