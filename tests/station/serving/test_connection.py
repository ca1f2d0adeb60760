"""What becomes of a connection when its session is over."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import tracemalloc
import weakref
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from hal.sim.clock import run_virtual
from secc.iso2 import protocol
from secc.iso2.dialogue import PAYLOAD_LIMIT
from secc.link.v2gtp import OPENING_LIMIT, PayloadType, frame
from secc.session import negotiation
from secc.session.supported_app_protocol import (
    SCHEMA,
    AppProtocol,
    ResponseCode,
    SupportedAppProtocolReq,
    SupportedAppProtocolRes,
)
from secc.station.serving import connection
from secc.station.serving.ending import LINGER_SECONDS
from tests.held_outlet import Held, Outlet, settle
from tests.station_scene import LONG, Scene, WorldHands, configured, station
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
            sockets = scene.outlet().sockets
            await scene.until(lambda: sockets.port is not None)
            assert sockets.port is not None
            line = await Line.open("::1", sockets.port, 0, None)
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


OURS = SupportedAppProtocolReq(
    app_protocol=(
        AppProtocol(
            protocol_namespace=protocol().namespace,
            version_number_major=2,
            version_number_minor=0,
            schema_id=1,
            priority=1,
        ),
    )
)


@contextlib.asynccontextmanager
async def connected(scene: Scene) -> AsyncIterator[Line]:
    """A car that is plugged in and has connected; it says what a test says."""
    await WorldHands(scene.world()).plug_in()
    sockets = scene.outlet().sockets
    await scene.until(lambda: sockets.port is not None)
    assert sockets.port is not None
    line = await Line.open("::1", sockets.port, 0, None)
    try:
        yield line
    finally:
        await line.close()


@pytest.mark.case("A-V2G-05")
@pytest.mark.parametrize("kind", [PayloadType.COMMON, PayloadType.DC, PayloadType.SCHEDULE_RENEGOTIATION])
@pytest.mark.parametrize("behind", [False, True], ids=["first", "behind the hello"])
def test_a_payload_type_of_another_protocol_is_ignored_before_one_is_agreed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: PayloadType, behind: bool
) -> None:
    hello, other = frame(PayloadType.EXI, SCHEMA.encode(OURS)), frame(kind, SCHEMA.encode(OURS))

    async def main() -> None:
        async with station(configured(tmp_path)) as scene, connected(scene) as line:
            await line.send(hello + other if behind else other + hello, "")
            answers = await line.frames()
            assert answers is not None
            assert SCHEMA.decode(answers[0].payload).response_code is ResponseCode.OK_SUCCESSFUL_NEGOTIATION
            assert scene.codes() == []

    run_virtual(main())
    assert [record for record in caplog.records if record.exc_info] == []


@pytest.mark.case("A-EXI-11")
@pytest.mark.parametrize("agreed", [False, True], ids=["before a protocol is agreed", "in ISO 15118-2"])
def test_a_frame_that_no_real_message_fills_ends_the_connection_by_its_header(tmp_path: Path, agreed: bool) -> None:
    """No 64 KiB are stored and read from a sender that has only reached the socket."""
    limit = PAYLOAD_LIMIT if agreed else OPENING_LIMIT
    assert negotiation.PAYLOAD_LIMIT == OPENING_LIMIT < PAYLOAD_LIMIT < 12 * 1024

    async def main() -> None:
        async with station(configured(tmp_path)) as scene, connected(scene) as line:
            if agreed:
                await line.send(frame(PayloadType.EXI, SCHEMA.encode(OURS)))
                assert await line.frames()
            await line.send(frame(PayloadType.EXI, bytes(limit + 1))[:8])
            # At once: not when the rest of the frame has not come for ten seconds.
            await scene.ended(seconds=1.0)
            assert scene.codes() == ["severed.stream-broken"]
            assert await line.frames() is None

    run_virtual(main())


class FullSocket:
    """A transport whose socket takes nothing more: the kernel's buffers are full."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self.waiting = 0

    def write(self, octets: bytes) -> None:
        self.waiting += len(octets)

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


@pytest.mark.case("A-RES-01")
def test_a_car_that_does_not_read_its_answers_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its requests are in order and come in time, so no timer ends it; what it does not take would pile up without end."""
    monkeypatch.setattr(connection, "UNSENT_OCTETS", 2000)

    async def main() -> None:
        async with station(configured(tmp_path)) as scene:
            drive = await scene.charging(scene.drive(replace(LONG, patience=1000.0), stay=True))
            drive.hush()
            served = scene.outlet().sessions._connection
            assert served is not None
            assert served._transport is not None
            full = FullSocket(served._transport)
            served._transport = cast("asyncio.Transport", full)
            for _ in range(200):
                if scene.codes():
                    break
                drive.line._writer.write(drive.sent)
                await asyncio.sleep(0.05)
            assert scene.codes() == ["severed.connection-closed"]
            assert 2000 < full.waiting < 2500
            await scene.opened()
            assert drive.task is not None
            drive.task.cancel()

    run_virtual(main())


def test_an_outlet_keeps_no_connection_that_is_over(tmp_path: Path) -> None:
    async def main() -> None:
        async with station(configured(tmp_path)) as scene:
            drive = await scene.charging(scene.drive(LONG, stay=True))
            sessions = scene.outlet().sessions
            assert sessions._connection is not None
            alive = weakref.ref(sessions._connection)
            drive.hush()
            await scene.ended()
            await scene.opened()
            assert drive.task is not None
            drive.task.cancel()
            await asyncio.sleep(60.0)
            assert sessions._connection is None
            gc.collect()
            assert alive() is None

    run_virtual(main())


def test_a_read_takes_memory_for_what_a_message_may_have() -> None:
    async def main() -> None:
        outlet = Outlet(Held())
        station, car = socket.socketpair()
        with station, car:
            station.setblocking(False)
            transport, _ = await asyncio.get_running_loop().connect_accepted_socket(lambda: outlet.connection, station)
            request = frame(PayloadType.EXI, SCHEMA.encode(STRANGER))
            tracemalloc.start()
            try:
                car.sendall(request)
                await settle()
                _, most = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
            transport.abort()
            await settle()
        assert outlet.heard == [("SupportedAppProtocolReq", False)]
        assert most < 128 * 1024

    negotiation.warm()
    asyncio.run(main())


def test_a_connection_that_is_over_is_no_garbage() -> None:
    async def main() -> None:
        outlet = Outlet(Held())
        outlet.say(SCHEMA.encode(STRANGER))
        await settle()
        assert outlet.codes == ["refused.Failed_NoNegotiation"]
        outlet.connection.connection_lost(None)
        alive = weakref.ref(outlet.connection)
        gc.disable()
        try:
            del outlet.connection
            assert alive() is None
        finally:
            gc.enable()

    negotiation.warm()
    asyncio.run(main())
