"""Whole sessions on a whole station, in virtual time: AC and DC, by contract and without, judged by the simulated meter and contactor."""

from __future__ import annotations

import asyncio
import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from hal.sim.clock import run_virtual
from secc.config import Eim, Tls
from secc.session.protocol import LoadedProtocol
from secc.station.compose import compose
from secc.station.shared.loading import Protocols
from secc.station.shared.notify import Notifier
from secc.station.station import Station
from secc.trace.history import records
from tests.station_scene import BOTH, LONG, configured, judged, station
from tools.evcc.behaviour import Behaviour, Current, Payment

WATT_HOURS = 200.0


@pytest.mark.parametrize("payment", list(Payment))
@pytest.mark.parametrize("current", list(Current))
def test_the_meter_the_car_and_the_book_agree(tmp_path: Path, current: Current, payment: Payment) -> None:
    contract = payment is Payment.CONTRACT
    config = configured(
        tmp_path,
        dc=current is Current.DC,
        tls=Tls.OFFERED if contract else Tls.OFF,
        payments=BOTH if contract else BOTH[1:],
        eim=Eim.LIST if contract else Eim.FREE,
    )
    behaviour = Behaviour(current=current, payment=payment, watt_hours=WATT_HOURS)

    async def main() -> None:
        async with station(config) as scene:
            before = scene.world().books.metered
            drive = await scene.drive(behaviour, tls=contract).done()
            assert drive.outcome == "completed.full"
            assert await scene.ended() == ["completed.terminated"]
            await scene.until(lambda: scene.outlet().writes.idle)
            metered = scene.world().books.metered - before
            assert metered == pytest.approx(WATT_HOURS, rel=0.1)
            book = [json.loads(line) for line in (scene.state / "sessions.jsonl").read_text().splitlines()]
            started, ended = book
            assert ended["watt_hours"] - started["watt_hours"] == pytest.approx(metered, abs=0.01)
            assert ended["reason"] == "completed.terminated"
            assert started["identity"] == ("emaid" if contract else "free")
            (record,) = records(scene.state)
            assert record.session == started["session"]
            assert record.watt_hours == pytest.approx(metered, abs=0.01)
            told = drive.meter_readings
            assert len(told) > 10
            assert told == sorted(told)
            # The loop's last answer comes before the ramp down: what flows after it is in the book only.
            assert told[-1] - told[0] == pytest.approx(metered, abs=0.05 * WATT_HOURS)
            assert scene.watches[0].closings == 1
            judged(scene)

    run_virtual(main())


def test_nothing_is_left_to_compile_when_the_first_car_comes(tmp_path: Path) -> None:
    """A slow board would stand still for it, and its heartbeat with it."""

    async def main() -> None:
        calls: list[bool] = []
        config = configured(tmp_path)
        services = compose(config, Notifier({}))
        # Most cars speak the first; another is compiled when a car has chosen it.
        protocol, *others = services.protocols.spoken

        def noted() -> LoadedProtocol:
            loaded = protocol.load()

            def warm() -> None:
                calls.append(threading.current_thread() is threading.main_thread())
                loaded.warm()

            return replace(loaded, warm=warm)

        services.protocols = Protocols((replace(protocol, load=noted), *others), services.work, services.work.long)
        host = Station(services)
        await host.open()
        assert host.preparing is not None
        await host.preparing
        assert calls == [False]
        await host.close()

    run_virtual(main())


@pytest.mark.parametrize("current", list(Current))
def test_what_flows_until_the_contactor_is_open_is_in_the_book(tmp_path: Path, current: Current) -> None:
    """The car resets its connection at full power: the session is over before the current is."""

    async def main() -> None:
        async with station(configured(tmp_path, dc=current is Current.DC)) as scene:
            before = scene.world().books.metered
            drive = await scene.charging(scene.drive(replace(LONG, current=current), stay=True))
            await asyncio.sleep(7.0)
            drive.reset()
            await scene.opened()
            assert await scene.ended() == ["severed.connection-closed"]
            await drive.done()
            await scene.until(lambda: scene.outlet().writes.idle)
            metered = scene.world().books.metered - before
            assert metered > 10.0
            started, ended = map(json.loads, (scene.state / "sessions.jsonl").read_text().splitlines())
            assert ended["watt_hours"] - started["watt_hours"] == pytest.approx(metered, abs=0.01)

    run_virtual(main())


def test_a_session_whose_board_is_lost_keeps_the_last_reading(tmp_path: Path) -> None:
    """A meter that cannot be read must not make it a session of less than nothing."""

    async def main() -> None:
        async with station(configured(tmp_path)) as scene:
            drive = await scene.charging(scene.drive(LONG, stay=True))
            await asyncio.sleep(7.0)
            scene.world().inject("controller_silent")
            await scene.ended()
            await scene.until(lambda: scene.outlet().writes.idle)
            started, ended = map(json.loads, (scene.state / "sessions.jsonl").read_text().splitlines())
            metered = scene.world().books.metered
            assert ended["watt_hours"] > started["watt_hours"]
            # The last second before the controller had opened is not known to anybody outside.
            assert ended["watt_hours"] - started["watt_hours"] == pytest.approx(metered, rel=0.35)
            assert drive.task is not None
            drive.task.cancel()
            await asyncio.gather(drive.task, return_exceptions=True)
            scene.world().heal("controller_silent")
            await asyncio.sleep(2.0)

    run_virtual(main())


def test_a_car_charges_at_an_ac_board_whose_transfers_are_not_named(tmp_path: Path) -> None:
    """DC as the default of a board without it would end every session in bug.EncodeError: an empty list of energy transfer modes."""
    config = configured(tmp_path, hal="sim:?connector=ac")
    unnamed = replace(config, outlets=(replace(config.outlets[0], transfers=()),))

    async def main() -> None:
        async with station(unnamed) as scene:
            await scene.charges(current=Current.AC)
            judged(scene)

    run_virtual(main())
