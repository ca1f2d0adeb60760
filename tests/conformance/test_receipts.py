"""Rows of metering receipts: a car with a contract signs what it was told, with a real trust room and a file that holds the receipts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from secc.config import LabOrders, Timing
from secc.exi.xmldsig import Signature
from secc.iso2.messages import SCHEMA, ChargingStatusReq, MeteringReceiptReq, ResponseCode, ServiceDiscoveryReq
from secc.session.offer import MeterDetail
from secc.session.signature import P256_SHA256, sign
from tests.conformance.places import TAKES_ORDERS, pnc, run
from tests.conformance.test_power import with_identity_alone, with_meter, with_reading
from tests.conformance.tester import Tester
from tests.station_scene import Scene

INVALID = ResponseCode.FAILED_METERING_SIGNATURE_NOT_VALID
SEQUENCE_SECONDS = 60.0


def at(of_dc: bool, directory: Path, act: Callable[[Tester], Awaitable[Any]], orders: LabOrders | None = None) -> None:
    """A tester that pays by contract, where the loop is about to begin, at a station that demands receipts: by its settings, or by these orders
    of a lab.
    """
    place = pnc("CurrentDemand" if of_dc else "ChargingStatus", of_dc=of_dc)
    config = place.config(directory, Timing(receipt_seconds=30.0), orders or TAKES_ORDERS)
    receipts = stored_in(directory)
    uplink = replace(config.uplink, request_metering_receipt=orders is None, receipts=receipts)

    async def reached(scene: Scene) -> None:
        await act(await place.reached(scene))

    run(replace(config, uplink=uplink), reached)


def stored_in(directory: Path) -> Path:
    return directory / "state" / "receipts.jsonl"


def stored(tester: Tester) -> list[dict[str, Any]]:
    path = tester.scene.state / "receipts.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


async def demanded(tester: Tester) -> tuple[Any, MeteringReceiptReq]:
    """The answer of the loop that demands a receipt, and a good one."""
    body = await tester.says(tester.demand() if tester.dc else ChargingStatusReq())
    assert (body.response_code, body.receipt_required) == (ResponseCode.OK, True)
    request = MeteringReceiptReq(
        id="id1",
        session_id=tester.session_id,
        sa_schedule_tuple_id=body.sa_schedule_tuple_id,
        meter_info=body.meter_info,
    )
    return body, request


def signed(tester: Tester, request: MeteringReceiptReq) -> Signature:
    assert tester.wallet is not None
    return tester.wallet.sign(request)


def row(name: str, *parameters: Any) -> Any:
    return pytest.param(*parameters, id=name, marks=pytest.mark.case(name))


@pytest.mark.parametrize(
    ("of_dc", "detail", "judge"),
    [
        row("I2-CS-02", False, MeterDetail.READING, with_meter),
        row("I2-CS-06", False, MeterDetail.IDENTITY, with_identity_alone),
        row("I2-CS-08", False, MeterDetail.READING, with_reading),
        row("I2-CD-02", True, MeterDetail.READING, with_meter),
        row("I2-CD-07", True, MeterDetail.IDENTITY, with_identity_alone),
    ],
)
def test_the_loop_demands_a_receipt(
    of_dc: bool, detail: MeterDetail, judge: Callable[[Any, Tester], None], tmp_path: Path
) -> None:
    """As a lab orders it: each answer demands one."""

    async def act(tester: Tester) -> None:
        for number in range(1, 6):
            body, request = await demanded(tester)
            judge(body, tester)
            answer = await tester.says(request, signature=signed(tester, request))
            assert answer.response_code is ResponseCode.OK
            line = stored(tester)[-1]
            assert (line["receipt"], line.get("watt_hours")) == (number, body.meter_info.meter_reading)
            await asyncio.sleep(1.0)

    at(of_dc, tmp_path, act, LabOrders(enabled=True, receipts=True, meter_info=detail))


@pytest.mark.parametrize("of_dc", [row("I2-MR-01", False), row("I2-MR-07", True)])
def test_a_signed_receipt_is_accepted_and_stored_before_the_answer(of_dc: bool, tmp_path: Path) -> None:
    async def act(tester: Tester) -> None:
        for number in range(1, 4):
            body, request = await demanded(tester)
            octets = tester.octets(request, signature=signed(tester, request))
            await tester.sends(octets)
            answer = await tester.answered(0.0)
            assert answer.response_code is ResponseCode.OK
            assert type(answer.evse_status).__name__ == ("DC_EVSEStatus" if of_dc else "AC_EVSEStatus")
            line = stored(tester)[-1]
            assert (line["receipt"], line["watt_hours"]) == (number, body.meter_info.meter_reading)
            await passes(tester, 28.0)
            await asyncio.sleep(3.0)
        assert len(stored(tester)) == 3
        await tester.drive("SessionStop", after="CurrentDemand" if of_dc else "ChargingStatus")

    at(of_dc, tmp_path, act)


async def passes(tester: Tester, seconds: float) -> None:
    """Charge for so long: no further receipt is demanded."""
    for _ in range(int(seconds)):
        await asyncio.sleep(1.0)
        body = await tester.says(tester.demand() if tester.dc else ChargingStatusReq())
        assert (body.response_code, body.receipt_required) == (ResponseCode.OK, False)


@pytest.mark.parametrize("of_dc", [row("I2-MR-02", False), row("I2-MR-08", True)])
def test_another_request_instead_of_the_receipt_is_refused(of_dc: bool, tmp_path: Path) -> None:
    async def act(tester: Tester) -> None:
        await demanded(tester)
        await tester.refused(ServiceDiscoveryReq(), ResponseCode.FAILED_SEQUENCE_ERROR)
        assert await tester.scene.ended() == ["refused.FAILED_SequenceError"]

    at(of_dc, tmp_path, act)


@pytest.mark.parametrize("of_dc", [row("I2-MR-03", False), row("I2-MR-09", True)])
def test_a_receipt_with_the_session_id_of_another_session_is_refused(of_dc: bool, tmp_path: Path) -> None:
    async def act(tester: Tester) -> None:
        _, request = await demanded(tester)
        other = bytes(octet ^ 0xFF for octet in tester.session_id)
        signature = signed(tester, request)
        code = ResponseCode.FAILED_UNKNOWN_SESSION
        await tester.refused(request, code, session_id=other, signature=signature)
        assert await tester.scene.ended() == ["refused.FAILED_UnknownSession"]
        assert stored(tester) == []

    at(of_dc, tmp_path, act)


@pytest.mark.parametrize("of_dc", [row("I2-MR-04", False), row("I2-MR-11", True)])
def test_a_car_that_sends_no_receipt_is_cut_off_after_the_sequence_timeout(of_dc: bool, tmp_path: Path) -> None:
    async def act(tester: Tester) -> None:
        await demanded(tester)
        await tester.silent(SEQUENCE_SECONDS - 0.2)
        await tester.ended()
        assert await tester.scene.ended() == ["timer.V2G_SECC_Sequence_Timeout"]

    at(of_dc, tmp_path, act)


Falsified = tuple[MeteringReceiptReq, Signature]


def by_a_stranger(tester: Tester, request: MeteringReceiptReq) -> Falsified:
    return request, sign(request, ec.generate_private_key(ec.SECP256R1()), SCHEMA, P256_SHA256)


def altered(tester: Tester, request: MeteringReceiptReq) -> Falsified:
    """Signed for another reading; what is sent is what the station told."""
    return request, signed(tester, _other(request))


def never_sent(tester: Tester, request: MeteringReceiptReq) -> Falsified:
    return _other(request), signed(tester, _other(request))


def _other(request: MeteringReceiptReq) -> MeteringReceiptReq:
    info = request.meter_info
    assert info.meter_reading is not None
    return replace(request, meter_info=replace(info, meter_reading=info.meter_reading + 1000))


@pytest.mark.parametrize(
    ("of_dc", "falsify"),
    [
        row("I2-MR-05", False, by_a_stranger),
        row("I2-MR-06", False, altered),
        row("I2-MR-10", True, never_sent),
        row("I2-MR-12", True, by_a_stranger),
        row("I2-MR-13", True, altered),
    ],
)
def test_a_receipt_that_is_not_the_contracts_for_this_reading_is_refused(
    of_dc: bool, falsify: Callable[[Tester, MeteringReceiptReq], Falsified], tmp_path: Path
) -> None:
    async def act(tester: Tester) -> None:
        _, request = await demanded(tester)
        request, signature = falsify(tester, request)
        await tester.refused(request, INVALID, signature=signature)
        assert await tester.scene.ended() == ["refused.FAILED_MeteringSignatureNotValid"]
        assert stored(tester) == []

    at(of_dc, tmp_path, act)
