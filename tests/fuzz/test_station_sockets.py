"""Anything at all on a station's sockets: typed errors in the log, the listener alive, nothing left behind. Seeded, virtual time.

``make fuzz FUZZ="aborts datagrams"`` runs the same with ten thousand connections and a hundred thousand datagrams.
"""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path

import pytest

from hal.sim.clock import run_virtual
from tests.fuzz.sockets import aborts, complaints, datagrams, mutated, resources
from tests.station_scene import configured, station


@pytest.mark.case("A-RES-03", "A-RES-04", "A-EXI-03")
@pytest.mark.parametrize(("tls", "count"), [(False, 60), (True, 300)], ids=["off", "offered"])
def test_aborted_connections_leave_nothing_behind(tmp_path: Path, tls: bool, count: int) -> None:
    assert aborts(tmp_path, count=count, seed=15118, tls=tls) == []


@pytest.mark.case("A-NET-02", "A-V2G-04")
def test_any_datagram_on_the_sdp_port(tmp_path: Path) -> None:
    assert datagrams(tmp_path, count=2000, seed=2) == []


@pytest.mark.case("A-OCPP-06")
def test_any_line_on_the_control_socket(tmp_path: Path) -> None:
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
            assert logged == []
            scene.outlet().commands.limit(None)
            await scene.charges()

    with complaints() as logged:
        run_virtual(main())
