"""A contract that the backend refuses when power flows already: the car has 10 s, however slowly it asks, and cannot avoid the decision."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from hal.sim.clock import run_virtual
from secc.config import Eim, Tls
from secc.iso2 import timing
from secc.iso2.messages import AuthorizationReq, ChargingStatusReq, EVSENotification, EVSEProcessing, ResponseCode
from secc.session.effects import Decision, Verdict
from tests.conformance.test_pause import JOINED, NEW, PAUSE, pauses, sets_up, wakes
from tests.conformance.tester import Tester
from tests.station.test_basic import books
from tests.station_scene import BOTH, OPEN_SECONDS, Scene, car_wallet, configured, station

AN_HOUR = 3700.0
"""After this a decision of before the pause is asked for again."""


async def resumed(scene: Scene, verdict: Callable[[], Awaitable[Verdict]]) -> Tester:
    """A car charges on in a session that it has paused for more than an hour; the backend decides anew meanwhile."""
    wallet = car_wallet()
    tester = await Tester.connect(scene, wallet=wallet)
    await sets_up(tester, bytes(8), NEW)
    paused = await pauses(tester)
    await asyncio.sleep(AN_HOUR)
    uplink: Any = scene.services.uplink

    async def decides(*question: Any, **how: Any) -> Verdict:
        return await verdict()

    uplink.authorize_contract = decides
    tester = await wakes(scene, wallet=wallet)
    await sets_up(tester, paused, JOINED)
    return await tester.drive("CurrentDemand" if tester.dc else "ChargingStatus", after="SessionSetup")


@pytest.mark.parametrize("dc", [True, False], ids=["DC", "AC"])
@pytest.mark.parametrize("polls", [0.25, 55.0])
def test_a_refusal_in_a_resumed_session_ends_it_in_ten_seconds(tmp_path: Path, dc: bool, polls: float) -> None:
    """``polls``: how often the car asks, which never stops by itself."""

    async def act(scene: Scene) -> None:
        decision = asyncio.Event()

        async def verdict() -> Verdict:
            await decision.wait()
            return Verdict(Decision.CONTRACT_CANCELLED)

        tester = await resumed(scene, verdict)
        request = tester.demand() if dc else ChargingStatusReq()
        loop = asyncio.get_running_loop()

        async def asks() -> None:
            while (body := await tester.says(request)).response_code == "OK":
                status = body.dc_evse_status if dc else body.ac_evse_status
                stops = status.evse_notification is EVSENotification.STOP_CHARGING
                assert stops is decision.is_set()
                await asyncio.sleep(polls)

        asking = asyncio.create_task(asks())
        await asyncio.sleep(5.0)
        assert scene.world().contactor.closed
        # Just after a request: the next one is as far away as it can be.
        await asyncio.sleep(0.01 + polls - (5.0 % polls))
        decision.set()
        began = loop.time()
        most = timing.NOTIFICATION_MAX_DELAY.seconds + OPEN_SECONDS
        await scene.opened(seconds=most)
        assert loop.time() - began > 5.0
        await asyncio.gather(asking, return_exceptions=True)
        assert (await scene.ended(2))[-1] == "timer.NotificationMaxDelay"

    config = configured(tmp_path, dc=dc, tls=Tls.OFFERED, payments=BOTH, eim=Eim.LIST)

    async def main() -> None:
        # Without somebody who looks at the contactor every few milliseconds of an hour.
        async with station(config, watch=False) as scene:
            await act(scene)

    run_virtual(main())


@pytest.mark.parametrize("decision", [Decision.ACCEPTED, Decision.CONTRACT_CANCELLED])
def test_a_car_that_pauses_before_the_decision_waits_for_it_at_its_next_resume(
    tmp_path: Path, decision: Decision
) -> None:
    """A cancelled contract does not charge from pause to pause on the decision of before; one that is accepted goes on in its transaction."""
    config = configured(tmp_path, dc=False, tls=Tls.OFFERED, payments=BOTH, eim=Eim.LIST)

    async def act(scene: Scene) -> None:
        decided = asyncio.Event()

        async def verdict() -> Verdict:
            await decided.wait()
            return Verdict(decision)

        tester = await resumed(scene, verdict)
        await tester.drive("SessionStop", after="PowerDelivery(Start)")
        await tester.says(PAUSE)
        paused = tester.session_id
        await asyncio.sleep(10.0)
        tester = await wakes(scene, wallet=car_wallet())
        await sets_up(tester, paused, JOINED)
        await tester.drive("Authorization", after="SessionSetup")
        proof = AuthorizationReq(id="id1", gen_challenge=tester.challenge)
        body = await tester.says(proof, signature=car_wallet().sign(proof))
        for _ in range(5):
            assert body.evse_processing is EVSEProcessing.ONGOING
            await asyncio.sleep(1.0)
            body = await tester.says(AuthorizationReq())
        decided.set()
        await asyncio.sleep(1.0)
        body = await tester.says(AuthorizationReq())
        if decision is Decision.ACCEPTED:
            assert body.evse_processing is EVSEProcessing.FINISHED
            await tester.drive(after="Authorization")
            wanted = "completed.terminated"
        else:
            assert body.response_code is ResponseCode.FAILED
            wanted = "refused.FAILED"
        assert (await scene.ended(3))[-1] == wanted
        await scene.until(lambda: scene.outlet().writes.idle)
        began, end = books(scene)
        assert (began["what"], end["what"], end["reason"]) == ("started", "ended", wanted)
        assert began["session"] == end["session"]

    async def main() -> None:
        async with station(config, watch=False) as scene:
            await act(scene)

    run_virtual(main())
