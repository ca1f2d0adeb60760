from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal.pilot import amperes_of_duty, classify, duty_of_amperes
from hal.readings import PilotState

A, B, C, D, E, F, UNKNOWN = PilotState


@pytest.mark.parametrize(
    ("high", "low", "duty", "before", "state", "flaw"),
    [
        (12.0, 12.0, 1.0, A, A, None),
        (9.0, 9.0, 1.0, A, B, None),
        (9.0, -12.0, 0.05, A, B, None),
        (6.0, -12.0, 0.05, B, C, None),
        (3.0, -12.0, 0.05, C, D, None),
        (-12.0, -12.0, 0.0, B, F, None),
        (0.0, 0.0, None, B, E, None),
        (0.0, 0.0, 0.05, C, E, "short"),
        (0.0, 0.0, 0.0, C, E, "short"),
        (6.0, -6.0, 0.05, B, UNKNOWN, "diode"),
        (9.0, -8.5, 0.05, B, UNKNOWN, "diode"),
        (14.0, -12.0, 0.05, A, UNKNOWN, "range"),
        (6.0, -14.0, 0.05, C, UNKNOWN, "range"),
        (6.0, -2.0, 0.05, C, UNKNOWN, "range"),
        (-5.0, -12.0, 0.05, C, UNKNOWN, "range"),
    ],
)
def test_peaks_stand_for_a_state(
    high: float, low: float, duty: float | None, before: PilotState, state: PilotState, flaw: str | None
) -> None:
    measured = classify(high, low, duty, before)
    assert (measured.state, measured.flaw) == (state, flaw)


@pytest.mark.parametrize(("high", "upper", "lower"), [(10.5, A, B), (7.5, B, C), (4.5, C, D)])
def test_between_two_bands_the_upper_state_is_kept_and_otherwise_not_reached(
    high: float, upper: PilotState, lower: PilotState
) -> None:
    assert classify(high, -12.0, 0.05, upper).state is upper
    assert classify(high, -12.0, 0.05, lower).state is lower


@given(st.floats(-20, 20), st.floats(-20, 20), st.one_of(st.none(), st.floats(0, 1)), st.sampled_from(list(PilotState)))
def test_ready_is_never_read_from_volts_outside_its_bands(
    high: float, low: float, duty: float | None, before: PilotState
) -> None:
    state = classify(high, low, duty, before).state
    if state.ready:
        assert duty is not None and duty > 0.0
        assert 2.0 <= high < 8.0


@pytest.mark.parametrize(
    ("percent", "amperes"),
    [
        (2, 0),
        (5, 0),
        (7.5, 0),
        (8, 6),
        (9.9, 6),
        (10, 6),
        (16, 9.6),
        (26.667, 16),
        (53.333, 32),
        (85, 51),
        (89.6, 64),
        (96, 80),
        (98, 0),
    ],
)
def test_duty_says_amperes(percent: float, amperes: float) -> None:
    assert amperes_of_duty(percent / 100) == pytest.approx(amperes, abs=0.01)


@given(st.floats(6.0, 80.0))
def test_a_duty_offers_what_was_meant_and_never_more(amperes: float) -> None:
    duty = duty_of_amperes(amperes)
    assert 0.1 - 1e-9 <= duty <= 0.96
    offered = amperes_of_duty(max(duty, 0.1))
    assert offered <= amperes + 1e-6
    # Between 51 and 52.5 A there is no duty of its own.
    assert math.isclose(offered, 51.0 if 51.0 < amperes <= 52.5 else amperes, rel_tol=1e-6)


def test_less_than_six_amperes_cannot_be_said() -> None:
    with pytest.raises(ValueError, match="at least 6 A"):
        duty_of_amperes(5.9)
