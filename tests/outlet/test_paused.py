"""A paused session and its plug-in: what is kept for the resume, for how long, and what wakes the car."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hal.readings import Indication
from secc.conversation import Reason
from secc.link.slac.dlink import DLink, ReleaseLink
from secc.outlet import PlugInSettings
from secc.outlet.effects import ForgetPaused, PauseOver
from secc.outlet.events import (
    ConnectionAccepted,
    SessionBegan,
    SessionEnded,
    SessionPaused,
    SessionResumed,
    SessionSetUp,
    StartOrdered,
    StopOrdered,
    WakeOrdered,
)
from secc.outlet.state import Phase
from secc.session.events import LimitChanged
from secc.session.offer import AcLimits, Payment
from tests.board_events import emergency_stop_changed, stop_pressed, token_presented
from tests.outlet.talk import BROKEN, REFUSED, Outlet

VALUE = object()
PAUSED = Reason("completed", "pause")


def plugged(settings: PlugInSettings | None = None) -> Outlet:
    outlet = Outlet(settings)
    outlet.plug_in()
    return outlet


def paused(settings: PlugInSettings | None = None, *, charged: bool = True) -> Outlet:
    outlet = plugged(settings)
    outlet.connect()
    if charged:
        outlet.charge()
        outlet.stop_charging()
    outlet.hear(SessionPaused(VALUE))
    outlet.end(PAUSED)
    assert outlet.plugin.state.phase is Phase.PAUSED
    assert (outlet.drive, outlet.sdp, outlet.shown) == ("x1", False, Indication.PAUSED)
    assert outlet.plugin.state.paused is VALUE
    assert outlet.said(ReleaseLink) == [ReleaseLink(DLink.PAUSE)]
    outlet.forget()
    return outlet


def toggle(outlet: Outlet) -> None:
    """The car wakes the station."""
    outlet.run(5.0)
    outlet.pilot_to("C")
    outlet.run(0.3)
    outlet.pilot_to("B")
    outlet.run(1.0)


def gone(outlet: Outlet) -> list[PauseOver]:
    """Why the value is no longer there; empty as long as it is."""
    whys = [said.why for said in outlet.said(ForgetPaused)]
    assert bool(whys) is (outlet.plugin.state.paused is None)
    return whys


def test_the_value_is_there_until_a_session_is_set_up() -> None:
    outlet = paused()
    toggle(outlet)
    assert (outlet.drive, outlet.sdp) == ("5%", True)
    for broken in (ConnectionAccepted(), SessionBegan((Payment.EXTERNAL,)), SessionEnded(BROKEN)):
        outlet.hear(broken)
    assert gone(outlet) == []
    outlet.hear(SessionSetUp())
    assert gone(outlet) == [PauseOver.LEFT]


def test_a_resumed_session_has_it_and_its_end_leaves_nothing() -> None:
    outlet = paused()
    toggle(outlet)
    outlet.hear(SessionBegan((Payment.EXTERNAL,)))
    outlet.hear(SessionResumed())
    outlet.hear(SessionSetUp())
    assert outlet.said(ForgetPaused) == []
    assert outlet.plugin.state.paused is None
    outlet.end(REFUSED)
    assert outlet.said(ForgetPaused) == []
    assert outlet.plugin.state.paused is None


def test_only_the_newest_pause_counts() -> None:
    outlet = paused()
    toggle(outlet)
    outlet.hear(SessionBegan((Payment.EXTERNAL,)))
    outlet.hear(SessionResumed())
    outlet.hear(SessionSetUp())
    outlet.charge()
    outlet.stop_charging()
    newer = object()
    outlet.hear(SessionPaused(newer))
    outlet.end(PAUSED)
    assert outlet.plugin.state.paused is newer
    assert outlet.plugin.state.phase is Phase.PAUSED


@pytest.mark.case("I2X-19")
def test_it_is_gone_with_the_plug() -> None:
    outlet = paused()
    outlet.unplug()
    assert outlet.plugins == 2
    outlet.plug_in()
    assert outlet.plugin.state.paused is None


ENDS: dict[str, tuple[Callable[[Outlet], None], PauseOver]] = {
    "stop button": (lambda outlet: outlet.hear(stop_pressed()), PauseOver.STOPPED),
    "operator": (lambda outlet: outlet.hear(StopOrdered("operator")), PauseOver.STOPPED),
    "backend": (lambda outlet: outlet.hear(StopOrdered("backend")), PauseOver.STOPPED),
    "emergency stop": (lambda outlet: outlet.hear(emergency_stop_changed(True)), PauseOver.FAULT),
    "pilot": (lambda outlet: outlet.pilot_to("E"), PauseOver.FAULT),
}


@pytest.mark.parametrize("awake", [False, True])
@pytest.mark.parametrize("end", ENDS)
def test_a_stop_or_a_fault_ends_it(end: str, awake: bool) -> None:
    outlet = paused()
    act, why = ENDS[end]
    if awake:
        toggle(outlet)
    act(outlet)
    outlet.run(10.0)
    assert gone(outlet) == [why]
    assert not outlet.sdp


def test_a_session_that_was_stopped_and_then_paused_leaves_nothing() -> None:
    outlet = plugged()
    outlet.connect()
    outlet.charge()
    outlet.hear(stop_pressed())
    outlet.stop_charging()
    outlet.hear(SessionPaused(VALUE))
    outlet.end(PAUSED)
    assert gone(outlet) == [PauseOver.STOPPED]
    assert outlet.said(ReleaseLink) == [ReleaseLink(DLink.TERMINATE)]


WAKES: dict[str, Callable[[Outlet], None]] = {
    "order": lambda outlet: outlet.hear(WakeOrdered()),
    "start": lambda outlet: outlet.hear(StartOrdered("operator")),
    "limit": lambda outlet: outlet.hear(LimitChanged(None)),
    "car": toggle,
}


@pytest.mark.parametrize("wake", WAKES)
def test_what_wakes_the_car_invites_it_and_it_sleeps_again_if_it_does_not_come(wake: str) -> None:
    outlet = plugged()
    outlet.hear(LimitChanged(0.0))
    outlet.connect()
    outlet.hear(SessionPaused(VALUE))
    outlet.end(PAUSED)
    outlet.run(1000.0)
    assert outlet.drive == "x1"
    for _ in range(3):
        outlet.hear(LimitChanged(0.0))
        WAKES[wake](outlet)
        assert (outlet.drive, outlet.sdp) == ("5%", True)
        outlet.run(30.0)
        assert (outlet.drive, outlet.sdp, outlet.shown) == ("x1", False, Indication.PAUSED)
        assert outlet.plugin.state.paused is VALUE
        outlet.run(1000.0)
        assert outlet.drive == "x1"


def test_a_start_wakes_it_and_identifies_nobody_else() -> None:
    outlet = paused()
    before = outlet.plugin.state.identification
    outlet.run(1000.0)
    outlet.hear(StartOrdered("operator"))
    assert outlet.drive == "5%"
    assert outlet.plugin.state.identification == before


def test_a_lower_limit_or_a_card_does_not_wake_it() -> None:
    outlet = paused()
    outlet.hear(LimitChanged(5000.0))
    outlet.hear(LimitChanged(4000.0))
    outlet.hear(token_presented("04A1"))
    outlet.run(100.0)
    assert outlet.drive == "x1"
    assert not outlet.questions, "the driver of this plug-in is known"


def test_a_car_that_never_comes_back_keeps_no_timer() -> None:
    outlet = paused()
    outlet.run(10.0)
    assert outlet.plugin.session.deadline is None


def test_charging_by_pilot_is_another_transaction() -> None:
    outlet = paused(PlugInSettings(free=True, ac=AcLimits()), charged=False)
    outlet.plugin.state.fall_back("no session was set up", "Q-13")
    outlet.hear(WakeOrdered())
    outlet.run(30.0)
    outlet.run(30.0)
    outlet.hear(WakeOrdered())
    outlet.run(10.0)
    assert gone(outlet) == [PauseOver.LEFT]


def test_the_value_is_not_shown() -> None:
    assert "object" not in repr(SessionPaused(VALUE))
    assert repr(VALUE) not in repr(paused().plugin.state)
