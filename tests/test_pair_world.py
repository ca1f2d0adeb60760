"""Car, session, power path, interlock and physics together, on a virtual clock: what the simulated contactor and meter saw."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from secc.session.events import LimitChanged, RenegotiationRequested, StopRequested
from tests.pair import BEGAN, Line, Pair
from tests.ways import AC_EIM, AC_PNC, DC_EIM, DC_PNC, EVERY_KIND, Way
from tests.world_outlet import DC_LIMITS, WorldOutlet
from tools.evcc.behaviour import Behaviour, Current

LONG = Behaviour(loops=10_000)
SAFE_SECONDS = 0.1


def together(way: Way, behaviour: Behaviour = LONG) -> tuple[Pair, WorldOutlet]:
    outlet = WorldOutlet(dc=way.current is Current.DC)
    if way.current is Current.DC:
        return way.pair(behaviour, outlet, dc=DC_LIMITS), outlet
    return way.pair(behaviour, outlet), outlet


def settle(pair: Pair, outlet: WorldOutlet) -> Line:
    """Until both have ended, and a second more for what takes its time to open."""
    line = pair.run()
    outlet.advance(pair.now + 1.0)
    return line


def is_dead(outlet: WorldOutlet) -> None:
    truth = outlet.world.truth()
    assert not truth["contactor_closed"]
    assert not truth["supply_on"]
    assert truth["amperes"] == 0.0


@pytest.mark.parametrize("way", EVERY_KIND, ids=str)
def test_energy_that_was_metered_is_in_the_battery(way: Way) -> None:
    pair, outlet = together(way, Behaviour(loops=200))
    line = settle(pair, outlet)
    assert line.car is not None
    assert line.car.code == "completed.full", (line.car, line.station)
    assert line.station is not None
    assert line.station.well
    is_dead(outlet)
    truth = outlet.world.truth()
    assert truth["incidents"] == []
    assert truth["metered_watt_hours"] > 10.0
    lost = truth["metered_watt_hours"] - truth["delivered_watt_hours"] - truth["cable_loss_watt_hours"]
    assert lost == pytest.approx(0.0, abs=1e-6)
    assert pair.battery.delivered == pytest.approx(truth["stored_watt_hours"])
    assert truth["stored_watt_hours"] > 0.85 * truth["metered_watt_hours"]


@pytest.mark.case("A-PNC-02")
@pytest.mark.parametrize(("way", "seconds"), [(AC_PNC, 0.4), (DC_PNC, 0.09)], ids=str)
def test_a_car_whose_messages_are_passed_on_from_far_away_charges(
    way: Way, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the protocol cannot tell, and docs/attacks.md says so: the relay takes this long in each direction, within every timeout of the car."""
    monkeypatch.setattr("tests.pair.WIRE_SECONDS", seconds)
    pair, outlet = together(way, Behaviour(loops=20, loop_seconds=0.0))
    line = settle(pair, outlet)
    assert line.station is not None
    assert line.station.well, line.station
    assert outlet.world.truth()["metered_watt_hours"] > 1.0
    is_dead(outlet)


@pytest.mark.parametrize("way", EVERY_KIND, ids=str)
@pytest.mark.parametrize("loops", [1, 3, 10, 30])
def test_stop_in_the_middle_of_a_ramp_is_a_stop(way: Way, loops: int) -> None:
    pair, outlet = together(way, Behaviour(loops=loops))
    line = settle(pair, outlet)
    assert line.car is not None
    assert line.car.code == "completed.full", (line.car, line.station)
    is_dead(outlet)
    assert outlet.world.truth()["incidents"] == []


