"""What stays of a session when it is over: its lines in the log, its record in the history."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hal.sim.clock import run_virtual
from secc.config import Tls, TraceMode
from secc.ops.report import explanation
from secc.session.log import set_up_log
from secc.trace.history import records
from secc.trace.reasons import MEANINGS
from tests.station.test_basic import charging, plain
from tests.station_scene import BOTH, LONG, QUICK, car_trust, car_wallet, configured, station
from tools.evcc.behaviour import Payment


@pytest.fixture
def written() -> Iterator[io.BytesIO]:
    """The log, as a person reads it."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    stream = io.BytesIO()
    set_up_log("info", stream.write)
    yield stream
    root.handlers[:], level = before
    root.setLevel(level)


def test_the_lines_of_a_session_carry_its_short_id(tmp_path: Path, written: io.BytesIO) -> None:
    """Two sessions one after the other, and the books, the traces and the lines name the same two."""

    async def main() -> list[str]:
        async with station(configured(tmp_path)) as scene:
            for _ in range(2):
                await scene.drive(QUICK).done()
        return [json.loads(line)["session"] for line in (scene.state / "sessions.jsonl").read_text().splitlines()]

    booked = dict.fromkeys(run_virtual(main()))
    assert len(booked) == 2
    logging.getLogger().handlers[0].flush()
    lines = written.getvalue().decode().splitlines()
    for session in booked:
        mine = [line for line in lines if f"outlet 1 [{session[:6]}]: " in line]
        for words in (
            "ISO 15118-2",
            "session set up",
            "contactor closed",
            "session ended",
            "delivered",
            "trace written",
        ):
            assert any(words in line for line in mine), words


def test_a_refused_contract_is_in_the_history_with_its_flaw(tmp_path: Path) -> None:
    """``certificate.*`` ends no session: it stands in a field of the record, and in the event, and has its meaning."""
    config = configured(tmp_path, tls=Tls.REQUIRED, payments=BOTH)

    async def main() -> None:
        async with station(config) as scene:
            contract = replace(QUICK, payment=Payment.CONTRACT)
            wallet = car_wallet("flawed/expired-leaf")
            await scene.drive(contract, tls=True, wallet=wallet, trust=car_trust()).done()
            await scene.until(lambda: scene.outlet().writes.idle)
            (record,) = records(scene.state)
            assert record.reason.code == "refused.FAILED_CertificateExpired"
            assert record.flaw == "certificate.leaf-expired" in MEANINGS
            (event,) = [event for event in scene.published if event["event"] == "session ended"]
            assert event["flaw"] == record.flaw
            # The trace alone tells the same.
            told, again = (explanation(what, scene.state) for what in (record.session, record.trace))
            # The moments in the first line are rounded in another way.
            assert told.splitlines()[1:] == again.splitlines()[1:]

    run_virtual(main())


def test_the_trace_of_a_charged_session_explains_it_as_its_record_does(tmp_path: Path) -> None:
    config = configured(tmp_path, tls=Tls.REQUIRED, payments=BOTH)

    async def main() -> None:
        async with station(config) as scene:
            await scene.drive(replace(QUICK, payment=Payment.CONTRACT), tls=True).done()
            await scene.until(lambda: scene.outlet().writes.idle)
            (record,) = records(scene.state)
            told, again = explanation(record.session, scene.state), explanation(record.trace, scene.state)
            for line in told.splitlines()[1:]:
                assert line in again or line.startswith(("Delivered", "At the end")), line
            assert "Delivered" in again and "At the end" in again

    run_virtual(main())


def test_a_session_that_the_station_does_not_outlive_is_in_the_history(tmp_path: Path) -> None:
    """Its beginning is written when it is set up, so a power cut leaves that much."""

    async def main() -> None:
        async with station(configured(tmp_path)) as scene:
            await scene.drive(QUICK).done()
            drive = await scene.charging(scene.drive(LONG))
            await scene.until(lambda: scene.outlet().writes.idle)
            first, second = records(scene.state)
            assert (first.ended != "", second.ended, second.reason.code) == (True, "", "severed.power-lost")
            assert second.protocol == "ISO 15118-2"
            text = explanation(second.session[:6], scene.state)
            assert f"session {second.session} began at" in text and "the record does not have its end" in text
            # Asked for nothing in particular, the last one that ended is told, and that there is one more.
            text = explanation(None, scene.state)
            assert "completed.terminated" in text.splitlines()[0] and second.session[:6] in text
            drive.reset()
            await scene.ended(2)
            await scene.until(lambda: scene.outlet().writes.idle)
            _, second = records(scene.state)
            assert second.reason.code == "severed.connection-closed" and second.watt_hours is not None

    run_virtual(main())


def test_charging_by_pilot_and_duty_is_in_the_history(tmp_path: Path) -> None:
    async def main() -> None:
        async with station(plain(tmp_path)) as scene:
            await charging(scene)
            scene.world().unplug(force=True)
            await scene.opened()
            await scene.until(lambda: scene.outlet().writes.idle, 10.0)
            (record,) = records(scene.state)
            assert record.reason.code == "completed.unplugged"
            assert record.watt_hours is not None and record.watt_hours > 10.0
            text = explanation(None, scene.state)
            assert "was unplugged" in text and "pilot and duty (IEC 61851)" in text
            assert "TCP" not in text and "message" not in text

    run_virtual(main())


@pytest.mark.case("A-RES-02")
def test_who_knocks_and_says_nothing_leaves_neither_record_nor_trace(tmp_path: Path) -> None:
    """The directory holds a thousand traces: a port scanner must not push out those of the cars that have charged."""

    async def main() -> None:
        async with station(configured(tmp_path, trace=TraceMode.ALWAYS)) as scene:
            scene.world().plug_in()
            await scene.until(lambda: scene.outlet().sockets.port)
            for knocks in range(1, 4):
                _, writer = await asyncio.open_connection("::1", scene.outlet().sockets.port)
                writer.close()
                await scene.ended(knocks)
            await scene.until(lambda: scene.outlet().writes.idle)
            assert not list(records(scene.state))
            assert not list(scene.state.glob("traces/*"))

    run_virtual(main())
