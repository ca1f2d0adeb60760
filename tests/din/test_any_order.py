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
    CableChecked,
    CheckCable,
    OpenContactor,
    PowerReported,
    SetOutput,
    StartPower,
    StopPower,
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
from tests.din_car import EVERY_REQUEST, OFFER, STATES, Car

EVENTS = [
    EimDecided(accepted=True, by="rfid"),
    EimDecided(accepted=False, by="rfid"),
    LimitChanged(0.0),
    LimitChanged(5_000.0),
    LimitChanged(None),
    RenegotiationRequested(),
    StopRequested("driver"),
    OngoingForced("CableCheck", on=True),
    OngoingForced("ChargeParameterDiscovery", on=True),
    OngoingForced("ChargeParameterDiscovery", on=False),
]
ENDINGS = [EmergencyStopped(), Fault("f"), Unplugged(), ConnectionClosed(), Shutdown()]
ANSWERS: dict[type[Any], list[Any]] = {
    CheckCable: [CableChecked(True, "valid"), CableChecked(False, "fault"), LATER],
    StartPower: [PowerReported(True), PowerReported(False), LATER],
    StopPower: [PowerReported(True), PowerReported(False), LATER],
}

Act = Callable[[Car], None]


def saying(request: Any, session_id: bytes | None) -> Act:
    return lambda car: car.tells(request, session_id=session_id, raw=True)


def hearing(event: Any) -> Act:
    def heard(car: Car) -> None:
        car.hear(event)

    return heard


def waiting(seconds: float) -> Act:
    return lambda car: car.wait(seconds)


def standing(pilot: str) -> Act:
    return lambda car: setattr(car, "pilot", pilot)


def flowing(amperes: float) -> Act:
    return lambda car: setattr(car, "levels", replace(car.levels, amperes=amperes))


def measuring(on: bool) -> Act:
    return lambda car: setattr(car, "measuring", on)


ACTS = st.one_of(
    st.builds(saying, st.sampled_from([*EVERY_REQUEST.values()]), st.none() | st.none() | st.just(b"\x01")),
    st.builds(saying, st.sampled_from([EVERY_REQUEST[name] for name in STATES]), st.none()),
    st.builds(hearing, st.sampled_from(EVENTS)),
    st.builds(waiting, st.sampled_from([0.0, 0.01, 0.3, 2.0, 12.0, 61.0])),
    st.builds(standing, st.sampled_from("ABCDEF")),
    st.builds(flowing, st.sampled_from([0.0, 5.0, 20.0, float("nan")])),
    st.builds(measuring, st.booleans()),
    st.builds(hearing, st.sampled_from(ENDINGS)),
)


@pytest.mark.case("A-SES-14", "A-RES-04")
@given(
    due=st.sampled_from(("SessionSetup", *STATES)),
    answers=st.fixed_dictionaries({kind: st.sampled_from(choices) for kind, choices in ANSWERS.items()}),
    acts=st.lists(ACTS, max_size=25),
    strict=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_whatever_happens(due: str, answers: dict[Any, Any], acts: list[Act], strict: bool) -> None:
    car = Car(replace(OFFER, strict=strict)).drive(until=due)
    car.answers |= answers
    told = len(car.outbox) + sum(act.__qualname__.startswith("saying") for act in acts)
    for act in acts:
        act(car)
    car.wait(200.0)

    effects = [effect for _, effect in car.said]
    assert car.ended is not None, "silence ends every session"
    assert car.ended.kind != "bug", car.ended
    assert [e for e in effects if isinstance(e, End)] == [End(car.ended)]
    assert isinstance(effects[-1], End)
    assert len([e for e in effects if isinstance(e, Send)]) <= told
    assert car.pending == []
    off = next(place for place, effect in enumerate(effects) if isinstance(effect, OpenContactor))
    assert not [e for e in effects[off:] if isinstance(e, SetOutput)], "power after it was switched off"
    assert not [e for e in effects[off:] if isinstance(e, Ask) and isinstance(e.question, StartPower | CheckCable)]
