"""Whatever happens outside, in every state and with a request open or not: no power, one answer where one can be heard, one reason."""

from __future__ import annotations

from typing import Any

import pytest

from secc.conversation import Abandon, Ask, End, Event
from secc.iso2.messages import (
    CableCheckReq,
    ChargingStatusReq,
    DC_EVSEStatusCode,
    EVSENotification,
    ResponseCode,
)
from secc.session.effects import AuthorizeContract, CheckCable, OpenContactor, StartPower, StopPower, ValidateContract
from secc.session.events import (
    ConnectionClosed,
    ConnectionOverdue,
    EmergencyStopped,
    Fault,
    LinkLost,
    SetupTimedOut,
    Shutdown,
    StreamBroken,
    Unplugged,
)
from tests.dialogue import LATER
from tests.iso2_car import (
    AC_EIM,
    ANSWER_SECONDS,
    DC_EIM,
    DC_PNC,
    START,
    STOP,
    TERMINATE,
    Car,
    current_demand,
    dc_delivery,
    dc_parameters,
    delivery,
    ev_status,
    precharge,
)
from tests.iso2_states import EVERY_REQUEST, FIRST, STATES, Due

SEVERED: dict[str, Event] = {
    "severed.unplugged": Unplugged(),
    "severed.link-lost": LinkLost(),
    "severed.connection-closed": ConnectionClosed(),
    "severed.stream-broken": StreamBroken("exi", "garbage"),
    "timer.V2GTP-message": ConnectionOverdue("V2GTP-message", "A-V2G-02"),
    "severed.communication-setup-timeout": SetupTimedOut(),
    "severed.station-shutdown": Shutdown(),
}
EMERGENCIES: dict[str, Event] = {
    "emergency.emergency-stop": EmergencyStopped(),
    "emergency.fault": Fault("contactor-welded", "feedback closed"),
}
EVERY_STATE = [FIRST, *STATES]


def safe_first(car: Car, since: int) -> bool:
    """Power is off before anything is said."""
    kinds = [type(effect) for _, effect in car.said[since:]]
    return OpenContactor in kinds and not any(kind.__name__ == "Send" for kind in kinds[: kinds.index(OpenContactor)])


@pytest.mark.case("A-PHY-01", "A-PHY-02", "A-NET-09", "A-SES-14", "A-RES-05")
@pytest.mark.parametrize("code", SEVERED)
@pytest.mark.parametrize("due", EVERY_STATE, ids=str)
def test_what_severs_the_session_ends_it_at_once_without_a_word(due: Due, code: str) -> None:
    car = due.reached()
    answered, since = len(car.outbox), len(car.said)
    car.hear(SEVERED[code])
    assert car.code == code
    assert len(car.outbox) == answered
    assert safe_first(car, since)
    assert len(car.all(End)) == 1
    assert car.pending == []


@pytest.mark.parametrize("code", EMERGENCIES)
@pytest.mark.parametrize("due", EVERY_STATE, ids=str)
def test_an_emergency_switches_off_and_tells_the_car_with_its_next_request(due: Due, code: str) -> None:
    car = due.reached()
    since = len(car.said)
    car.hear(EMERGENCIES[code])
    assert safe_first(car, since)
    assert car.ended is None
    car.wait(1.0)
    name = due.message if due.message in EVERY_REQUEST else "ServiceDiscovery"
    body = car.says(EVERY_REQUEST[name])
    assert body is not None
    status = getattr(body, "dc_evse_status", None) or getattr(body, "evse_status", None)
    if due.way.startswith("dc") and status is not None:
        wanted = "EVSE_EmergencyShutdown" if code == "emergency.emergency-stop" else "EVSE_Malfunction"
        assert status.evse_status_code == wanted
        assert status.evse_notification is EVSENotification.STOP_CHARGING
    else:
        assert body.response_code is ResponseCode.FAILED
    assert car.code == code


@pytest.mark.parametrize("code", EMERGENCIES)
def test_a_car_that_says_nothing_after_an_emergency_is_left_after_five_seconds(code: str) -> None:
    car = Car(DC_EIM).drive(until="PowerDelivery(Stop)")
    car.hear(EMERGENCIES[code])
    car.wait(4.9)
    assert car.ended is None
    car.wait(0.2)
    assert car.code == code


