"""Old measurements, and such as are not numbers, are not worth telling."""

from __future__ import annotations

import math

import pytest

from secc.conversation import Levels, Party
from secc.session.measured import Malfunction, breakable, fresh, stale, whole_watt_hours


@pytest.mark.case("Q-53", "Q-54")
@pytest.mark.parametrize(
    ("levels", "why"),
    [
        (Levels(volts=400.0, amperes=20.0, measured_at=99.0), ""),
        (Levels(volts=400.0, amperes=20.0, measured_at=98.5), "the measurement is 1.5 s old"),
        (Levels(volts=400.0, amperes=20.0), "the measurement is inf s old"),
        (Levels(volts=math.nan, amperes=20.0, measured_at=100.0), "the measurement is not a number"),
        (Levels(volts=400.0, amperes=math.inf, measured_at=100.0), "the measurement is not a number"),
    ],
)
def test_a_measurement_is_worth_telling_while_it_is_new_and_a_number(levels: Levels, why: str) -> None:
    assert stale(levels, 100.0, 1.0) == why


@pytest.mark.parametrize(
    ("watt_hours", "metered_at", "reading"),
    [(12_345.6, 50.0, 12_345), (-3.0, 50.0, 0), (12_345.6, -math.inf, None), (math.nan, 50.0, None)],
)
def test_a_meter_reading_is_whole_and_there_is_none_before_the_first(
    watt_hours: float, metered_at: float, reading: int | None
) -> None:
    assert whole_watt_hours(Levels(watt_hours=watt_hours, metered_at=metered_at)) == reading


@pytest.mark.case("Q-53", "Q-54")
def test_a_session_goes_on_with_fresh_levels_only() -> None:
    secc = Party(now=100.0)
    secc.levels = Levels(volts=400.0, amperes=20.0, measured_at=99.0)
    assert fresh(secc) is secc.levels
    secc.now = 100.1
    with pytest.raises(Malfunction, match=r"FAILED EVSE_Malfunction: the measurement is 1\.1 s old"):
        fresh(secc)


@pytest.mark.parametrize(
    ("amperes", "measured_at", "yes"),
    [
        (5.0, 100.0, True),
        (-5.0, 99.5, True),
        (5.1, 100.0, False),
        (-5.1, 100.0, False),
        (math.nan, 100.0, False),
        (0.0, 98.9, False),
    ],
)
def test_a_contactor_can_break_a_current_that_is_small_by_a_fresh_measurement(
    amperes: float, measured_at: float, yes: bool
) -> None:
    secc = Party(now=100.0)
    secc.levels = Levels(volts=400.0, amperes=amperes, measured_at=measured_at)
    assert breakable(secc) is yes
