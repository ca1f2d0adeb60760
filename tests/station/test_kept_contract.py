"""A contract that pays for charging by pilot after a session without charging (Q-41), and cars that want more of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from hal.sim.clock import run_virtual
from secc.config import Config
from secc.iso2.messages import ChargingStatusReq, EVSENotification, EVSEProcessing, ResponseCode
from secc.session.effects import Decision, Verdict
from tests.conformance.test_pause import JOINED, NEW, PAUSE, sets_up, wakes
from tests.conformance.tester import Tester
from tests.iso2_car import RENEGOTIATE, START, STOP, TERMINATE, ac_parameters, delivery
from tests.station.test_stolen_chain import IDENTIFIES_ONLY, config
from tests.station_scene import Scene, car_wallet, station

NO_POWER = "[[schedule]]\nid = 1\npower = [[0, 0]]\n"


async def charges_by_pilot(scene: Scene) -> bool:
    """Whether a car that waits for the nominal duty gets energy within a minute and a half."""
    world = scene.world()
    for _ in range(90):
        await asyncio.sleep(1.0)
        if world.duty not in (None, 0.0, 0.05, 1.0):
            world.close_s2()
        if world.contactor.closed:
            return True
    return False


def scheduled(made: Config, tmp_path: Path) -> Config:
    path = tmp_path / "schedules.toml"
    path.touch(0o644)
    path.write_text(NO_POWER)
    return replace(made, uplink=replace(made.uplink, schedules=path))


def signing(made: Config, tmp_path: Path) -> Config:
    path = tmp_path / "receipts.jsonl"
    return replace(made, uplink=replace(made.uplink, request_metering_receipt=True, receipts=path))


@pytest.mark.parametrize("late", [2.0, None], ids=["refused in the session", "refused after it"])
def test_a_contract_that_a_resumed_session_went_on_with_does_not_pay_by_pilot(
    tmp_path: Path, late: float | None
) -> None:
    """It was accepted an hour ago and is cancelled now: the car ends the session before or after it hears so."""

    async def main() -> None:
        async with station(config(tmp_path), watch=False) as scene:
            tester = await Tester.connect(scene, wallet=car_wallet())
            await sets_up(tester, bytes(8), NEW)
            await tester.drive("PowerDelivery(Start)", after="SessionSetup")
            await tester.says(delivery(STOP))
            await tester.says(PAUSE)
            paused = tester.session_id
            await tester.closed()
            await asyncio.sleep(3700.0)

            async def cancelled(*question: object, **more: object) -> Verdict:
                await asyncio.sleep(0.0 if late else 30.0)
                return Verdict(Decision.CONTRACT_CANCELLED)

            scene.services.uplink.authorize_contract = cancelled  # type: ignore[method-assign]
            tester = await wakes(scene, wallet=car_wallet())
            await sets_up(tester, paused, JOINED)
            await tester.drive("ChargeParameterDiscovery", after="SessionSetup")
            if late is not None:
                await asyncio.sleep(late)
            assert (await tester.says(TERMINATE)).response_code is ResponseCode.OK
            assert not await charges_by_pilot(scene)

    run_virtual(main())


@pytest.mark.parametrize("wanted", [None, signing, scheduled], ids=["neither", "receipts", "schedules"])
def test_where_cars_sign_or_keep_a_schedule_a_contract_does_not_pay_by_pilot(tmp_path: Path, wanted: object) -> None:
    made = config(tmp_path)
    if callable(wanted):
        made = wanted(made, tmp_path)

    async def main() -> None:
        async with station(made, watch=False) as scene:
            await scene.drive(IDENTIFIES_ONLY, tls=True, stay=True).done()
            assert await charges_by_pilot(scene) is (wanted is None)

    run_virtual(main())


@pytest.mark.case("Q-62")
def test_a_renegotiation_gives_a_car_without_power_no_more_time(tmp_path: Path) -> None:
    made = scheduled(config(tmp_path), tmp_path)

    async def main() -> None:
        async with station(made, watch=False) as scene:
            tester = await Tester.connect(scene, wallet=car_wallet())
            await tester.drive("PowerDelivery(Start)")
            await tester.start()
            loop = asyncio.get_running_loop()
            began = loop.time()
            while True:
                for _ in range(4):
                    body = await tester.says(ChargingStatusReq())
                    if body.ac_evse_status.evse_notification is EVSENotification.STOP_CHARGING:
                        assert loop.time() < began + 12.0
                        return
                    await asyncio.sleep(1.0)
                assert loop.time() < began + 60.0
                await tester.says(delivery(RENEGOTIATE))
                while (await tester.says(ac_parameters())).evse_processing is not EVSEProcessing.FINISHED:
                    await asyncio.sleep(0.5)
                await tester.says(delivery(START))

    run_virtual(main())
