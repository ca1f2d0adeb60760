"""Whatever happens outside, in every state and with a request open or not: no power, one answer where one can be heard, one reason."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from secc.conversation import End, Event
from secc.din.messages import DC_EVSEStatusCode, EVSENotification, ResponseCode
from secc.session.effects import CheckCable, OpenContactor, StartPower, StopPower
from secc.session.events import (
    ConnectionClosed,
    ConnectionOverdue,
    EmergencyStopped,
    Fault,
    LinkLost,
    SetupTimedOut,
    Shutdown,
    StopRequested,
    StreamBroken,
    Unplugged,
)
from tests.dialogue import LATER
from tests.din_car import END, EVERY_REQUEST, START, STATES, STOP, Car, current_demand

SEVERED: dict[str, Event] = {
    "severed.unplugged": Unplugged(),
    "severed.link-lost": LinkLost(),
    "severed.connection-closed": ConnectionClosed(),
    "severed.stream-broken": StreamBroken("exi", "garbage"),
    "timer.V2GTP-message": ConnectionOverdue("V2GTP-message", "A-V2G-02"),
    "severed.communication-setup-timeout": SetupTimedOut(),
    "severed.station-shutdown": Shutdown(),
}
EMERGENCIES: dict[str, tuple[Event, DC_EVSEStatusCode]] = {
    "emergency.emergency-stop": (EmergencyStopped(), DC_EVSEStatusCode.EVSE_EMERGENCY_SHUTDOWN),
    "emergency.fault": (Fault("contactor-welded", "feedback closed"), DC_EVSEStatusCode.EVSE_MALFUNCTION),
}
EVERY_STATE = ("SessionSetup", *STATES)


def safe_first(car: Car, since: int) -> bool:
    """Power is off before anything is said."""
    kinds = [type(effect) for _, effect in car.said[since:]]
    return OpenContactor in kinds and not any(kind.__name__ == "Send" for kind in kinds[: kinds.index(OpenContactor)])


@pytest.mark.case("A-PHY-01", "A-PHY-02", "A-NET-09", "A-SES-14", "A-RES-05")
@pytest.mark.parametrize("code", SEVERED)
@pytest.mark.parametrize("due", EVERY_STATE)
def test_what_severs_the_session_ends_it_at_once_without_a_word(due: str, code: str) -> None:
    car = Car().drive(until=due)
    answered, since = len(car.outbox), len(car.said)
    car.hear(SEVERED[code])
    assert car.code == code
    assert len(car.outbox) == answered
    assert safe_first(car, since)
    assert len(car.all(End)) == 1
    assert car.pending == []


@pytest.mark.case("DIN-16")
@pytest.mark.parametrize("code", EMERGENCIES)
@pytest.mark.parametrize("due", EVERY_STATE)
def test_an_emergency_switches_off_and_tells_the_car_with_its_next_request(due: str, code: str) -> None:
    event, wanted = EMERGENCIES[code]
    car = Car().drive(until=due)
    since = len(car.said)
    car.hear(event)
    assert safe_first(car, since)
    assert car.ended is None
    car.wait(1.0)
    body = car.says(EVERY_REQUEST[due])
    assert body.response_code is ResponseCode.FAILED
    status = getattr(body, "dc_evse_status", None) or getattr(body, "evse_status", None)
    if status is not None:
        assert status.evse_status_code is wanted
        assert status.evse_notification is EVSENotification.STOP_CHARGING
    assert car.code == code


@pytest.mark.parametrize("code", EMERGENCIES)
def test_a_car_that_says_nothing_after_an_emergency_is_left_after_five_seconds(code: str) -> None:
    car = Car().drive(until="PowerDelivery(false)")
    car.hear(EMERGENCIES[code][0])
    car.wait(4.9)
    assert car.ended is None
    car.wait(0.2)
    assert car.code == code


# --- while a request is open ------------------------------------------------------------------------------------------------------


def in_start() -> Car:
    car = Car().drive(until="PowerDelivery(true)")
    car.answers[StartPower] = LATER
    car.tells(START)
    return car


def in_stop() -> Car:
    car = Car().drive(until="PowerDelivery(false)")
    car.keeps(20.0)
    car.tells(STOP)
    return car


def in_an_early_stop() -> Car:
    car = Car().drive(until="CurrentDemand")
    car.keeps(20.0)
    car.tells(END)
    return car


def waiting_for_the_pilot() -> Car:
    car = Car().drive(until="CableCheck")
    car.follows = False
    car.tells(EVERY_REQUEST["CableCheck"])
    return car


OPEN = (in_start, in_stop, in_an_early_stop, waiting_for_the_pilot)


@pytest.mark.parametrize("begin", OPEN)
@pytest.mark.parametrize("code", [*SEVERED, *EMERGENCIES])
def test_an_open_request_is_answered_once_if_anybody_can_hear_it(begin: Callable[[], Car], code: str) -> None:
    car = begin()
    answered, since = len(car.outbox), len(car.said)
    car.hear(SEVERED[code] if code in SEVERED else EMERGENCIES[code][0])
    assert car.code == code
    assert safe_first(car, since)
    answers = [send.message.response_code for _, send in car.outbox[answered:]]
    can_be_heard = code in EMERGENCIES or code == "severed.station-shutdown"
    assert answers == ([ResponseCode.FAILED] if can_be_heard else [])
    assert car.pending == [], "every open question was abandoned"


@pytest.mark.case("A-V2G-03")
@pytest.mark.parametrize("begin", OPEN)
def test_a_second_request_before_the_answer_ends_the_session(begin: Callable[[], Car]) -> None:
    car = begin()
    car.tells(EVERY_REQUEST["WeldingDetection"])
    car.wait(5.0)
    assert car.ended is not None
    assert car.all(OpenContactor)


def test_a_bug_in_a_phase_costs_the_session_and_nothing_else() -> None:
    car = Car().drive(until="CurrentDemand")
    since = len(car.said)
    car._take(car.session.fail(RuntimeError("a bug")))
    assert safe_first(car, since)
    assert car.code == "bug.RuntimeError"


def test_the_question_about_the_cable_is_given_up_with_the_session() -> None:
    car = Car().drive(until="CableCheck")
    car.answers[CheckCable] = LATER
    car.says(EVERY_REQUEST["CableCheck"])
    car.hear(Unplugged())
    assert car.pending == []
    assert car.all(OpenContactor)


# --- an end that is asked for -----------------------------------------------------------------------------------------------------


@pytest.mark.case("I2X-31", "Q-63")
@pytest.mark.parametrize("by", ["driver", "operator", "backend", "shutdown"])
def test_who_ends_charging_has_the_car_told_and_power_stays_for_it_to_ramp_down(by: str) -> None:
    car = Car().drive(until="PowerDelivery(false)")
    car.hear(StopRequested(by))  # type: ignore[arg-type]  # one of the literals
    body = car.says(current_demand(400.0, 20.0))
    assert body.response_code is ResponseCode.OK
    assert body.dc_evse_status.evse_status_code is DC_EVSEStatusCode.EVSE_SHUTDOWN
    assert body.dc_evse_status.evse_notification is EVSENotification.STOP_CHARGING
    assert body.dc_evse_status.notification_max_delay == 10
    assert not car.all(OpenContactor)
    assert car.says(STOP).response_code is ResponseCode.OK
    assert car.asked(StopPower)
    assert car.says(END).response_code is ResponseCode.OK
    assert car.code == "completed.terminated"


def test_a_car_that_does_not_obey_is_switched_off_after_the_announced_time() -> None:
    car = Car().drive(until="PowerDelivery(false)")
    car.hear(StopRequested("driver"))
    for _ in range(9):
        assert car.says(current_demand(400.0, 20.0)).response_code is ResponseCode.OK
        car.wait(1.0)
    car.wait(1.1)
    assert car.all(OpenContactor)
    assert car.says(current_demand(400.0, 20.0)).response_code is ResponseCode.FAILED
    assert car.code == "timer.NotificationMaxDelay"
