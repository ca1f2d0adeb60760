"""What holds in every state, in all combinations: wrong order, foreign SessionID, silence, and that every refusal is schema-valid.

The rows themselves are run against a whole station in tests/conformance.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from secc.conversation import End
from secc.iso2 import timing
from secc.iso2.messages import (
    SCHEMA,
    ResponseCode,
    SessionSetupReq,
    SessionStopReq,
    V2G_Message,
)
from secc.session.effects import OpenContactor
from tests.iso2_car import (
    EVCCID,
    OFFERS,
    TERMINATE,
    Car,
    given_id,
)
from tests.iso2_states import EVERY_REQUEST, FIRST, LEGAL, STATES, Due


def refused(car: Car, body: Any, code: ResponseCode) -> None:
    """One answer with this code and our SessionID, power off, the end."""
    assert body is not None
    assert body.response_code is code
    assert car.heard[-1].header.session_id == given_id(car.station)
    assert car.all(OpenContactor)
    assert car.code == f"refused.{code}"
    assert len(car.all(End)) == 1


def test_before_session_setup_everything_else_is_out_of_order() -> None:
    for name, request in EVERY_REQUEST.items():
        if name != "SessionSetup":
            car = FIRST.reached()
            refused(car, car.says(request), ResponseCode.FAILED_SEQUENCE_ERROR)


@pytest.mark.case("A-SES-04", "A-SES-05", "A-SES-07", "I2X-36")
@pytest.mark.parametrize("due", STATES, ids=str)
def test_a_request_out_of_order_gets_its_own_response_and_the_end(due: Due) -> None:
    accepted = {due.message} | LEGAL.get(due.message, set())
    if due.way.startswith("ac") and due.message == "PowerDelivery(Start)":
        accepted -= {"PreCharge"}
    # SessionStopReq is accepted everywhere, and tried by itself.
    accepted.add("SessionStop")
    for name, request in EVERY_REQUEST.items():
        if name in accepted:
            continue
        car = due.reached()
        body = car.says(request)
        assert type(body).__name__ == type(request).__name__.removesuffix("Req") + "Res"
        refused(car, body, ResponseCode.FAILED_SEQUENCE_ERROR)


@pytest.mark.case("A-SES-01", "I2X-36")
@pytest.mark.parametrize("session_id", [bytes(8), b"\x00", b"\x01", bytes(range(8)), b""])
@pytest.mark.parametrize("due", STATES, ids=str)
def test_a_foreign_session_id_is_told_so_whatever_the_request(due: Due, session_id: bytes) -> None:
    name = due.message if due.message in EVERY_REQUEST else "Authorization"
    for request in (EVERY_REQUEST[name], EVERY_REQUEST["ServiceDiscovery"], TERMINATE):
        car = due.reached()
        body = car.says(request, session_id=session_id)
        refused(car, body, ResponseCode.FAILED_UNKNOWN_SESSION)


@pytest.mark.parametrize("due", [FIRST, *STATES], ids=str)
def test_silence_ends_the_session_after_sixty_seconds_without_a_word(due: Due) -> None:
    car = due.reached()
    answered = len(car.outbox)
    car.wait(59.9)
    assert car.ended is None
    car.wait(0.2)
    assert car.code == "timer.V2G_SECC_Sequence_Timeout"
    assert len(car.outbox) == answered
    assert car.all(OpenContactor)


def test_a_car_that_takes_59_seconds_before_each_request_is_served() -> None:
    car = Car()
    for name, step in car._steps():
        car.wait(59.0)
        body = step()
        assert body.response_code.startswith("OK"), name
    assert car.code == "completed.terminated"


@pytest.mark.case("I2X-32", "Q-34", "Q-37", "Q-38", "Q-65", "D4")
@pytest.mark.parametrize("due", STATES, ids=str)
def test_a_car_may_stop_in_every_state(due: Due) -> None:
    car = due.reached()
    body = car.says(TERMINATE)
    assert body.response_code is ResponseCode.OK
    assert car.ended is not None
    assert car.ended.well
    assert car.all(OpenContactor)


@pytest.mark.parametrize(
    ("way", "message"),
    [
        ("dc-eim", "CurrentDemand"),
        ("dc-eim", "PowerDelivery(Stop)"),
        ("ac-eim", "ChargingStatus"),
        ("ac-eim", "PowerDelivery(Stop)"),
    ],
)
def test_by_the_letter_session_stop_has_no_place_in_the_loop(way: str, message: str) -> None:
    car = Car(replace(OFFERS[way], strict=True)).drive(until=message)
    refused(car, car.says(TERMINATE), ResponseCode.FAILED_SEQUENCE_ERROR)


ANSWER_SECONDS = {
    "SessionSetup": 1.5,
    "ServiceDiscovery": 1.5,
    "ServiceDetail": 4.5,
    "PaymentServiceSelection": 1.5,
    "PaymentDetails": 4.5,
    "Authorization": 1.5,
    "ChargeParameterDiscovery": 1.5,
    "PowerDelivery": 4.5,
    "ChargingStatus": 1.5,
    "CableCheck": 1.5,
    "PreCharge": 1.5,
    "CurrentDemand": 0.025,
    "WeldingDetection": 1.5,
    "SessionStop": 1.5,
}
"""V2G_SECC_Msg_Performance_Time by message, seconds."""


@pytest.mark.parametrize("way", OFFERS)
def test_every_response_comes_within_its_performance_time(way: str) -> None:
    car = Car(OFFERS[way]).drive()
    for heard in car.heard:
        name = type(heard.body).__name__.removesuffix("Res")
        assert heard.seconds <= ANSWER_SECONDS[name], name


def test_the_times_of_the_answers_are_data() -> None:
    unused = {"CertificateInstallation": 4.5, "CertificateUpdate": 4.5, "MeteringReceipt": 1.5}
    wanted = {f"{name}Res": seconds for name, seconds in (ANSWER_SECONDS | unused).items()}
    assert wanted == timing.ANSWER_SECONDS


def test_a_response_instead_of_a_request_gets_no_answer_and_ends_the_session() -> None:
    from secc.iso2.messages import SessionStopRes

    car = Car().drive(until="ServiceDiscovery")
    assert car.says(SessionStopRes(response_code=ResponseCode.OK)) is None
    assert car.code == "refused.FAILED_SequenceError"


def test_a_session_stop_request_still_needs_its_session_id() -> None:
    car = Car().drive(until="CurrentDemand")
    body = car.says(SessionStopReq(charging_session=TERMINATE.charging_session), session_id=b"\x07")
    refused(car, body, ResponseCode.FAILED_UNKNOWN_SESSION)


def test_a_second_session_setup_is_out_of_order_whatever_its_session_id() -> None:
    for session_id in (b"\x00", bytes(8), b"12345678"):
        car = Car().drive(until="Authorization")
        body = car.says(SessionSetupReq(evcc_id=EVCCID), session_id=session_id)
        refused(car, body, ResponseCode.FAILED_SEQUENCE_ERROR)


def test_nothing_in_the_body_is_no_message() -> None:
    from secc.errors import DecodeError
    from secc.iso2.messages import MessageHeader

    octets = SCHEMA.encode(V2G_Message(header=MessageHeader(session_id=bytes(8)), body=None))
    with pytest.raises(DecodeError):
        Car().station.decode(0x8001, octets)
