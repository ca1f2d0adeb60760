"""Schedules of the backend in a session: asked for, offered, chosen, kept, renewed, taken up again after a pause."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from secc.conversation import Abandon
from secc.errors import SignatureRejected
from secc.iso2.messages import (
    SCHEMA,
    ChargingProfile,
    ChargingSession,
    ChargingStatusReq,
    EVSENotification,
    EVSEProcessing,
    ResponseCode,
    SessionStopReq,
)
from secc.session.effects import Milestone, Reach
from secc.session.events import LimitChanged, RenegotiationRequested
from secc.session.offer import Offer, Transfer
from secc.session.schedules import (
    ChargingNeeds,
    ChargingSchedule,
    ChargingSchedules,
    KeepSchedule,
    PlanCharging,
    Planned,
    PowerSpan,
    Tariff,
    TariffEntry,
)
from secc.session.signature import P256_SHA256, verify
from tests.dialogue import LATER
from tests.iso2.phases.test_power_delivery import profile
from tests.iso2.test_planned import KEY, element, relayed
from tests.iso2_car import (
    AC_EIM,
    AC_PNC,
    DC_EIM,
    DC_PNC,
    RENEGOTIATE,
    START,
    Car,
    ac_parameters,
    current_demand,
    dc_delivery,
    dc_parameters,
    delivery,
)

FINISHED, ONGOING = EVSEProcessing.FINISHED, EVSEProcessing.ONGOING
PAUSE = SessionStopReq(charging_session=ChargingSession.PAUSE)


def plans(offer: Offer) -> Offer:
    return replace(offer, plans=True)


def steps(*spans: tuple[int, float], id: int = 1, tariff: Tariff | bytes | None = None) -> ChargingSchedule:
    return ChargingSchedule(id, tuple(PowerSpan(*span) for span in spans), tariff)


def given(*schedules: ChargingSchedule, signature: bytes = b"") -> Callable[[PlanCharging], Planned]:
    """What the station makes of these."""
    return lambda question: question.accept(ChargingSchedules(schedules, signature))


def due(offer: Offer, answer: object) -> Car:
    car = Car(plans(offer))
    car.answers[PlanCharging] = answer
    return car.drive(until="ChargeParameterDiscovery")


def offered(body: Any) -> list[tuple[int, list[tuple[int, int | None, float]]]]:
    return [
        (
            one.sa_schedule_tuple_id,
            [
                (
                    entry.time_interval.start,
                    entry.time_interval.duration,
                    entry.p_max.value * 10.0**entry.p_max.multiplier,
                )
                for entry in one.p_max_schedule.p_max_schedule_entry
            ],
        )
        for one in body.sa_schedules.sa_schedule_tuple
    ]


def parameters(car: Car, **changes: Any) -> Any:
    return car.says((dc_parameters if car.offer.is_dc else ac_parameters)(**changes))


def start(car: Car, tuple_id: int, entries: ChargingProfile | None = None) -> Any:
    car.drive_on("PowerDelivery(Start)")
    request = dc_delivery(START) if car.offer.is_dc else delivery(START)
    return car.says(replace(request, sa_schedule_tuple_id=tuple_id, charging_profile=entries))


NIGHT = Tariff(7, (TariffEntry(0, 2), TariffEntry(3600, 1)), "night", 2)
TWO = given(steps((0, 11_040.0), (3600, 4_000.0), id=5), steps((0, 2_000.0), (7200, 22_080.0), id=9, tariff=NIGHT))


# --- asked for --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("offer", [AC_EIM, DC_EIM, AC_PNC, DC_PNC])
def test_the_backend_is_asked_with_what_the_car_has_told(offer: Offer) -> None:
    car = due(offer, TWO)
    request = (dc_parameters if offer.is_dc else ac_parameters)(departure_time=7200)
    body = car.says(replace(request, max_entries_sa_schedule_tuple=5))
    assert (body.response_code, body.evse_processing) == (ResponseCode.OK, FINISHED)
    (question,) = car.asked(PlanCharging)
    contract = offer in (AC_PNC, DC_PNC)
    if offer.is_dc:
        expected = ChargingNeeds(Transfer.DC, contract, 7200, None, 125.0, 450.0, 50_000.0, 5)
    else:
        expected = ChargingNeeds(Transfer.AC_THREE_PHASE, contract, 7200, 20_000.0, 32.0, 400.0, None, 5)
    assert question.needs == expected
    assert "DE8AA" not in repr(question)


def test_a_station_without_a_backend_that_plans_asks_nobody() -> None:
    car = Car(AC_EIM).drive(until="ChargeParameterDiscovery")
    assert offered(parameters(car)) == [(1, [(0, 86_400, 22_080.0)])]
    car.finish("ChargeParameterDiscovery")
    assert not car.asked(PlanCharging)
    assert not car.all(KeepSchedule)


def test_the_car_waits_with_ongoing_for_a_slow_backend() -> None:
    car = due(AC_EIM, LATER)
    body = parameters(car)
    assert (body.response_code, body.evse_processing, body.sa_schedules) == (ResponseCode.OK, ONGOING, None)
    assert car.heard[-1].seconds <= 0.2
    car.wait(3.0)
    assert parameters(car).evse_processing is ONGOING
    assert len(car.asked(PlanCharging)) == 1, "one question for a negotiation"
    question = car.asked(PlanCharging)[0]
    car.answer(PlanCharging, TWO(question))
    body = parameters(car)
    assert body.evse_processing is FINISHED
    assert [id for id, _ in offered(body)] == [5, 9]


@pytest.mark.parametrize("silent", [True, False])
def test_without_schedules_there_is_one_up_to_the_limit(silent: bool) -> None:
    car = due(replace(AC_EIM, watts_limit=7_360.0), LATER if silent else Planned(None, ("no",)))
    begun = car.now
    while (body := parameters(car)).evse_processing is ONGOING:
        car.wait(0.5)
    assert (car.now - begun >= 10.0) is silent
    assert car.now - begun < 11.0
    assert offered(body) == [(1, [(0, 86_400, 7_360.0)])]
    assert bool(car.all(Abandon)) is silent
    start(car, 1)
    assert car.all(KeepSchedule) == [KeepSchedule(())]


def test_a_late_answer_changes_nothing() -> None:
    car = due(AC_EIM, LATER)
    while parameters(car).evse_processing is ONGOING:
        car.wait(0.5)
    assert not [ask for ask in car.pending if isinstance(ask.question, PlanCharging)]
    car.finish("ChargeParameterDiscovery")
    assert car.code == "completed.terminated"


def test_schedules_are_those_for_the_last_request_and_within_the_limit_of_now() -> None:
    car = due(AC_EIM, LATER)
    parameters(car)
    question = car.asked(PlanCharging)[0]
    car.answer(PlanCharging, TWO(question))
    car.hear(LimitChanged(9_000.0))
    body = parameters(car, departure_time=10_800)
    assert offered(body) == [
        (5, [(0, None, 9_000.0), (3600, 7_200, 4_000.0)]),
        (9, [(0, None, 2_000.0), (7200, 3_600, 9_000.0)]),
    ]
    first, second = body.sa_schedules.sa_schedule_tuple
    assert first.sales_tariff is None
    ends = [
        (entry.time_interval.start, entry.time_interval.duration) for entry in second.sales_tariff.sales_tariff_entry
    ]
    assert ends == [(0, None), (3600, 7200)]


def test_no_power_at_all_waits_as_ever_whatever_the_backend_gives() -> None:
    car = due(replace(AC_EIM, watts_limit=0.0), TWO)
    assert parameters(car).evse_processing is ONGOING
    car.hear(LimitChanged(None))
    assert parameters(car).evse_processing is FINISHED


def test_the_milestone_tells_how_many_there_are() -> None:
    car = due(AC_EIM, TWO)
    parameters(car)
    (agreed,) = [reach for reach in car.all(Reach) if reach.milestone is Milestone.PARAMETERS_AGREED]
    assert car.heard[-1].header.signature is None, "nobody has signed these"
    assert dict(agreed.facts) == {"mode": "AC_three_phase_core", "watts": 22_080.0, "schedules": 2, "tariffs": 1}


# --- signed tariffs ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 3])
def test_signed_tariffs_leave_bit_for_bit_with_one_signature_over_every_id(count: int) -> None:
    found = relayed(*map(element, range(1, count + 1)))
    car = due(AC_PNC, lambda question: question.accept(found))
    body = parameters(car)
    assert body.evse_processing is FINISHED
    octets = car.station.encode(car.outbox[-1][1])[1]
    ids = []
    for schedule, one in zip(found.schedules, body.sa_schedules.sa_schedule_tuple, strict=True):
        assert SCHEMA.fragment_of(octets, "SalesTariff", one.sales_tariff.id) == schedule.tariff
        ids.append(one.sales_tariff.id)
    signature = SCHEMA.decode(octets).header.signature
    assert SCHEMA.fragment(signature, "Signature") == found.signature
    verify(signature, {"SalesTariff": tuple(ids)}, octets, KEY.public_key(), SCHEMA, P256_SHA256)
    with pytest.raises(SignatureRejected):
        verify(signature, {"SalesTariff": (*ids, "id9")}, octets, KEY.public_key(), SCHEMA, P256_SHA256)


# --- chosen -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("offer", [AC_EIM, DC_EIM])
@pytest.mark.parametrize("tuple_id", [5, 9])
def test_the_chosen_tuple_counts_in_every_answer(offer: Offer, tuple_id: int) -> None:
    car = due(offer, TWO)
    begun = car.now
    parameters(car)
    assert start(car, tuple_id).response_code is ResponseCode.OK
    spans = {5: ((0, 11_040.0), (3600, 4_000.0)), 9: ((0, 2_000.0), (7200, 22_080.0))}[tuple_id]
    assert car.all(KeepSchedule) == [KeepSchedule(tuple((begun + at, watts) for at, watts in spans))]
    assert status(car).sa_schedule_tuple_id == tuple_id
    car.finish("PowerDelivery(Start)")
    assert car.code == "completed.terminated"


def status(car: Car) -> Any:
    return car.says(current_demand() if car.offer.is_dc else ChargingStatusReq())


@pytest.mark.case("I2-PD-21")
@pytest.mark.parametrize("offer", [AC_EIM, DC_EIM])
@pytest.mark.parametrize("tuple_id", [1, 2, 6, 255])
def test_another_tuple_is_refused(offer: Offer, tuple_id: int) -> None:
    car = due(offer, TWO)
    parameters(car)
    assert start(car, tuple_id).response_code is ResponseCode.FAILED_TARIFF_SELECTION_INVALID
    assert not car.all(KeepSchedule)


@pytest.mark.parametrize(
    ("tuple_id", "entries", "good"),
    [
        (5, profile((0, 11_040.0), (3600, 4_000.0)), True),
        (5, profile((0, 11_040.0)), False),
        (5, profile((0, 2_000.0), (7200, 22_080.0)), False),
        (9, profile((0, 2_000.0), (7200, 22_080.0)), True),
        (9, profile((0, 11_040.0), (3600, 4_000.0)), False),
    ],
)
def test_the_profile_is_judged_by_the_chosen_tuple(tuple_id: int, entries: ChargingProfile, good: bool) -> None:
    car = due(AC_EIM, TWO)
    parameters(car)
    code = ResponseCode.OK if good else ResponseCode.FAILED_CHARGING_PROFILE_INVALID
    assert start(car, tuple_id, entries).response_code is code


# --- as time goes by --------------------------------------------------------------------------------------------------------------


def amperes(body: Any) -> float:
    return float(body.evse_max_current.value * 10.0**body.evse_max_current.multiplier)


def test_an_ac_car_is_told_the_current_of_the_step_and_of_the_limit() -> None:
    car = due(AC_EIM, given(steps((0, 11_040.0), (60, 4_140.0), (120, 22_080.0))))
    parameters(car)
    start(car, 1)
    assert amperes(status(car)) == 16.0
    car.wait(59.0)
    assert amperes(status(car)) == 16.0
    car.wait(1.5)
    assert amperes(status(car)) == 6.0
    car.wait(55.0)
    status(car)
    car.wait(5.0)
    assert amperes(status(car)) == 32.0
    car.hear(LimitChanged(6_900.0))
    assert amperes(status(car)) == 10.0


def test_a_dc_car_gets_no_more_than_the_step() -> None:
    car = due(DC_EIM, given(steps((0, 20_000.0), (60, 8_000.0))))
    parameters(car)
    start(car, 1)
    body = car.says(current_demand(400.0, 100.0))
    assert (body.evse_power_limit_achieved, body.evse_maximum_power_limit.value) == (True, 20_000)
    car.wait(59.0)
    car.says(current_demand(400.0, 100.0))
    car.wait(2.0)
    body = car.says(current_demand(400.0, 100.0))
    assert body.evse_maximum_power_limit.value == 8_000
    assert car.levels.amperes == pytest.approx(20.0, abs=0.1)


@pytest.mark.case("Q-62")
@pytest.mark.parametrize("offer", [AC_EIM, DC_EIM, AC_PNC])
def test_a_step_without_power_is_no_power_to_offer(offer: Offer) -> None:
    found = given(steps((0, 11_040.0), (60, 0.0)))
    car = due(offer, found)
    parameters(car)
    start(car, 1)
    status(car)
    car.wait(59.0)
    assert told(status(car)) is EVSENotification.NONE
    car.wait(2.0)
    assert told(status(car)) is EVSENotification.NONE
    car.wait(6.0)
    assert told(status(car)) is EVSENotification.STOP_CHARGING


def told(body: Any) -> EVSENotification:
    found = getattr(body, "ac_evse_status", None) or body.dc_evse_status
    assert isinstance(found.evse_notification, EVSENotification)
    return found.evse_notification


@pytest.mark.parametrize("offer", [AC_EIM, AC_PNC, DC_EIM, replace(DC_EIM, renegotiates_dc=True)])
def test_at_the_end_of_its_schedule_the_car_is_asked_to_negotiate_again(offer: Offer) -> None:
    car = due(offer, given(steps((0, 11_040.0))))
    parameters(car, departure_time=50)
    start(car, 1)
    assert told(status(car)) is EVSENotification.NONE
    car.wait(51.0)
    asked = not offer.is_dc or offer.renegotiates_dc
    assert told(status(car)) is (EVSENotification.RE_NEGOTIATION if asked else EVSENotification.NONE)
    if not asked:
        return
    car.answers[PlanCharging] = given(steps((0, 5_000.0), id=2))
    assert car.says(dc_delivery(RENEGOTIATE) if offer.is_dc else delivery(RENEGOTIATE)).response_code is ResponseCode.OK
    assert offered(parameters(car)) == [(2, [(0, 86_400, 5_000.0)])]
    assert len(car.asked(PlanCharging)) == 2


def test_where_the_car_takes_too_few_entries_it_is_asked_when_the_joined_ones_begin() -> None:
    car = due(AC_EIM, given(steps((0, 11_040.0), (50, 9_000.0), (100, 4_000.0))))
    body = car.says(replace(ac_parameters(), max_entries_sa_schedule_tuple=2))
    assert offered(body) == [(1, [(0, None, 11_040.0), (50, 86_350, 4_000.0)])]
    start(car, 1)
    car.wait(45.0)
    assert told(status(car)) is EVSENotification.NONE
    car.wait(6.0)
    assert told(status(car)) is EVSENotification.RE_NEGOTIATION


def test_a_limit_that_changes_orders_a_renegotiation_where_the_schedule_no_longer_holds() -> None:
    car = due(AC_PNC, given(steps((0, 11_040.0), (60, 4_000.0))))
    parameters(car)
    start(car, 1)
    for limit, asked in ((22_080.0, False), (11_040.0, False), (7_360.0, True), (11_040.0, False), (None, False)):
        car.hear(LimitChanged(limit))
        assert told(status(car)) is (EVSENotification.RE_NEGOTIATION if asked else EVSENotification.NONE), limit


def test_a_renegotiation_asks_the_backend_again_and_the_old_schedule_is_gone() -> None:
    car = due(AC_EIM, TWO)
    parameters(car)
    start(car, 9)
    status(car)
    car.hear(RenegotiationRequested())
    assert told(status(car)) is EVSENotification.RE_NEGOTIATION
    car.says(delivery(RENEGOTIATE))
    car.answers[PlanCharging] = Planned(None)
    assert offered(parameters(car)) == [(1, [(0, 86_400, 22_080.0)])]
    body = car.says(replace(delivery(START), sa_schedule_tuple_id=9))
    assert body.response_code is ResponseCode.FAILED_TARIFF_SELECTION_INVALID


def test_without_a_new_schedule_the_steps_of_the_old_one_are_no_longer_kept() -> None:
    car = due(AC_EIM, TWO)
    parameters(car)
    start(car, 5)
    status(car)
    car.says(delivery(RENEGOTIATE))
    car.answers[PlanCharging] = Planned(None)
    parameters(car)
    assert car.says(delivery(START)).response_code is ResponseCode.OK
    assert car.all(KeepSchedule)[-1] == KeepSchedule(())
    assert amperes(status(car)) == 32.0


@pytest.mark.case("A-PWR-04")
@pytest.mark.parametrize("offer", [AC_EIM, DC_EIM])
def test_a_car_that_says_it_leaves_at_once_and_stays_gets_no_more_than_the_backend_gives(offer: Offer) -> None:
    car = due(offer, given(steps((0, 20_000.0), (60, 4_140.0))))
    begun = car.now
    assert offered(parameters(car, departure_time=1)) == [(1, [(0, 1, 20_000.0)])]
    start(car, 1)
    assert car.all(KeepSchedule) == [KeepSchedule(((begun, 20_000.0), (begun + 60, 4_140.0)))]
    car.wait(59.0)
    status(car)
    car.wait(2.0)
    body = status(car)
    most = body.evse_maximum_power_limit if offer is DC_EIM else body.evse_max_current
    assert most.value * 10.0**most.multiplier == (4_140.0 if offer is DC_EIM else 6.0)


@pytest.mark.parametrize("offer", [AC_EIM, DC_EIM])
def test_a_limit_that_rises_counts_at_once_within_the_steps(offer: Offer) -> None:
    """As with the station's own schedule: where the car is told its limit in each answer."""
    car = due(replace(offer, watts_limit=6_900.0), given(steps((0, 11_040.0), (60, 4_140.0))))
    assert offered(parameters(car))[0][1][0][2] == 6_900.0
    start(car, 1)

    def most() -> float:
        body = status(car)
        said = body.evse_maximum_power_limit if offer is DC_EIM else body.evse_max_current
        return float(said.value * 10.0**said.multiplier) * (1.0 if offer is DC_EIM else 690.0)

    assert most() == 6_900.0
    car.hear(LimitChanged(None))
    assert most() == 11_040.0
    car.wait(59.0)
    status(car)
    car.wait(2.0)
    assert most() == 4_140.0
