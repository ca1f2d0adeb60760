"""Rows that ask the same of every state: a request out of order, a SessionID that is not ours, and silence."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from secc.config import Timing
from secc.iso2.messages import AuthorizationReq, Body, ResponseCode, ServiceDiscoveryReq
from tests.conformance.places import Place, ac, at, dc, pnc, tls
from tests.conformance.tester import Tester
from tests.iso2_car import TERMINATE
from tests.iso2_states import EVERY_REQUEST

SEQUENCE_SECONDS = 60.0


def rows(table: dict[str, Place]) -> list[Any]:
    """One parameter for each row."""
    return [pytest.param(place, id=f"{row} {place}", marks=pytest.mark.case(row)) for row, place in table.items()]


STOP = "PowerDelivery(Stop)"
START = "PowerDelivery(Start)"

OUT_OF_ORDER = {
    "I2-SDIS-02": ac("ServiceDiscovery"),
    "I2-SDET-03": tls("ServiceDetail"),
    "I2-SDET-04": pnc("ServiceDetail"),
    "I2-PSS-04": ac("PaymentServiceSelection"),
    "I2-PDET-04": pnc("PaymentDetails"),
    "I2-AUTH-03": ac("Authorization"),
    "I2-AUTH-04": pnc("Authorization"),
    "I2-CPD-69": ac("ChargeParameterDiscovery"),
    "I2-CC-03": dc("CableCheck"),
    "I2-PC-02": dc("PreCharge"),
    "I2-PD-06": ac(START),
    "I2-PD-07": ac(STOP),
    "I2-PD-16": dc(START),
    "I2-PD-17": dc(STOP),
    "I2-CS-03": ac("ChargingStatus"),
    "I2-CD-03": dc("CurrentDemand"),
    "I2-WD-02": dc("WeldingDetection"),
    "I2-STOP-02": ac("SessionStop"),
    "I2-STOP-06": dc("WeldingDetection"),
    "I2-STOP-10": dc("SessionStop"),
}
"""STOP-06 is the state of WD-02: after PowerDelivery(Stop) either message may come."""


@pytest.mark.parametrize("place", rows(OUT_OF_ORDER))
def test_a_request_out_of_order_is_refused_and_the_connection_closes(place: Place, tmp_path: Path) -> None:
    # Where ServiceDiscoveryReq is due itself the tester has to take another message.
    request: Body = AuthorizationReq() if place.due == "ServiceDiscovery" else ServiceDiscoveryReq()

    async def act(tester: Tester) -> None:
        await tester.refused(request, ResponseCode.FAILED_SEQUENCE_ERROR)
        assert await tester.scene.ended() == ["refused.FAILED_SequenceError"]

    at(place, tmp_path, act)


@pytest.mark.case("I2-SS-02")
def test_before_session_setup_there_is_no_session_id_to_answer_with(tmp_path: Path) -> None:
    async def act(tester: Tester) -> None:
        body = await tester.says(ServiceDiscoveryReq())
        assert type(body).__name__ == "ServiceDiscoveryRes"
        assert body.response_code is ResponseCode.FAILED_SEQUENCE_ERROR
        assert tester.session_id == bytes(8)
        await tester.ended()
        assert await tester.scene.ended() == ["refused.FAILED_SequenceError"]

    at(ac("SessionSetup"), tmp_path, act)


FOREIGN = {
    "I2-SDIS-03": ac("ServiceDiscovery"),
    "I2-SDET-05": tls("ServiceDetail"),
    "I2-SDET-06": pnc("ServiceDetail"),
    "I2-PSS-05": ac("PaymentServiceSelection"),
    "I2-PDET-05": pnc("PaymentDetails"),
    "I2-AUTH-05": ac("Authorization"),
    "I2-AUTH-06": pnc("Authorization"),
    "I2-CPD-03": ac("ChargeParameterDiscovery"),
    "I2-CPD-36": dc("ChargeParameterDiscovery"),
    "I2-CC-04": dc("CableCheck"),
    "I2-PC-03": dc("PreCharge"),
    "I2-PD-08": ac(START),
    "I2-PD-09": ac(STOP),
    "I2-PD-18": dc(START),
    "I2-PD-19": dc(STOP),
    "I2-CD-04": dc("CurrentDemand"),
    "I2-WD-03": dc("WeldingDetection"),
    "I2-STOP-11": dc("SessionStop"),
}


def another_session(request: Body) -> Callable[[Tester], Awaitable[None]]:
    async def act(tester: Tester) -> None:
        other = bytes(octet ^ 0xFF for octet in tester.session_id)
        await tester.refused(request, ResponseCode.FAILED_UNKNOWN_SESSION, session_id=other)
        assert await tester.scene.ended() == ["refused.FAILED_UnknownSession"]

    return act


@pytest.mark.parametrize("place", rows(FOREIGN))
def test_the_session_id_of_another_session_is_refused_and_the_connection_closes(place: Place, tmp_path: Path) -> None:
    at(place, tmp_path, another_session(EVERY_REQUEST[place.due]))


@pytest.mark.case("I2-STOP-07")
def test_so_it_is_in_session_stop_without_welding_detection(tmp_path: Path) -> None:
    at(dc("WeldingDetection"), tmp_path, another_session(TERMINATE))


SILENT = {
    "I2-SDIS-04": ac("ServiceDiscovery"),
    "I2-SDET-08": tls("ServiceDetail"),
    "I2-SDET-09": pnc("ServiceDetail"),
    "I2-PSS-07": ac("PaymentServiceSelection"),
    "I2-PDET-06": pnc("PaymentDetails"),
    "I2-AUTH-08": ac("Authorization"),
    "I2-AUTH-09": pnc("Authorization"),
    "I2-CPD-70": ac("ChargeParameterDiscovery"),
    "I2-CC-05": dc("CableCheck"),
    "I2-PD-11": ac(START),
    "I2-PD-12": ac(STOP),
    "I2-PD-22": dc(START),
    "I2-PD-23": dc(STOP),
    "I2-CD-05": dc("CurrentDemand"),
    "I2-CS-04": ac("ChargingStatus"),
    "I2-WD-04": dc("WeldingDetection"),
    "I2-STOP-03": ac("SessionStop"),
    "I2-STOP-08": dc("WeldingDetection"),
    "I2-STOP-12": dc("SessionStop"),
}


@pytest.mark.parametrize("place", rows(SILENT))
def test_the_connection_of_a_car_that_sends_nothing_closes_after_the_sequence_timeout(
    place: Place, tmp_path: Path
) -> None:
    async def act(tester: Tester) -> None:
        await tester.silent(SEQUENCE_SECONDS - 0.2)
        assert tester.scene.codes() == []
        await tester.ended()
        assert await tester.scene.ended() == ["timer.V2G_SECC_Sequence_Timeout"]

    at(place, tmp_path, act)


@pytest.mark.case("I2-SS-03")
def test_before_session_setup_the_wait_is_not_longer(tmp_path: Path) -> None:
    """The setup clock would end it after 20 s, and is stretched here."""

    async def act(tester: Tester) -> None:
        await tester.silent(SEQUENCE_SECONDS - 0.2)
        assert tester.scene.codes() == []
        await tester.ended()
        assert tester.scene.codes() == ["timer.V2G_SECC_Sequence_Timeout"]

    at(ac("SessionSetup"), tmp_path, act, timing=Timing(setup_seconds=120.0))


@pytest.mark.case("I2-SS-02")
def test_a_car_that_was_refused_before_session_setup_may_come_again_after_the_oscillator_was_off(
    tmp_path: Path,
) -> None:
    async def act(tester: Tester) -> None:
        await tester.says(ServiceDiscoveryReq())
        await tester.ended()
        await tester.scene.until(lambda: tester.world.duty == 0.05, 10.0)
        await (await Tester.connect(tester.scene)).drive()
        assert await tester.scene.ended(2) == ["refused.FAILED_SequenceError", "completed.terminated"]

    at(ac("SessionSetup"), tmp_path, act)