@pytest.mark.parametrize("keep_relays", [False, True], ids=["opens", "keeps"])
@pytest.mark.parametrize("way", EVERY_KIND, ids=str)
def test_renegotiation_keeps_the_world_in_order(way: Way, keep_relays: bool) -> None:
    """Both kinds of car: one opens its contactor over the renegotiation, the other keeps its battery on the cable."""
    pair, outlet = together(way, Behaviour(loops=100, keep_relays=keep_relays))
    pair.at(9.0, RenegotiationRequested())
    line = settle(pair, outlet)
    assert line.car is not None
    assert line.car.code == "completed.full", (line.car, line.station)
    assert line.said.count("ChargeParameterDiscoveryReq") == 2
    is_dead(outlet)
    truth = outlet.world.truth()
    assert truth["incidents"] == []
    assert truth["metered_watt_hours"] > 10.0
    if way.current is Current.DC:
        assert (truth["moments"]["relay_closed"] < 109.0) is keep_relays


@pytest.mark.parametrize("keep_relays", [False, True], ids=["opens", "keeps"])
def test_a_dc_car_negotiates_a_lower_limit_with_the_supply_off_between(keep_relays: bool) -> None:
    """The output falls below 60 V, unless the car's own battery stands there."""
    pair, outlet = together(DC_EIM, Behaviour(loops=60, keep_relays=keep_relays))
    seen: list[tuple[bool, float, bool]] = []

    def watch() -> None:
        if "renegotiation" in pair.line.announced:
            truth = outlet.world.truth()
            seen.append((truth["supply_on"], truth["outlet_volts"], truth["relay_closed"]))

    outlet.bench.watch = watch
    pair.at(9.0, LimitChanged(8_000.0))
    line = settle(pair, outlet)
    assert line.car is not None
    assert line.car.code == "completed.full", (line.car, line.station)
    assert line.said.count("ChargeParameterDiscoveryReq") == 2
    # From the renegotiation to the first voltage of the supply's own.
    off = seen[: next(place for place, (on, _, _) in enumerate(seen) if place > 0 and on and not seen[place - 1][0])]
    off = [one for one in off if not one[0]]
    assert off
    if keep_relays:
        assert all(volts > 300.0 and closed for _, volts, closed in off), "the car's own battery"
    else:
        assert off[-1][1] < 60.0
        assert not off[-1][2]
    assert not outlet.world.truth()["incidents"]


@pytest.mark.parametrize("way", [DC_EIM, AC_EIM], ids=str)
def test_a_car_that_ignores_the_notification_gets_no_more_than_the_limit(way: Way) -> None:
    pair, outlet = together(way, Behaviour(loops=400, ignore_renegotiation=True))
    pair.at(10.0, LimitChanged(4_500.0))
    watts: list[float] = []
    outlet.bench.watch = lambda: watts.append(outlet.world.watts() if outlet.bench.clock.now() > BEGAN + 20.0 else 0.0)
    line = settle(pair, outlet)
    assert line.said.count("ChargeParameterDiscoveryReq") == 1
    assert max(watts) <= 4_500.0 * 1.02
    is_dead(outlet)


@pytest.mark.parametrize("fault", ["imd_silent", "insulation_fault"])
def test_a_car_that_keeps_its_relays_closed_gets_nothing_without_a_finding_of_now(fault: str) -> None:
    pair, outlet = together(DC_EIM, Behaviour(loops=10_000, renegotiate_after=20, keep_relays=True))

    def spoil() -> None:
        if "renegotiation" in pair.line.announced and not outlet.world.faults:
            outlet.world.inject(fault)

    outlet.bench.watch = spoil
    line = settle(pair, outlet)
    assert line.station is not None
    assert not line.station.well
    assert line.said.count("PowerDeliveryReq") == 2, "Start, Renegotiate, and nothing after the cable check"
    is_dead(outlet)
    assert not outlet.world.truth()["incidents"]


@pytest.mark.parametrize("way", [DC_PNC, AC_PNC], ids=str)
def test_station_stops_and_limits(way: Way) -> None:
    pair, outlet = together(way)
    pair.at(15.0, LimitChanged(8000.0)).at(25.0, StopRequested("backend"))
    watts: list[float] = []
    outlet.bench.watch = lambda: watts.append(outlet.world.watts() if outlet.bench.clock.now() > BEGAN + 23.0 else 0.0)
    line = settle(pair, outlet)
    assert line.car is not None
    assert line.car.code == "completed.by-station", (line.car, line.station)
    assert 0.0 < max(watts) <= 8000.0 * 1.02
    is_dead(outlet)


