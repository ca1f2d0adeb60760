"""Whatever a car and the world do, in whatever order: one answer a request, one end, no power after it, and no other exception."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secc.conversation import Ask, End, Send
from secc.session.effects import (
    AuthorizeContract,
    CableChecked,
    CheckCable,
    Decision,
    OpenContactor,
    PowerReported,
    SetOutput,
    StartPower,
    StopPower,
    Verdict,
)
from secc.session.events import (
    ConnectionClosed,
    EimDecided,
    EmergencyStopped,
    Fault,
    LimitChanged,
    OngoingForced,
    RenegotiationRequested,
    Shutdown,
    StopRequested,
    Unplugged,
)
from tests.dialogue import LATER
from tests.iso2_car import OFFERS, Car, ac_parameters, given_id
from tests.iso2_states import EVERY_REQUEST

REQUESTS = [*EVERY_REQUEST.values()]
EVENTS = [
    EimDecided(accepted=True, by="rfid"),
    EimDecided(accepted=False, by="rfid"),
    LimitChanged(0.0),
    LimitChanged(5_000.0),
    LimitChanged(None),
    RenegotiationRequested(),
    StopRequested("driver"),
    OngoingForced("CableCheck", on=True),
    OngoingForced("CableCheck", on=False),
    OngoingForced("ChargeParameterDiscovery", on=True),
    OngoingForced("ChargeParameterDiscovery", on=False),
]
ENDINGS = [EmergencyStopped(), Fault("f"), Unplugged(), ConnectionClosed(), Shutdown()]
ANSWERS: dict[type[Any], list[Any]] = {
    CheckCable: [CableChecked(True, "valid"), CableChecked(False, "fault"), LATER],
    StartPower: [PowerReported(True), PowerReported(False), LATER],
    StopPower: [PowerReported(True), PowerReported(False), LATER],
    AuthorizeContract: [Verdict(Decision.ACCEPTED), Verdict(Decision.REJECTED), LATER],
}

Act = Callable[[Car], None]


def saying(request: Any, session_id: bytes | None) -> Act:
    return lambda car: car.tells(request, session_id=session_id, raw=True)


def hearing(event: Any) -> Act:
    return lambda car: void(car.hear(event))


def waiting(seconds: float) -> Act:
    return lambda car: car.wait(seconds)


def standing(pilot: str) -> Act:
    return lambda car: setattr(car, "pilot", pilot)


def measuring(on: bool) -> Act:
    return lambda car: setattr(car, "measuring", on)


def answering(car: Car) -> None:
    for ask in list(car.pending):
        answers = ANSWERS.get(type(ask.question), [None])
        car.answer(type(ask.question), answers[0])


SETUP = ["SessionSetup", "ServiceDiscovery", "PaymentServiceSelection", "Authorization", "ChargeParameterDiscovery"]
DC = ["CableCheck", "CableCheck", "PreCharge", "PowerDelivery(Start)", "CurrentDemand", "CurrentDemand"]
AC = ["PowerDelivery(Start)", "ChargingStatus", "ChargingStatus", "PowerDelivery(Stop)", "SessionStop"]
GOOD = {"dc": [*SETUP, *DC, "PowerDelivery(Stop)", "WeldingDetection", "SessionStop"], "ac": [*SETUP, *AC]}


def going_on(car: Car) -> None:
    """The request that is due, by the car's own count, with what it does to the pilot."""
    way = "dc" if car.offer.is_dc else "ac"
    last = next((type(s.message).__name__.removesuffix("Res") for _, s in reversed(car.outbox)), None)
    plan = GOOD[way]
    places = [i for i, name in enumerate(plan) if last is not None and name.partition("(")[0] == last]
    place = places[-1] + 1 if places and last != "PowerDelivery" else (places[0] + 1 if places else 0)
    request = EVERY_REQUEST[plan[min(place, len(plan) - 1)]]
    if plan[min(place, len(plan) - 1)] == "ChargeParameterDiscovery" and way == "ac":
        request = ac_parameters()
    car.session_id = given_id(car.station)
    car.tells(request, raw=True)
    car._follow(request, before=False)


def void(_: object) -> None:
    return None


ACTS = st.one_of(
    st.builds(saying, st.sampled_from(REQUESTS), st.none() | st.none() | st.none() | st.just(b"\x01")),
    st.builds(saying, st.sampled_from(REQUESTS), st.none()),
    st.builds(hearing, st.sampled_from(EVENTS)),
    st.builds(waiting, st.sampled_from([0.0, 0.01, 0.3, 2.0, 12.0, 61.0])),
    st.builds(standing, st.sampled_from("ABCDEF")),
    st.builds(measuring, st.booleans()),
    st.just(answering),
    st.just(going_on),
    st.just(going_on),
    st.builds(hearing, st.sampled_from(ENDINGS)),
)
START = ("SessionSetup", "Authorization", "ChargeParameterDiscovery", "PowerDelivery(Start)", "PowerDelivery(Stop)")


@pytest.mark.case("A-SES-14", "A-RES-04")
@given(
    way=st.sampled_from(sorted(OFFERS)),
    message=st.sampled_from(START),
    answers=st.fixed_dictionaries({kind: st.sampled_from(choices) for kind, choices in ANSWERS.items()}),
    acts=st.lists(ACTS, max_size=25),
    strict=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_whatever_happens(way: str, message: str, answers: dict[Any, Any], acts: list[Act], strict: bool) -> None:
    car = Car(replace(OFFERS[way], strict=strict)).drive(until=message)
    car.answers |= answers
    told = len(car.outbox)
    tells = car.tells

    def counted(*args: Any, **how: Any) -> None:
        nonlocal told
        told += 1
        tells(*args, **how)

    car.tells = counted  # type: ignore[method-assign]  # counts what is said
    for act in acts:
        act(car)
    car.wait(200.0)

    effects = [effect for _, effect in car.said]
    assert car.ended is not None, "silence ends every session"
    assert [e for e in effects if isinstance(e, End)] == [End(car.ended)]
    assert isinstance(effects[-1], End)
    assert len([e for e in effects if isinstance(e, Send)]) <= told
    assert car.pending == []
    assert car.ended.kind != "bug"
    off = next(place for place, effect in enumerate(effects) if isinstance(effect, OpenContactor))
    assert not [e for e in effects[off:] if isinstance(e, SetOutput)], "power after it was switched off"
    assert not [e for e in effects[off:] if isinstance(e, Ask) and isinstance(e.question, StartPower | CheckCable)]
