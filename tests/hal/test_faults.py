"""One reading of what a board says is wrong, from its events and from its levels, and the two agree."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from hal.errors import HalRejected
from hal.events import (
    BoardEvent,
    BoardLost,
    BoardRecovered,
    DoorChanged,
    EmergencyStopChanged,
    FaultCleared,
    FaultRaised,
    StopPressed,
)
from hal.faults import ActiveFaults, Trouble, cleared_by, driver_bug, fault_of, standing
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


WARM = Trouble("heat", Severity.WARNING, "60 degrees")
HEAT = Trouble("heat", Severity.STOP, "90 degrees")
TRIPPED = Trouble("tripped", Severity.EMERGENCY, "the monitor has tripped", latched=True)


def told(*steps: Callable[[ActiveFaults], object]) -> tuple[ActiveFaults, list[tuple[str, Severity]]]:
    """The faults after these steps, and what was told of them: raised with its severity, or cleared as a warning."""
    said: list[tuple[str, Severity]] = []

    def tell(event: BoardEvent) -> None:
        assert isinstance(event, FaultRaised | FaultCleared)
        said.append((type(event).__name__, event.fault.severity))

    faults = ActiveFaults(tell, lambda: 5.0)
    for step in steps:
        step(faults)
    return faults, said


def test_a_fault_is_told_once_when_it_comes_and_once_when_it_goes() -> None:
    faults, said = told(
        lambda f: f.begin(HEAT), lambda f: f.begin(HEAT), lambda f: f.end("heat"), lambda f: f.end("heat")
    )
    assert (faults.active, said) == ((), [("FaultRaised", Severity.STOP), ("FaultCleared", Severity.STOP)])


def test_a_fault_becomes_more_severe_and_not_less() -> None:
    faults, said = told(lambda f: f.begin(WARM), lambda f: f.begin(HEAT), lambda f: f.begin(WARM))
    assert faults.active == (Fault("heat", Severity.STOP, "90 degrees", latched=False, at=5.0),)
    assert said == [("FaultRaised", Severity.WARNING), ("FaultRaised", Severity.STOP)]


def test_a_latched_fault_stays_until_it_is_cleared_which_its_cause_forbids() -> None:
    faults, _ = told(lambda f: f.report(TRIPPED, True), lambda f: f.begin(HEAT))
    assert faults.emergency == "tripped"
    with pytest.raises(HalRejected, match="the cause of tripped is still there"):
        asyncio.run(faults.clear("tripped"))
    faults.report(TRIPPED, False)
    assert "tripped" in faults and not faults.caused("tripped")
    asyncio.run(faults.clear("tripped"))
    asyncio.run(faults.clear("nothing"))
    assert [fault.code for fault in faults.active] == ["heat"]
    assert faults.emergency == ""


def test_a_latched_fault_of_a_code_outlives_one_that_passes() -> None:
    latched = Trouble("heat", Severity.STOP, "90 degrees", latched=True)
    faults, said = told(lambda f: f.begin(HEAT), lambda f: f.begin(latched), lambda f: f.end("heat"))
    assert "heat" in faults
    assert len(said) == 2
    faults.forget("heat")
    assert faults.active == ()
