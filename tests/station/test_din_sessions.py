"""DIN SPEC 70121 at a whole station: who gets to speak it, and that it changes nothing of what the outlet knows of the car."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hal.sim.clock import run_virtual
from secc.config import Config, Eim, Tls
from secc.din.messages import SCHEMA as DIN_MESSAGES
from secc.iso2.messages import ResponseCode, SessionSetupRes
from secc.link import sdp
from secc.outlet.effects import PauseOver
from secc.outlet.state import Phase
from secc.session.supported_app_protocol import ResponseCode as Agreed
from secc.trace.history import records
from tests.conformance.tester import Tester, offer
from tests.station_scene import BOTH, Drive, Scene, car_wallet, configured, judged, station
from tools.evcc.behaviour import Behaviour, Payment
from tools.evcc.discovery import discover

NAMESPACE = "urn:din:70121:2012:MsgDef"
SPEC, ISO = "DIN SPEC 70121", "ISO 15118-2"
CARD = "04A2B3C4"
DIN = Behaviour(protocols=("din",), loops=5)
CONTRACT = Behaviour(payment=Payment.CONTRACT, loops=5)
NEW, JOINED = ResponseCode.OK_NEW_SESSION_ESTABLISHED, ResponseCode.OK_OLD_SESSION_JOINED


def listed(directory: Path, **changes: Any) -> Config:
    """An outlet with TLS for those that ask, Plug & Charge, and cards of a list."""
    settings: dict[str, Any] = {"tls": Tls.OFFERED, "payments": BOTH, "eim": Eim.LIST} | changes
    return configured(directory, allow=f"emaid {car_wallet().emaid}\nrfid {CARD}\n", **settings)


def spoken(scene: Scene) -> list[str]:
    return [event["protocol"] for event in scene.published if event["event"] == "session"]


def offers(scene: Scene) -> list[list[str]]:
    return [event["payments"] for event in scene.published if event["event"] == "session"]


def book(scene: Scene) -> list[dict[str, Any]]:
    path = scene.state / "sessions.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


async def booked(scene: Scene, lines: int) -> list[dict[str, Any]]:
    await scene.until(lambda: len(book(scene)) >= lines, 60.0, f"{lines} lines in the book")
    return book(scene)


def bodies(drive: Drive) -> list[Any]:
    return [DIN_MESSAGES.decode(octets).body for octets in drive.octets]


def plugin(scene: Scene) -> Any:
    found = scene.outlet().plug.plugin
    assert found is not None
    return found


# --- who gets to speak it ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ranked", "named", "protocol"),
    [
        (("din",), (), SPEC),
        (("din", "iso2"), (), SPEC),
        (("iso2", "din"), (), ISO),
        (("din", "iso2"), ("iso2",), ISO),
        (("iso2", "din"), ("din",), SPEC),
        (("din", "iso2"), ("iso2", "din"), SPEC),
    ],
)
def test_the_cars_ranking_decides_among_what_the_outlet_speaks(
    tmp_path: Path, ranked: tuple[str, ...], named: tuple[str, ...], protocol: str
) -> None:
    async def main() -> None:
        async with station(configured(tmp_path, protocols=named)) as scene:
            drive = await scene.drive(replace(DIN, protocols=ranked)).done()
            assert drive.outcome == "completed.full"
            assert spoken(scene) == [protocol]
            start, end = await booked(scene, 2)
            assert (start["identity"], end["reason"]) == ("free", "completed.terminated")
            metered = scene.world().books.metered
            assert metered > 0.1
            assert end["watt_hours"] - start["watt_hours"] == pytest.approx(metered, abs=0.2)
            await asyncio.sleep(1.0)
            (record,) = records(scene.state)
            assert record.protocol == protocol
            assert record.payment == "ExternalPayment"
            judged(scene)

    run_virtual(main())


@pytest.mark.parametrize(
    ("changes", "offered", "schema_id"),
    [
        ({}, [offer(NAMESPACE, schema_id=7)], 7),
        ({}, [offer(NAMESPACE, schema_id=0), offer(schema_id=1, priority=2)], 0),
        ({}, [offer("urn:tesla:din:2018:MsgDef", schema_id=0), offer(NAMESPACE, schema_id=1, priority=2)], 1),
        ({"protocols": ("iso2",)}, [offer(NAMESPACE, schema_id=1), offer(schema_id=0, priority=2)], 0),
        ({"protocols": ("iso2",)}, [offer(NAMESPACE)], None),
        ({"protocols": ("din",)}, [offer()], None),
        ({"dc": False}, [offer(NAMESPACE)], None),
        ({"dc": False}, [offer(NAMESPACE), offer(schema_id=9, priority=2)], 9),
        ({}, [offer(NAMESPACE, major=1)], None),
        ({"tls": Tls.OFFERED, "payments": BOTH}, [offer(NAMESPACE, schema_id=3)], 3),
        ({"tls": Tls.OFFERED, "payments": (BOTH[0],)}, [offer(NAMESPACE)], None),
    ],
)
def test_the_answer_on_plain_tcp(
    tmp_path: Path, changes: dict[str, Any], offered: list[Any], schema_id: int | None
) -> None:
    eim = Eim.LIST if changes.get("payments") == (BOTH[0],) else Eim.FREE

    async def main() -> None:
        async with station(configured(tmp_path, eim=eim, **changes), watch=False) as scene:
            tester = await Tester.connect(scene, agreed=False)
            answer = await tester.agrees(*offered)
            assert answer.schema_id == schema_id
            if schema_id is None:
                assert answer.response_code is Agreed.FAILED_NO_NEGOTIATION
                await tester.closed()
                assert scene.codes() == ["refused.Failed_NoNegotiation"]
            else:
                assert answer.response_code is Agreed.OK_SUCCESSFUL_NEGOTIATION

    run_virtual(main())


@pytest.mark.parametrize("tls", [Tls.OFFERED, Tls.REQUIRED])
@pytest.mark.parametrize("named", [(), ("iso2", "din")])
def test_on_tls_nobody_speaks_it(tmp_path: Path, tls: Tls, named: tuple[str, ...]) -> None:
    async def main() -> None:
        async with station(listed(tmp_path, tls=tls, protocols=named), watch=False) as scene:
            tester = await Tester.connect(scene, tls=True, agreed=False)
            answer = await tester.agrees(offer(NAMESPACE))
            assert answer.response_code is Agreed.FAILED_NO_NEGOTIATION
            assert answer.schema_id is None
            await tester.closed()
            drive = await scene.drive(replace(CONTRACT, protocols=("din", "iso2")), tls=True).done()
            assert drive.outcome == "completed.full", drive.outcome
            assert spoken(scene) == [ISO]
            assert (await booked(scene, 2))[0]["identity"] == "emaid"

    run_virtual(main())


@pytest.mark.parametrize(
    ("tls", "named", "answers"),
    [
        (Tls.OFF, (), (sdp.Security.NONE, sdp.Security.NONE)),
        (Tls.OFFERED, (), (sdp.Security.NONE, sdp.Security.TLS)),
        (Tls.REQUIRED, (), (sdp.Security.TLS, sdp.Security.TLS)),
        (Tls.OFF, ("din",), (sdp.Security.NONE, sdp.Security.NONE)),
    ],
)
def test_the_security_in_sdp_is_that_of_the_outlet(
    tmp_path: Path, tls: Tls, named: tuple[str, ...], answers: tuple[sdp.Security, ...]
) -> None:
    async def main() -> None:
        config = configured(tmp_path, tls=tls, protocols=named)
        async with station(config, watch=False) as scene:
            scene.world().plug_in()
            await scene.until(lambda: scene.outlet().sockets.port)
            found = []
            for asked in (sdp.Security.NONE, sdp.Security.TLS):
                answer, _ = await discover("lo", asked, port=config.outlets[0].sdp_port)
                found.append(answer.security)
            assert tuple(found) == answers

    run_virtual(main())


def test_a_car_without_tls_cannot_charge_where_it_is_demanded(tmp_path: Path) -> None:
    async def main() -> None:
        async with station(listed(tmp_path, tls=Tls.REQUIRED)) as scene:
            drive = await scene.drive(DIN).done()
            assert drive.outcome == "Stopped: the station offers TLS, this car wants NONE"
            assert spoken(scene) == []
            assert scene.watches[0].closings == 0

    run_virtual(main())


def test_two_outlets_speak_at_once_each_what_its_car_wants(tmp_path: Path) -> None:
    async def main() -> None:
        async with station(configured(tmp_path, outlets=2)) as scene:
            drives = [
                scene.drive(replace(DIN, protocols=(name,), loops=60), number=number)
                for number, name in enumerate(("din", "iso2"))
            ]
            for number, drive in enumerate(drives):
                await scene.charging(drive, number)
            assert all(scene.world(number).contactor.closed for number in (0, 1))
            for drive in drives:
                assert (await drive.done()).outcome == "completed.full"
            assert sorted(spoken(scene)) == [SPEC, ISO]
            judged(scene)

    run_virtual(main())


# --- who pays ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", [True, False])
def test_a_card_counts_before_the_session_and_in_it(tmp_path: Path, before: bool) -> None:
    async def main() -> None:
        async with station(listed(tmp_path)) as scene:
            if before:
                scene.world().present_token("rfid", CARD)
                await asyncio.sleep(1.0)
            drive = scene.drive(DIN)
            if not before:
                await asyncio.sleep(20.0)
                assert "authorized" not in drive.names
                assert scene.watches[0].closings == 0
                scene.world().present_token("rfid", "DEADBEEF")
                await asyncio.sleep(5.0)
                assert "authorized" not in drive.names
                scene.world().present_token("rfid", CARD)
            assert (await drive.done()).outcome == "completed.full"
            assert spoken(scene) == [SPEC]
            assert offers(scene) == [["external"]]
            start, end = await booked(scene, 2)
            assert (start["identity"], end["reason"]) == ("rfid", "completed.terminated")
            judged(scene)

    run_virtual(main())


def test_without_a_card_no_power_flows_and_the_operators_limit_ends_it(tmp_path: Path) -> None:
    config = listed(tmp_path)
    config = replace(config, timing=replace(config.timing, eim_seconds=20.0))

    async def main() -> None:
        async with station(config) as scene:
            drive = await scene.drive(replace(DIN, patience=10.0)).done()
            assert drive.reason is not None
            assert not drive.reason.well
            assert "authorized" not in drive.names
            assert scene.watches[0].closings == 0
            assert book(scene) == []

    run_virtual(main())


def test_a_car_that_stops_and_goes_pays_for_each_session_with_the_card_of_its_plug_in(tmp_path: Path) -> None:
    """A pause does not exist in DIN: the car ends the session, and begins another one. The card stays until the cable is out."""

    async def main() -> None:
        async with station(listed(tmp_path)) as scene:
            scene.world().present_token("rfid", CARD)
            await asyncio.sleep(1.0)
            for count in (1, 2, 3):
                drive = await scene.drive(DIN, stay=True).done()
                assert drive.outcome == "completed.full", drive.outcome
                assert not scene.world().contactor.closed
                assert plugin(scene).state.paused is None
                await booked(scene, 2 * count)
                await asyncio.sleep(5.0)
            rows = book(scene)
            assert [row["what"] for row in rows] == ["started", "ended"] * 3
            assert [row["identity"] for row in rows[::2]] == ["rfid"] * 3
            assert {row["reason"] for row in rows[1::2]} == {"completed.terminated"}
            assert len({row["session"] for row in rows}) == 3
            delivered = sum(
                end["watt_hours"] - start["watt_hours"] for start, end in zip(*[iter(rows)] * 2, strict=True)
            )
            assert delivered == pytest.approx(scene.world().books.metered, abs=0.5)
            # Out and in again: another driver.
            scene.world().unplug(force=True)
            await asyncio.sleep(5.0)
            drive = scene.drive(DIN)
            await asyncio.sleep(20.0)
            assert "authorized" not in drive.names
            assert drive.task is not None
            drive.task.cancel()
            judged(scene)

    run_virtual(main())


def test_after_a_stop_on_purpose_the_card_is_spent(tmp_path: Path) -> None:
    async def main() -> None:
        async with station(listed(tmp_path)) as scene:
            scene.world().present_token("rfid", CARD)
            await asyncio.sleep(1.0)
            drive = await scene.charging(scene.drive(replace(DIN, loops=10_000), stay=True))
            scene.world().press_stop()
            await drive.done()
            assert scene.codes() == ["completed.terminated"]
            assert not scene.world().contactor.closed
            closings = scene.watches[0].closings
            again = scene.drive(DIN, stay=True)
            await asyncio.sleep(30.0)
            assert "authorized" not in again.names
            assert scene.watches[0].closings == closings
            assert again.task is not None
            again.task.cancel()
            judged(scene)

    run_virtual(main())


# --- what the outlet knows of the car ---------------------------------------------------------------------------------------------


def test_a_failed_contract_stays_failed_over_sessions_that_cannot_carry_one(tmp_path: Path) -> None:
    """Contract, a failure, DIN: Contract once more, a failure, DIN: a card only, until the plug is out."""

    async def main() -> None:
        async with station(listed(tmp_path)) as scene:
            bad = car_wallet("stranger")

            async def speaks_din(count: int) -> None:
                before = plugin(scene).state.identification
                tester = await Tester.connect(scene, agreed=False)
                assert (await tester.agrees(offer(NAMESPACE))).response_code is Agreed.OK_SUCCESSFUL_NEGOTIATION
                await scene.until(lambda: len(offers(scene)) == count)
                tester.line._writer.close()
                await scene.ended(count)
                drive = scene.drive(replace(DIN, patience=100.0), stay=True)
                await scene.until(lambda: len(offers(scene)) == count + 1, 30.0)
                await asyncio.sleep(10.0)
                assert "authorized" not in drive.names
                drive.task.cancel()  # type: ignore[union-attr]  # it runs
                await scene.ended(count + 1)
                assert offers(scene)[count - 1 :] == [["external"]] * 2
                assert plugin(scene).state.identification == before
                assert scene.watches[0].closings == 0

            await scene.drive(CONTRACT, tls=True, wallet=bad, stay=True).done()
            assert plugin(scene).state.identification.failed_contracts == 1
            await asyncio.sleep(5.0)
            await speaks_din(2)
            await asyncio.sleep(5.0)
            await scene.drive(CONTRACT, tls=True, wallet=bad, stay=True).done()
            assert offers(scene)[-1] == ["contract", "external"], "once more"
            assert plugin(scene).state.identification.failed_contracts == 2
            await asyncio.sleep(10.0)
            await speaks_din(5)
            await asyncio.sleep(10.0)
            await scene.drive(CONTRACT, tls=True, wallet=car_wallet(), stay=True).done()
            assert offers(scene)[-1] == ["external"], "not even for a good one"
            assert book(scene) == []

    run_virtual(main())


async def asleep(scene: Scene, **how: Any) -> Drive:
    """A car of ISO 15118-2 that has charged, and paused."""
    drive = scene.drive(replace(CONTRACT, pauses=1, **how), tls=True, stay=True)
    await scene.until(lambda: "paused" in drive.names, 120.0, "paused")
    await scene.until(lambda: plugin(scene).state.phase is Phase.PAUSED, 10.0, "asleep")
    drive.task.cancel()  # type: ignore[union-attr]  # it sleeps
    return drive


async def toggled(scene: Scene) -> None:
    """The car wakes the station."""
    world = scene.world()
    world.close_s2()
    await asyncio.sleep(0.3)
    world.close_s2(False)
    await scene.until(lambda: scene.outlet().sockets.port and world.duty == 0.05, 30.0, "talked to")


def test_a_paused_session_is_kept_while_a_car_only_chooses_din(tmp_path: Path) -> None:
    async def main() -> None:
        async with station(listed(tmp_path)) as scene:
            drive = scene.drive(replace(CONTRACT, pauses=1), tls=True, sleep=120.0)
            await scene.until(lambda: "paused" in drive.names, 120.0, "paused")
            await scene.until(lambda: plugin(scene).state.phase is Phase.PAUSED, 10.0, "asleep")
            kept = plugin(scene).state.paused
            assert kept is not None
            await toggled(scene)
            tester = await Tester.connect(scene, agreed=False)
            assert (await tester.agrees(offer(NAMESPACE))).response_code is Agreed.OK_SUCCESSFUL_NEGOTIATION
            await scene.until(lambda: len(spoken(scene)) == 2)
            tester.line._writer.close()
            await scene.ended(2)
            assert plugin(scene).state.paused is kept
            await drive.done()
            assert drive.outcome == "completed.full", drive.outcome
            setups = [answer.response_code for answer in drive.answers if isinstance(answer, SessionSetupRes)]
            assert setups == [NEW, JOINED]
            assert spoken(scene) == [ISO, SPEC, ISO]
            rows = await booked(scene, 2)
            await asyncio.sleep(10.0)
            assert len(book(scene)) == 2
            assert (rows[0]["identity"], rows[1]["reason"]) == ("emaid", "completed.terminated")
            assert rows[0]["session"] == rows[1]["session"]
            judged(scene)

    run_virtual(main())


def test_a_din_session_at_a_paused_outlet_is_another_one_and_pays_for_itself(tmp_path: Path) -> None:
    """It never charges to the account of who has paused: that transaction ends, and a card is awaited."""

    async def main() -> None:
        async with station(listed(tmp_path)) as scene:
            await asleep(scene)
            metered = scene.world().books.metered
            closings = scene.watches[0].closings
            await toggled(scene)
            drive = scene.drive(replace(DIN, patience=100.0), stay=True)
            await scene.until(lambda: len(spoken(scene)) == 2, 30.0)
            start, end = await booked(scene, 2)
            assert (start["identity"], end["reason"]) == ("emaid", f"completed.pause-{PauseOver.LEFT.value}")
            assert plugin(scene).state.paused is None
            await asyncio.sleep(30.0)
            assert "authorized" not in drive.names
            assert scene.watches[0].closings == closings
            assert scene.world().books.metered == metered
            scene.world().present_token("rfid", CARD)
            assert (await drive.done()).outcome == "completed.full"
            rows = await booked(scene, 4)
            assert [row.get("identity") for row in rows] == ["emaid", None, "rfid", None]
            assert rows[2]["session"] != rows[0]["session"]
            await scene.until(lambda: len(list(scene.state.rglob("*.jsonl"))) == 3, 30.0, "the book and two traces")
            kept = b"".join(path.read_bytes().lower() for path in scene.state.rglob("*") if path.is_file())
            assert b"din spec 70121" in kept
            assert rb"paused\": {\"type\": \"paused\"}" in kept, "that it is there, and nothing of it"
            assert DIN.evcc_id.hex().encode() not in kept
            assert car_wallet().emaid[:14].lower().encode() not in kept
            assert rows[3]["watt_hours"] - rows[2]["watt_hours"] == pytest.approx(
                scene.world().books.metered - metered, abs=0.2
            )
            judged(scene)

    run_virtual(main())


def test_a_lab_that_orders_contract_has_no_din(tmp_path: Path) -> None:
    config = listed(tmp_path)
    config = replace(config, lab=replace(config.lab, orders=replace(config.lab.orders, enabled=True)))

    async def main() -> None:
        async with station(config, watch=False) as scene:
            for payment, schema_id in (("contract", None), (None, 1), ("external", 1)):
                scene.outlet().orders.order("payment", payment)
                tester = await Tester.connect(scene, agreed=False)
                assert (await tester.agrees(offer(NAMESPACE))).schema_id == schema_id
                tester.line._writer.close()
                await asyncio.sleep(6.0)

    run_virtual(main())


def test_a_contract_that_was_accepted_does_not_pay_for_a_session_that_cannot_carry_it(tmp_path: Path) -> None:
    """The car proves its contract, ends the session before it charges, and comes back with DIN."""

    async def main() -> None:
        async with station(listed(tmp_path)) as scene:
            proved = replace(CONTRACT, stop_before="ChargeParameterDiscovery")
            drive = await scene.drive(proved, tls=True, stay=True).done()
            assert "authorized" in drive.names
            await asyncio.sleep(10.0)
            drive = scene.drive(replace(DIN, patience=100.0), stay=True)
            await scene.until(lambda: spoken(scene) == [ISO, SPEC], 30.0)
            await asyncio.sleep(60.0)
            assert "authorized" not in drive.names
            assert scene.watches[0].closings == 0
            assert book(scene) == []
            scene.world().present_token("rfid", CARD)
            assert (await drive.done()).outcome == "completed.full"
            assert [row.get("identity") for row in await booked(scene, 2)] == ["rfid", None]

    run_virtual(main())
