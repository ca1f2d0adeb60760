"""Anything at all on a station's sockets: typed errors in the log, the listener alive, nothing left behind. Seeded, virtual time.

``make fuzz FUZZ="aborts datagrams"`` runs the same with ten thousand connections and a hundred thousand datagrams.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from pathlib import Path

import pytest

from hal.sim.clock import run_virtual
from secc.config import Lab, LabOrders
from secc.config.facets import settings
from secc.station.serving.orders import Orders
from tests.fuzz.sockets import aborts, complaints, counted, datagrams, mutated, resources
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
    verbs = ["state", "start", "stop", "limit", "token", "wake", "renegotiate", "lab", "events", "reload", "nothing"]
    values: list[object] = [None, True, -1, 1e400, 0.5, "", "rfid", "x" * 300, [], {}, [[]], "\x00", ["Authorization"]]
    keys = ["outlet", "watts", "kind", "value"]
    orders = [setting.key for setting in settings(LabOrders) if setting.key != "enabled"]

    def line() -> bytes:
        if chance.random() < 0.3:
            return chance.randbytes(chance.randrange(1, 200)).replace(b"\n", b"") + b"\n"
        asked = {"do": chance.choice(verbs)} | {key: chance.choice(values) for key in keys if chance.random() < 0.7}
        if chance.random() < 0.7:
            asked |= {"outlet": "1", "order": chance.choice(orders)}
        octets = json.dumps(asked).encode()
        return (mutated(chance, octets) if chance.random() < 0.5 else octets).replace(b"\n", b"") + b"\n"

    async def main() -> None:
        async with station(configured(tmp_path, lab=Lab(orders=LabOrders(enabled=True))), watch=False) as scene:
            before = resources()
            for _ in range(1000):
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
            assert seen["order"] > seen["within"] > 5, "orders that were understood, and taken"
            for order in orders:
                scene.outlet().commands.lab(order, None)
            scene.outlet().commands.limit(None)
            await scene.charges()

    seen = Counter[str]()
    with (
        complaints() as logged,
        counted(seen, Orders, "order"),
        counted(seen, LabOrders, "within"),
    ):
        run_virtual(main())
