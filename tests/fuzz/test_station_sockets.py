"""Anything at all on a station's sockets: typed errors in the log, the listener alive, nothing left behind. Seeded, virtual time."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import random
import socket
import struct
from pathlib import Path

import pytest

from hal.sim.clock import run_virtual
from secc.config import Eim, Tls, TraceMode
from secc.link import sdp
from secc.link.v2gtp import PayloadType, frame
from secc.session.supported_app_protocol import SCHEMA as SAP
from secc.session.supported_app_protocol import AppProtocol, SupportedAppProtocolReq
from tests.station_scene import BOTH, Scene, configured, station

CONNECTIONS = {Tls.OFF: 60, Tls.OFFERED: 300}
OFFERED = AppProtocol(
    protocol_namespace="urn:iso:15118:2:2013:MsgDef",
    version_number_major=2,
    version_number_minor=0,
    schema_id=1,
    priority=1,
)
GREETING = frame(PayloadType.EXI, SAP.encode(SupportedAppProtocolReq(app_protocol=(OFFERED,))))
SESSION_SETUP = frame(PayloadType.EXI, bytes.fromhex("8098000000000000000011d0018040c0101400"))
CLIENT_HELLO = bytes.fromhex(
    "16030100610100005d0303" + "00" * 32 + "000004c023c02b01000030000a00040002001700"
    "0b00020100000d000400020403000500050100000000" + "00" * 12
)


def mutated(chance: random.Random, octets: bytes) -> bytes:
    """One of: as it is, bits flipped, cut, doubled, something put in."""
    made = bytearray(octets)
    for _ in range(chance.randrange(4)):
        at = chance.randrange(len(made) or 1)
        match chance.randrange(4):
            case 0 if made:
                made[at] ^= 1 << chance.randrange(8)
            case 1:
                del made[at:]
            case 2:
                made[at:at] = chance.randbytes(chance.randrange(1, 30))
            case _:
                made += made[: chance.randrange(40)]
    return bytes(made)


def a_car(chance: random.Random) -> list[bytes]:
    """What a car like that would send, piece by piece."""
    match chance.randrange(6):
        case 0:
            return []
        case 1:
            return [chance.randbytes(chance.randrange(1, 2000))]
        case 2:
            return [mutated(chance, GREETING)]
        case 3:
            return [GREETING, mutated(chance, SESSION_SETUP)]
        case 4:
            return [GREETING, frame(PayloadType.EXI, b"\x80" + chance.randbytes(chance.randrange(60)))]
        case _:
            return [mutated(chance, CLIENT_HELLO)]


async def abort_one(scene: Scene, chance: random.Random) -> None:
    await scene.until(lambda: scene.outlet().sockets.port, 200.0, "the window")
    try:
        reader, writer = await asyncio.open_connection("::1", scene.outlet().sockets.port)
    except OSError:
        return
    for piece in a_car(chance):
        writer.write(piece)
        await asyncio.sleep(chance.choice((0.0, 0.01, 1.0)))
    if chance.random() < 0.5 and not writer.transport.is_closing():  # else the station was the first to hang up
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
    else:
        writer.close()
    await asyncio.sleep(0.05)
    del reader


def resources() -> tuple[int, int, int]:
    gc.collect()
    return len(os.listdir("/proc/self/fd")), len(asyncio.all_tasks()), len(gc.get_objects())


def complaints(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.exc_info or record.levelno >= logging.ERROR]


@pytest.mark.case("A-RES-03", "A-RES-04", "A-EXI-03")
@pytest.mark.parametrize("tls", [Tls.OFF, Tls.OFFERED])
def test_aborted_connections_leave_nothing_behind(tmp_path: Path, caplog: pytest.LogCaptureFixture, tls: Tls) -> None:
    chance = random.Random(15118)
    config = configured(
        tmp_path, tls=tls, payments=BOTH if tls is not Tls.OFF else BOTH[1:], eim=Eim.FREE, trace=TraceMode.OFF
    )

    async def main() -> None:
        async with station(config, watch=False) as scene:
            scene.world().plug_in()
            seen = []
            for _ in range(3):
                for _ in range(CONNECTIONS[tls] // 3):
                    await abort_one(scene, chance)
                    if scene.outlet().plug.plugin.state.over:  # type: ignore[union-attr]  # there is one
                        scene.world().unplug()
                        await asyncio.sleep(1.0)
                        scene.world().plug_in()
                scene.world().unplug()
                await asyncio.sleep(30.0)
                scene.published.clear()
                seen.append(resources())
                scene.world().plug_in()
            assert complaints(caplog) == []
            fds, tasks, objects = zip(*seen, strict=True)
            assert max(fds) <= fds[0] + 1
            assert max(tasks) <= tasks[0]
            # Caches fill, strings are interned: hundreds. A leak of one connection would be hundreds of objects for each.
            assert objects[2] - objects[1] < 1500, objects
            caplog.clear()
            await scene.charges()

    run_virtual(main())


@pytest.mark.case("A-NET-02", "A-V2G-04")
def test_any_datagram_on_the_sdp_port(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    chance = random.Random(2)
    request = sdp.build_request(sdp.Security.NONE)

    async def main() -> None:
        config = configured(tmp_path)
        async with station(config, watch=False) as scene:
            scene.world().plug_in()
            await scene.until(lambda: scene.outlet().sockets.port)
            target = ("::1", config.outlets[0].sdp_port, 0, 0)
            with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
                sock.setblocking(False)
                for number in range(2000):
                    sock.sendto(mutated(chance, request) or b"\x00", target)
                    if number % 50 == 0:
                        await asyncio.sleep(0.001)
                await asyncio.sleep(2.0)
            assert complaints(caplog) == []
            await scene.charges()

    run_virtual(main())


@pytest.mark.case("A-OCPP-06")
def test_any_line_on_the_control_socket(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    chance = random.Random(3)
    verbs = ["state", "start", "limit", "token", "renegotiate", "lab", "events", "reload", "nothing"]
    values: list[object] = [None, True, -1, 1e400, 0.5, "", "rfid", "x" * 300, [], {}, [[]], "\x00", "Authorization"]
    keys = ["outlet", "watts", "kind", "value", "phase", "on"]

    def line() -> bytes:
        if chance.random() < 0.3:
            return chance.randbytes(chance.randrange(1, 200)).replace(b"\n", b"") + b"\n"
        asked = {"do": chance.choice(verbs)} | {key: chance.choice(values) for key in keys if chance.random() < 0.7}
        return mutated(chance, json.dumps(asked).encode()).replace(b"\n", b"") + b"\n"

    async def main() -> None:
        async with station(configured(tmp_path), watch=False) as scene:
            before = resources()
            for _ in range(300):
                reader, writer = await asyncio.open_unix_connection(scene.config.control_socket)
                writer.write(line())
                if chance.random() < 0.8:
                    writer.write_eof()
                    for answered in (await reader.read()).splitlines():
                        answer = json.loads(answered)
                        assert answer.get("ok") in (True, False) or "event" in answer
                writer.close()
            await asyncio.sleep(1.0)
            after = resources()
            assert after[0] <= before[0] + 1
            assert after[1] <= before[1]
            assert complaints(caplog) == []
            scene.outlet().commands.limit(None)
            await scene.charges()

    run_virtual(main())
