"""Metering receipts of our car at a whole station: TLS, a real trust room, a file, and a meter that signs."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from certs.certificates import Edition, parse_certificate
from hal.readings import MeterReading
from hal.sim.clock import run_virtual
from secc.config import Config, Lab, Timing, Tls
from secc.iso2.messages import SCHEMA, AuthorizationReq, MeteringReceiptReq
from secc.session.signature import P256_SHA256, sign_info, verify
from tests.conformance.tester import Tester
from tests.station_scene import BOTH, Scene, car_wallet, configured, judged, station
from tools.evcc.behaviour import Behaviour, Current, Payment

EVERY = 10.0
INVALID = "refused.FAILED_MeteringSignatureNotValid"
DC, AC = Current.DC, Current.AC


def config(directory: Path, current: Current = DC, *, on: bool = True, tolerate: tuple[str, ...] = ()) -> Config:
    made = configured(
        directory,
        dc=current is DC,
        tls=Tls.OFFERED,
        payments=BOTH,
        timing=Timing(receipt_seconds=EVERY),
        lab=Lab(tolerate=tolerate),
    )
    receipts = made.station.state_directory / "receipts.jsonl"
    return replace(made, uplink=replace(made.uplink, request_metering_receipt=on, receipts=receipts))


def car(current: Current = DC, **more: Any) -> Behaviour:
    return Behaviour(**{"current": current, "payment": Payment.CONTRACT, "loops": 150} | more)


def lines(path: Path | None) -> list[dict[str, Any]]:
    assert path is not None
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def receipts(scene: Scene) -> list[dict[str, Any]]:
    return lines(scene.config.uplink.receipts)


def sessions(scene: Scene) -> list[dict[str, Any]]:
    return lines(scene.config.uplink.sessions)


def at(made: Config, act: Callable[[Scene], Any]) -> None:
    async def main() -> None:
        async with station(made) as scene:
            await act(scene)
            judged(scene)

    run_virtual(main())


class SigningMeter:
    """The outlet's meter, made one that signs: each reading has a record of its own, of ``octets``."""

    def __init__(self, scene: Scene, octets: int) -> None:
        self.octets = octets
        self.calls: list[str] = []
        meter = scene.board().meter
        self._meter, self._note = meter, meter.note
        meter.note = self.note  # type: ignore[method-assign]  # signs what it has noted
        meter.begin = self.begin  # type: ignore[method-assign]  # a transaction of its own
        meter.end = self.end  # type: ignore[method-assign]  # and its end

    def note(self, message: Any) -> MeterReading:
        reading = self._note(message)
        signed = f"{reading.watt_hours_import:.6f}".encode().ljust(self.octets, b".")
        self._meter.reading = replace(reading, signed=signed)
        return self._meter.reading

    async def begin(self, transaction: str) -> bytes:
        self.calls.append(f"begin {transaction}")
        return b"begun"

    async def end(self, transaction: str) -> bytes:
        self.calls.append(f"end {transaction}")
        return b"ended"


