"""MeteringReceipt: what is demanded, of whom, and which receipts count."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from secc.errors import SignatureRejected
from secc.exi.xmldsig import Signature
from secc.iso2.messages import (
    SCHEMA,
    ChargingStatusReq,
    EVSENotification,
    MeterInfo,
    MeteringReceiptReq,
    ResponseCode,
    ServiceDiscoveryReq,
)
from secc.session.effects import AuthorizeContract, OpenContactor, Remark
from secc.session.events import EimDecided, StopRequested
from secc.session.offer import Offer
from secc.session.receipts import BookReceipt, ReceiptBooked, ReceiptRejected, ReceiptUnbooked
from secc.session.signature import P256_SHA256, Form, sign
from tests.dialogue import LATER
from tests.iso2_car import (
    AC_EIM,
    AC_PNC,
    DC_EIM,
    DC_PNC,
    METER,
    RENEGOTIATE,
    START,
    TERMINATE,
    Car,
    ac_parameters,
    current_demand,
    dc_delivery,
    delivery,
)
from tests.lab_trust import LAB

EVERY = 20.0
KEY: Any = LAB.contract.leaf.key
OK, INVALID = ResponseCode.OK, ResponseCode.FAILED_METERING_SIGNATURE_NOT_VALID
AC, DC = replace(AC_PNC, receipt_seconds=EVERY), replace(DC_PNC, receipt_seconds=EVERY)
BOTH = pytest.mark.parametrize("offer", [AC, DC], ids=["AC", "DC"])


def booked(question: BookReceipt) -> ReceiptBooked | ReceiptRejected:
    """What a station does: verify, and store."""
    try:
        return ReceiptBooked(question.check().quirk)
    except SignatureRejected as rejected:
        return ReceiptRejected(rejected.flaw, rejected.detail)


def charging(offer: Offer, answer: object = booked) -> Car:
    car = Car(offer).drive("CurrentDemand" if offer.is_dc else "ChargingStatus")
    car.answers[BookReceipt] = answer
    return car


def loops(car: Car) -> Any:
    body = car.says(current_demand() if car.offer.is_dc else ChargingStatusReq())
    assert body.response_code is OK
    return body


def receipt(car: Car, body: Any, **changes: Any) -> MeteringReceiptReq:
    made = MeteringReceiptReq(
        id="id1",
        session_id=car.session_id,
        sa_schedule_tuple_id=body.sa_schedule_tuple_id,
        meter_info=body.meter_info,
    )
    return replace(made, **changes)


def signed(request: MeteringReceiptReq, key: Any = KEY, form: Form = Form.XMLDSIG) -> Signature:
    return sign(request, key, SCHEMA, P256_SHA256, form=form)


def gives(car: Car, request: MeteringReceiptReq, signature: Signature | None = None) -> Any:
    return car.says(request, signature=signature or signed(request))


# --- Which answers demand one ---------------------------------------------------------------------------------------------


@BOTH
def test_a_receipt_is_demanded_in_the_first_answer_and_again_when_the_next_is_due(offer: Offer) -> None:
    car = charging(offer)
    body = loops(car)
    assert body.receipt_required is True
    assert body.meter_info == MeterInfo(meter_id=METER, meter_reading=12_345)
    answer = gives(car, receipt(car, body))
    assert answer.response_code is OK
    assert type(answer.evse_status).__name__ == ("DC_EVSEStatus" if offer.is_dc else "AC_EVSEStatus")
    assert loops(car).receipt_required is False
    car.wait(EVERY - 1.0)
    assert loops(car).receipt_required is False
    car.wait(1.0)
    assert loops(car).receipt_required is True


@pytest.mark.parametrize(
    "offer",
    [
        replace(AC_EIM, receipt_seconds=EVERY),
        replace(DC_EIM, receipt_seconds=EVERY),
        AC_PNC,
        DC_PNC,
        replace(AC, meter_id=""),
    ],
    ids=["AC, external", "DC, external", "AC, off", "DC, off", "no meter"],
)
def test_none_is_demanded_with_external_payment_or_without_a_setting_or_a_meter(offer: Offer) -> None:
    car = charging(offer)
    assert [loops(car).receipt_required for _ in range(3)] == [False] * 3
    assert car.says(
        MeteringReceiptReq(session_id=car.session_id, meter_info=MeterInfo(meter_id="M"))
    ).response_code is (ResponseCode.FAILED_SEQUENCE_ERROR)


def test_none_is_demanded_of_a_contract_where_a_card_pays() -> None:
    car = Car(AC)
    car.answers[AuthorizeContract] = LATER
    car.drive("Authorization")
    car.hear(EimDecided(True, "rfid"))
    car.signed_authorization()
    car.drive_on("ChargingStatus")
    assert loops(car).receipt_required is False


def test_a_free_station_demands_it_all_the_same() -> None:
    assert loops(charging(replace(AC, free=True))).receipt_required is True


def test_a_renegotiation_does_not_bring_the_next_one_forward() -> None:
    car = charging(AC)
    gives(car, receipt(car, loops(car)))
    for request in (delivery(RENEGOTIATE), ac_parameters(), delivery(START)):
        assert car.says(request).response_code is OK
    assert loops(car).receipt_required is False


# --- The meter's own record -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [1, 64, 65, 4000])
def test_the_meters_own_record_is_told_if_it_fits_and_kept_whole_for_the_backend(length: int) -> None:
    record = bytes(range(1, 256)) * 16
    record = record[:length]
    asked: list[BookReceipt] = []

    def kept(question: BookReceipt) -> object:
        asked.append(question)
        return booked(question)

    car = charging(AC, kept)
    car.levels = replace(car.levels, meter_record=record)
    body = loops(car)
    assert body.meter_info.sig_meter_reading == (record if length <= 64 else None)
    # By now the meter stands elsewhere.
    car.levels = replace(car.levels, meter_record=b"another", watt_hours=12_400.0)
    assert gives(car, receipt(car, body)).response_code is OK
    (question,) = asked
    assert question.record == record
    assert (question.meter_id, question.watt_hours, question.schedule) == (METER, 12_345, 1)
    assert question.check().octets.startswith(b"\x80")


def test_a_reading_without_a_record_says_none() -> None:
    assert loops(charging(AC_EIM)).meter_info.sig_meter_reading is None


# --- Receipts that do not count -------------------------------------------------------------------------------------------

Change = Callable[[Car, Any], tuple[MeteringReceiptReq, Signature | None]]


def altered(**changes: Any) -> Change:
    """Other content, well signed."""
    return lambda car, body: (made := receipt(car, body, **changes), signed(made))


def by_a_stranger(car: Car, body: Any) -> tuple[MeteringReceiptReq, Signature]:
    made = receipt(car, body)
    return made, signed(made, ec.generate_private_key(ec.SECP256R1()))


def changed_after_signing(car: Car, body: Any) -> tuple[MeteringReceiptReq, Signature]:
    """What was signed is another reading than what is sent, which is the right one."""
    lower = replace(body.meter_info, meter_reading=body.meter_info.meter_reading - 1000)
    return receipt(car, body), signed(receipt(car, body, meter_info=lower))


def without_id(car: Car, body: Any) -> tuple[MeteringReceiptReq, Signature]:
    return receipt(car, body, id=None), signed(receipt(car, body))


def reading(car: Car, body: Any) -> tuple[MeteringReceiptReq, Signature]:
    made = receipt(car, body, meter_info=replace(body.meter_info, meter_reading=body.meter_info.meter_reading - 1))
    return made, signed(made)


def no_reading(car: Car, body: Any) -> tuple[MeteringReceiptReq, Signature]:
    made = receipt(car, body, meter_info=replace(body.meter_info, meter_reading=None))
    return made, signed(made)


def other_meter(car: Car, body: Any) -> tuple[MeteringReceiptReq, Signature]:
    made = receipt(car, body, meter_info=replace(body.meter_info, meter_id="another"))
    return made, signed(made)


def more_than_was_said(car: Car, body: Any) -> tuple[MeteringReceiptReq, Signature]:
    made = receipt(car, body, meter_info=replace(body.meter_info, t_meter=1_700_000_000, meter_status=1))
    return made, signed(made)


@BOTH
@pytest.mark.parametrize(
    ("wrong", "flaw"),
    [
        (altered(session_id=bytes(7) + b"\x01"), ""),
        (altered(sa_schedule_tuple_id=2), ""),
        (reading, ""),
        (no_reading, ""),
        (other_meter, ""),
        (more_than_was_said, ""),
        (by_a_stranger, "signature.signature-value"),
        (changed_after_signing, "signature.digest"),
        (without_id, "signature.reference-uri"),
    ],
    ids=["session", "schedule", "reading", "no reading", "meter", "more", "stranger", "changed", "no Id"],
)
def test_a_receipt_that_is_bad_or_altered_ends_the_session(offer: Offer, wrong: Change, flaw: str) -> None:
    car = charging(offer)
    request, signature = wrong(car, loops(car))
    body = car.says(request, signature=signature)
    assert body.response_code is INVALID
    assert type(body).__name__ == "MeteringReceiptRes"
    assert car.ended is not None
    assert (car.code, car.ended.flaw) == ("refused.FAILED_MeteringSignatureNotValid", flaw)
    assert car.all(OpenContactor)


def test_a_receipt_without_a_signature_does_not_count() -> None:
    car = charging(AC)
    assert car.says(receipt(car, loops(car))).response_code is INVALID
    assert car.ended is not None
    assert car.ended.flaw == "signature.signature-missing"


def test_what_breaks_a_facet_of_a_receipt_is_answered_by_its_code() -> None:
    car = charging(AC)
    request = receipt(car, loops(car), meter_info=MeterInfo(meter_id="M" * 33))
    assert car.says(request, signature=signed(receipt(car, car.heard[-1].body)), raw=True).response_code is INVALID


def test_the_schedule_may_be_left_out_as_the_schema_has_it() -> None:
    car = charging(AC)
    request = receipt(car, loops(car), sa_schedule_tuple_id=None)
    assert gives(car, request).response_code is OK


def test_an_earlier_receipt_does_not_count_for_a_later_reading() -> None:
    car = charging(AC)
    first = receipt(car, loops(car))
    assert gives(car, first).response_code is OK
    car.levels = replace(car.levels, watt_hours=13_000.0)
    car.wait(EVERY)
    assert loops(car).receipt_required is True
    assert gives(car, first).response_code is INVALID


def test_a_second_receipt_for_one_reading_is_out_of_order() -> None:
    car = charging(AC)
    made = receipt(car, loops(car))
    assert gives(car, made).response_code is OK
    assert gives(car, made).response_code is ResponseCode.FAILED_SEQUENCE_ERROR


def test_the_less_usual_grammar_of_signed_info_is_remarked() -> None:
    car = charging(AC)
    made = receipt(car, loops(car))
    assert gives(car, made, signed(made, form=Form.MESSAGE_SET)).response_code is OK
    assert [remark.code for remark in car.all(Remark)] == ["Q-69"]


# --- What may come instead ------------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.case("Q-66")
def test_a_car_that_goes_on_without_its_receipt_is_refused_unless_that_is_tolerated(offer: Offer) -> None:
    def ignoring(offer: Offer) -> Any:
        car = charging(offer)
        loops(car)
        return car, car.says(current_demand() if offer.is_dc else ChargingStatusReq())

    for strict in (False, True):
        car, body = ignoring(replace(offer, strict=strict, tolerances=frozenset({"Q-66"} if strict else ())))
        assert body.response_code is ResponseCode.FAILED_SEQUENCE_ERROR
    car, body = ignoring(replace(offer, tolerances=frozenset({"Q-66"})))
    assert (body.response_code, body.receipt_required) == (OK, False)
    car.wait(EVERY)
    assert loops(car).receipt_required is True
    assert loops(car).receipt_required is False
    assert [remark.code for remark in car.all(Remark)] == ["Q-66"], "once"
    stop = dc_delivery if offer.is_dc else delivery
    car.wait(EVERY)
    assert loops(car).receipt_required is True
    assert car.says(stop(RENEGOTIATE)).response_code is OK


def test_a_late_receipt_of_a_car_that_is_tolerated_counts_only_for_what_was_told_last() -> None:
    for moved, code in ((0.0, OK), (500.0, INVALID)):
        car = charging(replace(AC, tolerances=frozenset({"Q-66"})))
        made = receipt(car, loops(car))
        car.levels = replace(car.levels, watt_hours=car.levels.watt_hours + moved)
        loops(car)
        assert gives(car, made).response_code is code


def test_a_late_receipt_counts_once() -> None:
    car = charging(replace(AC, tolerances=frozenset({"Q-66"})))
    made = receipt(car, loops(car))
    loops(car)
    assert gives(car, made).response_code is OK
    assert gives(car, made).response_code is ResponseCode.FAILED_SEQUENCE_ERROR


@BOTH
def test_another_request_where_the_receipt_is_due_is_out_of_order(offer: Offer) -> None:
    for request in (ServiceDiscoveryReq(), (dc_delivery if offer.is_dc else delivery)(RENEGOTIATE)):
        car = charging(offer)
        loops(car)
        assert car.says(request).response_code is ResponseCode.FAILED_SEQUENCE_ERROR


def test_a_car_may_leave_instead() -> None:
    """Q-38, as from the loop."""
    car = charging(AC)
    loops(car)
    car.pilot = "B"
    assert car.says(TERMINATE).response_code is OK
    assert car.code == "completed.stopped-early"


def test_a_stop_is_told_with_the_receipt() -> None:
    car = charging(AC)
    made = receipt(car, loops(car))
    car.hear(StopRequested("driver"))
    assert gives(car, made).evse_status.evse_notification is EVSENotification.STOP_CHARGING


# --- What cannot be stored ------------------------------------------------------------------------------------------------


def test_a_receipt_that_could_not_be_stored_is_not_accepted() -> None:
    car = charging(AC, ReceiptUnbooked("the disk is full"))
    body = gives(car, receipt(car, loops(car)))
    assert body.response_code is ResponseCode.FAILED
    assert car.ended is not None
    assert car.ended.detail == "MeteringReceiptReq: the metering receipt could not be stored: the disk is full"


def test_a_receipt_that_is_not_stored_in_time_is_not_accepted() -> None:
    car = charging(AC, LATER)
    body = gives(car, receipt(car, loops(car)))
    assert body.response_code is ResponseCode.FAILED
    assert car.heard[-1].seconds == pytest.approx(1.3)
    assert car.code == "refused.FAILED"


def test_the_car_has_its_answer_only_when_the_receipt_is_stored() -> None:
    car = charging(AC, LATER)
    made = receipt(car, loops(car))
    car.tells(made, signature=signed(made))
    count = len(car.outbox)
    car.wait(1.0)
    assert len(car.outbox) == count
    car.answer(BookReceipt, ReceiptBooked())
    assert len(car.outbox) == count + 1
    assert car.ended is None
