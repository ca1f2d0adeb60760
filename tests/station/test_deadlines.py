"""The limits of a phase on a whole station, with a car that falls silent: power stays off, and the connection closes."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from hal.sim.clock import run_virtual
from secc.config import Eim
from secc.iso2.messages import EVSEProcessing
from tests.station_scene import configured, judged, station
from tools.evcc.behaviour import Behaviour

FAREWELL_SECONDS = 5.0
LINGER_SECONDS = 3.0


@pytest.mark.parametrize(
    ("phase", "seconds", "code"),
    [
        ("ChargeParameterDiscovery", 55.0, "timer.V2G_SECC_Ongoing_Performance_Time"),
        ("CableCheck", 38.0, "timer.V2G_SECC_CableCheck_Performance_Time"),
        ("Authorization", 30.0, "timer.EIM_Authorization_Limit"),
    ],
)
def test_a_phase_that_does_not_end_closes_the_connection_of_a_silent_car(
    tmp_path: Path, phase: str, seconds: float, code: str
) -> None:
    async def main() -> None:
        nobody = phase == "Authorization"
        config = configured(tmp_path, eim=Eim.LIST if nobody else Eim.FREE)
        async with station(replace(config, timing=replace(config.timing, eim_seconds=30.0))) as scene:
            loop = asyncio.get_running_loop()
            if phase == "ChargeParameterDiscovery":
                scene.outlet().commands.limit(0.0)
            drive = scene.drive(Behaviour(patience=1000.0))

            def begun() -> bool:
                found = [answer for answer in drive.answers if type(answer).__name__ == f"{phase}Res"]
                return bool(found) and found[0].evse_processing is not EVSEProcessing.FINISHED

            await scene.until(begun, 60.0, phase)
            began = loop.time()
            drive.hush()
            await scene.ended(seconds=seconds + 2 * FAREWELL_SECONDS)
            assert loop.time() - began == pytest.approx(seconds + FAREWELL_SECONDS, abs=1.0)
            assert scene.codes() == [code]
            await drive.done()
            assert loop.time() - began <= seconds + FAREWELL_SECONDS + LINGER_SECONDS + 1.0
            assert not scene.world().contactor.closed
            judged(scene)

    run_virtual(main())
