"""DIN SPEC 70121, whatever happens, whenever it happens, and whatever the car does wrong: every session ends, without a bug, with the power off."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secc.conversation import Event
from secc.session.events import EmergencyStopped, Fault, StopRequested, Unplugged
from tests.pair import Outlet
from tests.test_pair_properties import charging, ends_well_or_ill, events, outlets, scripts, troubles
from tests.ways import DC_EIM
from tools.evcc.behaviour import Behaviour
from tools.evcc.din.flaws import FLAWS

behaviours = st.builds(
    Behaviour,
    protocols=st.sampled_from([("din",), ("din", "iso2")]),
    evcc_id=st.binary(max_size=8),
    loops=st.integers(1, 30),
    loop_seconds=st.sampled_from([0.0, 0.1, 1.0]),
    patience=st.sampled_from([1.0, 30.0]),
    stop_before=st.sampled_from([None, None, None, "CableCheck", "PreCharge", "CurrentDemand", "WeldingDetection"]),
    flaw=st.one_of(st.none(), st.none(), st.sampled_from(sorted(FLAWS))),
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(behaviour=behaviours, outlet=outlets, script=scripts, free=st.booleans())
def test_every_session_ends_with_the_power_off(
    behaviour: Behaviour, outlet: Outlet, script: list[tuple[float, Event]], free: bool
) -> None:
    """From the beginning: cars and outlets that do everything wrong, with a card or without."""
    pair = DC_EIM.pair(behaviour, outlet, free=free, eim_seconds=20.0)
    for seconds, event in script:
        pair.at(seconds, event)
    line = pair.run(2000.0)
    ends_well_or_ill(pair, line)
    assert pair.transcript, "the car has said something"


in_the_loop = st.builds(
    Behaviour,
    protocols=st.just(("din",)),
    loops=st.sampled_from([10, 30, 10_000]),
    loop_seconds=st.sampled_from([0.05, 0.1, 1.0]),
    patience=st.sampled_from([1.0, 30.0]),
    stop_before=st.sampled_from([None, "CurrentDemand", "WeldingDetection"]),
    flaw=st.sampled_from([None, None, "start-in-the-loop", "stay-in-c", "no-units"]),
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    behaviour=in_the_loop,
    trouble=troubles,
    script=st.lists(st.tuples(st.floats(0.0, 3.0), events), min_size=1, max_size=5),
    leaves=st.none() | st.floats(0.0, 3.0),
)
def test_every_session_that_charges_ends_with_the_power_off(
    behaviour: Behaviour, trouble: dict[str, Any], script: list[tuple[float, Event]], leaves: float | None
) -> None:
    """Power flows when the story begins, and what happens happens to it."""
    pair = charging(DC_EIM, behaviour)
    for name, value in trouble.items():
        setattr(pair.outlet, name, value)
    for seconds, event in script:
        pair.at(seconds, event)
    if leaves is not None:
        pair.at(leaves, StopRequested("driver"), to="car")
    # A car that nothing has stopped until then is stopped in order.
    pair.at(10.0, StopRequested("operator"))
    line = pair.run(2000.0)
    ends_well_or_ill(pair, line)
    energy = pair.outlet.watt_hours
    pair.outlet.advance(pair.now + 1000.0)
    assert pair.outlet.watt_hours == energy, "nothing flows any more"


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(moment=st.floats(0.0, 5.0), event=st.sampled_from([EmergencyStopped(), Fault("weld"), Unplugged()]))
def test_power_goes_off_in_the_moment_of_danger(moment: float, event: Event) -> None:
    pair = charging(DC_EIM, Behaviour(protocols=("din",), loops=1000))
    pair.run(moment)
    assert pair.outlet.amperes > 0.0
    pair.at(0.0, event)
    pair.run(0.0)
    energy = pair.outlet.watt_hours
    line = pair.run(2000.0)
    assert line.station is not None
    assert pair.outlet.watt_hours == energy
    assert not pair.outlet.closed
