"""Charging by pilot and duty, as dialogues."""

from __future__ import annotations

import itertools

import pytest

from hal.readings import Indication, Severity
from secc.link.slac.dlink import (
    IndicateDlinkReady,
)
from secc.outlet import PlugInSettings
from secc.outlet.events import BookChanged, StopOrdered
from secc.outlet.settings import C_SEQU_RETRY, Hlc
from secc.outlet.state import Phase
from secc.session.effects import OpenContactor, ReportFault
from secc.session.events import LimitChanged
from secc.session.offer import AcLimits
from tests.board_events import (
    contactor_changed,
    emergency_stop_changed,
    fault_cleared,
    fault_raised,
    lock_changed,
    stop_pressed,
)
from tests.outlet.talk import NO, YES, Outlet

PLAIN = PlugInSettings(hlc=Hlc.OFF, ac=AcLimits())
FREE = PlugInSettings(hlc=Hlc.OFF, ac=AcLimits(), free=True)


def charging(settings: PlugInSettings = PLAIN) -> Outlet:
    outlet = Outlet(settings)
    outlet.plug_in()
    if not settings.free:
        outlet.show_card(YES)
    outlet.run(10.0)
    outlet.pilot_to("C")
    outlet.power()
    assert outlet.shown is Indication.CHARGING
    return outlet


# --- One car ----------------------------------------------------------------------------------------------------------


def test_from_a_to_a() -> None:
    outlet = Outlet(PLAIN)
    outlet.plug_in()
    outlet.run(10.0)
    assert (outlet.drive, outlet.sdp) == ("x1", False), "nobody has been identified"
    outlet.show_card(NO)
    outlet.run(5.0)
    assert outlet.drive == "x1"
    outlet.show_card(YES)
    assert (outlet.drive, outlet.locked) == ("53%", True), "32 A"
    assert outlet.started is None, "the car has not asked"
    outlet.pilot_to("C")
    assert outlet.started is not None
    outlet.power()
    assert outlet.basic
    assert outlet.shown is Indication.CHARGING
    outlet.pilot_to("B")
    assert outlet.shown is Indication.PAUSED
    outlet.pilot_to("C")
    assert outlet.shown is Indication.CHARGING
    outlet.pilot_to("B")
    outlet.contactor = "open"
    outlet.unplug()
    assert (outlet.drive, outlet.plugins, outlet.basic) == ("x1", 2, False)


def test_a_free_outlet_offers_at_once() -> None:
    outlet = Outlet(FREE)
    outlet.plug_in()
    assert outlet.drive == "53%"


def test_a_locked_plug_comes_first_where_there_is_a_lock() -> None:
    outlet = Outlet(PlugInSettings(hlc=Hlc.OFF, ac=AcLimits(), free=True, lock=True))
    outlet.plug_in()
    outlet.pilot_to("C")
    assert (outlet.drive, outlet.started) == ("x1", None)
    outlet.lock_to(True)
    assert outlet.drive == "53%"
    assert outlet.started is not None


def test_what_the_lock_reports_now_counts_and_not_what_an_event_said() -> None:
    outlet = Outlet(PlugInSettings(hlc=Hlc.OFF, ac=AcLimits(), free=True, lock=True))
    outlet.plug_in()
    outlet.pilot_to("C")
    outlet.hear(lock_changed(True))
    assert outlet.drive == "x1", "it has opened again since"
    outlet.confirmed = True
    outlet.hear(lock_changed(False))
    assert outlet.drive == "53%"


def test_a_lock_that_does_not_confirm_gives_no_power() -> None:
    outlet = Outlet(PlugInSettings(hlc=Hlc.OFF, ac=AcLimits(), free=True, lock=True))
    outlet.plug_in()
    outlet.run(10.0)
    outlet.pilot_to("C")
    assert outlet.started is None
    assert (outlet.shown, outlet.text) == (Indication.FAULTED, "lock-failed")


def test_nothing_begins_that_cannot_be_booked_and_what_has_begun_goes_on() -> None:
    """A-RES-06."""
    outlet = Outlet(FREE)
    outlet.hear(BookChanged("the disk is full"))
    assert (outlet.shown, outlet.text) == (Indication.UNAVAILABLE, "sessions cannot be booked")
    outlet.plug_in()
    outlet.pilot_to("C")
    outlet.run(60.0)
    assert (outlet.drive, outlet.started) == ("x1", None)
    assert (outlet.shown, outlet.text) == (Indication.FAULTED, "sessions cannot be booked")
    outlet.pilot_to("B")
    outlet.hear(BookChanged(""))
    assert outlet.drive == "53%"
    outlet.hear(BookChanged("the disk is full"))
    outlet.pilot_to("C")
    outlet.run(10.0)
    assert (outlet.drive, outlet.started) == ("x1", None), "offered, but not begun"
    outlet.hear(BookChanged(""))
    outlet.run(5.0)
    outlet.power()
    assert outlet.shown is Indication.CHARGING
    outlet.hear(BookChanged("the disk is full"))
    outlet.run(60.0)
    outlet.pilot_to("B")
    assert outlet.shown is Indication.PAUSED
    outlet.pilot_to("C")
    assert (outlet.drive, outlet.shown) == ("53%", Indication.CHARGING), "it stands in the book already"


