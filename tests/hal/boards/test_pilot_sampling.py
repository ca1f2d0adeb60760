"""From samples to states: two equal ones, hysteresis between the bands, a diode fault that lasts until the car has gone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal.boards.sampling import Debounce
from hal.readings import PilotState

PWM = 0.05


def fed(*peaks: float, low: float = -12.0, duty: float | None = PWM) -> Debounce:
    debounce = Debounce()
    for peak in peaks:
        debounce.sample(peak, low, duty)
    return debounce


def test_nothing_is_known_before_two_samples() -> None:
    assert fed().settled.state is PilotState.UNKNOWN
    assert fed(9.0).settled.state is PilotState.UNKNOWN
    assert fed(9.0, 9.0).settled.state is PilotState.B


def test_one_sample_is_a_glitch() -> None:
    assert fed(9.0, 9.0, 6.0).settled.state is PilotState.B
    assert fed(9.0, 9.0, 6.0, 9.0, 6.0, 9.0).settled.state is PilotState.B
    assert fed(9.0, 9.0, 6.0, 6.1).settled.state is PilotState.C


@pytest.mark.parametrize(
    ("before", "between", "state"),
    [
        (12.0, 10.5, PilotState.A),
        (9.0, 10.5, PilotState.B),
        (9.0, 7.5, PilotState.B),
        (6.0, 7.5, PilotState.C),
        (6.0, 4.5, PilotState.C),
        (3.0, 4.5, PilotState.D),
    ],
)
def test_between_two_bands_the_state_stays(before: float, between: float, state: PilotState) -> None:
    assert fed(before, before, between, between).settled.state is state


def test_a_missing_diode_lasts_until_the_car_has_gone() -> None:
    debounce = fed(6.0, 6.0)
    for _ in range(2):
        debounce.sample(6.0, -6.0, PWM)
    assert debounce.settled.diode and debounce.settled.state is PilotState.UNKNOWN
    for _ in range(5):
        debounce.sample(6.0, -12.0, PWM)
    assert debounce.settled.diode and debounce.settled.state is PilotState.UNKNOWN
    for _ in range(2):
        debounce.sample(12.0, -12.0, PWM)
    assert not debounce.settled.diode and debounce.settled.state is PilotState.A


def test_what_we_drive_is_what_it_is() -> None:
    assert fed(-12.0, -12.0, low=-12.0, duty=0.0).settled.state is PilotState.F
    assert fed(0.0, 0.0, low=0.0, duty=None).settled.state is PilotState.E
    shorted = fed(0.0, 0.0, low=0.0).settled
    assert shorted.state is PilotState.E and shorted.short


@given(st.lists(st.tuples(st.floats(-15, 15), st.floats(-15, 15)), max_size=30))
def test_ready_is_said_only_after_two_samples_that_say_so(samples: list[tuple[float, float]]) -> None:
    debounce = Debounce()
    previous = (99.0, 99.0)
    was_ready = False
    for high, low in samples:
        settled = debounce.sample(high, low, PWM)
        if settled.state.ready and not was_ready:
            for up, down in ((high, low), previous):
                assert 2.0 <= up <= 8.0 and down <= -10.0
        was_ready = settled.state.ready
        previous = (high, low)


def test_an_adc_that_fails_is_unknown_at_once() -> None:
    debounce = fed(6.0, 6.0)
    assert debounce.lost().state is PilotState.UNKNOWN
    debounce.sample(6.0, -12.0, PWM)
    assert debounce.settled.state is PilotState.UNKNOWN
