"""One reading of what a board says is wrong, from its events and from its levels, and the two agree."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from hal.events import (
    BoardLost,
    BoardRecovered,
    DoorChanged,
    EmergencyStopChanged,
    FaultCleared,
    FaultRaised,
    StopPressed,
)
from hal.faults import cleared_by, driver_bug, fault_of, standing
from hal.readings import Fault, InputsReading, Severity

HOT = Fault("too-hot", Severity.STOP, "90 degrees", latched=False, at=1.0)


@pytest.mark.parametrize(
    ("began", "ended", "code"),
    [
        (FaultRaised(HOT), FaultCleared(HOT), "too-hot"),
        (EmergencyStopChanged(True, 1.0), EmergencyStopChanged(False, 2.0), "emergency-stop"),
        (DoorChanged(True, 1.0), DoorChanged(False, 2.0), "door-open"),
        (BoardLost("no frame", 1.0), BoardRecovered(2.0), "board-lost"),
    ],
)
def test_every_fault_that_begins_with_an_event_ends_with_another(began: Any, ended: Any, code: str) -> None:
    fault = fault_of(began)
    assert fault is not None
    assert (fault.code, cleared_by(ended)) == (code, code)
    assert (fault_of(ended), cleared_by(began)) == (None, None)


def test_what_the_board_does_not_name_is_an_emergency() -> None:
    for event in (EmergencyStopChanged(True, 1.0), DoorChanged(True, 1.0), BoardLost("x", 1.0)):
        fault = fault_of(event)
        assert fault is not None
        assert fault.severity is Severity.EMERGENCY
    assert driver_bug(KeyError("x"), 1.0).fault.severity is Severity.EMERGENCY


def test_other_events_are_no_faults() -> None:
    assert (fault_of(StopPressed(1.0)), cleared_by(StopPressed(1.0))) == (None, None)


def board(*, healthy: bool = True, stopped: bool = False, door: bool = False, faults: tuple[Fault, ...] = ()) -> Any:
    inputs = SimpleNamespace(reading=InputsReading(stopped, door, 1.0))
    return SimpleNamespace(healthy=healthy, inputs=inputs, faults=SimpleNamespace(active=faults))


def test_what_stands_is_read_from_the_levels() -> None:
    assert standing(None) == standing(board()) == ()
    found = standing(board(stopped=True, door=True, faults=(HOT,)))
    assert [fault.code for fault in found] == ["too-hot", "door-open", "emergency-stop"]
    # A board that does not answer says nothing else that could be relied on.
    assert [fault.code for fault in standing(board(healthy=False, faults=(HOT,)))] == ["board-lost"]
