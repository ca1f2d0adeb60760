"""Attacks on a whole station, in the numbers of their rows in docs/attacks.md, and what the station believes of a car."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hal.sim.clock import run_virtual
from secc.config import Eim, Timing
from secc.session.supported_app_protocol import SCHEMA as SAP
from tests.station.test_doors import QUICK_PNC, hello, pnc
from tests.station_scene import LONG, QUICK, configured, judged, station

THOUSAND = 1000


async def storm(port: int, count: int, seconds: float, octets: bytes = b"") -> int:
    """Connect so many times within so many seconds, and break each connection off. Returns how many connections were made."""
    loop, made = asyncio.get_running_loop(), 0
    for _ in range(count):
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as sock:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            with contextlib.suppress(OSError):
                await loop.sock_connect(sock, ("::1", port, 0, 0))
                made += 1
                await loop.sock_sendall(sock, octets)
        await asyncio.sleep(seconds / count)
    return made


@pytest.mark.case("A-NET-07", "A-NET-06")
def test_a_thousand_connections_a_second_leave_a_charging_car_alone(tmp_path: Path) -> None:
    """At its own outlet nobody listens while it charges. At the next one a car is being set up, and each connection is made and reset."""

    async def main() -> None:
        # The virtual clock may run ahead of connections that the kernel still makes.
        async with station(configured(tmp_path, outlets=2, timing=Timing(setup_seconds=120.0))) as scene:
            scene.world().plug_in()
            await scene.until(lambda: scene.outlet().sockets.port)
            own = scene.outlet().sockets.port
            drive = await scene.charging(scene.drive(LONG))
            before = scene.world().truth()["metered_watt_hours"]
            scene.world(1).plug_in()
            await scene.until(lambda: scene.outlet(1).sockets.port)
            next_one = scene.outlet(1).sockets.port
            assert own is not None
            assert next_one is not None
            reader, writer = await asyncio.open_connection("::1", next_one)
            for _ in range(3):
                assert await storm(own, THOUSAND, 1.0) == 0
                assert await storm(next_one, THOUSAND, 1.0) == THOUSAND
                assert scene.world().present()[1] > 3.0
            assert scene.world().truth()["metered_watt_hours"] > before
            assert scene.codes() == []
            writer.write(hello())
            assert SAP.decode((await reader.read(1000))[8:])
            writer.close()
            scene.outlet().commands.stop("operator")
            assert (await drive.done()).reason is not None
            assert drive.outcome.startswith("completed"), drive.outcome
            judged(scene)

    run_virtual(main())


@pytest.mark.case("A-SES-10", "A-NET-07")
@pytest.mark.parametrize("octets", [b"", hello()], ids=["silent", "protocol agreed"])
def test_a_thousand_reconnects_begin_few_sessions_and_the_next_car_charges(tmp_path: Path, octets: bytes) -> None:
    async def main() -> None:
        async with station(configured(tmp_path), watch=False) as scene:
            scene.world().plug_in()
            await scene.until(lambda: scene.outlet().sockets.port)
            tried = made = 0
            while tried < THOUSAND:
                port = scene.outlet().sockets.port
                tried += 1
                if port is None:
                    await asyncio.sleep(0.1)
                else:
                    made += await storm(port, 1, 0.05, octets)
            assert 10 < made < THOUSAND // 4
            assert len(scene.codes()) <= made
            scene.world().unplug()
            await asyncio.sleep(1.0)
            await scene.charges()

    run_virtual(main())


@pytest.mark.case("A-PNC-14")
def test_neither_evccid_nor_mac_address_of_a_car_is_an_authorization(tmp_path: Path) -> None:
    """An operator who puts the car's address on the list of cards gets a card with that number, and no car."""
    allow = f"rfid {QUICK.evcc_id.hex()}\n"

    async def main() -> None:
        config = configured(tmp_path, eim=Eim.LIST, allow=allow, timing=Timing(eim_seconds=20.0))
        async with station(config) as scene:
            drive = await scene.drive(QUICK).done()
            assert not drive.outcome.startswith("completed")
            assert scene.codes() == ["timer.EIM_Authorization_Limit"]
            assert scene.world().truth()["metered_watt_hours"] == 0.0
            # The number itself is one that may charge, from a reader.
            second = scene.drive(QUICK)
            await scene.until(lambda: "session" in second.names)
            scene.world().present_token("rfid", QUICK.evcc_id.hex().upper())
            assert (await second.done()).outcome == "completed.full"
            judged(scene)

    run_virtual(main())


@pytest.mark.case("A-TLS-09")
def test_certificates_and_responses_that_cannot_be_read_for_a_while_delay_no_car(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The station fetches nothing: OCSP responses and lists are files. Another thread reads them, and a disk may hang."""
    readers: list[int] = []

    async def main() -> None:
        async with station(pnc(tmp_path)) as scene:
            trust = scene.services.trust
            assert trust is not None
            refresh, aside, answered = trust.refresh, asyncio.to_thread, asyncio.Event()

            def noted(**how: bool) -> bool:
                readers.append(threading.get_ident())
                return refresh(**how)

            async def hangs(work: Callable[..., Any], *arguments: Any, **how: Any) -> Any:
                if work is noted:
                    await answered.wait()
                return await aside(work, *arguments, **how)

            monkeypatch.setattr(trust, "refresh", noted)
            monkeypatch.setattr(asyncio, "to_thread", hangs)
            reading = asyncio.create_task(scene.services.reload())
            drive = await scene.drive(QUICK_PNC, tls=True).done()
            assert drive.outcome == "completed.full"
            assert not reading.done()
            answered.set()
            await reading
            judged(scene)

    run_virtual(main())
    assert readers != []
    assert threading.get_ident() not in readers