@pytest.mark.case("A-SES-14")
def test_what_is_not_on_yet_does_not_come_on_after_a_stop() -> None:
    """The order to close is taken back at once: nothing flows that a car would need time to let go of, and nothing of it is booked."""
    outlet = Outlet(PLAIN)
    outlet.plug_in()
    outlet.show_card(YES)
    outlet.pilot_to("C")
    assert outlet.started is not None
    outlet.hear(stop_pressed())
    assert outlet.said(OpenContactor)
    assert (outlet.drive, outlet.started) == ("x1", None)


# --- The current ------------------------------------------------------------------------------------------------------


def test_cable_board_and_grid_limit_the_current() -> None:
    for cable, watts, duty in (
        (20.0, None, "33%"),
        (63.0, None, "53%"),
        (None, 3 * 230.0 * 16, "27%"),
        (13.0, 1e5, "22%"),
    ):
        outlet = Outlet(FREE)
        outlet.cable_to(cable)
        outlet.hear(LimitChanged(watts))
        outlet.plug_in()
        assert outlet.drive == duty


def test_a_cable_that_nobody_knows_gets_nothing() -> None:
    outlet = Outlet(FREE)
    outlet.cable_to(0.0)
    assert outlet.shown is Indication.AVAILABLE, "an empty socket"
    outlet.plug_in()
    outlet.run(10.0)
    assert (outlet.drive, outlet.shown) == ("x1", Indication.FAULTED)
    outlet.cable_to(32.0)
    assert outlet.drive == "53%"


def test_a_car_without_a_switch_gets_ten_amperes() -> None:
    outlet = Outlet(FREE)
    outlet.pilot_to("C")
    assert outlet.drive == "17%"
    outlet.power()
    outlet.run(10.0)
    outlet.pilot_to("B")
    assert outlet.drive == "53%", "it has one after all"


def test_the_duty_changes_at_most_every_five_seconds() -> None:
    outlet = charging()
    outlet.driven.clear()
    began = outlet.now
    for amperes in range(31, 6, -1):
        outlet.hear(LimitChanged(amperes * 690.0))
        outlet.run(1.0)
    moments = [at - began for at, _ in outlet.driven]
    assert len(moments) == 6
    assert all(later - earlier >= 5.0 for earlier, later in itertools.pairwise(moments))


def test_power_that_is_not_on_yet_does_not_come_on_when_the_limit_falls_to_nothing() -> None:
    outlet = Outlet(PLAIN)
    outlet.plug_in()
    outlet.show_card(YES)
    outlet.run(10.0)
    outlet.pilot_to("C")
    asked = outlet.started
    assert asked is not None
    outlet.hear(LimitChanged(0.0))
    assert outlet.drive == "x1"
    assert outlet.started is None
    assert outlet.said(OpenContactor)
    outlet.hear(LimitChanged(None))
    outlet.run(6.0)
    assert outlet.drive == "53%"
    assert outlet.started not in (None, asked), "asked for again"
    outlet.power()
    assert outlet.shown is Indication.CHARGING


def test_less_than_six_amperes_is_x1_until_there_is_more() -> None:
    outlet = charging()
    outlet.hear(LimitChanged(1000.0))
    assert outlet.drive == "x1"
    assert outlet.contactor == "closed", "the car has its time to let go"
    outlet.pilot_to("B")
    outlet.contactor = "open"
    outlet.hear(LimitChanged(None))
    outlet.run(4.9)
    assert outlet.drive == "x1"
    outlet.run(0.2)
    assert outlet.drive == "53%"
    outlet.pilot_to("C")
    assert outlet.started is None, "the power path follows the pilot by itself"


def test_a_car_that_does_not_let_go_is_opened_under_load() -> None:
    outlet = charging()
    outlet.hear(LimitChanged(0.0))
    outlet.run(5.9)
    assert outlet.contactor == "closed"
    outlet.run(0.2)
    assert outlet.contactor == "open"
    outlet.hear(LimitChanged(None))
    assert outlet.drive == "53%"
    assert outlet.started is not None


