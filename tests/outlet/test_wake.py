"""Toggles of the pilot by which a sleeping car wakes the station."""

from __future__ import annotations

import pytest

from secc.outlet.wake import BcbToggle


def toggled(*stretches: tuple[str, float], strict: bool = False) -> tuple[BcbToggle, float]:
    """A pilot that is in each state for so many seconds; the toggle and the time at the end."""
    toggle, now = BcbToggle(strict=strict), 100.0
    for state, seconds in stretches:
        toggle.see(state, now)
        now += seconds
    return toggle, now


@pytest.mark.parametrize(
    ("pulse", "strict", "wakes"),
    [
        (0.14, False, False),
        (0.16, False, True),
        (0.3, False, True),
        (0.44, False, True),
        (0.46, False, False),
        (0.16, True, False),
        (0.2, True, True),
        (0.4, True, True),
        (0.44, True, False),
    ],
)
def test_a_pulse_of_the_right_length_wakes(pulse: float, strict: bool, wakes: bool) -> None:
    toggle, now = toggled(("B", 5.0), ("C", pulse), ("B", 0.6), strict=strict)
    assert toggle.woken(now) is wakes


def test_one_to_three_toggles_and_not_before_the_car_is_done() -> None:
    toggle, now = toggled(("B", 5.0), ("C", 0.3), ("B", 0.3))
    assert not toggle.woken(now), "another one may follow"
    assert toggle.due is not None
    assert toggle.woken(toggle.due + 0.001)
    toggle, now = toggled(("B", 5.0), ("C", 0.3), ("B", 0.3), ("C", 0.3), ("B", 0.3), ("C", 0.3), ("B", 0.01))
    assert toggle.woken(now), "a fourth never does"


def test_a_pulse_that_is_no_toggle_does_not_count_for_the_next() -> None:
    toggle, now = toggled(("B", 5.0), ("C", 0.05), ("B", 1.0))
    assert not toggle.woken(now)
    toggle, now = toggled(("B", 5.0), ("C", 0.3), ("E", 0.3), ("B", 1.0))
    assert not toggle.woken(now)


def test_a_car_that_stays_in_c_wants_power() -> None:
    toggle, now = toggled(("B", 5.0), ("C", 0.46))
    assert toggle.woken(now)
    toggle, now = toggled(("B", 5.0), ("C", 5.0), strict=True)
    assert not toggle.woken(now)
    assert toggle.due is None
