"""Power in sessions of DIN SPEC 70121: none without consent, and off within its time after every reason, by the true contactor and meter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from hal.sim.clock import run_virtual
from tests.station.test_endings import ENDINGS, Ending, charges_and_ends
from tests.station.test_pilot_properties import AGAINST, STORY, TALK, play

KINDS = ("dc din", "dc modem din", "dc modem card din")


@pytest.mark.parametrize("ending", ENDINGS, ids=str)
def test_charging_ends_and_the_next_car_charges(tmp_path: Path, ending: Ending) -> None:
    charges_and_ends(tmp_path, ending, protocols=("din",))


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(story=STORY)
def test_no_power_without_a_reason_and_none_in_time_after_one_against_it(
    kind: str, story: list[tuple[str, Any]]
) -> None:
    broken, _ = run_virtual(play(kind, story))
    assert broken == []


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(against=AGAINST, story=STORY)
def test_power_that_flows_is_gone_in_time(kind: str, against: tuple[str, Any], story: list[tuple[str, Any]]) -> None:
    begin = [("card", None), *TALK] if "card" in kind else TALK
    broken, watt_seconds = run_virtual(play(kind, [*begin, against, ("wait", 0.5), *story]))
    assert broken == []
    assert watt_seconds > 0.0, "nothing was tried"
