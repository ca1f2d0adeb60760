"""Rows of a session of DIN SPEC 70121 at a whole station: from SessionSetup to ContractAuthentication, and its end."""

from __future__ import annotations

import asyncio
from dataclasses import fields
from pathlib import Path

import pytest

from secc.config import Timing
from secc.din.messages import (
    Body,
    EVSEProcessing,
    PaymentOption,
    ResponseCode,
    SessionSetupReq,
)
from tests.conformance.connection import CLOSED_SECONDS
from tests.conformance.din.tester import DinTester, at, config
from tests.conformance.places import run
from tests.din_car import (
    END,
    EVCCID,
    EVERY_REQUEST,
    STATES,
    selection,
)
from tests.station_scene import Scene

POLL, WELDING = EVERY_REQUEST["ContractAuthentication"], EVERY_REQUEST["WeldingDetection"]
ONGOING, FINISHED = EVSEProcessing.ONGOING, EVSEProcessing.FINISHED
OK = ResponseCode.OK
CARD = "04A2B3C4"


@pytest.mark.case("DIN-01")
def test_a_full_session(tmp_path: Path) -> None:
    async def act(tester: DinTester) -> None:
        answers = []
        for name, step in tester.steps():
            body = await step()
            answers.append((name, body.response_code))
            if name == "CurrentDemand":
                for _ in range(30):
                    assert (await tester.says(tester.demand())).response_code is OK
                    await asyncio.sleep(0.1)
                assert tester.world.present()[1] > 10.0
                assert tester.world.contactor.closed
        first = ResponseCode.OK_NEW_SESSION_ESTABLISHED
        assert answers == [(name, first if name == "SessionSetup" else OK) for name in ("SessionSetup", *STATES)]
        assert await tester.scene.ended() == ["completed.terminated"]
        assert not tester.world.contactor.closed

    at("SessionSetup", tmp_path, act)


# --- SessionSetup to ContractAuthentication -------------------------------------------------------------------------------------


@pytest.mark.case("DIN-02")
@pytest.mark.parametrize("session_id", [b"", bytes(1), bytes(4), bytes(8)], ids=lambda zero: f"{len(zero)} zeros")
@pytest.mark.parametrize("octets", [0, 6, 7, 8])
def test_every_length_of_the_evccid_begins_a_session(octets: int, session_id: bytes, tmp_path: Path) -> None:
    async def act(tester: DinTester) -> None:
        request = SessionSetupReq(evcc_id=(EVCCID + b"\x66\x77")[:octets])
        body = await tester.says(request, session_id=session_id)
        assert body.response_code is ResponseCode.OK_NEW_SESSION_ESTABLISHED
        assert len(tester.session_id) == 8
        assert any(tester.session_id)
        assert body.evse_id
        await tester.drive(after="SessionSetup")
        assert await tester.scene.ended() == ["completed.terminated"]

    at("SessionSetup", tmp_path, act)


@pytest.mark.case("DIN-03")
def test_what_is_on_offer(tmp_path: Path) -> None:
    async def act(tester: DinTester) -> None:
        body = await tester.says(EVERY_REQUEST["ServiceDiscovery"])
        assert body.response_code is OK
        assert body.payment_options.payment_option == (PaymentOption.EXTERNAL_PAYMENT,)
        service = body.charge_service
        assert service.service_tag.service_id == 1
        assert service.service_tag.service_category == "EVCharging"
        assert service.service_tag.service_name is None
        assert service.service_tag.service_scope is None
        assert service.energy_transfer_type in ("DC_core", "DC_extended")
        assert body.service_list is None

    at("ServiceDiscovery", tmp_path, act)


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        pytest.param(
            selection(PaymentOption.CONTRACT),
            ResponseCode.FAILED_PAYMENT_SELECTION_INVALID,
            marks=pytest.mark.case("DIN-04"),
        ),
        pytest.param(
            selection(PaymentOption.EXTERNAL_PAYMENT, 2),
            ResponseCode.FAILED_SERVICE_SELECTION_INVALID,
            marks=pytest.mark.case("DIN-05"),
        ),
    ],
)
def test_a_selection_that_is_not_on_offer_is_refused(request_: Body, code: ResponseCode, tmp_path: Path) -> None:
    async def act(tester: DinTester) -> None:
        await tester.refused(request_, code)
        assert await tester.scene.ended() == [f"refused.{code}"]

    at("ServicePaymentSelection", tmp_path, act)


