"""Rows of a pause that are not about what the resumed car is offered: whose SessionID joins which session."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from secc.iso2.messages import ChargingSession, ResponseCode, SessionSetupReq, SessionStopReq
from tests.conformance.places import run
from tests.conformance.tester import Tester
from tests.iso2_car import EVCCID
from tests.station_scene import Scene, configured
from tools.evcc.wallet import Wallet

JOINED, NEW = ResponseCode.OK_OLD_SESSION_JOINED, ResponseCode.OK_NEW_SESSION_ESTABLISHED
PAUSE = SessionStopReq(charging_session=ChargingSession.PAUSE)


async def pauses(tester: Tester) -> bytes:
    """Go on to the end of a good session, and pause it. Returns its SessionID."""
    await tester.drive("SessionStop", after="SessionSetup")
    assert (await tester.says(PAUSE)).response_code is ResponseCode.OK
    session_id = tester.session_id
    await tester.ended()
    await asyncio.sleep(5.0)
    return session_id


async def wakes(scene: Scene, *, wallet: Wallet | None = None) -> Tester:
    """The car toggles B-C-B, and connects."""
    world = scene.world()
    for ready in (True, False):
        world.close_s2(ready)
        await asyncio.sleep(0.3)
    return await Tester.connect(scene, wallet=wallet)


async def sets_up(tester: Tester, session_id: bytes, wanted: ResponseCode, *, evccid: bytes = EVCCID) -> None:
    body = await tester.says(SessionSetupReq(evcc_id=evccid), session_id=session_id)
    assert body.response_code is wanted
    assert any(tester.session_id)
    assert (tester.session_id == session_id) is (wanted is JOINED)


@pytest.mark.case("I2X-18")
@pytest.mark.parametrize("dc", [True, False], ids=["DC", "AC"])
def test_only_the_session_that_was_paused_last_is_joined(tmp_path: Path, dc: bool) -> None:
    async def act(scene: Scene) -> None:
        tester = await Tester.connect(scene)
        await sets_up(tester, bytes(8), NEW)
        older = await pauses(tester)
        tester = await wakes(scene)
        await sets_up(tester, bytes(8), NEW)
        newer = await pauses(tester)
        tester = await wakes(scene)
        await sets_up(tester, older, NEW)
        assert tester.session_id not in (older, newer)
        await pauses(tester)
        assert scene.codes() == ["completed.pause"] * 3

    run(configured(tmp_path, dc=dc), act)


@pytest.mark.case("I2X-19")
@pytest.mark.parametrize("dc", [True, False], ids=["DC", "AC"])
def test_who_was_unplugged_begins_anew(tmp_path: Path, dc: bool) -> None:
    async def act(scene: Scene) -> None:
        tester = await Tester.connect(scene)
        await sets_up(tester, bytes(8), NEW)
        paused = await pauses(tester)
        scene.world().unplug()
        await asyncio.sleep(5.0)
        await sets_up(await Tester.connect(scene), paused, NEW)

    run(configured(tmp_path, dc=dc), act)


@pytest.mark.case("I2X-20")
@pytest.mark.parametrize("dc", [True, False], ids=["DC", "AC"])
def test_another_car_does_not_join_by_the_session_id_alone(tmp_path: Path, dc: bool) -> None:
    async def act(scene: Scene) -> None:
        tester = await Tester.connect(scene)
        await sets_up(tester, bytes(8), NEW)
        paused = await pauses(tester)
        await sets_up(await wakes(scene), paused, NEW, evccid=bytes(octet ^ 1 for octet in EVCCID))
        # And the session is gone with that: whose it was comes too late.
        scene.world().unplug()
        await asyncio.sleep(5.0)
        await sets_up(await Tester.connect(scene), paused, NEW)

    run(configured(tmp_path, dc=dc), act)


@pytest.mark.parametrize("dc", [True, False], ids=["DC", "AC"])
def test_whose_session_it_is_joins_it(tmp_path: Path, dc: bool) -> None:
    """What the rows above would see if nothing were compared."""

    async def act(scene: Scene) -> None:
        tester = await Tester.connect(scene)
        await sets_up(tester, bytes(8), NEW)
        paused = await pauses(tester)
        await sets_up(await wakes(scene), paused, JOINED)

    run(configured(tmp_path, dc=dc), act)
