"""Whatever happens, whenever it happens, and whatever the car does wrong: every session ends, without a bug, and with the power off."""

from __future__ import annotations

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
    Unplugged,
)
from tests.pair import Outlet
from tests.ways import EVERY_KIND, Way
from tools.evcc import Behaviour
from tools.evcc.flaws import FLAWS

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
    pair = way.pair(behaviour, outlet)
    for seconds, event in script:
        pair.at(seconds, event)
    line = pair.run(2000.0)
    assert line.station is not None, "the station's session never ends"
    assert line.station.kind != "bug", line.station
    assert line.car is None or line.car.kind != "bug", line.car
    assert not pair.outlet.closed
    assert pair.outlet.amperes == 0.0
    requests = [name for name in line.said if name.endswith("Req")]
    answers = [name for name in line.said if name.endswith("Res")]
    assert len(answers) <= len(requests), "an answer that nobody asked for"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    way=st.sampled_from(EVERY_KIND),
    moment=moments,
    event=st.sampled_from([EmergencyStopped(), Fault("weld"), Unplugged()]),
)
def test_power_goes_off_in_the_moment_of_danger(way: Way, moment: float, event: Event) -> None:
    pair = way.pair(Behaviour(loops=1000)).at(moment, event)
    pair.run(moment)
    energy = pair.outlet.watt_hours
    line = pair.run(2000.0)
    assert line.station is not None
    assert pair.outlet.watt_hours == energy
    assert not pair.outlet.closed
