"""Each response code with which the station refuses a request of DIN SPEC 70121 alone."""

from __future__ import annotations

import asyncio
from typing import Any

from secc.din.messages import SCHEMA, EVRequestedEnergyTransferType, EVSEProcessing, MessageHeader, V2G_Message
from secc.link.v2gtp import PayloadType, frame
from tests.conformance.tester import Tester, offer
from tests.din_car import EVERY_REQUEST, START, parameters, precharge
from tests.reasons.drives import ends
from tests.station_scene import Scene

SETUP = ("SessionSetup", "ServiceDiscovery", "ServicePaymentSelection", "ContractAuthentication")


async def agreed(scene: Scene) -> Tester:
    tester = await Tester.connect(scene, agreed=False)
    await tester.agrees(offer("urn:din:70121:2012:MsgDef"))
    for name in SETUP:
        await says(tester, EVERY_REQUEST[name])
    return tester


async def says(tester: Tester, body: Any) -> Any:
    header = MessageHeader(session_id=tester.session_id)
    await tester.sends(frame(PayloadType.EXI, SCHEMA.encode(V2G_Message(header=header, body=body))))
    heard = await tester.hears()
    assert heard is not None
    message = SCHEMA.decode(heard.payload)
    tester.session_id = message.header.session_id
    return message.body


@ends("refused.FAILED_WrongEnergyTransferType")
async def asks_for_ac(scene: Scene) -> None:
    tester = await agreed(scene)
    await says(tester, parameters(EVRequestedEnergyTransferType.AC_THREE_PHASE_CORE))
    await tester.ended()


@ends("refused.FAILED_EVSEPresentVoltageToLow")
async def does_not_wait_for_the_voltage(scene: Scene) -> None:
    tester = await agreed(scene)
    await says(tester, parameters())
    tester.world.close_s2()
    while (await says(tester, EVERY_REQUEST["CableCheck"])).evse_processing is not EVSEProcessing.FINISHED:
        await asyncio.sleep(0.25)
    await says(tester, precharge())
    await says(tester, START)
    await tester.ended()