@pytest.mark.parametrize("current", [DC, AC])
def test_a_car_signs_and_each_receipt_verifies_with_its_contract(current: Current, tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        drive = await scene.drive(car(current, watt_hours=3000.0, loops=None), tls=True).done()
        assert drive.outcome == "completed.full"
        await scene.until(lambda: len(sessions(scene)) == 2)
        found = receipts(scene)
        told = [facts["meter_watt_hours"] for name, facts in drive.told if name == "receipt"]
        assert len(found) > 3
        assert [line["watt_hours"] for line in found] == told
        assert [line["receipt"] for line in found] == list(range(1, len(found) + 1))
        key = parse_certificate(car_wallet().chain[0], Edition.ISO2, "contract").public_key
        for line in found:
            octets = base64.b64decode(line["message"])
            message: Any = SCHEMA.decode(octets)
            verify(message.header.signature, {"MeteringReceiptReq": message.body.id}, octets, key, SCHEMA, P256_SHA256)
            assert message.body.meter_info.meter_reading == line["watt_hours"]
        began, ended = sessions(scene)
        assert {line["session"] for line in found} == {began["session"]} == {ended["session"]}
        assert began["watt_hours"] - 1.0 <= told[0] <= told[-1] <= ended["watt_hours"]

    at(config(tmp_path, current), act)


@pytest.mark.parametrize("octets", [64, 300])
def test_what_the_meter_signs_reaches_the_car_if_it_fits_and_the_books_in_any_case(octets: int, tmp_path: Path) -> None:
    meters: list[SigningMeter] = []

    async def act(scene: Scene) -> None:
        meter = SigningMeter(scene, octets)
        meters.append(meter)
        drive = await scene.drive(car(), tls=True).done()
        assert drive.outcome == "completed.full"
        await scene.until(lambda: len(sessions(scene)) == 2)
        began, ended = sessions(scene)
        assert meter.calls == [f"begin {began['session']}", f"end {began['session']}"]
        assert (began["signed"], ended["signed"]) == (b"begun".hex(), b"ended".hex())
        assert receipts(scene)
        for line in receipts(scene):
            record = bytes.fromhex(line["signed"])
            assert len(record) == octets
            assert int(float(record.rstrip(b"."))) == line["watt_hours"], "the record of this reading"
            message: Any = SCHEMA.decode(base64.b64decode(line["message"]))
            assert message.body.meter_info.sig_meter_reading == (record if octets == 64 else None)

    at(config(tmp_path), act)


def test_one_transaction_has_its_receipts_over_a_pause(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        meter = SigningMeter(scene, 32)
        drive = await scene.drive(car(AC, pauses=1), tls=True, sleep=20.0).done()
        assert drive.outcome == "completed.full"
        await scene.until(lambda: len(sessions(scene)) == 2)
        began, ended = sessions(scene)
        assert ended["reason"] == "completed.terminated"
        assert meter.calls == [f"begin {began['session']}", f"end {began['session']}"]
        assert [(line["session"], line["receipt"]) for line in receipts(scene)] == [
            (began["session"], number) for number in range(1, len(receipts(scene)) + 1)
        ]
        assert len(receipts(scene)) >= 3

    at(config(tmp_path, AC), act)


@pytest.mark.case("A-PNC-11")
@pytest.mark.parametrize(
    ("flaw", "code"),
    [
        ("receipt-of-other-reading", INVALID),
        ("receipt-by-other-key", INVALID),
        ("receipt-changed-after-signing", INVALID),
        ("receipt-without-signature", INVALID),
    ],
)
def test_a_false_receipt_ends_power_and_is_not_kept_and_what_flowed_is_booked(
    flaw: str, code: str, tmp_path: Path
) -> None:
    async def act(scene: Scene) -> None:
        drive = await scene.drive(car(flaw=flaw), tls=True, stay=True).done()
        assert drive.outcome == code
        assert await scene.ended() == [code]
        await scene.opened()
        await scene.until(lambda: len(sessions(scene)) == 2)
        assert sessions(scene)[1]["reason"] == code
        assert receipts(scene) == []

    at(config(tmp_path), act)


def earlier_receipt(tester: Tester, kept: list[Any], request: MeteringReceiptReq) -> tuple[MeteringReceiptReq, Any]:
    """The receipt that the car gave in its session before."""
    return kept[0]  # type: ignore[no-any-return]  # what was kept


def signature_of_authorization(
    tester: Tester, kept: list[Any], request: MeteringReceiptReq
) -> tuple[MeteringReceiptReq, Any]:
    """The contract's signature over AuthorizationReq of this session, which had the same Id."""
    assert tester.wallet is not None
    return request, tester.wallet.sign(AuthorizationReq(id="id1", gen_challenge=tester.challenge))


def one_element_twice(tester: Tester, kept: list[Any], request: MeteringReceiptReq) -> tuple[MeteringReceiptReq, Any]:
    """A good signature with a second reference to the same element."""
    assert tester.wallet is not None
    good = tester.wallet.sign(request)
    info = replace(good.signed_info, reference=good.signed_info.reference * 2)
    value = sign_info(info, tester.wallet.key, SCHEMA, P256_SHA256)
    return request, replace(good, signed_info=info, signature_value=replace(good.signature_value, value=value))


@pytest.mark.case("A-PNC-11")
@pytest.mark.parametrize("falsify", [earlier_receipt, signature_of_authorization, one_element_twice])
def test_what_the_contract_signed_elsewhere_is_not_a_receipt(falsify: Any, tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        kept: list[Any] = []
        for second in (False, True):
            tester = await Tester.connect(scene, tls=True, wallet=car_wallet())
            await tester.drive("CurrentDemand")
            body = await tester.says(tester.demand())
            assert tester.wallet is not None
            request = MeteringReceiptReq(
                id="id1", session_id=tester.session_id, sa_schedule_tuple_id=1, meter_info=body.meter_info
            )
            kept.append((request, tester.wallet.sign(request)))
            request, signature = falsify(tester, kept, request) if second else kept[0]
            answer = await tester.says(request, signature=signature)
            assert answer.response_code == ("FAILED_MeteringSignatureNotValid" if second else "OK")
            await tester.line.close()
            scene.world().unplug()
            await asyncio.sleep(8.0)
        assert len(receipts(scene)) == 1

    at(config(tmp_path), act)


def test_a_car_that_is_gone_with_its_receipt_leaves_it_once_or_not_at_all(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        for count in range(1, 5):
            drive = scene.drive(car(), tls=True)
            await scene.until(lambda drive=drive: drive.lines)
            send, line = drive.line.send, drive.line

            async def cut(octets: bytes, name: str, send: Any = send, drive: Any = drive) -> None:
                await send(octets, name)
                if name == "MeteringReceiptReq":
                    drive.reset()

            line.send = cut  # type: ignore[method-assign]  # a cable that breaks
            await drive.done()
            await scene.ended(count)
            await scene.opened()
            await asyncio.sleep(1.0)
        found = [(line["session"], line["receipt"]) for line in receipts(scene)]
        assert len(found) == len(set(found)) <= 4
        assert [line["what"] for line in sessions(scene)] == ["started", "ended"] * 4
        assert (await scene.drive(car(), tls=True).done()).outcome == "completed.full"

    at(config(tmp_path), act)


@pytest.mark.case("A-PNC-11")
@pytest.mark.parametrize(("tolerate", "code"), [((), "refused.FAILED_SequenceError"), (("Q-66",), "completed.full")])
def test_a_car_that_signs_none_charges_only_where_that_is_tolerated(
    tolerate: tuple[str, ...], code: str, tmp_path: Path
) -> None:
    async def act(scene: Scene) -> None:
        drive = await scene.drive(car(ignore_receipts=True), tls=True).done()
        assert drive.outcome == code
        assert receipts(scene) == []

    at(config(tmp_path, tolerate=tolerate), act)


@pytest.mark.parametrize(
    ("behaviour", "on"),
    [(Behaviour(payment=Payment.EXTERNAL, loops=30), True), (car(loops=30), False)],
    ids=["external payment", "off"],
)
def test_none_is_demanded_with_external_payment_or_where_it_is_off(
    behaviour: Behaviour, on: bool, tmp_path: Path
) -> None:
    async def act(scene: Scene) -> None:
        drive = await scene.drive(behaviour, tls=True).done()
        assert drive.outcome == "completed.full"
        demanded = [getattr(answer, "receipt_required", None) for answer in drive.answers]
        assert set(demanded) == {None, False}
        assert receipts(scene) == []

    at(config(tmp_path, on=on), act)


def test_a_receipt_that_cannot_be_stored_is_refused_and_no_car_charges_until_it_can(tmp_path: Path) -> None:
    made = config(tmp_path)
    path = made.uplink.receipts
    assert path is not None

    async def act(scene: Scene) -> None:
        drive = scene.drive(car(loops=None, watt_hours=20_000.0), tls=True)
        await scene.until(lambda: len(receipts(scene)) == 1)
        path.rename(path.with_suffix(".kept"))
        path.mkdir()
        await drive.done()
        assert drive.outcome == "refused.FAILED"
        await scene.opened()
        assert scene.station.state()["uplink"]["state"] == "degraded"
        assert scene.outlet().problem.startswith("no session could be booked: metering receipts cannot be stored")
        assert (await scene.drive(car(), tls=True).done()).failed is not None, "nobody answers it"
        path.rmdir()
        await scene.until(lambda: not scene.outlet().problem, what="found again")
        assert (await scene.drive(car(), tls=True).done()).outcome == "completed.full"
        assert [line["receipt"] for line in receipts(scene)][:1] == [1], "a number of the next transaction"

    at(made, act)


def test_where_cars_may_charge_unbooked_none_is_demanded_then(tmp_path: Path) -> None:
    made = config(tmp_path)
    made = replace(made, uplink=replace(made.uplink, danger_charge_unbooked=True))
    path = made.uplink.receipts
    assert path is not None

    async def act(scene: Scene) -> None:
        path.mkdir()
        await scene.until(lambda: scene.services.uplink.unbooked, what="looked at")
        drive = await scene.drive(car(loops=30), tls=True).done()
        assert drive.outcome == "completed.full"
        assert {getattr(answer, "receipt_required", None) for answer in drive.answers} == {None, False}

    at(made, act)


def test_a_meter_that_does_not_answer_costs_the_records_and_not_the_session(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        meter = scene.board().meter

        async def hangs(transaction: str) -> bytes:
            await asyncio.sleep(1000.0)
            return b""

        meter.begin = hangs  # type: ignore[method-assign]  # a meter that hangs
        meter.end = hangs  # type: ignore[method-assign]  # a meter that hangs
        drive = await scene.drive(car(), tls=True).done()
        assert drive.outcome == "completed.full"
        await scene.until(lambda: len(sessions(scene)) == 2)
        assert all("signed" not in line for line in sessions(scene))
        assert receipts(scene)

    at(config(tmp_path), act)


def test_nothing_of_the_contract_is_left_but_the_receipts(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        assert (await scene.drive(car(), tls=True).done()).outcome == "completed.full"
        assert receipts(scene)

    at(config(tmp_path), act)
    signatures = [
        SCHEMA.decode(base64.b64decode(json.loads(line)["message"])).header.signature.signature_value.value  # type: ignore[union-attr]  # signed
        for line in (tmp_path / "state" / "receipts.jsonl").read_text().splitlines()
    ]
    wallet = car_wallet()
    for path in tmp_path.rglob("*"):
        if path.is_file() and path.name not in ("allowlist.txt", "receipts.jsonl"):
            text = path.read_bytes()
            for secret in (*wallet.chain[:1], wallet.emaid.encode(), *signatures):
                assert secret not in text, path
                assert secret.hex().encode() not in text, path
