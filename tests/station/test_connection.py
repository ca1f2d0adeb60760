"""What becomes of a connection when its session is over."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from hal.sim.clock import run_virtual
from secc.link.v2gtp import PayloadType, frame
from secc.session.supported_app_protocol import (
    SCHEMA,
    AppProtocol,
    ResponseCode,
    SupportedAppProtocolReq,
    SupportedAppProtocolRes,
)
from secc.station.connection import LINGER_SECONDS
from tests.station_scene import WorldHands, configured, station
from tools.evcc.line import Line

STRANGER = SupportedAppProtocolReq(
    app_protocol=(
        AppProtocol(
            protocol_namespace="urn:nobody", version_number_major=1, version_number_minor=0, schema_id=1, priority=1
        ),
    )
)
REFUSAL = SupportedAppProtocolRes(response_code=ResponseCode.FAILED_NO_NEGOTIATION)


@pytest.mark.case("Q-40")
def test_who_talks_on_after_the_end_is_not_answered_and_then_hung_up_on(tmp_path: Path) -> None:
    async def main() -> None:
        async with station(configured(tmp_path)) as scene:
            loop = asyncio.get_running_loop()
            await WorldHands(scene.world()).plug_in()
            window = scene.outlet().window
            await scene.until(lambda: window.port is not None)
            assert window.port is not None
            line = await Line.open("::1", window.port, 0, None)
            request = frame(PayloadType.EXI, SCHEMA.encode(STRANGER))
            await line.send(request)
            answers = await line.frames()
            assert answers is not None
            assert [SCHEMA.decode(one.payload) for one in answers] == [REFUSAL]
            ended = loop.time()
            for _ in range(3):
                await line.send(request)
                await asyncio.sleep(0.2)
            assert await line.frames() is None
            assert loop.time() - ended == pytest.approx(LINGER_SECONDS, abs=0.1)
            assert scene.codes() == ["refused.Failed_NoNegotiation"]

    run_virtual(main())