@pytest.mark.case("DIN-28")
@pytest.mark.parametrize("number", [-32_768, 0, 1, 32_767])
def test_a_parameter_set_is_accepted_and_not_relied_on(number: int, tmp_path: Path) -> None:
    async def act(tester: DinTester) -> None:
        assert (await tester.says(selection(parameter_set=number))).response_code is OK
        await tester.drive(after="ServicePaymentSelection")

    at("ServicePaymentSelection", tmp_path, act)


@pytest.mark.case("DIN-06")
def test_a_car_whose_driver_has_shown_no_card_is_told_ongoing(tmp_path: Path) -> None:
    async def act(tester: DinTester) -> None:
        for _ in range(5):
            body = await tester.says(POLL)
            assert (body.response_code, body.evse_processing) == (OK, ONGOING)
            await asyncio.sleep(1.0)
        tester.world.present_token("rfid", "DEADBEEF")
        for _ in range(3):
            await asyncio.sleep(1.0)
            assert (await tester.says(POLL)).evse_processing is ONGOING
        tester.world.present_token("rfid", CARD)
        await asyncio.sleep(0.5)
        body = await tester.says(POLL)
        assert (body.response_code, body.evse_processing) == (OK, FINISHED)
        await tester.drive(after="ContractAuthentication")

    at("ContractAuthentication", tmp_path, act, card=CARD)


@pytest.mark.case("DIN-06")
def test_the_operators_limit_ends_the_wait_for_a_card(tmp_path: Path) -> None:
    async def act(tester: DinTester) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        while (body := await tester.says(POLL)).response_code is OK:
            assert body.evse_processing is ONGOING
            assert loop.time() - began < 60.0, "without an end"
            await asyncio.sleep(1.0)
        assert body.response_code is ResponseCode.FAILED
        assert loop.time() - began == pytest.approx(50.0, abs=4.0)
        await tester.ended()
        assert await tester.scene.ended() == ["timer.EIM_Authorization_Limit"]

    at("ContractAuthentication", tmp_path, act, card=CARD, timing=Timing(eim_seconds=50.0))


# --- WeldingDetection, SessionStop ----------------------------------------------------------------------------------------------


@pytest.mark.case("DIN-17")
def test_welding_detection_tells_the_voltage_as_often_as_the_car_asks(tmp_path: Path) -> None:
    async def act(tester: DinTester) -> None:
        told = []
        for _ in range(5):
            body = await tester.says(WELDING)
            assert body.response_code is OK
            told.append(tester.told_volts(body))
            await asyncio.sleep(0.5)
        assert told == sorted(told, reverse=True)
        assert told[-1] == pytest.approx(tester.world.truth()["outlet_volts"], abs=1.0)
        assert told[-1] < 60.0
        await tester.drive(after="WeldingDetection")

    at("WeldingDetection", tmp_path, act)


@pytest.mark.parametrize(
    "due",
    [
        pytest.param("WeldingDetection", marks=pytest.mark.case("DIN-18")),
        pytest.param("SessionStop", marks=pytest.mark.case("DIN-19")),
    ],
)
def test_session_stop_ends_the_session_with_and_without_welding_detection(due: str, tmp_path: Path) -> None:
    async def act(tester: DinTester) -> None:
        body = await tester.says(END)
        assert body.response_code is OK
        assert [field.name for field in fields(body)] == ["response_code"]
        assert await tester.closed() <= CLOSED_SECONDS
        assert await tester.scene.ended() == ["completed.terminated"]
        assert not tester.world.contactor.closed

    at(due, tmp_path, act)


@pytest.mark.case("DIN-19")
def test_a_session_that_has_ended_is_never_resumed(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        tester = await (await DinTester.connect(scene)).drive()
        before = tester.session_id
        await tester.closed()
        await scene.until(lambda: scene.outlet().sockets.port and scene.world().duty == 0.05, 15.0)
        again = await DinTester.connect(scene)
        body = await again.says(SessionSetupReq(evcc_id=EVCCID), session_id=before)
        assert body.response_code is ResponseCode.OK_NEW_SESSION_ESTABLISHED
        assert again.session_id != before

    run(config(tmp_path), act)
