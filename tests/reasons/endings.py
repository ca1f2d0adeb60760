"""Ends in order, interruptions, emergencies, and bugs; a bug is planted."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import Any
from unittest import mock

from secc.config import Timing
from secc.conversation import Conversation, Party
from secc.iso2 import timing
from secc.iso2.messages import ResponseCode, ServiceDetailRes, ServiceDiscoveryReq, SessionSetupReq, SessionStopReq
from secc.iso2.session_state import SessionState
from secc.link.v2gtp import TOLERATED, PayloadType, frame
from tests.conformance.places import ac
from tests.conformance.tester import Tester
from tests.iso2_car import EVCCID, TERMINATE
from tests.reasons.drives import ends, ends_at
from tests.station.test_basic import charging, plain
from tests.station.test_paused import ENDS as PAUSE_ENDS
from tests.station.test_paused import behaviour, paused
from tests.station_scene import LONG, Scene, configured

AC = partial(configured, dc=False)


# --- in order -----------------------------------------------------------------------------------------------------------------


async def goes_on(tester: Tester) -> None:
    await tester.drive(after="ChargeParameterDiscovery")


async def stops_before_it_begins(tester: Tester) -> None:
    await tester.says(TERMINATE)


ends_at(ac("PowerDelivery(Start)"), "completed.terminated", goes_on)
ends_at(ac("ServiceDiscovery"), "completed.stopped-early", stops_before_it_begins)


@ends("completed.unplugged", plain)
async def charges_by_pilot_and_duty(scene: Scene) -> None:
    await charging(scene)
    scene.world().unplug(force=True)


@ends("completed.pause", AC)
async def pauses(scene: Scene) -> None:
    drive = scene.drive(behaviour(dc=False), stay=True)
    await paused(scene, drive)
    assert drive.task is not None
    drive.task.cancel()


for _name, (_act, _code) in PAUSE_ENDS.items():
    if _name != "backend":

        @ends(_code, AC)
        async def ends_a_pause(scene: Scene, act: Any = _act) -> None:
            await pauses(scene)
            await act(scene)


@ends("completed.pause-left", AC)
async def comes_back_as_another(scene: Scene) -> None:
    await scene.drive(behaviour(dc=False), sleep=60.0, resume_flaw="no-session-id").done()


ends("completed.pause-shutdown", AC)(pauses)


# --- cut off ------------------------------------------------------------------------------------------------------------------


@ends("severed.unplugged")
async def is_unplugged(scene: Scene) -> None:
    await scene.charging(scene.drive(LONG, stay=True))
    scene.world().unplug(force=True)


@ends("severed.link-lost", partial(configured, hal="sim:?connector=dc&modem=1"))
async def loses_its_link(scene: Scene) -> None:
    await scene.charging(scene.drive(LONG, stay=True))
    scene.world().inject("line_noise")


@ends("severed.connection-closed")
async def hangs_up(scene: Scene) -> None:
    await (await Tester.connect(scene)).line.close()


@ends("severed.stream-broken")
async def sends_no_messages(scene: Scene) -> None:
    tester = await Tester.connect(scene)
    await tester.says(SessionSetupReq(evcc_id=EVCCID))
    await tester.sends(frame(PayloadType.EXI, b"GET / HTTP/1.1\r\n") * TOLERATED)


@ends("severed.communication-setup-timeout")
async def never_sets_up(scene: Scene) -> None:
    await (await Tester.connect(scene)).closed(30.0)


@ends("severed.station-shutdown", partial(configured, timing=Timing(shutdown_seconds=0.0)))
async def is_served_when_the_station_stops(scene: Scene) -> None:
    await scene.charging(scene.drive(LONG, stay=True))


@ends("severed.power-lost", again=True)
async def is_served_when_the_power_goes(scene: Scene) -> None:
    await scene.charging(scene.drive(LONG, stay=True))
    await asyncio.sleep(5.0)


@ends("emergency.emergency-stop")
async def is_stopped(scene: Scene) -> None:
    await scene.charging(scene.drive(LONG, stay=True))
    scene.world().press_emergency_stop()


@ends("emergency.fault")
async def has_a_fault(scene: Scene) -> None:
    await scene.charging(scene.drive(LONG, stay=True))
    scene.world().inject("residual_current")


# --- bugs ---------------------------------------------------------------------------------------------------------------------


def without_an_answer(secc: Party, state: SessionState) -> Conversation[str]:
    yield from secc.receive(SessionStopReq, within=timing.SEQUENCE)
    return "terminated"


def with_an_answer_that_the_schema_has_not(secc: Party, state: SessionState) -> Conversation[None]:
    yield from secc.receive(ServiceDiscoveryReq, within=timing.SEQUENCE)
    secc.reply(ServiceDetailRes(response_code=ResponseCode.OK, service_id=-1))


@ends("bug.Unanswered", AC)
async def is_not_answered(scene: Scene) -> None:
    with mock.patch("secc.iso2.conversation.session_stop", without_an_answer):
        tester = await ac("SessionStop").reached(scene)
        body = await tester.says(TERMINATE)
        assert body.response_code is ResponseCode.FAILED


@ends("bug.EncodeError")
async def gets_an_answer_that_cannot_be_encoded(scene: Scene) -> None:
    with mock.patch("secc.iso2.conversation.service_discovery", with_an_answer_that_the_schema_has_not):
        tester = await Tester.connect(scene)
        await tester.says(SessionSetupReq(evcc_id=EVCCID))
        await tester.sends(tester.octets(ServiceDiscoveryReq()))
        await tester.closed()


@ends("bug.NotLoaded")
async def agrees_on_what_cannot_be_loaded(scene: Scene) -> None:
    protocols = scene.outlet().sessions.protocols
    broken = replace(protocols.spoken[0], load=mock.Mock(side_effect=ImportError("planted")))
    with (
        mock.patch.object(protocols, "loaded", return_value=None),
        mock.patch.object(protocols, "load", lambda protocol: type(protocols).load(protocols, broken)),
    ):
        tester = await Tester.connect(scene)
        await tester.closed()


@ends("bug.PlugIn", plain)
async def charges_while_the_plug_in_fails(scene: Scene) -> None:
    await charging(scene)
    scene.seat("plug-in").fail(ZeroDivisionError("planted"))
