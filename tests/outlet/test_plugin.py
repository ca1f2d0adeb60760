"""The plug-in as dialogues: attempts, cards, contracts, stops, emergencies, storms."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hal.events import BoardLost, BoardRecovered
from hal.port_queue import CommandFailed
from hal.readings import Indication, Severity
from secc.conversation import Answered, Reason
from secc.link.slac.dlink import (
    DLink,
    IndicateDlinkReady,
    ReleaseLink,
)
from secc.outlet import PlugInSettings
from secc.outlet.effects import CloseConnection
from secc.outlet.events import (
    BookChanged,
    ConnectionAccepted,
    ConnectionGone,
    ContractDecided,
    ContractPresented,
    SessionBegan,
    SessionEnded,
    StartOrdered,
    StopOrdered,
)
from secc.outlet.state import Phase
from secc.session.effects import ReportFault
from secc.session.events import EimDecided, EmergencyStopped, Fault, SetupTimedOut, StopRequested, Unplugged
from secc.session.offer import Payment
from tests.board_events import (
    contactor_changed,
    door_changed,
    emergency_stop_changed,
    fault_cleared,
    fault_raised,
    pilot_changed,
    stop_pressed,
)
from tests.lab_proof import lab_proved
from tests.outlet.talk import BROKEN, COMPLETED, NO, REFUSED, YES, Outlet

BOTH = (Payment.CONTRACT, Payment.EXTERNAL)
EXTERNAL_ONLY = (Payment.EXTERNAL,)


def plugged(settings: PlugInSettings | None = None) -> Outlet:
    outlet = Outlet(settings)
    outlet.plug_in()
    return outlet


# --- One car, from A to A ---------------------------------------------------------------------------------------------


def test_a_whole_plug_in() -> None:
    outlet = Outlet()
    assert (outlet.drive, outlet.sdp, outlet.shown) == ("x1", False, Indication.AVAILABLE)
    outlet.plug_in()
    assert (outlet.drive, outlet.sdp, outlet.shown) == ("5%", True, Indication.PREPARING)
    assert outlet.connect() == BOTH
    assert not outlet.sdp, "one car, one connection"
    assert outlet.locked
    outlet.hear(ContractPresented())
    assert outlet.text == "identifying"
    outlet.hear(ContractDecided(lab_proved(), YES))
    assert outlet.shown is Indication.AUTHORIZED
    outlet.charge()
    assert outlet.shown is Indication.CHARGING
    outlet.stop_charging()
    outlet.end()
    assert (outlet.drive, outlet.locked, outlet.shown) == ("x1", False, Indication.FINISHED)
    assert outlet.said(ReleaseLink) == [ReleaseLink(DLink.TERMINATE)]
    outlet.unplug()
    assert outlet.plugins == 2
    assert outlet.ended is not None
    assert outlet.ended.code == "completed.unplugged"
    assert (outlet.drive, outlet.sdp, outlet.shown) == ("x1", False, Indication.AVAILABLE)


@pytest.mark.parametrize("state", ["C", "D"])
def test_a_car_that_goes_from_a_to_c_directly_is_a_car(state: str) -> None:
    outlet = Outlet()
    outlet.pilot_to(state)
    assert outlet.sdp


@pytest.mark.parametrize("state", ["E", "F", "?"])
def test_a_pilot_that_says_nothing_of_a_car_opens_nothing(state: str) -> None:
    outlet = Outlet()
    outlet.pilot_to(state)
    assert not outlet.sdp


@pytest.mark.case("A-RES-05")
def test_unplugging_ends_everything_at_any_moment() -> None:
    outlet = plugged()
    outlet.connect()
    outlet.charge()
    outlet.pilot = "A"
    outlet.hear(pilot_changed("A"))
    assert outlet.heard(Unplugged)
    assert outlet.drive == "x1"
    assert outlet.said(CloseConnection)
    assert outlet.locked, "the contactor is still closed"
    outlet.contactor = "open"
    outlet.hear(contactor_changed())
    assert not outlet.locked
    assert outlet.plugins == 2


def test_a_plug_that_was_out_for_a_moment_is_another_plug_in() -> None:
    outlet = plugged()
    outlet.show_card(YES)
    assert outlet.plugin.eim_authorized(outlet.now)
    outlet.hear(pilot_changed("A"))  # by the time we look, the next car is there
    assert outlet.plugins == 2
    assert outlet.sdp, "and it is served"
    assert not outlet.plugin.eim_authorized(outlet.now)


@pytest.mark.parametrize(
    "event",
    [
        ReportFault("contactor-opened", latched=True),
        fault_raised("f", Severity.EMERGENCY),
        fault_raised("f", Severity.STOP),
        emergency_stop_changed(True),
        CommandFailed("LockConnector", "stuck"),
        CommandFailed("SetDuty", "no answer"),
        IndicateDlinkReady(False, "the modem has left"),
        stop_pressed(),
        StartOrdered("operator"),
    ],
    ids=lambda event: type(event).__name__,
)
def test_what_is_said_of_a_plug_that_was_pulled_is_not_the_reason_of_its_end(event: Any) -> None:
    """The pilot says A before anybody has heard so: power path, lock and link only tell what the pulled plug has done to them."""
    outlet = charging()
    outlet.pilot, outlet.contactor = "A", "open"
    outlet.hear(event)
    assert [type(told) for told in outlet.told] == [Unplugged]
    assert (outlet.drive, outlet.plugins) == ("x1", 2)


# --- The setup clock and the next attempt -----------------------------------------------------------------------------


def test_without_session_setup_in_20_seconds_everything_closes_and_a_new_attempt_begins() -> None:
    outlet = plugged()
    outlet.run(19.9)
    assert outlet.sdp
    outlet.run(0.2)
    assert (outlet.sdp, outlet.drive) == (False, "x1")
    assert outlet.heard(SetupTimedOut)
    assert outlet.said(CloseConnection)
    assert outlet.said(ReleaseLink) == [ReleaseLink(DLink.ERROR)]
    outlet.run(3.0)
    assert (outlet.sdp, outlet.drive) == (True, "5%")
    outlet.run(19.8)
    assert outlet.sdp, "the clock starts anew"
    outlet.run(0.3)
    assert not outlet.sdp


def test_the_setup_clock_is_a_setting() -> None:
    outlet = plugged(PlugInSettings(setup_seconds=18.0))
    outlet.run(17.9)
    assert outlet.sdp
    outlet.run(0.2)
    assert not outlet.sdp


def test_a_session_that_is_set_up_in_time_stops_the_clock() -> None:
    outlet = plugged()
    outlet.run(19.0)
    outlet.connect()
    outlet.run(1000.0)
    assert not outlet.heard(SetupTimedOut)
    assert outlet.plugin.state.phase is Phase.SESSION


def test_a_session_that_began_but_was_not_set_up_does_not_stop_it() -> None:
    outlet = plugged()
    outlet.run(10.0)
    outlet.hear(ConnectionAccepted())
    outlet.hear(SessionBegan(BOTH))
    outlet.run(10.1)
    assert outlet.heard(SetupTimedOut)


def test_a_connection_that_is_opened_and_closed_leaves_the_window_open() -> None:
    outlet = plugged()
    for _ in range(3):
        outlet.hear(ConnectionAccepted())
        outlet.hear(SessionEnded(BROKEN))
    assert outlet.sdp
    assert outlet.connect() == BOTH


@pytest.mark.parametrize("reason", [REFUSED, Reason("timer", "V2G_SECC_Sequence_Timeout")])
def test_a_session_that_is_refused_before_session_setup_ends_the_attempt(reason: Reason) -> None:
    """[V2G2-537] [V2G2-539]: the oscillator stops; the network is left when the answer has reached the car."""
    outlet = plugged()
    outlet.hear(ConnectionAccepted())
    outlet.hear(SessionBegan(BOTH))
    outlet.end(reason, lingers=True)
    assert (outlet.sdp, outlet.drive) == (False, "x1")
    assert outlet.said(ReleaseLink) == []
    outlet.run(2.0)
    outlet.hear(ConnectionGone())
    assert outlet.said(ReleaseLink) == [ReleaseLink(DLink.ERROR)]
    outlet.run(1.1)
    assert (outlet.sdp, outlet.drive) == (True, "5%")
    # The next attempt begins without what was said of this one.
    outlet.run(19.0)
    assert outlet.sdp
    assert outlet.connect() == BOTH


def test_a_session_that_loses_its_connection_before_session_setup_leaves_the_window_open() -> None:
    outlet = plugged()
    outlet.hear(ConnectionAccepted())
    outlet.hear(SessionBegan(BOTH))
    outlet.end(BROKEN)
    assert (outlet.sdp, outlet.drive) == (True, "5%")
    assert outlet.connect() == BOTH


def test_the_network_is_left_when_the_connection_is_closed() -> None:
    """The last answer is on its way; a new key would lose it."""
    outlet = plugged()
    outlet.connect()
    outlet.end(lingers=True)
    assert outlet.drive == "x1"
    outlet.run(2.9)
    assert outlet.said(ReleaseLink) == []
    outlet.hear(ConnectionGone())
    assert outlet.said(ReleaseLink) == [ReleaseLink(DLink.TERMINATE)]
    outlet.run(0.2)
    assert (outlet.sdp, outlet.drive) == (True, "5%"), "the pause is not longer for it"


def test_a_connection_that_stays_open_does_not_hold_the_network() -> None:
    outlet = plugged()
    outlet.connect()
    outlet.end(lingers=True)
    outlet.run(5.1)
    assert outlet.said(ReleaseLink) == [ReleaseLink(DLink.TERMINATE)]
    assert outlet.drive == "5%"


def test_a_car_that_stops_right_after_setup_may_come_again_in_the_same_plug_in() -> None:
    outlet = plugged()
    outlet.connect()
    outlet.end()
    assert outlet.drive == "x1"
    outlet.run(3.0)
    assert (outlet.sdp, outlet.drive) == (True, "5%")
    assert outlet.connect() == BOTH


def test_the_link_hears_how_a_session_ended() -> None:
    for reason, outcome in (
        (COMPLETED, DLink.TERMINATE),
        (Reason("completed", "pause"), DLink.PAUSE),
        (REFUSED, DLink.ERROR),
        (BROKEN, DLink.ERROR),
        (Reason("timer", "V2G_SECC_Sequence_Timeout"), DLink.ERROR),
    ):
        outlet = plugged()
        outlet.connect()
        outlet.end(reason)
        assert outlet.said(ReleaseLink) == [ReleaseLink(outcome)]
        assert outlet.drive == "x1"


# --- Storms -----------------------------------------------------------------------------------------------------------


@pytest.mark.case("A-SES-10")
def test_a_car_that_storms_is_slowed_down_and_at_last_given_up() -> None:
    outlet = plugged(PlugInSettings(sessions=10))
    pauses = []
    while outlet.plugin.state.over is None:
        outlet.connect()
        outlet.end()
        start = outlet.now
        while not outlet.sdp and outlet.now < start + 100.0:
            outlet.run(0.5)
        pauses.append(outlet.now - start)
    assert pauses[:9] == [3.0, 3.0, 6.0, 12.0, 24.0, 48.0, 60.0, 60.0, 60.0]
    assert outlet.plugin.state.phase is Phase.FINISHED
    assert outlet.shown is Indication.FAULTED
    outlet.run(1000.0)
    assert not outlet.sdp
    outlet.unplug()
    outlet.plug_in()
    assert outlet.sdp, "the next plug-in has its own count"


@pytest.mark.case("A-SES-10")
def test_a_session_that_charged_makes_good() -> None:
    outlet = plugged()
    for charged in (False, False, False, True, False):
        outlet.connect()
        if charged:
            outlet.charge()
            outlet.stop_charging()
        outlet.end()
        outlet.run(6.0)
        assert outlet.sdp


@pytest.mark.case("A-SES-10", "A-NET-07")
def test_a_thousand_connections_without_a_session_close_the_window_for_a_moment() -> None:
    outlet = plugged()
    for _ in range(21):
        outlet.hear(ConnectionAccepted())
    assert not outlet.sdp
    outlet.run(3.0)
    assert outlet.sdp


@pytest.mark.case("A-SES-10", "A-NET-07")
def test_connections_that_never_set_a_session_up_wait_longer_each_time() -> None:
    """A flat 3 s after each window would allow a storm 400 connections a minute, for ever."""
    outlet = plugged()
    pauses = []
    for _ in range(9):
        for _ in range(21):
            outlet.hear(ConnectionAccepted())
        start = outlet.now
        while not outlet.sdp and outlet.now < start + 100.0:
            outlet.run(0.5)
        pauses.append(outlet.now - start)
    assert pauses == [3.0, 3.0, 6.0, 12.0, 24.0, 48.0, 60.0, 60.0, 60.0]
    outlet.connect()
    outlet.charge()
    outlet.stop_charging()
    outlet.end()
    outlet.run(3.5)
    assert outlet.sdp, "a session that charged makes good"


@pytest.mark.case("A-SES-10")
def test_a_car_that_only_sleeps_is_not_taken_for_a_storm() -> None:
    outlet = plugged()
    for _ in range(6):
        outlet.hear(ConnectionAccepted())
        outlet.run(20.5)
        assert not outlet.sdp
        outlet.run(2.6)
        assert outlet.sdp


def test_no_session_begins_that_cannot_be_booked_and_one_that_has_begun_goes_on() -> None:
    """A-RES-06."""
    outlet = Outlet()
    outlet.hear(BookChanged("the disk is full"))
    outlet.plug_in()
    outlet.run(60.0)
    assert (outlet.sdp, outlet.drive) == (False, "x1")
    assert (outlet.shown, outlet.text) == (Indication.FAULTED, "sessions cannot be booked")
    outlet.hear(BookChanged(""))
    assert outlet.sdp
    outlet.connect()
    outlet.charge()
    outlet.hear(BookChanged("the disk is full"))
    outlet.run(60.0)
    assert outlet.shown is Indication.CHARGING
    outlet.stop_charging()
    outlet.end()
    assert outlet.shown is Indication.FINISHED
    outlet.run(60.0)
    assert not outlet.sdp


# --- Who may charge ---------------------------------------------------------------------------------------------------


def test_card_first_then_cable() -> None:
    outlet = Outlet()
    outlet.show_card(YES)
    assert outlet.shown is Indication.AUTHORIZED
    outlet.plug_in()
    assert outlet.connect() == EXTERNAL_ONLY
    assert outlet.plugin.eim_authorized(outlet.now)


@pytest.mark.case("A-SES-12")
def test_a_card_without_a_cable_is_forgotten_after_a_minute() -> None:
    outlet = Outlet()
    outlet.show_card(YES)
    outlet.run(59.0)
    assert outlet.shown is Indication.AUTHORIZED
    outlet.run(1.1)
    assert outlet.shown is Indication.AVAILABLE
    outlet.plug_in()
    assert outlet.connect() == BOTH
    assert not outlet.plugin.eim_authorized(outlet.now)


def test_a_card_while_the_session_waits_reaches_it() -> None:
    outlet = plugged()
    outlet.connect(contract=False)
    outlet.show_card(YES)
    assert outlet.heard(EimDecided) == [EimDecided(True, "rfid")]


def test_a_refused_card_is_shown_and_told_and_another_may_follow() -> None:
    outlet = plugged()
    outlet.connect(contract=False)
    outlet.show_card(NO)
    assert outlet.shown is Indication.REFUSED
    assert outlet.heard(EimDecided) == [EimDecided(False, "rfid")]
    outlet.run(3.1)
    assert outlet.shown is Indication.PREPARING
    outlet.show_card(YES)
    assert outlet.heard(EimDecided)[-1] == EimDecided(True, "rfid")


def test_a_backend_that_does_not_answer_is_a_refusal_after_30_seconds() -> None:
    outlet = plugged()
    outlet.show_card()
    assert outlet.text == "identifying"
    outlet.run(30.1)
    assert outlet.shown is Indication.REFUSED
    assert not outlet.questions, "abandoned"
    outlet.show_card(YES)
    assert outlet.plugin.eim_authorized(outlet.now)


def test_a_card_is_asked_about_once_at_a_time_and_not_when_somebody_is_identified() -> None:
    outlet = plugged()
    outlet.show_card()
    outlet.show_card()
    assert len(outlet.questions) == 1
    outlet.answer(YES)
    outlet.show_card()
    assert not outlet.questions


@pytest.mark.case("A-SES-11")
def test_an_answer_that_comes_after_the_car_has_left_reaches_nobody() -> None:
    outlet = plugged()
    outlet.show_card()
    (ticket,) = outlet.questions
    outlet.unplug()
    assert not outlet.questions, "abandoned"
    outlet.plug_in()
    outlet.hear(Answered(ticket, YES))
    assert not outlet.plugin.eim_authorized(outlet.now)


def test_a_card_counts_while_the_contract_is_being_checked() -> None:
    outlet = plugged()
    outlet.connect()
    outlet.hear(ContractPresented())
    outlet.show_card(YES)
    assert outlet.heard(EimDecided) == [EimDecided(True, "rfid")]
    outlet.hear(ContractDecided(lab_proved(), NO))
    outlet.end(REFUSED)
    outlet.run(3.0)
    assert outlet.connect() == EXTERNAL_ONLY
    assert outlet.plugin.eim_authorized(outlet.now)


def test_after_a_failed_contract_once_more_then_external_only_until_unplugged() -> None:
    outlet = plugged()
    for offered in (BOTH, BOTH, EXTERNAL_ONLY, EXTERNAL_ONLY):
        assert outlet.connect() == offered
        if Payment.CONTRACT in offered:
            outlet.hear(ContractPresented())
            outlet.hear(ContractDecided(lab_proved(), NO))
            outlet.end(REFUSED)
        else:
            outlet.end()
        outlet.run(60.0)
        if not outlet.sdp:
            outlet.run(3.0)
    outlet.unplug()
    outlet.plug_in()
    assert outlet.connect() == BOTH


def test_a_free_outlet_asks_nobody() -> None:
    outlet = plugged(PlugInSettings(free=True))
    assert outlet.shown is Indication.AUTHORIZED
    outlet.show_card()
    assert not outlet.questions
    assert outlet.connect() == BOTH
    assert not outlet.plugin.eim_authorized(outlet.now), "the offer says free by itself"


def test_an_operator_may_let_somebody_charge() -> None:
    outlet = plugged()
    outlet.connect(contract=False)
    outlet.hear(StartOrdered("operator"))
    assert outlet.heard(EimDecided) == [EimDecided(True, "operator")]


def test_the_card_is_in_no_text() -> None:
    outlet = plugged()
    outlet.show_card(value="04A1B2C3D4")
    assert "04A1B2C3D4" not in repr(outlet.effects) + repr(outlet.plugin.state)


# --- Stops ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "by"),
    [(stop_pressed(), "driver"), (StopOrdered("operator"), "operator"), (StopOrdered("shutdown"), "shutdown")],
)
def test_a_stop_ends_the_session_in_good_order_and_spends_the_card(event: Any, by: Any) -> None:
    outlet = plugged()
    outlet.show_card(YES)
    outlet.connect()
    outlet.charge()
    outlet.hear(event)
    assert outlet.heard(StopRequested) == [StopRequested(by)]
    assert outlet.plugin.state.phase is Phase.SESSION, "the car is given its time"
    outlet.stop_charging()
    outlet.end()
    outlet.run(1000.0)
    assert (outlet.drive, outlet.sdp, outlet.shown) == ("x1", False, Indication.FINISHED)
    assert not outlet.plugin.eim_authorized(outlet.now)


def test_after_a_stop_a_card_begins_anew() -> None:
    outlet = plugged()
    outlet.show_card(YES)
    outlet.connect()
    outlet.hear(stop_pressed())
    outlet.end()
    outlet.run(10.0)
    outlet.show_card(NO)
    outlet.run(10.0)
    assert not outlet.sdp
    outlet.show_card(YES)
    assert (outlet.sdp, outlet.drive) == (True, "5%")


def test_a_stop_before_any_session_and_in_every_phase() -> None:
    outlet = Outlet()
    outlet.show_card(YES)
    outlet.hear(stop_pressed())
    assert outlet.shown is Indication.AVAILABLE
    outlet.plug_in()
    assert outlet.sdp, "who stops before the cable has only given back the card"
    outlet.hear(stop_pressed())
    outlet.run(10.0)
    assert (outlet.sdp, outlet.shown) == (False, Indication.FINISHED)
    outlet.hear(StartOrdered("operator"))
    assert outlet.sdp


# --- Faults and emergencies -------------------------------------------------------------------------------------------


def charging() -> Outlet:
    outlet = plugged()
    outlet.show_card(YES)
    outlet.connect()
    outlet.charge()
    outlet.forget()
    return outlet


def test_the_emergency_stop() -> None:
    outlet = charging()
    outlet.hear(emergency_stop_changed(True))
    assert outlet.heard(EmergencyStopped)
    assert outlet.drive == "5%", "the car still hears why"
    outlet.contactor = "open"
    outlet.end(Reason("emergency", "emergency-stop"))
    assert (outlet.drive, outlet.shown) == ("F", Indication.FAULTED)
    assert outlet.locked
    outlet.pilot_to("F")
    outlet.run(5.0)
    assert (outlet.drive, outlet.locked) == ("x1", False)
    outlet.pilot_to("B")
    outlet.hear(emergency_stop_changed(False))
    outlet.run(1000.0)
    assert not outlet.sdp, "this plug-in is over"
    outlet.unplug()
    outlet.plug_in()
    assert outlet.sdp


def test_nothing_but_unplugging_takes_an_emergency_back() -> None:
    outlet = charging()
    outlet.hear(emergency_stop_changed(True))
    outlet.contactor = "open"
    outlet.run(10.0)
    outlet.hear(emergency_stop_changed(False))
    outlet.hear(stop_pressed())
    outlet.hear(StartOrdered("operator"))
    outlet.show_card()
    outlet.run(10.0)
    assert not outlet.questions
    assert not outlet.sdp
    assert outlet.plugin.state.phase is Phase.FAULTED


def test_a_session_that_does_not_end_does_not_keep_the_oscillator() -> None:
    outlet = charging()
    outlet.hear(emergency_stop_changed(True))
    outlet.run(1.6)
    assert outlet.drive == "F"
    # The car has 5 s for its next request, which is answered.
    assert not outlet.said(CloseConnection)
    assert not outlet.said(ReleaseLink)
    outlet.run(5.0)
    assert outlet.said(CloseConnection)
    assert outlet.said(ReleaseLink) == [ReleaseLink(DLink.ERROR)]
    assert outlet.drive == "x1"


def test_in_an_emergency_the_network_is_left_when_the_connection_is_closed() -> None:
    outlet = charging()
    outlet.hear(emergency_stop_changed(True))
    outlet.end(Reason("emergency", "emergency-stop"), lingers=True)
    assert outlet.drive == "F"
    outlet.run(1.0)
    assert not outlet.said(ReleaseLink), "the answer that says why is on its way"
    outlet.hear(ConnectionGone())
    assert outlet.said(ReleaseLink) == [ReleaseLink(DLink.ERROR)]
    outlet.run(3.9)
    assert outlet.drive == "F"
    outlet.run(0.2)
    assert outlet.drive == "x1"


def test_a_car_that_is_pulled_while_its_last_answer_is_on_the_way_leaves_no_network() -> None:
    outlet = charging()
    outlet.hear(IndicateDlinkReady(True))
    outlet.hear(emergency_stop_changed(True))
    outlet.end(Reason("emergency", "emergency-stop"), lingers=True)
    outlet.unplug()
    assert outlet.said(ReleaseLink) == [ReleaseLink(DLink.ERROR)]


def test_while_the_emergency_stop_is_pressed_nothing_is_offered() -> None:
    outlet = Outlet()
    outlet.hear(emergency_stop_changed(True))
    assert outlet.shown is Indication.UNAVAILABLE
    outlet.plug_in()
    assert not outlet.sdp
    assert outlet.shown is Indication.FAULTED
    outlet.hear(emergency_stop_changed(False))
    assert outlet.sdp


def test_a_fault_of_the_board_is_an_emergency_for_the_session() -> None:
    outlet = charging()
    outlet.hear(fault_raised("residual_current", Severity.EMERGENCY, "tripped"))
    assert outlet.heard(Fault) == [Fault("residual_current", "tripped")]
    outlet.end(Reason("emergency", "fault"))
    assert outlet.drive == "F"
    assert outlet.text == "residual_current"


@pytest.mark.parametrize(
    ("wrong", "right", "code"),
    [
        (door_changed(True), door_changed(False), "door-open"),
        (BoardLost("silent", 0.0), BoardRecovered(0.0), "board-lost"),
    ],
)
def test_an_open_door_and_a_board_that_is_lost_are_faults(wrong: object, right: object, code: str) -> None:
    outlet = charging()
    outlet.hear(wrong)
    assert [fault.code for fault in outlet.heard(Fault)] == [code]
    outlet.contactor = "open"
    outlet.end(Reason("emergency", "fault"))
    assert (outlet.drive, outlet.shown, outlet.text) == ("F", Indication.FAULTED, code)
    outlet.unplug()
    outlet.hear(wrong)
    outlet.plug_in()
    assert not outlet.sdp
    outlet.hear(right)
    assert outlet.sdp


def test_a_fault_that_can_wait_ends_in_good_order_and_holds_the_next_attempt() -> None:
    outlet = charging()
    outlet.hear(fault_raised("over_temperature", Severity.STOP))
    assert outlet.heard(StopRequested) == [StopRequested("power")]
    outlet.stop_charging()
    outlet.end()
    outlet.run(100.0)
    assert not outlet.sdp
    outlet.hear(fault_cleared("over_temperature"))
    assert outlet.sdp
    assert outlet.plugin.eim_authorized(outlet.now), "nobody has stopped: the card still counts"


def test_a_warning_is_for_the_log() -> None:
    outlet = charging()
    outlet.hear(fault_raised("fan", Severity.WARNING))
    assert outlet.told == []
    assert outlet.shown is Indication.CHARGING


def test_a_power_path_that_failed_ends_the_session_and_one_that_latched_the_plug_in() -> None:
    for latched in (False, True):
        outlet = charging()
        outlet.hear(ReportFault("insulation-fault", "1000 ohms", latched))
        assert outlet.heard(Fault) == [Fault("insulation-fault", "1000 ohms")]
        outlet.contactor = "open"
        outlet.end(Reason("emergency", "fault"))
        outlet.run(10.0)
        assert outlet.sdp is not latched
        if latched:
            assert (outlet.shown, outlet.text) == (Indication.FAULTED, "insulation-fault")


def test_a_last_word_of_the_power_path_on_the_car_before_does_not_hold_up_the_next() -> None:
    outlet = Outlet()
    outlet.hear(ReportFault("insulation-fault", latched=True))
    outlet.plug_in()
    assert outlet.sdp


@pytest.mark.case("A-PHY-02")
@pytest.mark.parametrize("state", ["E", "F", "?"])
def test_a_pilot_that_breaks_in_a_session_is_a_fault(state: str) -> None:
    outlet = charging()
    outlet.pilot_to(state)
    assert outlet.heard(Fault)[0].code == "pilot-fault"
    outlet.run(1.6)
    assert outlet.drive == "F"


def test_a_lock_that_fails_is_told_to_the_session() -> None:
    outlet = plugged()
    outlet.connect()
    outlet.hear(CommandFailed("LockConnector", "stuck"))
    assert outlet.heard(Fault) == [Fault("lock-failed", "stuck")]
    outlet.hear(CommandFailed("UnlockConnector", "stuck"))
    assert len(outlet.heard(Fault)) == 1


def test_the_connector_is_unlocked_only_with_the_contactor_open() -> None:
    outlet = charging()
    outlet.end()
    assert outlet.locked
    outlet.contactor = "open"
    outlet.hear(contactor_changed())
    assert not outlet.locked


def test_a_bug_leaves_it_closed_and_the_oscillator_off() -> None:
    outlet = plugged()
    outlet._perform(outlet.plugin.session.fail(ValueError("a bug")))
    assert (outlet.sdp, outlet.drive) == (False, "x1")
    assert outlet.said(CloseConnection)


# --- In any order -----------------------------------------------------------------------------------------------------

STORY = st.lists(
    st.one_of(
        st.tuples(st.just("pilot"), st.sampled_from("AABBCDEF?")),
        st.tuples(st.just("run"), st.floats(0.0, 30.0)),
        st.tuples(st.just("connect"), st.just(None)),
        st.tuples(st.just("end"), st.sampled_from([COMPLETED, REFUSED, BROKEN])),
        st.tuples(st.just("charge"), st.booleans()),
        st.tuples(st.just("card"), st.sampled_from([YES, NO, None])),
        st.tuples(
            st.just("event"),
            st.sampled_from(
                [
                    ContractPresented(),
                    ContractDecided(lab_proved(), YES),
                    ContractDecided(lab_proved(), NO),
                    stop_pressed(),
                    StopOrdered("shutdown"),
                    StartOrdered("operator"),
                    emergency_stop_changed(True),
                    emergency_stop_changed(False),
                    fault_raised("f", Severity.EMERGENCY),
                    fault_raised("f", Severity.STOP),
                    fault_cleared("f"),
                    ReportFault("insulation-fault", latched=True),
                    ReportFault("pilot-left"),
                    ConnectionAccepted(),
                    CommandFailed("LockConnector"),
                ]
            ),
        ),
    ),
    max_size=25,
)


@settings(max_examples=100, deadline=None)
@given(STORY)
def test_in_any_order_of_events(story: list[tuple[str, Any]]) -> None:
    outlet = Outlet()
    for what, value in story:
        if what == "pilot":
            outlet.pilot_to(value)
        elif what == "run":
            outlet.run(value)
        elif what == "connect":
            if outlet.sdp:
                outlet.connect()
        elif what == "end":
            outlet.end(value)
        elif what == "charge":
            outlet.contactor = "closed" if value else "open"
            outlet.hear(contactor_changed())
        elif what == "card":
            outlet.show_card()
            if value is not None and outlet.questions:
                outlet.answer(value)
        else:
            outlet.hear(value)
        check(outlet)
    # Whatever there was, the next car is served once everything is right again.
    outlet.contactor = "open"
    outlet.pilot_to("A")
    for event in (emergency_stop_changed(False), fault_cleared("f")):
        outlet.hear(event)
    outlet.run(100.0)
    outlet.pilot_to("A")
    outlet.forget()
    outlet.plug_in()
    assert outlet.sdp
    assert not outlet.plugin.eim_authorized(outlet.now)
    assert outlet.connect() == BOTH


def check(outlet: Outlet) -> None:
    state = outlet.plugin.state
    assert outlet.plugin.session.ended is None, "only unplugging ends it, and then there is the next"
    assert outlet.sdp is state.window_open
    if outlet.sdp:
        assert outlet.drive == "5%", "who may connect has been asked to"
        assert state.over is None
        assert state.plugged_in
    if outlet.drive == "5%":
        assert state.phase in (Phase.WAITING, Phase.SESSION, Phase.FAULTED)
    if outlet.pilot == "A":
        assert not outlet.sdp
        assert outlet.drive == "x1"
    if state.emergency_stopped:
        assert outlet.shown in (Indication.FAULTED, Indication.UNAVAILABLE)
    assert len(outlet.questions) <= 1
    outlet.check_that_nothing_hangs()
