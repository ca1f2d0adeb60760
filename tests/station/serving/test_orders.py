"""A lab gives its orders on a whole station: by the configuration and by the control socket, and in no other way."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hal.sim.clock import run_virtual
from secc.config import Config, Eim, Lab, LabOrders, Tls
from secc.errors import SeccError
from secc.iso2.messages import (
    AuthorizationReq,
    CableCheckReq,
    EVSEProcessing,
    PaymentOption,
    ResponseCode,
    ServiceDiscoveryReq,
)
from secc.link.sdp import Security
from secc.session.offer import MeterDetail, Payment
from secc.session.wishes import Held
from tests.conformance.tester import Tester
from tests.iso2_car import ev_status
from tests.station.test_doors import ask_sdp, request
from tests.station_scene import BOTH, Scene, configured, station
from tools.evcc.behaviour import Behaviour
from tools.evcc.behaviour import Payment as Paid

ONGOING, FINISHED = EVSEProcessing.ONGOING, EVSEProcessing.FINISHED
TAKEN = LabOrders(enabled=True)
CHECK = CableCheckReq(dc_ev_status=ev_status())


def lab(tmp_path: Path, orders: LabOrders = TAKEN, **settings: Any) -> Config:
    return configured(tmp_path, lab=Lab(orders=orders), **settings)


def at(config: Config, story: Callable[[Scene], Awaitable[None]]) -> None:
    async def main() -> None:
        async with station(config, watch=False) as scene:
            await asyncio.sleep(1.0)
            await story(scene)

    run_virtual(main())


def order(scene: Scene, name: str | None = None, value: object = None) -> dict[str, Any]:
    """As the control socket takes it."""
    found: dict[str, Any] = scene.station._commands()["lab"]({"do": "lab", "order": name, "value": value})
    return found


def refused(scene: Scene, name: str, value: object) -> str:
    with pytest.raises(SeccError) as error:
        order(scene, name, value)
    return str(error.value)


def test_without_the_setting_no_order_is_taken(tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        for name, value in [("meter_info", "none"), ("enabled", True), ("ongoing", ["CableCheck"])]:
            assert "lab.orders.enabled is not set" in refused(scene, name, value)
        with pytest.raises(SeccError):
            order(scene)
        assert scene.outlet().orders.now == LabOrders()
        assert scene.outlet().state()["lab"] == {}

    at(configured(tmp_path), story)


def test_a_wrong_order_changes_nothing(tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        assert order(scene, "payment", "external") == {"payment": Payment.EXTERNAL}
        for name, value in [("payment", "contract"), ("tls", "required"), ("insulation_seconds", 1e9), ("x", 1)]:
            assert refused(scene, name, value).startswith(f"{name}: ")
        assert "is a word" in refused(scene, 7, 7)  # type: ignore[arg-type]  # as JSON may have it
        assert order(scene) == {"payment": Payment.EXTERNAL}
        assert json.loads(json.dumps(scene.outlet().state()["lab"])) == {"payment": "external"}

    at(lab(tmp_path), story)


@pytest.mark.parametrize("by", ["configuration", "control socket"])
@pytest.mark.parametrize("payment", [Payment.CONTRACT, Payment.EXTERNAL])
def test_one_payment_option(payment: Payment, by: str, tmp_path: Path) -> None:
    configured_, wire = by == "configuration", {Payment.CONTRACT: PaymentOption.CONTRACT}
    orders = LabOrders(enabled=True, payment=payment if configured_ else None)

    async def story(scene: Scene) -> None:
        if not configured_:
            order(scene, "payment", payment.value)
        tester = await (await Tester.connect(scene, tls=True)).drive("ServiceDiscovery")
        body = await tester.says(ServiceDiscoveryReq())
        expected = wire.get(payment, PaymentOption.EXTERNAL_PAYMENT)
        assert body.payment_option_list.payment_option == (expected,)

    at(lab(tmp_path, orders, tls=Tls.OFFERED, payments=BOTH), story)


def test_tls_is_switched_on_and_off_for_the_next_connection(tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        port = scene.config.outlets[0].sdp_port
        scene.world().plug_in()
        await scene.until(lambda: scene.outlet().sockets.port)

        async def answered(asked: Security) -> int:
            octets = await ask_sdp(port, request(asked.value))
            assert octets is not None
            return octets[-2]

        for value, of_tls, of_none in [
            (None, Security.TLS, Security.NONE),
            ("off", Security.NONE, Security.NONE),
            ("required", Security.TLS, Security.TLS),
            ("offered", Security.TLS, Security.NONE),
        ]:
            order(scene, "tls", value)
            assert await answered(Security.TLS) == of_tls.value
            assert await answered(Security.NONE) == of_none.value
        order(scene, "tls", "required")
        tester = await Tester.connect(scene, agreed=False)
        await tester.sends(bytes.fromhex("01fe800100000004") + bytes(4))
        await tester.closed()

    at(lab(tmp_path, tls=Tls.OFFERED, payments=BOTH), story)


def test_meter_info_is_left_out_of_the_next_session(tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        for count, detail in enumerate(MeterDetail, 1):
            order(scene, "meter_info", detail.value)
            drive = await scene.drive(Behaviour(loops=5)).done()
            infos = [answer.meter_info for answer in drive.answers if hasattr(answer, "meter_info")]
            assert infos
            assert {(info is not None, info is not None and info.meter_reading is not None) for info in infos} == {
                (detail is not MeterDetail.NONE, detail is MeterDetail.READING)
            }
            await scene.ended(count)
            await asyncio.sleep(1.0)

    at(lab(tmp_path), story)


def test_a_receipt_is_demanded_in_every_answer_of_the_next_session(tmp_path: Path) -> None:
    config = lab(tmp_path, tls=Tls.OFFERED, payments=BOTH)
    behaviour = Behaviour(payment=Paid.CONTRACT, loops=4)

    async def story(scene: Scene) -> None:
        path = scene.config.uplink.receipts
        assert path is not None
        for count, (value, receipts) in enumerate([(None, 0), (True, 4), (False, 4)], 1):
            order(scene, "receipts", value)
            drive = await scene.drive(behaviour, tls=True).done()
            assert drive.outcome == "completed.full"
            await scene.ended(count)
            assert len(path.read_text().splitlines() if path.exists() else []) == receipts
            await asyncio.sleep(1.0)

    at(replace(config, uplink=replace(config.uplink, receipts=tmp_path / "receipts.jsonl")), story)


def test_no_receipt_is_demanded_that_cannot_be_kept(tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        assert refused(scene, "receipts", True).startswith("receipts: needs uplink.receipts")
        assert order(scene) == {}

    at(lab(tmp_path), story)


def test_a_phase_is_held_before_its_session_begins_and_released_while_it_runs(tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        tester = await (await Tester.connect(scene)).drive("Authorization")
        for _ in range(3):
            assert (await tester.says(AuthorizationReq())).evse_processing is not FINISHED
            await asyncio.sleep(1.0)
        order(scene, "ongoing", ["CableCheck"])
        assert (await tester.says(AuthorizationReq())).evse_processing is FINISHED
        await tester.drive("CableCheck", after="Authorization")
        tester.world.close_s2()
        for _ in range(30):
            assert (await tester.says(CHECK)).evse_processing is ONGOING
            await asyncio.sleep(1.0)
        assert order(scene, "ongoing", None) == {}
        assert (await tester.says(CHECK)).evse_processing is FINISHED

    at(lab(tmp_path, LabOrders(enabled=True, ongoing=(Held.AUTHORIZATION,))), story)


@pytest.mark.parametrize("when", ["configuration", "plugged in"])
def test_the_insulation_test_takes_as_long_as_a_lab_orders(when: str, tmp_path: Path) -> None:
    at_start = when == "configuration"

    async def story(scene: Scene) -> None:
        tester = await (await Tester.connect(scene)).drive("CableCheck")
        if not at_start:
            order(scene, "insulation_seconds", 25)
        tester.world.close_s2()
        at_voltage = 0.0
        while (body := await tester.says(CHECK)).evse_processing is ONGOING:
            await asyncio.sleep(0.25)
            at_voltage += 0.25 if scene.world().truth()["outlet_volts"] > 400.0 else 0.0
        assert body.response_code is ResponseCode.OK
        assert 24.0 < at_voltage < 34.0

    at(lab(tmp_path, LabOrders(enabled=True, insulation_seconds=25.0 if at_start else 0.0)), story)


@pytest.mark.parametrize("by", ["configuration", "control socket"])
def test_a_tariff_comes_with_the_schedule_of_the_next_session(by: str, tmp_path: Path) -> None:
    at_start = by == "configuration"

    async def offered(scene: Scene) -> Any:
        drive = await scene.drive(Behaviour(loops=2)).done()
        assert drive.outcome == "completed.full"
        await asyncio.sleep(3.0)
        (answer,) = [answer for answer in drive.answers if getattr(answer, "sa_schedules", None) is not None]
        (one,) = answer.sa_schedules.sa_schedule_tuple
        return one

    async def story(scene: Scene) -> None:
        if not at_start:
            assert (await offered(scene)).sales_tariff is None
            order(scene, "tariff", True)
        one = await offered(scene)
        levels = [entry.e_price_level for entry in one.sales_tariff.sales_tariff_entry]
        assert (one.sales_tariff.sales_tariff_description, levels) == ("lab", [2, 1, 3])
        (power,) = one.p_max_schedule.p_max_schedule_entry
        assert power.p_max.value * 10**power.p_max.multiplier == 60_000, "no more than without the order"
        order(scene, "tariff", None)
        assert (await offered(scene)).sales_tariff is None

    at(lab(tmp_path, LabOrders(enabled=True, tariff=at_start)), story)


def test_a_made_up_tariff_changes_no_power_of_the_backend_and_is_not_for_contracts(tmp_path: Path) -> None:
    plans = tmp_path / "schedules.toml"
    plans.write_text("[[schedule]]\nid = 9\npower = [[0, 4_000]]\n")
    config = lab(tmp_path, LabOrders(enabled=True, tariff=True), tls=Tls.OFFERED, payments=BOTH, eim=Eim.FREE)
    config = replace(config, uplink=replace(config.uplink, schedules=plans))

    async def story(scene: Scene) -> None:
        for payment in Paid:
            drive = await scene.drive(Behaviour(payment=payment, loops=2), tls=True).done()
            assert drive.outcome == "completed.full"
            await asyncio.sleep(3.0)
            (answer,) = [answer for answer in drive.answers if getattr(answer, "sa_schedules", None) is not None]
            (one,) = answer.sa_schedules.sa_schedule_tuple
            assert one.sa_schedule_tuple_id == 9
            assert one.p_max_schedule.p_max_schedule_entry[0].p_max.value == 4_000
            assert (one.sales_tariff is None) is (payment is Paid.CONTRACT)

    at(config, story)


def test_no_car_gives_an_order(tmp_path: Path) -> None:
    """Neither SDP nor the session's port takes a line of the control socket, and no message of a session holds an order."""
    line = json.dumps({"do": "lab", "order": "payment", "value": "external"}).encode() + b"\n"

    async def story(scene: Scene) -> None:
        scene.world().plug_in()
        await scene.until(lambda: scene.outlet().sockets.port)
        assert await ask_sdp(scene.config.outlets[0].sdp_port, line) is None
        for first in (line, len(line).to_bytes(4) + line, bytes.fromhex("01fe8001") + len(line).to_bytes(4) + line):
            tester = await Tester.connect(scene, agreed=False)
            await tester.sends(first)
            with contextlib.suppress(TimeoutError, ConnectionResetError):
                assert await tester.hears(1.0) is None
            scene.world().unplug()
            await asyncio.sleep(3.0)
        drive = scene.drive(Behaviour(payment=Paid.CONTRACT, loops=5), tls=True)
        await drive.done()
        assert drive.outcome == "completed.full"
        assert scene.outlet().orders.now == LabOrders(enabled=True)

    at(lab(tmp_path, tls=Tls.OFFERED, payments=BOTH, eim=Eim.LIST), story)
