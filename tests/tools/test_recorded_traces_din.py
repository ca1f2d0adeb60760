"""Sessions of DIN SPEC 70121 that were recorded once and stand in ``tests/vectors/traces/din``: today's code says what the station said then."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tools.replay import replay

TRACES = Path(__file__).resolve().parent.parent / "vectors" / "traces" / "din"

# The names in this table are those of the day of the recording: they stay when classes get other names.
RECORDED: dict[str, tuple[set[str], str, int]] = {
    "whole": (set(), "completed.terminated", 24),
    "card": ({"EimDecided"}, "completed.terminated", 28),
    "limit": ({"LimitChanged"}, "completed.terminated", 28),
    "stop": ({"StopRequested"}, "completed.terminated", 26),
    "stop-out-of-the-loop": (set(), "completed.stopped-early", 22),
    "emergency": ({"EmergencyStopped"}, "emergency.emergency-stop", 23),
    "unplugged": ({"Unplugged"}, "severed.unplugged", 22),
    "wrong-session-id": (set(), "refused.FAILED_UnknownSession", 3),
    "skip-authorization": (set(), "refused.FAILED_SequenceError", 5),
    "silent-while-charging": (set(), "timer.V2G_SECC_Sequence_Timeout", 15),
}
"""File: the interruptions heard, how the session ended, how many messages the station sent."""


def lines(name: str) -> list[str]:
    return (TRACES / f"{name}.jsonl").read_text("utf-8").splitlines()


def entries(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines(name)]


@pytest.mark.parametrize("name", sorted(RECORDED))
def test_recorded_session_replays_to_the_octet(name: str) -> None:
    outcome = replay(lines(name))
    assert outcome.differences == []
    assert outcome.messages == RECORDED[name][2]


@pytest.mark.parametrize("name", sorted(RECORDED))
def test_recorded_session_is_what_its_name_says(name: str) -> None:
    found = entries(name)
    interruptions, code, sent = RECORDED[name]
    events = {entry["value"]["type"] for entry in found if entry["kind"] == "event"}
    assert found[0]["version"] == 3
    assert events - {"Answered"} == interruptions
    assert found[-1]["code"] == code
    assert sum(entry["kind"] == "sent" for entry in found) == sent
    assert any(entry.get("text") == "protocol DIN SPEC 70121" for entry in found)


def test_every_recorded_session_is_tried() -> None:
    assert {file.stem for file in TRACES.glob("*.jsonl")} == set(RECORDED)
