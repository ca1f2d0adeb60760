"""Each timer that ends a session: of the link, of the negotiation, and of the phases of ISO 15118-2."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

from secc.config import Config, Eim, Timing, Tls
from secc.iso2.messages import AuthorizationReq, Body, CableCheckReq, ChargingStatusReq, WeldingDetectionReq
from tests.conformance.places import ac, dc
from tests.conformance.tester import Tester
from tests.iso2_car import ac_parameters, ev_status, precharge
from tests.reasons.drives import ends, ends_at
from tests.station.test_tls_troubles import HELLO, says
from tests.station_scene import Scene, configured


async def is_silent(tester: Tester) -> None:
    await tester.closed(70.0)


ends_at(ac("ServiceDiscovery"), "timer.V2G_SECC_Sequence_Timeout", is_silent)


def patient(directory: Path) -> Config:
    """The plug-in waits longer than the connection."""
    return configured(directory, timing=Timing(setup_seconds=60.0))


@ends("timer.V2G_SECC_CommunicationSetup_Timeout", patient)
async def connects_and_says_nothing(scene: Scene) -> None:
    await (await Tester.connect(scene, agreed=False)).closed(30.0)


@ends("timer.TLS-handshake", partial(configured, tls=Tls.REQUIRED))
async def stands_still_in_the_handshake(scene: Scene) -> None:
    scene.world().plug_in()
    await scene.until(lambda: scene.outlet().sockets.port)
    await says(HELLO, pause=12.0)(scene.outlet().sockets.port or 0)


async def stops_in_a_message(tester: Tester) -> None:
    await tester.sends(bytes.fromhex("01fe80010000"))
    await tester.closed(15.0)


ends_at(ac("ServiceDiscovery"), "timer.V2GTP-message", stops_in_a_message)


async def polls(tester: Tester, request: Callable[[], Body], seconds: float, *, every: float = 1.0) -> None:
    """Ask until the station gives up, at most so long."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    while str((await tester.says(request())).response_code) == "OK":
        assert loop.time() - began < seconds, "without an end"
        await asyncio.sleep(every)


def held(phase: str, request: Body, seconds: float) -> Callable[[Tester], Awaitable[Any]]:
    async def act(tester: Tester) -> None:
        tester.world.close_s2(phase == "CableCheck")
        tester.scene.outlet().commands.lab("ongoing", [phase])
        await polls(tester, lambda: request, seconds)

    return act


CHECK = CableCheckReq(dc_ev_status=ev_status())
WELDING = WeldingDetectionReq(dc_ev_status=ev_status())
ends_at(
    ac("ChargeParameterDiscovery"),
    "timer.V2G_SECC_Ongoing_Performance_Time",
    held("ChargeParameterDiscovery", ac_parameters(), 60.0),
)
ends_at(dc("CableCheck"), "timer.V2G_SECC_CableCheck_Performance_Time", held("CableCheck", CHECK, 42.0))


def by_card(directory: Path) -> Config:
    return configured(directory, dc=False, eim=Eim.LIST, allow="rfid 04A2B3C4\n", timing=Timing(eim_seconds=30.0))


async def no_card(tester: Tester) -> None:
    await polls(tester, AuthorizationReq, 35.0)


ends_at(ac("Authorization"), "timer.EIM_Authorization_Limit", no_card, by_card)


async def wants_another_voltage_than_its_battery_has(tester: Tester) -> None:
    """And never goes on."""
    await polls(tester, lambda: precharge(300.0), 30.0, every=0.25)


async def tests_its_contactors_for_ever(tester: Tester) -> None:
    await polls(tester, lambda: WELDING, 70.0)


async def does_not_stop(tester: Tester) -> None:
    tester.scene.outlet().commands.stop("operator")
    await polls(tester, ChargingStatusReq, 15.0)


ends_at(dc("PreCharge"), "timer.V2G_SECC_PreCharge_Limit", wants_another_voltage_than_its_battery_has)
ends_at(dc("WeldingDetection"), "timer.V2G_SECC_WeldingDetection_Limit", tests_its_contactors_for_ever)
ends_at(ac("ChargingStatus"), "timer.NotificationMaxDelay", does_not_stop)
