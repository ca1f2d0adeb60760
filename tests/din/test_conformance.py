"""What holds in every state of a DIN session, in all combinations: wrong order, foreign SessionID, silence, a stop."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from secc.conversation import End
from secc.din import timing
from secc.din.dialogue import STREAM
from secc.din.messages import SCHEMA, MessageHeader, ResponseCode, SessionSetupReq, SessionStopRes, V2G_Message
from secc.errors import DecodeError
from secc.session.dialogue import QUICK_SECONDS
from secc.session.effects import OpenContactor
from tests.din_car import END, EVCCID, EVERY_REQUEST, LEGAL, OFFER, STATES, Car

EVERY_STATE = ("SessionSetup", *STATES)


def refused(car: Car, body: Any, code: ResponseCode) -> None:
    """One answer with this code and our SessionID, power off, the end."""
    ours: MessageHeader = car.station.wrap(None).header
    assert body is not None
    assert body.response_code is code
    assert car.heard[-1].header.session_id == ours.session_id
    assert car.all(OpenContactor)
    assert car.code == f"refused.{code}"
    assert len(car.all(End)) == 1


@pytest.mark.case("DIN-01", "DIN-19")
def test_a_whole_session_in_the_order_of_the_standard() -> None:
    car = Car().drive()
    answers = [type(heard.body).__name__.removesuffix("Res") for heard in car.heard]
    assert list(dict.fromkeys(answers)) == [
        "SessionSetup",
        "ServiceDiscovery",
        "ServicePaymentSelection",
        "ContractAuthentication",
        "ChargeParameterDiscovery",
        "CableCheck",
        "PreCharge",
        "PowerDelivery",
        "CurrentDemand",
        "WeldingDetection",
        "SessionStop",
    ]
    assert all(str(heard.body.response_code).startswith("OK") for heard in car.heard)
    assert {heard.header.session_id for heard in car.heard} == {car.session_id}
    assert car.code == "completed.terminated"
    assert car.all(OpenContactor)


@pytest.mark.case("DIN-20", "A-SES-04", "A-SES-05", "A-SES-07")
@pytest.mark.parametrize("due", EVERY_STATE)
def test_a_request_out_of_order_gets_its_own_response_and_the_end(due: str) -> None:
    accepted = {due} | LEGAL.get(due, set())
    # SessionStopReq is accepted everywhere after SessionSetup, and tried by itself.
    accepted |= set() if due == "SessionSetup" else {"SessionStop"}
    for name, request in EVERY_REQUEST.items():
        if name in accepted:
            continue
        car = Car().drive(until=due)
        body = car.says(request)
        assert type(body).__name__ == type(request).__name__.removesuffix("Req") + "Res"
        refused(car, body, ResponseCode.FAILED_SEQUENCE_ERROR)


@pytest.mark.case("DIN-21", "DIN-23", "A-SES-01")
@pytest.mark.parametrize("session_id", [bytes(8), b"\x00", b"\x01", bytes(range(8)), b""])
@pytest.mark.parametrize("due", STATES)
def test_a_foreign_session_id_is_told_before_the_order(due: str, session_id: bytes) -> None:
    for request in (EVERY_REQUEST[due], EVERY_REQUEST["ServiceDetail"], END):
        car = Car().drive(until=due)
        refused(car, car.says(request, session_id=session_id), ResponseCode.FAILED_UNKNOWN_SESSION)


@pytest.mark.case("DIN-22")
@pytest.mark.parametrize("due", EVERY_STATE)
def test_silence_ends_the_session_after_sixty_seconds_without_a_word(due: str) -> None:
    car = Car().drive(until=due)
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
        assert step().response_code.startswith("OK"), name
    assert car.code == "completed.terminated"


@pytest.mark.case("DIN-18", "I2X-32", "Q-34", "Q-37", "Q-38", "Q-65", "D4")
@pytest.mark.parametrize("due", STATES)
def test_a_car_may_stop_in_every_state(due: str) -> None:
    car = Car().drive(until=due)
    assert car.says(END).response_code is ResponseCode.OK
    assert car.ended is not None
    assert car.ended.well
    assert car.all(OpenContactor)


@pytest.mark.case("Q-38")
@pytest.mark.parametrize("due", ["CurrentDemand", "PowerDelivery(false)"])
def test_by_the_letter_session_stop_has_no_place_in_the_loop(due: str) -> None:
    car = Car(replace(OFFER, strict=True)).drive(until=due)
    refused(car, car.says(END), ResponseCode.FAILED_SEQUENCE_ERROR)


def test_by_the_letter_a_good_session_is_a_good_session() -> None:
    assert Car(replace(OFFER, strict=True)).drive().code == "completed.terminated"


def test_every_response_comes_within_its_performance_time() -> None:
    for heard in Car().drive().heard:
        quick = type(heard.body).__name__ == "CurrentDemandRes"
        assert heard.seconds <= (QUICK_SECONDS if quick else timing.ANSWER_SECONDS)


def test_a_second_session_setup_is_out_of_order_whatever_its_session_id() -> None:
    for session_id in (b"\x00", bytes(8), b"12345678"):
        car = Car().drive(until="ContractAuthentication")
        body = car.says(SessionSetupReq(evcc_id=EVCCID), session_id=session_id)
        refused(car, body, ResponseCode.FAILED_SEQUENCE_ERROR)


def test_a_response_instead_of_a_request_gets_no_answer_and_ends_the_session() -> None:
    car = Car().drive(until="ServiceDiscovery")
    assert car.says(SessionStopRes(response_code=ResponseCode.OK)) is None
    assert car.code == "refused.FAILED_SequenceError"


def test_nothing_in_the_body_is_no_message() -> None:
    octets = SCHEMA.encode(V2G_Message(header=MessageHeader(session_id=bytes(8)), body=None))
    with pytest.raises(DecodeError):
        Car().station.decode(STREAM, octets)
