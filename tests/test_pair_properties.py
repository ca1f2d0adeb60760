"""Whatever happens, whenever it happens, and whatever the car does wrong: every session ends, without a bug, and with the power off.

Stories begin in two places: where the car begins, for what goes wrong before there is power, and in the middle of charging, for the rest.
"""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secc.conversation import Event
from secc.session.effects import (
    AuthorizeContract,
    CableChecked,
    CheckCable,
    Decision,
    PowerReported,
    StartPower,
    StopPower,
    ValidateContract,
    Verdict,
)
from secc.session.events import (
    ConnectionClosed,
    EimDecided,
    EmergencyStopped,
    Fault,
    LimitChanged,
    LinkLost,
    OngoingForced,
    RenegotiationRequested,
    Shutdown,
    StopRequested,
    StreamBroken,
    Unplugged,
)
from tests.pair import Line, Outlet, Pair
from tests.ways import EVERY_KIND, Way
from tools.evcc.behaviour import Behaviour
from tools.evcc.iso2.flaws import FLAWS

moments = st.floats(min_value=0.0, max_value=12.0)
events: st.SearchStrategy[Event] = st.one_of(
    st.sampled_from(
        [
            StopRequested("driver"),
            StopRequested("backend"),
            RenegotiationRequested(),
            EmergencyStopped(),
            Fault("over_temperature"),
            Unplugged(),
            LinkLost(),
            ConnectionClosed(),
            Shutdown(),
            StreamBroken("v2gtp", "no V2GTP header"),
            EimDecided(True, "rfid"),
            EimDecided(False, "rfid"),
            LimitChanged(None),
            LimitChanged(0.0),
            LimitChanged(4200.0),
            LimitChanged(float("nan")),
        ]
    ),
    st.builds(
        OngoingForced, st.sampled_from(["Authorization", "ChargeParameterDiscovery", "CableCheck"]), st.booleans()
    ),
)
scripts = st.lists(st.tuples(moments, events), max_size=6)
outlets = st.builds(
    Outlet,
    cable_seconds=st.sampled_from([0.0, 1.0, 39.0, 50.0]),
    cable=st.sampled_from([CableChecked(True, "valid"), CableChecked(True, "warning"), CableChecked(False, "fault")]),
    power_seconds=st.sampled_from([0.0, 0.2, 4.4, 6.0]),
    start=st.sampled_from([PowerReported(True), PowerReported(False, "no")]),
    validate_seconds=st.sampled_from([0.0, 1.0, 10.0]),
    authorize_seconds=st.sampled_from([0.0, 5.0, 100.0]),
    verdict=st.builds(Verdict, st.sampled_from(Decision)),
    silent=st.lists(
        st.sampled_from([CheckCable, StartPower, StopPower, ValidateContract, AuthorizeContract]), max_size=2
    ).map(tuple),
)
behaviours = st.builds(
    Behaviour,
    loops=st.integers(1, 30),
    loop_seconds=st.sampled_from([0.0, 0.1, 1.0]),
    renegotiate_after=st.one_of(st.none(), st.integers(1, 10)),
    patience=st.sampled_from([1.0, 30.0]),
    ask_detail=st.booleans(),
    flaw=st.one_of(st.none(), st.none(), st.sampled_from(sorted(FLAWS))),
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(way=st.sampled_from(EVERY_KIND), behaviour=behaviours, outlet=outlets, script=scripts)
def test_every_session_ends_with_the_power_off(
    way: Way, behaviour: Behaviour, outlet: Outlet, script: list[tuple[float, Event]]
) -> None:
    """From the beginning: cars, outlets and backends that do everything wrong. Few of these sessions come to power."""
    pair = way.pair(behaviour, outlet)
    for seconds, event in script:
        pair.at(seconds, event)
    line = pair.run(2000.0)
    ends_well_or_ill(pair, line)
    assert pair.transcript, "the car has said something"


def charging(way: Way, behaviour: Behaviour, outlet: Outlet | None = None) -> Pair:
    """A pair in which power flows."""
    pair = way.pair(behaviour, outlet)
    before = pair.outlet.watt_hours
    for _ in range(600):
        pair.run(0.1)
        if pair.outlet.watt_hours > before:
            break
    assert pair.outlet.amperes > 0.0
    assert pair.outlet.closed
    assert pair.line.station is None
    return pair


def ends_well_or_ill(pair: Pair, line: Line) -> None:
    """What holds at every end."""
    assert line.station is not None, "the station's session never ends"
    assert line.station.kind != "bug", line.station
    assert line.car is None or line.car.kind != "bug", line.car
    assert not pair.outlet.closed
    assert pair.outlet.amperes == 0.0
    requests = [name for name in line.said if name.endswith("Req")]
    answers = [name for name in line.said if name.endswith("Res")]
    assert len(answers) <= len(requests), "an answer that nobody asked for"


in_the_loop = st.builds(
    Behaviour,
    loops=st.sampled_from([10, 30, 10_000]),
    loop_seconds=st.sampled_from([0.05, 0.1, 1.0]),
    renegotiate_after=st.one_of(st.none(), st.integers(2, 10)),
    keep_relays=st.booleans(),
    patience=st.sampled_from([1.0, 30.0]),
    flaw=st.sampled_from([None, None, "start-in-the-loop", "stay-in-c"]),
)
troubles = st.fixed_dictionaries(
    {},
    optional={
        "cable": st.sampled_from([CableChecked(True, "warning"), CableChecked(False, "fault")]),
        "cable_seconds": st.sampled_from([0.0, 39.0, 50.0]),
        "power_seconds": st.sampled_from([0.0, 4.4, 6.0]),
        "start": st.just(PowerReported(False, "no")),
        "silent": st.sampled_from([(CheckCable,), (StartPower,), (StopPower,), (StartPower, StopPower)]),
    },
)
"""What the outlet gets wrong from the moment on when power flows."""


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    way=st.sampled_from(EVERY_KIND),
    behaviour=in_the_loop,
    trouble=troubles,
    script=st.lists(st.tuples(st.floats(0.0, 3.0), events), min_size=1, max_size=5),
    leaves=st.none() | st.floats(0.0, 3.0),
)
def test_every_session_that_charges_ends_with_the_power_off(
    way: Way, behaviour: Behaviour, trouble: dict[str, Any], script: list[tuple[float, Event]], leaves: float | None
) -> None:
    """Power flows when the story begins, and what happens happens to it."""
    pair = charging(way, behaviour)
    for name, value in trouble.items():
        setattr(pair.outlet, name, value)
    began = pair.now
    for seconds, event in script:
        pair.at(seconds, event)
    if leaves is not None:
        pair.at(leaves, StopRequested("driver"), to="car")
    # A car that nothing has stopped until then is stopped in order.
    pair.at(10.0, StopRequested("operator"))
    line = pair.run(2000.0)
    ends_well_or_ill(pair, line)
    assert line.finished_at > began
    energy = pair.outlet.watt_hours
    pair.outlet.advance(pair.now + 1000.0)
    assert pair.outlet.watt_hours == energy, "nothing flows any more"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    way=st.sampled_from(EVERY_KIND),
    moment=st.floats(0.0, 5.0),
    event=st.sampled_from([EmergencyStopped(), Fault("weld"), Unplugged()]),
)
def test_power_goes_off_in_the_moment_of_danger(way: Way, moment: float, event: Event) -> None:
    pair = charging(way, Behaviour(loops=1000))
    pair.run(moment)
    assert pair.outlet.amperes > 0.0
    pair.at(0.0, event)
    pair.run(0.0)
    energy = pair.outlet.watt_hours
    line = pair.run(2000.0)
    assert line.station is not None
    assert pair.outlet.watt_hours == energy
    assert not pair.outlet.closed
