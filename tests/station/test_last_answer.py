"""The answer that says why reaches the car before the station leaves its network; power is off long before."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from hal.sim.world import World
from secc.iso2.messages import ChargingStatusReq, DC_EVSEStatusCode, ResponseCode
from tests.conformance.places import Place, run
from tests.conformance.tester import Tester
from tests.station_scene import OPEN_SECONDS, Scene, configured

EMERGENCIES: dict[str, Callable[[World], object]] = {
    "emergency.emergency-stop": lambda world: world.press_emergency_stop(),
    "emergency.fault": lambda world: world.inject("residual_current"),
}


@pytest.mark.parametrize("code", EMERGENCIES)
@pytest.mark.parametrize("dc", [True, False], ids=["DC", "AC"])
@pytest.mark.parametrize("polls", [0.25, 1.0, 4.0])
def test_in_an_emergency_the_car_hears_why(tmp_path: Path, polls: float, dc: bool, code: str) -> None:
    """``polls``: after how many seconds the car sends its next request. After 5 s the station closes without an answer."""

    async def act(scene: Scene) -> None:
        line = scene.board().line
        assert line is not None
        tester = await Place(dc, "CurrentDemand" if dc else "ChargingStatus").reached(scene)
        request = tester.demand() if dc else ChargingStatusReq()
        assert (await tester.says(request)).response_code is ResponseCode.OK
        assert tester.world.contactor.closed
        EMERGENCIES[code](tester.world)
        await scene.opened(seconds=OPEN_SECONDS)
        await asyncio.sleep(polls)
        assert line.medium.joined(line.car), "the answer goes over this network"
        body = await tester.says(request)
        if dc:
            stopped = code == "emergency.emergency-stop"
            status = DC_EVSEStatusCode.EVSE_EMERGENCY_SHUTDOWN if stopped else DC_EVSEStatusCode.EVSE_MALFUNCTION
            assert body.dc_evse_status.evse_status_code is status
        else:
            assert body.response_code is ResponseCode.FAILED
        assert line.medium.joined(line.car)
        await tester.closed()
        await scene.until(lambda: not line.medium.joined(line.car), 1.0, "the network is left")
        assert await scene.ended() == [code]
        assert not scene.world().contactor.closed

    run(configured(tmp_path, hal=f"sim:?connector={'dc' if dc else 'ac'}&modem=1", dc=dc), act)


def test_a_car_that_says_nothing_any_more_is_left_all_the_same(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        line = scene.board().line
        assert line is not None
        tester: Tester = await Place(True, "CurrentDemand").reached(scene)
        await tester.says(tester.demand())
        began = asyncio.get_running_loop().time()
        tester.world.press_emergency_stop()
        await scene.opened(seconds=OPEN_SECONDS)
        await scene.until(lambda: not line.medium.joined(line.car), 7.0, "the network is left")
        assert asyncio.get_running_loop().time() - began > 5.0
        assert await tester.closed() <= 5.0
        assert await scene.ended() == ["emergency.emergency-stop"]

    run(configured(tmp_path, hal="sim:?connector=dc&modem=1"), act)