Misfortune = Callable[[WorldOutlet], None]
DANGERS: dict[str, tuple[Misfortune, float]] = {
    # name: what happens, and how many seconds the contactor may take
    "emergency stop": (lambda outlet: outlet.world.press_emergency_stop(), SAFE_SECONDS),
    "unplugged": (lambda outlet: outlet.world.unplug(force=True), SAFE_SECONDS),
    "residual current": (lambda outlet: outlet.world.inject("residual_current"), SAFE_SECONDS),
    "pilot short": (lambda outlet: outlet.world.inject("pilot_short"), SAFE_SECONDS),
    # The monitor tests itself for two seconds, then measures once a second; AC has none.
    "insulation": (lambda outlet: outlet.world.inject("insulation_fault"), 3.0 + SAFE_SECONDS),
}
CHARGING_SECONDS = 12.0
"""By now power flows, whatever the way."""
DANGEROUS_MOMENTS = [
    (way, danger, seconds)
    for way in EVERY_KIND
    for danger in DANGERS
    for seconds in (3.0, 6.0, CHARGING_SECONDS)
    if way.current is Current.DC or danger != "insulation"
]


@pytest.mark.parametrize(("way", "danger", "seconds"), DANGEROUS_MOMENTS, ids=str)
def test_contactor_is_open_at_once_after_danger(way: Way, danger: str, seconds: float) -> None:
    act, within = DANGERS[danger]
    pair, outlet = together(way)
    closed_at: list[float] = []

    def happen() -> None:
        if outlet.world.contactor.closed:
            closed_at.append(outlet.bench.clock.now())
        act(outlet)

    pair.do_at(seconds, happen)
    line = settle(pair, outlet)
    assert line.station is not None
    assert line.station.kind != "bug", line.station
    assert not line.station.well
    is_dead(outlet)
    assert closed_at or seconds < CHARGING_SECONDS
    if closed_at:
        assert outlet.world.truth()["moments"]["contactor_opened"] - closed_at[0] <= within


def test_welded_contactor_is_noticed_and_refused() -> None:
    pair, outlet = together(DC_EIM, Behaviour(loops=30))
    pair.do_at(8.0, lambda: outlet.world.inject("weld"))
    line = settle(pair, outlet)
    assert line.station is not None
    assert not line.station.well
    assert line.car is not None
    assert not line.car.well
    assert not outlet.world.truth()["supply_on"]


@pytest.mark.parametrize("fault", ["supply_dead", "imd_silent", "imd_self_test", "contactor_stuck_open"])
def test_hardware_that_does_not_work_ends_the_session_before_power(fault: str) -> None:
    pair, outlet = together(DC_EIM, Behaviour(loops=30))
    outlet.world.inject(fault)
    line = settle(pair, outlet)
    assert line.station is not None
    assert not line.station.well
    assert "CurrentDemandReq" not in line.said
    is_dead(outlet)
    assert outlet.world.truth()["delivered_watt_hours"] == 0.0


@pytest.mark.parametrize("way", EVERY_KIND, ids=str)
def test_car_that_stays_in_b_gets_no_power(way: Way) -> None:
    pair, outlet = together(way, replace(LONG, flaw="stay-in-b"))
    line = settle(pair, outlet)
    assert line.car is not None
    assert line.car.code.startswith("refused.FAILED")
    assert "contactor_closed" not in outlet.world.truth()["moments"]


@pytest.mark.parametrize("way", EVERY_KIND, ids=str)
def test_car_that_falls_silent_is_switched_off(way: Way) -> None:
    pair, outlet = together(way, replace(LONG, flaw="silent-while-charging", patience=1000.0))
    line = settle(pair, outlet)
    assert line.station is not None
    assert line.station.code == "timer.V2G_SECC_Sequence_Timeout"
    is_dead(outlet)
