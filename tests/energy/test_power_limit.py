"""The schedule that a car has chosen, kept by the power path as time goes by, judged by the world's true current."""

from __future__ import annotations

import math

import pytest

from secc.energy.power_limit import PowerLimit
from secc.session.effects import OpenContactor
from secc.session.events import LimitChanged
from secc.session.schedules import KeepSchedule
from tests.energy import test_ac, test_dc
from tests.energy.bench import START, STOP, Bench

STEPS = ((100.0, 11_000.0), (160.0, 4_000.0), (220.0, 50_000.0))


@pytest.mark.parametrize(
    ("now", "limit", "watts"),
    [
        (0.0, None, 11_000.0),
        (159.9, None, 11_000.0),
        (160.0, None, 4_000.0),
        (219.9, None, 4_000.0),
        (220.0, None, 50_000.0),
        (1e9, None, 50_000.0),
        (100.0, 5_000.0, 5_000.0),
        (160.0, 5_000.0, 4_000.0),
        (220.0, 0.0, 0.0),
        (220.0, -1.0, -1.0),
    ],
)
def test_the_least_of_step_and_limit_counts(now: float, limit: float | None, watts: float) -> None:
    power = PowerLimit(limit)
    power.steps = STEPS
    assert power.at(now) == watts
    power.steps = ()
    assert power.at(now) == limit


def test_a_limit_that_is_not_a_number_counts() -> None:
    power = PowerLimit(math.nan)
    power.steps = STEPS
    found = power.at(100.0)
    assert found is not None
    assert math.isnan(found)


def keeps(b: Bench, *steps: tuple[float, float]) -> None:
    now = b.clock.now()
    b.hear(KeepSchedule(tuple((now + at, watts) for at, watts in steps)))


@pytest.mark.case("A-PWR-04")
def test_dc_power_follows_the_steps_without_a_word_of_the_session() -> None:
    b = test_dc.charging(150.0, 7.0)
    assert b.world.truth()["watts"] > 50_000.0
    keeps(b, (0.0, 40_000.0), (10.0, 8_000.0), (20.0, 30_000.0))
    assert b.setpoints[-1][1].amperes * b.levels.volts <= 40_000.0
    for seconds, low, high in ((9.5, 39_000.0, 40_000.0), (10.0, 7_500.0, 8_000.0), (10.0, 29_000.0, 30_000.0)):
        # The step begins within this time, and the supply follows.
        test_dc.charge(b, 150.0, 2.5)
        end = b.clock.now() + seconds - 2.5
        while b.clock.now() < end:
            test_dc.charge(b, 150.0, 0.25)
            assert b.world.truth()["watts"] <= high
        assert b.world.truth()["watts"] > low
    b.hear(LimitChanged(20_000.0))
    test_dc.charge(b, 150.0, 3.0)
    assert 19_000.0 < b.world.truth()["watts"] <= 20_000.0
    # The last step goes on when its schedule is over.
    b.hear(LimitChanged(None))
    test_dc.charge(b, 150.0, 100.0)
    assert 29_000.0 < b.world.truth()["watts"] <= 30_000.0


def test_a_dc_step_falls_with_the_tick_in_which_it_begins() -> None:
    b = test_dc.charging(150.0, 7.0)
    keeps(b, (0.0, 40_000.0), (10.0, 8_000.0))
    began = b.clock.now()
    test_dc.charge(b, 150.0, 12.0)
    first = next(at for at, said in b.setpoints if at > began + 5.0 and said.amperes * 400.0 < 10_000.0)
    assert began + 10.0 <= first <= began + 10.2


def test_a_step_without_power_stops_the_current_and_not_the_session() -> None:
    b = test_dc.charging()
    keeps(b, (0.0, 0.0), (5.0, 20_000.0))
    test_dc.charge(b, 100.0, 3.0)
    assert b.world.truth()["amperes"] == 0.0
    assert b.world.truth()["contactor_closed"]
    test_dc.charge(b, 100.0, 6.0)
    assert b.world.truth()["watts"] > 19_000.0
    assert b.reported == []


@pytest.mark.parametrize("order", [STOP, OpenContactor()])
def test_a_schedule_ends_with_its_session(order: object) -> None:
    b = test_dc.charging(150.0, 7.0)
    keeps(b, (0.0, 8_000.0))
    if order is STOP:
        assert b.answer(STOP, 3.0).done
    else:
        b.hear(order)
        b.run(3.0)
    b.world.close_relay(False)
    b.run(1.0)
    assert b.answer(test_dc.CHECK).passed
    for _ in range(8):
        b.hear(test_dc.SetOutput(b.world.truth()["battery_volts"], 1.0, test_dc.DcPhase.PRECHARGE))
        b.run(0.25)
    b.world.close_relay()
    assert b.answer(START).done
    test_dc.charge(b, 150.0, 7.0)
    assert b.world.truth()["watts"] > 50_000.0


@pytest.mark.case("A-PWR-04")
def test_the_protection_of_an_ac_outlet_follows_the_steps() -> None:
    """Down after the time that a car has to follow, up at once."""
    b = test_ac.on()
    keeps(b, (0.0, 22_080.0), (10.0, 11_040.0), (20.0, 22_080.0))
    b.run(14.8)
    assert test_ac._overcurrents(b) == [32.0]
    b.run(0.5)
    assert test_ac._overcurrents(b) == [32.0, 16.0]
    b.run(4.5)
    assert test_ac._overcurrents(b) == [32.0, 16.0]
    b.run(0.4)
    assert test_ac._overcurrents(b) == [32.0, 16.0, 32.0]
    b.hear(LimitChanged(6_900.0))
    b.run(5.3)
    assert test_ac._overcurrents(b)[-1] == 10.0


def test_a_car_that_draws_more_than_the_step_is_switched_off_by_the_protection() -> None:
    b = test_ac.on()
    b.world.draw_ac(32.0, 3)
    keeps(b, (0.0, 22_080.0), (10.0, 6_900.0))
    b.run(10.0)
    assert b.world.truth()["contactor_closed"]
    b.run_until(lambda: not b.world.truth()["contactor_closed"], 20.0)
    assert b.world.truth()["amperes"] == 0.0


def test_the_schedule_of_an_ac_session_ends_with_it() -> None:
    b = test_ac.on()
    keeps(b, (0.0, 6_900.0))
    b.run(5.3)
    assert test_ac._overcurrents(b)[-1] == 10.0
    b.hear(OpenContactor())
    b.run(1.0)
    assert not b.world.truth()["contactor_closed"]
    assert b.answer(START, 5.0).done
    assert test_ac._overcurrents(b)[-1] == 32.0
