"""Rows that ask the same of every state: a request out of order, a SessionID that is not ours, both together, and silence."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from secc.config import LabOrders, Timing
from secc.din.messages import EVSEProcessing, ResponseCode
from secc.session.wishes import Held
from tests.conformance.din.tester import DinTester, at
from tests.din_car import EVERY_REQUEST, LEGAL, STATES

SEQUENCE_SECONDS = 60.0


def wrong(due: str) -> list[str]:
    """The requests out of order in this state."""
    return [name for name in EVERY_REQUEST if name not in ({due, "SessionStop"} | LEGAL.get(due, set()))]


def chosen() -> list[tuple[str, str]]:
    """States with a request that is out of order there: every state, and every request."""
    pairs = [(due, wrong(due)[number % len(wrong(due))]) for number, due in enumerate(STATES)]
    missing = [
        name for name in EVERY_REQUEST if name != "SessionStop" and name not in {request for _, request in pairs}
    ]
    for number, name in enumerate(missing):
        states = [due for due in STATES if name in wrong(due)]
        pairs.append((states[number % len(states)], name))
    return pairs


def test_the_choice_has_every_state_and_every_request() -> None:
    assert {due for due, _ in chosen()} == set(STATES)
    assert {request for _, request in chosen()} == set(EVERY_REQUEST) - {"SessionStop"}


@pytest.mark.case("DIN-20", "A-SES-05")
@pytest.mark.parametrize(("due", "request_"), chosen())
def test_a_request_out_of_order_is_refused_in_its_own_response(due: str, request_: str, tmp_path: Path) -> None:
    async def act(tester: DinTester) -> None:
        await tester.refused(EVERY_REQUEST[request_], ResponseCode.FAILED_SEQUENCE_ERROR)
        assert await tester.scene.ended() == ["refused.FAILED_SequenceError"]

    at(due, tmp_path, act)


@pytest.mark.case("DIN-20")
@pytest.mark.parametrize("request_", [name for name in EVERY_REQUEST if name != "SessionSetup"])
def test_before_session_setup_there_is_no_session_id_to_answer_with(request_: str, tmp_path: Path) -> None:
    async def act(tester: DinTester) -> None:
        body = await tester.says(EVERY_REQUEST[request_])
        assert type(body).__name__ == type(EVERY_REQUEST[request_]).__name__.removesuffix("Req") + "Res"
        assert body.response_code is ResponseCode.FAILED_SEQUENCE_ERROR
        assert tester.session_id == bytes(8)
        await tester.ended()
        assert await tester.scene.ended() == ["refused.FAILED_SequenceError"]

    at("SessionSetup", tmp_path, act)


@pytest.mark.case("DIN-20")
@pytest.mark.parametrize("due", ["CableCheck", "PreCharge", "CurrentDemand"])
@pytest.mark.parametrize("request_", ["PowerDelivery(true)", "ContractAuthentication"])
def test_no_strictness_makes_a_wrong_order_right(due: str, request_: str, tmp_path: Path) -> None:
    if request_ in LEGAL.get(due, set()):
        request_ = "CableCheck"

    async def act(tester: DinTester) -> None:
        await tester.refused(EVERY_REQUEST[request_], ResponseCode.FAILED_SEQUENCE_ERROR)

    at(due, tmp_path, act, strict=True)


def other(tester: DinTester) -> bytes:
    return bytes(octet ^ 0xFF for octet in tester.session_id)


@pytest.mark.case("DIN-21")
@pytest.mark.parametrize("due", STATES)
def test_the_session_id_of_another_session_is_refused(due: str, tmp_path: Path) -> None:
    async def act(tester: DinTester) -> None:
        await tester.refused(EVERY_REQUEST[due], ResponseCode.FAILED_UNKNOWN_SESSION, session_id=other(tester))
        assert await tester.scene.ended() == ["refused.FAILED_UnknownSession"]

    at(due, tmp_path, act)


@pytest.mark.case("DIN-21")
@pytest.mark.parametrize("session_id", [b"", bytes(1), bytes(8), b"\x01\x02\x03\x04"], ids=bytes.hex)
def test_no_other_session_id_passes_for_ours(session_id: bytes, tmp_path: Path) -> None:
    async def act(tester: DinTester) -> None:
        await tester.refused(EVERY_REQUEST["CurrentDemand"], ResponseCode.FAILED_UNKNOWN_SESSION, session_id=session_id)

    at("CurrentDemand", tmp_path, act)


@pytest.mark.case("DIN-21")
@pytest.mark.parametrize("due", ["ServiceDiscovery", "CurrentDemand", "WeldingDetection"])
def test_another_session_cannot_be_stopped_either(due: str, tmp_path: Path) -> None:
    async def act(tester: DinTester) -> None:
        await tester.refused(
            EVERY_REQUEST["SessionStop"], ResponseCode.FAILED_UNKNOWN_SESSION, session_id=other(tester)
        )

    at(due, tmp_path, act)


@pytest.mark.case("DIN-23")
@pytest.mark.parametrize("due", STATES)
def test_a_foreign_session_id_is_told_before_a_wrong_order(due: str, tmp_path: Path) -> None:
    async def act(tester: DinTester) -> None:
        request = EVERY_REQUEST[next(name for name in wrong(due) if name != "SessionSetup")]
        await tester.refused(request, ResponseCode.FAILED_UNKNOWN_SESSION, session_id=other(tester))
        assert await tester.scene.ended() == ["refused.FAILED_UnknownSession"]

    at(due, tmp_path, act)


@pytest.mark.case("DIN-22")
@pytest.mark.parametrize("due", STATES)
def test_the_connection_of_a_car_that_sends_nothing_closes_after_the_sequence_timeout(due: str, tmp_path: Path) -> None:
    async def act(tester: DinTester) -> None:
        await tester.silent(SEQUENCE_SECONDS - 0.2)
        assert tester.scene.codes() == []
        await tester.ended()
        assert await tester.scene.ended() == ["timer.V2G_SECC_Sequence_Timeout"]

    at(due, tmp_path, act)


@pytest.mark.case("DIN-22")
def test_before_session_setup_the_wait_is_not_longer(tmp_path: Path) -> None:
    """The setup clock would end it after 20 s, and is stretched here."""

    async def act(tester: DinTester) -> None:
        await tester.silent(SEQUENCE_SECONDS - 0.2)
        assert tester.scene.codes() == []
        await tester.ended()
        assert tester.scene.codes() == ["timer.V2G_SECC_Sequence_Timeout"]

    at("SessionSetup", tmp_path, act, timing=Timing(setup_seconds=120.0))


@pytest.mark.case("DIN-22")
def test_a_car_that_stops_asking_for_its_authorization_is_left(tmp_path: Path) -> None:
    async def act(tester: DinTester) -> None:
        for pause in (5.0, 5.0, 0.0):
            body = await tester.says(EVERY_REQUEST["ContractAuthentication"])
            assert body.evse_processing is EVSEProcessing.ONGOING
            await asyncio.sleep(pause)
        await tester.silent(SEQUENCE_SECONDS - 0.2)
        await tester.ended()
        assert await tester.scene.ended() == ["timer.V2G_SECC_Sequence_Timeout"]

    at("ContractAuthentication", tmp_path, act, orders=LabOrders(enabled=True, ongoing=(Held.AUTHORIZATION,)))


@pytest.mark.case("DIN-22")
@pytest.mark.parametrize(
    ("due", "held", "seconds", "timer"),
    [
        ("ChargeParameterDiscovery", Held.SCHEDULE, 55.0, "V2G_SECC_Ongoing_Performance_Time"),
        ("CableCheck", Held.CABLE_CHECK, 38.0, "V2G_SECC_CableCheck_Performance_Time"),
    ],
)
@pytest.mark.parametrize("late", [0.1, 4.5])
def test_a_car_that_comes_after_the_limit_of_a_phase_is_told_so(
    due: str, held: Held, seconds: float, timer: str, late: float, tmp_path: Path
) -> None:
    async def act(tester: DinTester) -> None:
        if due == "CableCheck":
            tester.world.close_s2()
        assert (await tester.says(EVERY_REQUEST[due])).evse_processing is EVSEProcessing.ONGOING
        await tester.silent(seconds - 0.2)
        assert tester.scene.codes() == []
        await tester.silent(0.2 + late)
        await tester.refused(EVERY_REQUEST[due], ResponseCode.FAILED)
        assert await tester.scene.ended() == [f"timer.{timer}"]

    at(due, tmp_path, act, orders=LabOrders(enabled=True, ongoing=(held,)))
