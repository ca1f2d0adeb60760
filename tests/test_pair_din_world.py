"""A car of DIN SPEC 70121, session, power path, interlock and physics together: what the simulated contactor and meter saw."""

from __future__ import annotations

from dataclasses import replace

import pytest

from secc.session.events import LimitChanged, StopRequested
from tests.pair import BEGAN, Pair
from tests.test_pair_world import DANGERS, is_dead, settle
from tests.ways import DC_EIM
from tests.world_outlet import DC_LIMITS, WorldOutlet
from tools.evcc.behaviour import Behaviour

CAR = Behaviour(protocols=("din",), loops=200)
LONG = replace(CAR, loops=10_000)
OFF_SECONDS = 1.5
"""A car of DIN waits 2 s for the answer to its stop."""


def together(behaviour: Behaviour = LONG) -> tuple[Pair, WorldOutlet]:
    outlet = WorldOutlet(dc=True)
    return DC_EIM.pair(behaviour, outlet, dc=DC_LIMITS), outlet


def test_energy_that_was_metered_is_in_the_battery() -> None:
    pair, outlet = together(CAR)
    line = settle(pair, outlet)
    assert line.car is not None
    assert line.car.code == "completed.full", (line.car, line.station)
    is_dead(outlet)
    truth = outlet.world.truth()
    assert truth["incidents"] == []
    assert truth["metered_watt_hours"] > 10.0
    lost = truth["metered_watt_hours"] - truth["delivered_watt_hours"] - truth["cable_loss_watt_hours"]
    assert lost == pytest.approx(0.0, abs=1e-6)
    assert pair.battery.delivered == pytest.approx(truth["stored_watt_hours"])


@pytest.mark.parametrize("leaves", [None, "CurrentDemand", "WeldingDetection"])
@pytest.mark.parametrize("loops", [1, 3, 10, 30, 120])
def test_a_stop_is_answered_within_the_cars_patience_and_never_while_current_flows(
    loops: int, leaves: str | None
) -> None:
    """In the middle of a ramp, at full current, and out of the loop."""
    pair, outlet = together(replace(CAR, loops=loops, stop_before=leaves))
    name, times = ("SessionStopReq", 1) if leaves == "CurrentDemand" else ("PowerDeliveryReq", 2)
    asked_at: list[float] = []
    answered_at: list[float] = []
    flowed = [0.0]

    def watch() -> None:
        now = outlet.bench.clock.now()
        if not asked_at and pair.line.said.count(name) == times:
            asked_at.append(now)
        if pair.line.said.count(name.replace("Req", "Res")) == times:
            answered_at.append(now)
        else:
            # When the car hears the answer it opens its relays, whatever flows.
            flowed.append(abs(outlet.world.truth()["amperes"]))

    outlet.bench.watch = watch
    line = settle(pair, outlet)
    assert line.car is not None
    assert line.car.code == "completed.full", (line.car, line.station)
    assert answered_at[0] - asked_at[0] <= OFF_SECONDS
    assert flowed[-1] <= 5.0
    assert max(flowed) > 5.0 or loops < 10
    is_dead(outlet)
    assert outlet.world.truth()["incidents"] == []


def test_station_stops_and_limits() -> None:
    pair, outlet = together()
    pair.at(15.0, LimitChanged(8_000.0)).at(25.0, StopRequested("backend"))
    watts: list[float] = []
    outlet.bench.watch = lambda: watts.append(outlet.world.watts() if outlet.bench.clock.now() > BEGAN + 23.0 else 0.0)
    line = settle(pair, outlet)
    assert line.car is not None
    assert line.car.code == "completed.by-station", (line.car, line.station)
    assert 0.0 < max(watts) <= 8_000.0 * 1.02
    is_dead(outlet)


@pytest.mark.parametrize("seconds", [3.0, 6.0, 12.0])
@pytest.mark.parametrize("danger", DANGERS)
def test_contactor_is_open_at_once_after_danger(danger: str, seconds: float) -> None:
    act, within = DANGERS[danger]
    pair, outlet = together()
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
    assert closed_at or seconds < 12.0
    if closed_at:
        assert outlet.world.truth()["moments"]["contactor_opened"] - closed_at[0] <= within


@pytest.mark.parametrize("fault", ["supply_dead", "imd_silent", "imd_self_test", "contactor_stuck_open"])
def test_hardware_that_does_not_work_ends_the_session_before_power(fault: str) -> None:
    pair, outlet = together()
    outlet.world.inject(fault)
    line = settle(pair, outlet)
    assert line.station is not None
    assert not line.station.well
    assert "CurrentDemandReq" not in line.said
    is_dead(outlet)
    assert outlet.world.truth()["delivered_watt_hours"] == 0.0


@pytest.mark.parametrize("flaw", ["stay-in-b", "silent-while-charging", "stay-in-c", "start-without-voltage"])
def test_a_car_that_is_wrong_is_switched_off(flaw: str) -> None:
    pair, outlet = together(replace(CAR, flaw=flaw, patience=1000.0))
    line = settle(pair, outlet)
    assert line.station is not None
    assert not line.station.well
    is_dead(outlet)
    assert outlet.world.truth()["incidents"] == []
    assert (outlet.world.truth()["metered_watt_hours"] > 0.1) is (flaw == "stay-in-c")
