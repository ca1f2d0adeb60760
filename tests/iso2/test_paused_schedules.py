"""Schedules of the backend over a pause: the tuple that the car chose comes again with the time that is left."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from secc.iso2.messages import (
    SCHEMA,
    ChargingSession,
    EVSEProcessing,
    PowerDeliveryReq,
    ResponseCode,
    SessionSetupReq,
    SessionStopReq,
)
from secc.iso2.paused import Paused
from secc.session.effects import KeepForResume
from secc.session.offer import Offer
from secc.session.schedules import KeepSchedule, PlanCharging, Planned, PowerSpan
from secc.session.signature import P256_SHA256, verify
from tests.dialogue import LATER
from tests.iso2.phases.test_schedules import TWO, due, given, offered, parameters, start, status, steps
from tests.iso2.test_planned import KEY, element, relayed
from tests.iso2_car import AC_EIM, AC_PNC, DC_EIM, EVCCID, RENEGOTIATE, STOP, Car, delivery

ONGOING = EVSEProcessing.ONGOING
PAUSE = SessionStopReq(charging_session=ChargingSession.PAUSE)
SLEEP = 1000.0


def pausing(car: Car, tuple_id: int) -> Car:
    start(car, tuple_id)
    for name, step in car._steps():
        if name in ("ChargingStatus", "CurrentDemand", "PowerDelivery(Stop)", "WeldingDetection"):
            assert step().response_code is ResponseCode.OK
    assert car.says(PAUSE).response_code is ResponseCode.OK
    assert car.code == "completed.pause"
    return car


def resumed(before: Car, answer: object = LATER, **changes: Any) -> Car:
    (kept,) = before.all(KeepForResume)
    assert isinstance(kept.value, Paused)
    car = Car(replace(before.offer, paused=kept.value, **changes), now=before.now + SLEEP)
    car.answers[PlanCharging] = answer
    car.session_id = before.session_id
    assert car.says(SessionSetupReq(evcc_id=EVCCID)).response_code is ResponseCode.OK_OLD_SESSION_JOINED
    return car.drive_on("ChargeParameterDiscovery")


@pytest.mark.parametrize("offer", [AC_EIM, DC_EIM])
def test_the_chosen_tuple_comes_again_with_its_steps_and_prices_as_they_are_now(offer: Offer) -> None:
    before = due(offer, TWO)
    begun = before.now
    parameters(before)
    car = resumed(pausing(before, 9))
    assert not car.asked(PlanCharging)
    body = parameters(car)
    elapsed = int(car.now - begun)
    assert elapsed >= SLEEP
    # The seconds that are left are whole: what has begun of one is gone.
    ((id, power),) = offered(body)
    assert id == 9
    gone = 86_400 - sum(power[-1][:2])  # type: ignore[arg-type]
    assert gone in (elapsed, elapsed + 1)
    assert power == [(0, None, 2_000.0), (7200 - gone, 79_200, 22_080.0)]
    tariff = body.sa_schedules.sa_schedule_tuple[0].sales_tariff
    assert [(entry.time_interval.start, entry.e_price_level) for entry in tariff.sales_tariff_entry] == [
        (0, 2),
        (3600 - gone, 1),
    ]
    assert not car.asked(PlanCharging), "the car has chosen before"
    assert start(car, 9).response_code is ResponseCode.OK
    assert car.all(KeepSchedule)[-1].steps[1][0] == pytest.approx(begun + 7200, abs=1.0)


def signed_before() -> Car:
    octets = relayed(element(1), element(2))
    before = due(AC_PNC, lambda question: question.accept(octets))
    parameters(before)
    return pausing(before, 2)


def test_a_signed_tariff_is_asked_for_again_since_its_times_cannot_be_changed() -> None:
    anew = relayed(element(2, (0, 7200), (7200, 79_200)))
    found = replace(anew, schedules=(replace(anew.schedules[0], id=2, spans=(PowerSpan(0, 22_080.0),)),))
    car = resumed(signed_before(), lambda question: question.accept(found))
    body = parameters(car)
    (question,) = car.asked(PlanCharging)
    assert question.needs.chosen == 2
    ((id, power),) = offered(body)
    # The power is that of the schedule chosen before, whatever comes with the tariff.
    assert (id, [watts for _, _, watts in power]) == (2, [11_040.0, 4_000.0])
    octets = car.station.encode(car.outbox[-1][1])[1]
    assert SCHEMA.fragment_of(octets, "SalesTariff", "id2") == found.schedules[0].tariff
    signature = SCHEMA.decode(octets).header.signature
    verify(signature, {"SalesTariff": ("id2",)}, octets, KEY.public_key(), SCHEMA, P256_SHA256)


@pytest.mark.parametrize("answer", [LATER, Planned(None, ("no",)), given(steps((0, 1e3), id=2))])
def test_without_a_new_one_the_tuple_comes_without_its_tariff(answer: object) -> None:
    car = resumed(signed_before(), answer)
    while (body := parameters(car)).evse_processing is ONGOING:
        car.wait(0.5)
    ((id, power),) = offered(body)
    assert (id, [watts for _, _, watts in power]) == (2, [11_040.0, 4_000.0])
    assert body.sa_schedules.sa_schedule_tuple[0].sales_tariff is None
    assert car.heard[-1].header.signature is None


def test_a_tuple_whose_time_is_over_is_replaced_by_the_backends() -> None:
    before = due(AC_EIM, TWO)
    parameters(before, departure_time=600)
    car = resumed(pausing(before, 5), given(steps((0, 3_000.0), id=3)))
    assert offered(parameters(car)) == [(3, [(0, 86_400, 3_000.0)])]
    assert car.asked(PlanCharging)[0].needs.chosen is None


def test_a_renegotiation_of_a_resumed_session_asks_for_new_ones() -> None:
    before = due(AC_EIM, TWO)
    parameters(before)
    car = resumed(pausing(before, 5), given(steps((0, 3_000.0), id=3)))
    parameters(car)
    start(car, 5)
    status(car)
    car.says(delivery(RENEGOTIATE))
    assert offered(parameters(car)) == [(3, [(0, 86_400, 3_000.0)])]


def test_a_car_that_stops_before_it_has_chosen_keeps_nothing() -> None:
    car = due(AC_EIM, TWO)
    parameters(car)
    car.says(PowerDeliveryReq(charge_progress=STOP, sa_schedule_tuple_id=5))
    car.says(PAUSE)
    (kept,) = car.all(KeepForResume)
    assert isinstance(kept.value, Paused)
    assert kept.value.chosen is None
