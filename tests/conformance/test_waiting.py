"""Rows in which the car polls: a driver who has not shown a card yet, a backend that has not decided, a schedule that is not ready; and stops."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from secc.config import Eim, Timing
from secc.iso2.messages import (
    AuthorizationReq,
    Body,
    ChargingStatusReq,
    DC_EVSEStatusCode,
    EVSENotification,
    EVSEProcessing,
    ResponseCode,
)
from tests.conformance.places import Place, ac, at, dc, pnc, run
from tests.conformance.tester import Tester
from tests.iso2_car import TERMINATE, ac_parameters, dc_parameters, precharge
from tests.station_scene import Scene, configured

WAITING = EVSEProcessing.ONGOING_WAITING_FOR_CUSTOMER_INTERACTION
ONGOING, FINISHED = EVSEProcessing.ONGOING, EVSEProcessing.FINISHED
POLL = AuthorizationReq()
ONGOING_SECONDS = 55.0
CARD = "04A2B3C4"


async def polls(tester: Tester, request: Body, wanted: EVSEProcessing, seconds: float) -> float:
    """Ask once a second, each time with this answer, until the station gives up; how long it has answered so."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    while (body := await tester.says(request)).response_code is ResponseCode.OK:
        assert body.evse_processing is wanted
        assert loop.time() - began < seconds + 5.0, "without an end"
        await asyncio.sleep(1.0)
    assert body.response_code is ResponseCode.FAILED
    await tester.ended()
    return loop.time() - began


def by_card(directory: Path, act: Callable[[Tester], Any], timing: Timing | None = None) -> None:
    """An AC outlet where a card has to be shown."""

    async def reached(scene: Scene) -> None:
        await act(await (await Tester.connect(scene)).drive("Authorization"))

    run(configured(directory, dc=False, eim=Eim.LIST, allow=f"rfid {CARD}\n", timing=timing), reached)


@pytest.mark.case("I2-AUTH-01")
def test_the_car_waits_until_a_card_is_accepted(tmp_path: Path) -> None:
    async def act(tester: Tester) -> None:
        for _ in range(5):
            assert (await tester.says(POLL)).evse_processing is WAITING
            await asyncio.sleep(1.0)
        tester.world.present_token("rfid", CARD)
        await asyncio.sleep(0.5)
        body = await tester.says(POLL)
        assert (body.response_code, body.evse_processing) == (ResponseCode.OK, FINISHED)

    by_card(tmp_path, act)


@pytest.mark.case("I2X-34")
def test_a_card_that_is_refused_leaves_the_car_waiting(tmp_path: Path) -> None:
    async def act(tester: Tester) -> None:
        await tester.says(POLL)
        tester.world.present_token("rfid", "DEADBEEF")
        for _ in range(5):
            await asyncio.sleep(1.0)
            body = await tester.says(POLL)
            assert (body.response_code, body.evse_processing) == (ResponseCode.OK, WAITING)

    by_card(tmp_path, act)


@pytest.mark.case("I2-AUTH-13")
def test_a_card_that_is_never_shown_ends_the_session(tmp_path: Path) -> None:
    async def act(tester: Tester) -> None:
        assert await polls(tester, POLL, WAITING, 50.0) == pytest.approx(50.0, abs=4.0)
        assert await tester.scene.ended() == ["timer.EIM_Authorization_Limit"]

    by_card(tmp_path, act, Timing(eim_seconds=50.0))


@pytest.mark.parametrize(
    ("place", "phase"),
    [
        pytest.param(pnc("Authorization"), "Authorization", marks=pytest.mark.case("I2-AUTH-14")),
        pytest.param(ac("ChargeParameterDiscovery"), "ChargeParameterDiscovery", marks=pytest.mark.case("I2-CPD-13")),
        pytest.param(dc("ChargeParameterDiscovery"), "ChargeParameterDiscovery", marks=pytest.mark.case("I2-CPD-48")),
    ],
    ids=str,
)
def test_what_is_never_decided_ends_the_session(place: Place, phase: str, tmp_path: Path) -> None:
    async def act(tester: Tester) -> None:
        tester.scene.outlet().commands.lab("ongoing", [phase])
        request: Body = dc_parameters() if tester.dc else ac_parameters()
        if phase == "Authorization":
            request = POLL
            assert tester.wallet is not None
            signed = AuthorizationReq(id="id1", gen_challenge=tester.challenge)
            body = await tester.says(signed, signature=tester.wallet.sign(signed))
            assert body.evse_processing is ONGOING
        assert await polls(tester, request, ONGOING, ONGOING_SECONDS) == pytest.approx(ONGOING_SECONDS, abs=4.0)
        assert await tester.scene.ended() == ["timer.V2G_SECC_Ongoing_Performance_Time"]

    at(place, tmp_path, act)


# --- Stops --------------------------------------------------------------------------------------------------------------------


@pytest.mark.case("I2X-31")
@pytest.mark.parametrize("place", [ac("ChargingStatus"), dc("CurrentDemand")], ids=str)
def test_a_stop_at_the_outlet_is_announced_until_the_car_stops(place: Place, tmp_path: Path) -> None:
    async def act(tester: Tester) -> None:
        def request() -> Body:
            return tester.demand() if tester.dc else ChargingStatusReq()

        await tester.says(request())
        tester.world.press_stop()
        await asyncio.sleep(0.1)
        for _ in range(10):
            body = await tester.says(request())
            assert body.response_code is ResponseCode.OK
            status = body.dc_evse_status if tester.dc else body.ac_evse_status
            assert status.evse_notification is EVSENotification.STOP_CHARGING
            assert not tester.dc or status.evse_status_code is DC_EVSEStatusCode.EVSE_SHUTDOWN
            await asyncio.sleep(0.2)
        await tester.drive(after="CurrentDemand" if tester.dc else "ChargingStatus")
        assert await tester.scene.ended() == ["completed.terminated"]

    at(place, tmp_path, act)


@pytest.mark.case("I2X-32")
@pytest.mark.parametrize(
    "place",
    [
        *map(ac, ("ServiceDiscovery", "ServiceDetail", "PaymentServiceSelection", "Authorization")),
        *map(ac, ("ChargeParameterDiscovery", "PowerDelivery(Start)")),
        *map(dc, ("CableCheck", "PreCharge", "PowerDelivery(Start)")),
        *map(pnc, ("PaymentDetails", "Authorization")),
    ],
    ids=str,
)
def test_the_car_may_leave_in_every_state_of_the_set_up(place: Place, tmp_path: Path) -> None:
    async def act(tester: Tester) -> None:
        tester.world.close_s2(False)
        assert (await tester.says(TERMINATE)).response_code is ResponseCode.OK
        await tester.ended()
        assert await tester.scene.ended() == ["completed.stopped-early"]

    at(place, tmp_path, act)


@pytest.mark.case("I2X-25")
def test_a_precharge_target_that_changes_is_followed(tmp_path: Path) -> None:
    async def act(tester: Tester) -> None:
        for target in (300.0, 380.0, 250.0):
            for _ in range(40):
                body = await tester.says(precharge(target))
                assert body.response_code is ResponseCode.OK
                await asyncio.sleep(0.1)
            assert tester.told_volts(body) == pytest.approx(target, abs=10.0)
            assert tester.world.truth()["outlet_volts"] == pytest.approx(target, abs=10.0)

    at(dc("PreCharge"), tmp_path, act)
