"""Whatever happens in whatever order at an outlet with a modem, or one that charges by duty: what holds at every moment."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hal.port_queue import CommandFailed
from hal.readings import Indication, Severity
from secc.conversation import Reason
from secc.link.slac.dlink import (
    IndicateDlinkReady,
    ReportMatchingBegun,
    ReportMatchingFailed,
    ReportModem,
)
from secc.outlet import PlugInSettings
from secc.outlet.events import ContractDecided, ContractPresented, ContractRejected, StartOrdered
from secc.outlet.settings import Hlc
from secc.outlet.state import Phase
from secc.session.effects import ReportFault
from secc.session.events import LimitChanged
from secc.session.offer import AcLimits
from tests.board_events import (
    contactor_changed,
    door_changed,
    emergency_stop_changed,
    fault_cleared,
    fault_raised,
    stop_pressed,
)
from tests.lab_proof import lab_proved
from tests.outlet.talk import BROKEN, COMPLETED, MATCHED, NO, REFUSED, YES, Outlet

KINDS = {
    "dc": PlugInSettings(modem=True),
    "ac": PlugInSettings(modem=True, ac=AcLimits()),
    "ac, strict": PlugInSettings(modem=True, ac=AcLimits(), strict=True),
    "ac, talk required": PlugInSettings(modem=True, ac=AcLimits(), hlc=Hlc.REQUIRED),
    "ac, free": PlugInSettings(modem=True, ac=AcLimits(), free=True, lock=True),
    "ac, no talk": PlugInSettings(hlc=Hlc.OFF, ac=AcLimits(), lock=True),
}
EVENTS = (
    ReportMatchingBegun(),
    ReportMatchingFailed("x", armed=True),
    ReportMatchingFailed("x", armed=False),
    MATCHED,
    IndicateDlinkReady(True),
    IndicateDlinkReady(False, "x"),
    ReportModem(False),
    ReportModem(True),
    LimitChanged(0.0),
    LimitChanged(8000.0),
    LimitChanged(None),
    ContractPresented(),
    ContractRejected(),
    ContractDecided(lab_proved(), YES),
    ContractDecided(lab_proved(), NO),
    stop_pressed(),
    StartOrdered("operator"),
    emergency_stop_changed(True),
    emergency_stop_changed(False),
    fault_raised("f", Severity.EMERGENCY),
    fault_raised("f", Severity.STOP),
    fault_cleared("f"),
    door_changed(True),
    door_changed(False),
    ReportFault("insulation-fault", latched=True),
    ReportFault("pilot-left"),
    CommandFailed("LockConnector"),
    CommandFailed("SetDuty"),
)
STORY = st.lists(
    st.one_of(
        st.tuples(st.just("pilot"), st.sampled_from("AABBBCCCDEF?")),
        st.tuples(st.just("run"), st.sampled_from([0.01, 0.3, 0.6, 3.0, 6.0, 40.0])),
        st.tuples(st.just("connect"), st.none()),
        st.tuples(st.just("end"), st.sampled_from([COMPLETED, REFUSED, BROKEN, Reason("completed", "pause")])),
        st.tuples(st.just("power"), st.booleans()),
        st.tuples(st.just("card"), st.sampled_from([YES, NO])),
        st.tuples(st.just("cable"), st.sampled_from([0.0, 20.0, None])),
        st.tuples(st.just("lock"), st.booleans()),
        st.tuples(st.just("event"), st.sampled_from(EVENTS)),
    ),
    max_size=40,
)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60, deadline=None)
@given(story=STORY)
def test_in_any_order(kind: str, story: list[tuple[str, Any]]) -> None:
    outlet = Outlet(KINDS[kind])
    for what, value in story:
        tell(outlet, what, value)
        check(outlet)
    # Whatever there was, the next car is served once everything is right again.
    outlet.contactor = "open"
    outlet.cable_to(None)
    for event in (
        door_changed(False),
        emergency_stop_changed(False),
        fault_cleared("f"),
        LimitChanged(None),
        ReportModem(True),
    ):
        outlet.hear(event)
    outlet.pilot_to("A")
    outlet.run(100.0)
    outlet.pilot_to("A")
    outlet.plugin.state.modem_ready = True
    outlet.forget()
    outlet.plug_in()
    outlet.run(1.0)
    if outlet.settings.talks:
        assert outlet.drive == "5%"
        outlet.match()
        outlet.connect()
        assert outlet.plugin.state.phase is Phase.SESSION
    else:
        outlet.show_card(YES)
        outlet.lock_to(True)
        outlet.pilot_to("C")
        assert outlet.started is not None


def tell(outlet: Outlet, what: str, value: Any) -> None:
    match what:
        case "pilot":
            outlet.pilot_to(value)
        case "run":
            outlet.run(value)
        case "cable":
            outlet.cable_to(value)
        case "lock":
            outlet.lock_to(value)
        case "connect":
            if outlet.sdp:
                outlet.connect()
        case "end":
            outlet.end(value)
        case "power":
            if outlet.started is not None:
                outlet.power(value)
        case "card":
            outlet.show_card()
            if outlet.questions:
                outlet.answer(value)
        case _:
            outlet.hear(value)


def check(outlet: Outlet) -> None:
    state = outlet.plugin.state
    assert outlet.plugin.session.ended is None, "only unplugging ends it, and then there is the next"
    outlet.check_that_nothing_hangs()
    assert outlet.sdp is state.window_open
    if outlet.sdp:
        assert outlet.drive in ("5%", "x1"), "who may connect has been asked to"
        assert state.matched or not state.settings.modem
        assert state.over is None
    if outlet.pilot == "A":
        assert outlet.drive == "x1"
        assert not outlet.sdp
    nominal = outlet.drive not in ("x1", "F", "5%", "?")
    if nominal:
        # Nobody gets a current that has not been allowed one.
        assert state.settings.ac is not None
        assert state.settings.hlc is not Hlc.REQUIRED
        assert state.phase is Phase.BASIC
        assert state.may_charge(outlet.now)
        assert state.amperes(outlet.levels) > 0.0 or state.over is None
    if outlet.started is not None:
        assert nominal
    if outlet.basic:
        assert state.phase in (Phase.BASIC,)
        assert outlet.drive != "5%"


@pytest.mark.case("A-PNC-15")
@settings(max_examples=100, deadline=None)
@given(story=STORY)
def test_a_contract_that_was_only_shown_lets_nobody_charge(story: list[tuple[str, Any]]) -> None:
    """Whatever comes after it, unless somebody is let charge or the session says that the car has proved a contract that may."""
    outlet = Outlet(KINDS["ac"])
    outlet.plug_in()
    outlet.match()
    outlet.connect()
    outlet.hear(ContractPresented())
    for what, value in [*story, ("end", COMPLETED), ("run", 40.0), ("pilot", "C"), ("run", 40.0)]:
        yes = value is YES or isinstance(value, StartOrdered)
        if yes or (isinstance(value, ContractDecided) and value.verdict.accepted):
            continue
        tell(outlet, what, value)
        assert outlet.drive in ("x1", "F", "5%", "?")
        assert outlet.started is None
        assert outlet.shown is not Indication.AUTHORIZED


@pytest.mark.parametrize("kind", ["ac", "ac, no talk"])
@settings(max_examples=40, deadline=None)
@given(story=STORY)
def test_power_by_duty_is_off_after_every_reason_to_be_off(kind: str, story: list[tuple[str, Any]]) -> None:
    outlet = Outlet(KINDS[kind])
    outlet.show_card(YES)
    outlet.plug_in()
    outlet.lock_to(True)
    outlet.pilot_to("C")
    if outlet.started is not None:
        outlet.power()
    for what, value in story:
        if what == "connect":
            continue
        tell(outlet, what, value)
        state = outlet.plugin.state
        if (
            state.emergency_stopped or state.phase in (Phase.FAULTED, Phase.AVAILABLE)
        ) and outlet.contactor == "closed":
            outlet.hear(contactor_changed())
            assert outlet.contactor == "open", state.phase
    outlet.hear(stop_pressed())
    outlet.run(6.1)
    assert outlet.contactor == "open" or outlet.plugin.state.session_open
