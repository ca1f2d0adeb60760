"""The books: what the meter says, the cable loses and the battery gets is one amount of energy."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hal.readings import DcPhase
from hal.sim.car import Battery, Car, pilot_volts
from hal.sim.clock import ScaledClock
from hal.sim.world import Outlet, World
from tests.virtual_clock import VirtualClock


def dc_world(soc: float = 0.2, **options: float) -> tuple[VirtualClock, World]:
    clock = VirtualClock()
    battery = Battery(soc=soc)
    world = World(ScaledClock(clock, options.get("speed", 1.0)), Outlet(), Car(battery=battery))
    return clock, world


def connect(clock: VirtualClock, world: World) -> None:
    """Contactor closed, precharged, relay closed."""
    world.plug_in()
    world.contactor.drive(True)
    clock.advance(0.1)
    world.drive_supply(world.car.battery.open_volts, 2.0, DcPhase.PRECHARGE)
    clock.advance(1.0)
    world.close_relay()


def check_books(world: World, begun_soc: float) -> None:
    books = world.books
    assert books.metered == pytest.approx(books.cable_loss + books.delivered, rel=1e-9, abs=1e-9)
    assert books.delivered == pytest.approx(books.stored + books.car_loss, rel=1e-9, abs=1e-9)
    gained = (world.car.battery.soc - begun_soc) * world.car.battery.capacity_watt_hours
    assert books.stored == pytest.approx(gained, rel=1e-6, abs=1e-6) or world.car.battery.full


def test_constant_current_is_volts_times_amperes_times_hours() -> None:
    clock, world = dc_world()
    connect(clock, world)
    world.drive_supply(450.0, 100.0, DcPhase.CHARGE)
    clock.advance(2.0)
    before, volts = world.books.metered, world.flow().volts[0]
    assert world.present()[1] == 100.0
    clock.advance(36.0)
    after = world.flow().volts[0]
    energy = world.books.metered - before
    assert volts * 100.0 * 0.01 <= energy <= after * 100.0 * 0.01
    assert world.incidents == world.incidents.__class__([])


@settings(max_examples=60, deadline=None)
@given(
    st.floats(0.0, 0.98),
    st.lists(
        st.tuples(st.floats(0.0, 500.0), st.floats(0.0, 200.0), st.booleans(), st.floats(0.001, 900.0)),
        min_size=1,
        max_size=8,
    ),
)
def test_the_books_agree_whatever_the_targets(soc: float, steps: list[tuple[float, float, bool, float]]) -> None:
    clock, world = dc_world(soc)
    connect(clock, world)
    for volts, amperes, on, seconds in steps:
        world.drive_supply(volts, amperes, DcPhase.CHARGE)
        if not on:
            world.stop_supply()
        clock.advance(seconds)
        check_books(world, soc)
        assert 0.0 <= world.present()[1] <= 200.0
        assert world.watts() <= world.outlet.limits.max_watts * 1.01
        assert world.car.battery.soc <= 1.0


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0.0001, 50.0), min_size=2, max_size=12))
def test_it_does_not_matter_who_looks_when(pieces: list[float]) -> None:
    ends = []
    for looks in (pieces, [sum(pieces)]):
        clock, world = dc_world()
        connect(clock, world)
        world.drive_supply(420.0, 150.0, DcPhase.CHARGE)
        for seconds in looks:
            clock.advance(seconds)
            world.advance()
        ends.append(world.books.metered)
    assert ends[0] == pytest.approx(ends[1], rel=2e-4, abs=1e-6)


def test_a_whole_charge_ends_when_the_battery_is_full() -> None:
    clock, world = dc_world(soc=0.5)
    connect(clock, world)
    world.drive_supply(430.0, 200.0, DcPhase.CHARGE)
    clock.advance(4 * 3600.0)
    check_books(world, 0.5)
    assert world.car.battery.full
    assert world.watts() == 0.0
    assert world.books.stored == pytest.approx(30_000.0, rel=0.01)


def test_voltage_limits_the_current_before_the_target_does() -> None:
    clock, world = dc_world(soc=0.6)
    connect(clock, world)
    goal = world.car.battery.open_volts + 4.5
    world.drive_supply(goal, 200.0, DcPhase.CHARGE)
    clock.advance(5.0)
    assert world.present()[1] == pytest.approx(50.0, abs=1.0)
    assert world.present()[0] == pytest.approx(goal, abs=0.1)


def test_precharge_gives_no_more_than_two_amperes() -> None:
    clock, world = dc_world()
    connect(clock, world)
    world.drive_supply(420.0, 200.0, DcPhase.PRECHARGE)
    clock.advance(5.0)
    assert world.present()[1] == 2.0


def test_closing_the_relay_onto_the_wrong_voltage_is_an_incident() -> None:
    clock, world = dc_world()
    world.plug_in()
    world.contactor.drive(True)
    clock.advance(0.1)
    world.close_relay()
    assert list(world.incidents) == ["inrush"]


def test_opening_under_load_is_an_incident_and_still_ends_the_current() -> None:
    clock, world = dc_world()
    connect(clock, world)
    world.drive_supply(450.0, 100.0, DcPhase.CHARGE)
    clock.advance(3.0)
    world.contactor.drive(False)
    clock.advance(0.1)
    assert list(world.incidents) == ["opened_under_load"]
    assert world.watts() == 0.0
    books = world.books.metered
    clock.advance(100.0)
    assert world.books.metered == books


class HeldClock(VirtualClock):
    """A clock whose calls come late, as those of an event loop do that is held up."""

    def hold(self, seconds: float) -> None:
        self._now += seconds


def test_a_contactor_opens_at_its_own_moment_however_late_the_call_for_it_comes() -> None:
    clock = HeldClock()
    world = World(ScaledClock(clock, 1.0), Outlet(dc=False))
    world.plug_in()
    world.close_s2()
    world.drive_pilot(0.5)
    world.contactor.drive(True)
    clock.advance(1.0)
    watts, metered, now = world.watts(), world.books.metered, clock.now()
    assert watts > 10_000.0
    world.contactor.drive(False)
    clock.hold(100.0)
    assert world.feedback() is False
    assert world.books.metered - metered == pytest.approx(watts * world.contactor.open_seconds / 3600.0)
    assert world.moments["contactor_opened"] == pytest.approx(now + world.contactor.open_seconds)
    world.contactor.drive(True)
    clock.hold(0.02)
    assert not world.contactor.closed
    clock.hold(100.0)
    world.contactor.drive(False)  # long closed, though no call has come yet
    assert world.contactor.closed
    clock.advance(0.1)
    assert world.feedback() is False
    assert world.moments["contactor_opened"] - world.moments["contactor_closed"] == pytest.approx(99.995 + 0.02)


def test_voltage_at_the_pins_falls_below_60_v_within_a_second_of_opening() -> None:
    clock, world = dc_world()
    world.plug_in()
    world.contactor.drive(True)
    world.drive_supply(450.0, 2.0, DcPhase.CABLE_CHECK)
    clock.advance(1.0)
    assert world.present()[0] == 450.0
    world.stop_supply()
    world.contactor.drive(False)
    clock.advance(1.0)
    assert world.present()[0] < 60.0


def test_a_welded_contactor_keeps_the_batterys_voltage_on_the_pins() -> None:
    clock, world = dc_world()
    connect(clock, world)
    world.inject("weld")
    world.stop_supply()
    world.contactor.drive(False)
    clock.advance(1.0)
    assert world.contactor.closed
    assert world.present()[0] == pytest.approx(world.car.battery.open_volts)
    assert world.watts() == 0.0


def test_the_supplys_misbehaviour() -> None:
    clock, world = dc_world()
    connect(clock, world)
    world.drive_supply(450.0, 100.0, DcPhase.CHARGE)
    clock.advance(3.0)
    world.inject("supply_overshoot")
    clock.advance(1.0)
    assert world.present()[1] == pytest.approx(125.0)
    world.heal("supply_overshoot")
    world.inject("supply_runaway")
    world.stop_supply()
    clock.advance(1.0)
    assert world.present()[1] == pytest.approx(100.0)
    world.heal("supply_runaway")
    clock.advance(0.05)
    assert world.present()[1] == 0.0
    world.inject("supply_dead")
    world.drive_supply(450.0, 100.0, DcPhase.CHARGE)
    clock.advance(1.0)
    assert world.present()[1] == 0.0


def test_ac_draws_what_was_settled_or_what_the_duty_offers() -> None:
    clock = VirtualClock()
    world = World(ScaledClock(clock, 1.0), Outlet(dc=False))
    world.plug_in()
    world.close_s2()
    world.contactor.drive(True)
    clock.advance(1.0)
    assert world.watts() == 0.0  # x1: no current
    world.drive_pilot(0.05)
    world.draw_ac(10.0, 2)
    assert (world.flow().volts, world.flow().amperes) == ((230.0, 230.0, 230.0), (10.0, 10.0, 0.0))
    clock.advance(3600.0)
    books = world.books
    assert books.metered == pytest.approx(4600.0)
    assert books.cable_loss == pytest.approx(2 * 10.0 * 10.0 * 0.01)
    assert books.metered == pytest.approx(books.cable_loss + books.delivered)
    assert books.stored == pytest.approx(books.delivered * 0.93)
    world.draw_ac(32.0, 3)
    world.drive_pilot(16.0 / 60.0)
    assert world.flow().amperes == pytest.approx((16.0, 16.0, 16.0))
    world.close_s2(False)
    assert world.watts() == 0.0


@pytest.mark.parametrize(
    ("car", "high"),
    [
        (Car(), 12.0),
        (Car(plugged=True), 9.0),
        (Car(plugged=True, ready=True), 6.0),
        (Car(plugged=True, ready=True, ventilation=True), 3.0),
    ],
)
def test_the_cars_resistor_makes_the_voltage(car: Car, high: float) -> None:
    assert pilot_volts(car, 1.0)[0] == pytest.approx(high, abs=0.1)
    assert pilot_volts(car, 0.05) == (pytest.approx(high, abs=0.1), -12.0)
    assert pilot_volts(car, 0.0) == (-12.0, -12.0)
    assert pilot_volts(car, None) == (0.0, 0.0)
    assert pilot_volts(car, 0.05, short=True) == (0.0, 0.0)


def test_without_its_diode_the_car_loads_both_halves() -> None:
    high, low = pilot_volts(Car(plugged=True, ready=True), 0.05, diode=False)
    assert high == pytest.approx(-low)