# --- The end ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("event", [stop_pressed(), StopOrdered("operator"), StopOrdered("shutdown")])
def test_a_stop_is_x1_and_the_contactor_opens_behind_the_car(event: object) -> None:
    outlet = charging()
    outlet.hear(event)
    assert (outlet.drive, outlet.contactor) == ("x1", "closed")
    outlet.run(2.0)
    outlet.pilot_to("B")
    assert outlet.contactor == "open"
    outlet.run(100.0)
    assert (outlet.drive, outlet.locked, outlet.shown) == ("x1", False, Indication.FINISHED)
    assert not outlet.basic
    outlet.show_card(YES)
    outlet.run(1.0)
    assert outlet.drive == "53%"


def test_a_stop_opens_under_load_after_six_seconds() -> None:
    outlet = charging()
    outlet.hear(stop_pressed())
    outlet.run(5.9)
    assert outlet.contactor == "closed"
    outlet.run(0.2)
    assert outlet.contactor == "open"


def test_an_emergency_stop() -> None:
    outlet = charging()
    outlet.hear(emergency_stop_changed(True))
    assert (outlet.drive, outlet.contactor, outlet.basic) == ("F", "open", False)
    assert outlet.plugin.state.phase is Phase.FAULTED


def test_unplugged_under_power() -> None:
    outlet = charging()
    outlet.unplug()
    outlet.hear(contactor_changed())
    assert (outlet.drive, outlet.contactor, outlet.basic, outlet.plugins) == ("x1", "open", False, 2)


def test_a_pilot_that_breaks() -> None:
    outlet = charging()
    outlet.pilot_to("E")
    assert (outlet.drive, outlet.contactor) == ("F", "open")


def test_a_fault_that_can_wait_stops_in_order_and_goes_on_later() -> None:
    outlet = charging()
    outlet.hear(fault_raised("over_temperature", Severity.STOP))
    assert outlet.drive == "x1"
    outlet.pilot_to("B")
    assert outlet.contactor == "open"
    outlet.run(60.0)
    outlet.hear(fault_cleared("over_temperature"))
    outlet.run(10.0)
    assert outlet.drive == "53%", "nobody has stopped: the card still counts"


def test_power_that_fails_is_tried_again_and_one_that_latched_is_not() -> None:
    outlet = charging()
    outlet.contactor = "open"
    outlet.hear(ReportFault("contactor-opened"))
    assert outlet.drive == "x1"
    outlet.run(20.0)
    assert outlet.started is not None
    outlet.power()
    outlet.contactor = "welded"
    outlet.hear(ReportFault("contactor-welded", latched=True))
    outlet.run(100.0)
    assert (outlet.drive, outlet.text) == ("x1", "contactor-welded")
    assert outlet.locked, "nobody may touch it"
    outlet.contactor = "open"
    outlet.hear(contactor_changed())


def test_a_path_that_does_not_start_is_given_up() -> None:
    outlet = Outlet(FREE)
    outlet.plug_in()
    outlet.pilot_to("C")
    for _ in range(3):
        outlet.power(False)
        assert outlet.started is None
        outlet.run(5.1)
    assert outlet.started is None
    assert (outlet.drive, outlet.text) == ("x1", "power")


# --- A car that sleeps ------------------------------------------------------------------------------------------------


def test_a_sleeping_car_is_woken_once_each_way() -> None:
    outlet = Outlet(FREE)
    outlet.plug_in()
    began = outlet.now
    outlet.driven.clear()
    outlet.run(29.0)
    assert outlet.driven == []
    for _ in range(100):
        outlet.run(2.0)
    steps = [(round(at - began), what) for at, what in outlet.driven]
    assert steps == [(30, "x1"), (33, "53%"), (63, "F"), (67, "x1"), (68, "53%")]


def test_a_car_that_charges_is_not_woken() -> None:
    outlet = charging()
    outlet.driven.clear()
    outlet.pilot_to("B")
    outlet.run(1000.0)
    assert outlet.driven == [], "it is full"


# --- With a modem -----------------------------------------------------------------------------------------------------


def test_a_car_that_matches_while_it_charges_by_duty_goes_on_charging() -> None:
    outlet = Outlet(PlugInSettings(modem=True, ac=AcLimits()))
    outlet.show_card(YES)
    outlet.plug_in()
    outlet.run(1.0)
    outlet.pilot_to("C")
    outlet.power()
    outlet.match(up=False)
    outlet.hear(IndicateDlinkReady(True))
    outlet.run(100.0)
    assert (outlet.drive, outlet.contactor, outlet.sdp) == ("53%", "closed", False)
    assert C_SEQU_RETRY == 2