def test_an_emergency_answer_never_says_that_power_flows_or_the_cable_is_good() -> None:
    wanted = {
        "CableCheck": (CableCheckReq(dc_ev_status=ev_status()), ResponseCode.OK),
        "PreCharge": (precharge(), ResponseCode.OK),
        "PowerDelivery(Start)": (dc_delivery(START), ResponseCode.FAILED),
        "CurrentDemand": (current_demand(), ResponseCode.OK),
        "PowerDelivery(Stop)": (dc_delivery(STOP), ResponseCode.OK),
        "ChargeParameterDiscovery": (dc_parameters(), ResponseCode.FAILED),
    }
    for message, (request, code) in wanted.items():
        car = Car(DC_EIM).drive(until=message)
        car.hear(EmergencyStopped())
        body = car.says(request)
        assert body.response_code is code, message
        if message == "CableCheck":
            assert body.evse_processing == "Ongoing"
        if message == "CurrentDemand":
            assert body.dc_evse_status.evse_status_code is DC_EVSEStatusCode.EVSE_EMERGENCY_SHUTDOWN


# --- while a request is open ------------------------------------------------------------------------------------------------------


def in_payment_details() -> Car:
    car = Car(DC_PNC)
    car.answers[ValidateContract] = LATER
    car.drive(until="PaymentDetails")
    car.tells(EVERY_REQUEST["PaymentDetails"])
    return car


def in_start() -> Car:
    car = Car(AC_EIM)
    car.answers[StartPower] = LATER
    car.drive(until="PowerDelivery(Start)")
    car.tells(delivery(START))
    return car


def in_stop() -> Car:
    car = Car(DC_EIM)
    car.answers[StopPower] = LATER
    car.drive(until="PowerDelivery(Stop)")
    car.tells(dc_delivery(STOP))
    return car


def waiting_for_the_pilot() -> Car:
    car = Car(DC_EIM).drive(until="CableCheck")
    car.follows = False
    car.tells(CableCheckReq(dc_ev_status=ev_status()))
    return car


OPEN = (in_payment_details, in_start, in_stop, waiting_for_the_pilot)


@pytest.mark.parametrize("begin", OPEN)
@pytest.mark.parametrize("code", [*SEVERED, *EMERGENCIES])
def test_an_open_request_is_answered_once_if_anybody_can_hear_it(begin: Any, code: str) -> None:
    car = begin()
    answered, since = len(car.outbox), len(car.said)
    car.hear((SEVERED | EMERGENCIES)[code])
    assert car.code == code
    assert safe_first(car, since)
    can_be_heard = code in EMERGENCIES or code == "severed.station-shutdown"
    assert len(car.outbox) - answered == (1 if can_be_heard else 0)
    assert car.pending == [], "every open question was abandoned"


@pytest.mark.case("A-V2G-03")
@pytest.mark.parametrize("begin", OPEN)
def test_a_second_request_before_the_answer_is_refused_after_the_first_is_settled(begin: Any) -> None:
    car = begin()
    answered = len(car.outbox)
    car.tells(TERMINATE)
    assert len(car.outbox) == answered
    limit = car.now + ANSWER_SECONDS
    while car.ended is None and car.next_deadline():
        assert car.now < limit, "a session without end"
    bodies = [send.message for _, send in car.outbox[answered:]]
    # The first is refused for its own reason here (nobody answers the question), and that ends it all.
    assert len(bodies) == 1
    assert car.all(OpenContactor)


@pytest.mark.case("A-V2G-03")
def test_ten_requests_in_one_write_do_nothing_out_of_order() -> None:
    car = in_start()
    for _ in range(9):
        car.tells(ChargingStatusReq())
    answered = len(car.outbox)
    from secc.session.effects import PowerReported

    car.answer(StartPower, PowerReported(True))
    bodies = [send.message for _, send in car.outbox[answered:]]
    assert [type(body).__name__ for body in bodies] == ["PowerDeliveryRes", "ChargingStatusRes"]
    assert [body.response_code for body in bodies] == [ResponseCode.OK, ResponseCode.FAILED_SEQUENCE_ERROR]
    assert car.all(OpenContactor)


def test_a_bug_in_a_phase_costs_the_session_and_nothing_else() -> None:
    car = Car(DC_EIM).drive(until="CurrentDemand")
    since = len(car.said)
    car._take(car.session.fail(RuntimeError("a bug")))
    assert safe_first(car, since)
    assert car.code == "bug.RuntimeError"


def test_a_dc_car_hears_the_station_go_down_with_its_open_request() -> None:
    car = in_stop()
    answered = len(car.outbox)
    car.hear(Shutdown())
    assert car.outbox[answered][1].message.response_code is ResponseCode.FAILED


def test_the_questions_of_a_session_are_given_up_with_it() -> None:
    car = Car(DC_PNC)
    car.answers[AuthorizeContract] = LATER
    car.answers[CheckCable] = LATER
    car.drive(until="Authorization")
    (ask,) = [ask for ask in car.all(Ask) if isinstance(ask.question, AuthorizeContract)]
    car.hear(Unplugged())
    assert car.all(Abandon) == [Abandon(ask.ticket)]
