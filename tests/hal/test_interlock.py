"""The decision alone: one reason at a time, and all of them against an oracle."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal.interlock import Circumstances, Insulation, Interlock, Limits, Purpose, Reason
from hal.readings import Fault, InputsReading, LockState, PilotReading, PilotState, Severity

NOW = 100.0


def pilot(state: PilotState, at: float = NOW) -> PilotReading:
    return PilotReading(state, since=at - 1.0, at=at, duty=0.05)


def fault(severity: Severity, at: float = NOW, *, latched: bool = True) -> Fault:
    return Fault("x", severity, "a fault", latched, at)


GOOD = Circumstances(
    asked=Purpose.DC,
    pilot=pilot(PilotState.C),
    inputs=InputsReading(False, False, NOW),
    faults=(),
    board_healthy=True,
    lock=LockState.LOCKED,
    last_beat=NOW - 0.1,
    insulation=Insulation.VALID,
)


def but(**changes: object) -> Circumstances:
    return dataclasses.replace(GOOD, **changes)  # type: ignore[arg-type]  # names are those of the class


def test_all_is_well() -> None:
    consent = Interlock().consent(GOOD, NOW)
    assert consent and consent.reasons == frozenset()


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (but(asked=Purpose.NONE), Reason.NOT_ASKED),
        (but(pilot=None), Reason.PILOT_UNKNOWN),
        *[(but(pilot=pilot(PilotState(state))), Reason.PILOT_NOT_READY) for state in "ABEF?"],
        (but(inputs=InputsReading(True, False, NOW)), Reason.EMERGENCY_STOP),
        (but(inputs=InputsReading(False, True, NOW)), Reason.DOOR_OPEN),
        (but(inputs=None), Reason.INPUTS_UNKNOWN),
        (but(faults=(fault(Severity.EMERGENCY),)), Reason.FAULT),
        (but(faults=(fault(Severity.EMERGENCY, latched=False),)), Reason.FAULT),
        (but(faults=(fault(Severity.STOP),)), Reason.FAULT),
        (but(faults=(fault(Severity.STOP, NOW - 11.0),), held=True), Reason.FAULT),
        (but(faults=(fault(Severity.EMERGENCY),), held=True), Reason.FAULT),
        (but(board_healthy=False), Reason.BOARD_LOST),
        (but(lock=LockState.UNLOCKED), Reason.NOT_LOCKED),
        (but(lock=LockState.UNKNOWN), Reason.NOT_LOCKED),
        (but(last_beat=None), Reason.HEARTBEAT_LATE),
        (but(last_beat=NOW - 0.6), Reason.HEARTBEAT_LATE),
        (but(insulation=Insulation.UNKNOWN), Reason.INSULATION_UNKNOWN),
        (but(insulation=Insulation.FAULT), Reason.INSULATION_FAULT),
        (but(insulation=Insulation.FAULT, asked=Purpose.CABLE_CHECK), Reason.INSULATION_FAULT),
    ],
)
def test_each_reason_alone_is_enough_and_is_named(state: Circumstances, reason: Reason) -> None:
    consent = Interlock().consent(state, NOW)
    assert not consent
    assert consent.reasons == {reason}
    assert consent.immediate is (reason is not Reason.NOT_ASKED)
    assert str(consent) == reason.value


@pytest.mark.parametrize(
    "state",
    [
        but(pilot=pilot(PilotState.D)),
        but(lock=None),
        but(faults=(fault(Severity.WARNING),)),
        but(faults=(fault(Severity.STOP, NOW - 5.0),), held=True),
        but(asked=Purpose.CABLE_CHECK, insulation=Insulation.UNKNOWN),
        but(asked=Purpose.AC, insulation=Insulation.UNKNOWN),
        but(pilot=pilot(PilotState.C, at=NOW - 60.0)),
    ],
)
def test_what_does_not_forbid_power(state: Circumstances) -> None:
    assert Interlock().consent(state, NOW)


def test_a_stale_pilot_forbids_power_where_the_board_needs_it_polled() -> None:
    interlock = Interlock(Limits(pilot_seconds=1.0))
    assert interlock.consent(but(pilot=pilot(PilotState.C, at=NOW - 0.9)), NOW)
    assert interlock.consent(but(pilot=pilot(PilotState.C, at=NOW - 1.1)), NOW).reasons == {Reason.PILOT_UNKNOWN}


@given(
    st.builds(
        Circumstances,
        asked=st.sampled_from(Purpose),
        pilot=st.one_of(st.none(), st.sampled_from(PilotState).map(pilot)),
        inputs=st.one_of(st.none(), st.builds(InputsReading, st.booleans(), st.booleans(), st.just(NOW))),
        faults=st.lists(st.sampled_from(Severity).map(fault), max_size=2).map(tuple),
        board_healthy=st.booleans(),
        lock=st.one_of(st.none(), st.sampled_from(LockState)),
        last_beat=st.one_of(st.none(), st.floats(NOW - 2.0, NOW)),
        insulation=st.sampled_from(Insulation),
        held=st.booleans(),
    )
)
def test_consent_is_given_only_when_everything_is_known_and_good(state: Circumstances) -> None:
    consent = Interlock().consent(state, NOW)
    good = (
        state.asked is not Purpose.NONE
        and state.pilot is not None
        and state.pilot.state in (PilotState.C, PilotState.D)
        and state.inputs == InputsReading(False, False, NOW)
        and all(f.severity is Severity.WARNING or (f.severity is Severity.STOP and state.held) for f in state.faults)
        and state.board_healthy
        and state.lock in (None, LockState.LOCKED)
        and state.last_beat is not None
        and NOW - state.last_beat <= 0.5
        and (state.asked is Purpose.AC or state.insulation is not Insulation.FAULT)
        and (state.asked is not Purpose.DC or state.insulation is Insulation.VALID)
    )
    assert bool(consent) is good
    assert consent.allowed is (consent.reasons == frozenset())
