"""Who hears and who performs what: the tables that serve cars, held against everything that conversations can say."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hal import events
from secc.cli import main
from secc.conversation import Effect, Question, vocabulary
from secc.station.wiring import Wire, wiring


@pytest.fixture(scope="module")
def wires() -> dict[str, Wire]:
    return {wire.name: wire for wire in wiring()}


def said(root: type) -> Iterator[type]:
    """Everything of the stack that is one, without the core's own words and the simulated car's."""
    for kind in root.__subclasses__():
        yield from said(kind)
        ours = kind.__module__.startswith("secc.") and not kind.__module__.startswith("secc.tools.")
        if ours and kind.__module__ != vocabulary.__name__:
            yield kind


def test_everything_that_a_conversation_can_say_has_its_place(wires: dict[str, Wire]) -> None:
    kinds = {kind.__name__ for root in (Effect, Question) for kind in said(root)}
    assert len(kinds) > 40
    assert sorted(name for name in kinds if name not in wires or not wires[name].performers) == []


def test_what_is_relayed_is_heard_by_somebody(wires: dict[str, Wire]) -> None:
    relayed = [wire for wire in wires.values() if "all that hear it" in wire.performers]
    assert len(relayed) >= 10
    assert [wire.name for wire in relayed if not wire.heard_by] == []


def test_every_event_of_a_board_is_heard(wires: dict[str, Wire]) -> None:
    kinds = [kind.__name__ for kind in events.BoardEvent.__args__]
    assert len(kinds) == 13
    assert [name for name in kinds if name not in wires or not wires[name].heard_by] == []


def test_what_ends_power_is_heard_by_the_power_path_and_the_plug_in(wires: dict[str, Wire]) -> None:
    both = {"plug-in", "power path (AC)", "power path (DC)"}
    for name in ("EmergencyStopChanged", "DoorChanged", "BoardLost", "FaultRaised", "PilotChanged", "CommandFailed"):
        assert both <= set(wires[name].heard_by), name
    assert {"power path (AC)", "power path (DC)"} <= set(wires["OpenContactor"].heard_by)


def test_a_verdict_about_a_contract_reaches_no_one_but_who_asked_before_its_proof(wires: dict[str, Wire]) -> None:
    told = [name for name in wires["AuthorizeContract"].performers if name.endswith("the answer")]
    assert told == []
    assert wires["IdentifyAgain"].performers == wires["Identify"].performers
    assert wires["Identify"].performers == ("Sessions._identified", "tells Transactions.identified")


def test_the_doctor_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--wiring"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["what", "is", "said", "performed,", "answered,", "told", "heard", "by"]
    (row,) = [line for line in lines if line.startswith("SetOutput ")]
    assert row.endswith("power path (AC), power path (DC)")
    assert len(lines) > 60
