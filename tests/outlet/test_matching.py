"""From the cable to the link, as dialogues: arming, 5 %, retries by F, fall-back, pauses, lost links, a dead modem."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hal.readings import Indication, Severity
from secc.conversation import Reason
from secc.link.slac.dlink import (
    ArmMatching,
    DLink,
    IndicateDlinkReady,
    ReleaseLink,
    ReportMatchingBegun,
    ReportMatchingFailed,
    ReportModem,
    ResumeLink,
)
from secc.outlet import PlugInSettings
from secc.outlet.events import ChargingEnded, SessionBegan, SessionEnded, SessionSetUp
from secc.outlet.settings import Hlc
from secc.outlet.state import Phase
from secc.session.effects import Remark
from secc.session.events import LimitChanged, LinkLost, SetupTimedOut
from secc.session.offer import AcLimits, Payment
from tests.board_events import (
    emergency_stop_changed,
    fault_cleared,
    fault_raised,
    stop_pressed,
)
from tests.lab_proof import lab_proved
from tests.outlet.talk import COMPLETED, MATCHED, REFUSED, YES, Outlet

DC = PlugInSettings(modem=True)
AC = PlugInSettings(modem=True, ac=AcLimits())
SILENT = ReportMatchingFailed("TT_EVSE_SLAC_init", armed=False)
PAUSED = Reason("completed", "pause")
BOTH_KINDS = pytest.mark.parametrize("settings", [DC, AC], ids=["dc", "ac"])


def plugged(settings: PlugInSettings = DC, *, seconds: float = 1.0) -> Outlet:
    outlet = Outlet(settings)
    outlet.plug_in()
    outlet.run(seconds)
    return outlet


# --- The way to the link ----------------------------------------------------------------------------------------------


@pytest.mark.case("SL-PARM-01", "SL-PARM-08")
@BOTH_KINDS
def test_matching_is_armed_before_the_duty_is_set(settings: PlugInSettings) -> None:
    outlet = Outlet(settings)
    assert not outlet.armed, "in state A nobody is answered"
    outlet.plug_in()
    assert (outlet.armed, outlet.drive, outlet.sdp) == (True, "x1", False)
    outlet.run(0.49)
    assert outlet.drive == "x1", "Q-01: some cars ask the moment they see the duty"
    outlet.run(0.02)
    assert outlet.drive == "5%"
    assert outlet.plugin.state.phase is Phase.MATCHING


def test_the_delay_is_a_setting() -> None:
    outlet = Outlet(PlugInSettings(modem=True, pwm_delay_seconds=0.0))
    outlet.plug_in()
    assert (outlet.armed, outlet.drive) == (True, "5%")


def test_a_car_that_asks_in_the_delay_is_not_kept_waiting() -> None:
    outlet = plugged(seconds=0.1)
    outlet.match(up=False)
    assert outlet.drive == "5%"


@BOTH_KINDS
def test_sdp_is_open_when_the_key_is_given_and_the_clock_starts_with_the_link(settings: PlugInSettings) -> None:
    outlet = plugged(settings)
    outlet.hear(ReportMatchingBegun())
    assert not outlet.sdp
    outlet.hear(MATCHED)
    assert outlet.sdp, "cars ask 0.4 s later"
    outlet.run(15.0)
    outlet.hear(IndicateDlinkReady(True))
    outlet.run(19.9)
    assert outlet.sdp, "the setup clock runs from D-LINK_READY (Q-10), and SDP may come before (Q-17)"
    outlet.run(0.2)
    assert not outlet.sdp
    assert outlet.heard(SetupTimedOut)
    assert outlet.said(ReleaseLink) == [ReleaseLink(DLink.ERROR)]


def test_a_car_may_connect_before_its_link_is_reported() -> None:
    outlet = plugged()
    outlet.match(up=False)
    outlet.connect()
    outlet.hear(IndicateDlinkReady(True))
    assert outlet.plugin.state.phase is Phase.SESSION
    outlet.run(100.0)
    assert not outlet.heard(SetupTimedOut)


@pytest.mark.case("SL-MTC-23")
def test_the_link_is_left_after_the_session_and_the_next_offer_arms_anew() -> None:
    outlet = plugged()
    outlet.match()
    outlet.connect()
    outlet.end()
    assert outlet.said(ReleaseLink) == [ReleaseLink(DLink.TERMINATE)]
    assert not outlet.armed
    outlet.run(3.0)
    assert outlet.armed


@pytest.mark.case("SL-PARM-07", "SL-MTC-18")
def test_unplugging_while_matching() -> None:
    for events in ((), (ReportMatchingBegun(),), (ReportMatchingBegun(), MATCHED)):
        outlet = plugged()
        for event in events:
            outlet.hear(event)
        outlet.unplug()
        assert (outlet.drive, outlet.sdp, outlet.plugins) == ("x1", False, 2)


# --- Nobody asks ------------------------------------------------------------------------------------------------------


@pytest.mark.case("SL-PARM-04", "SL-PARM-12")
@BOTH_KINDS
def test_two_retries_by_f(settings: PlugInSettings) -> None:
    outlet = plugged(settings)
    for _ in range(2):
        outlet.run(48.0)
        outlet.hear(SILENT)
        assert outlet.drive == "F"
        outlet.pilot_to("F")
        outlet.run(3.99)
        assert outlet.drive == "F"
        outlet.run(0.02)
        assert outlet.armed
        outlet.pilot_to("B")
        outlet.run(0.5)
        assert outlet.drive == "5%"
    assert not outlet.heard(SetupTimedOut)
    outlet.hear(SILENT)
    if settings.ac is None:
        outlet.run(100.0)
        assert (outlet.drive, outlet.armed) == ("5%", True), "DC: nothing to fall back to"
        outlet.hear(SILENT)
        assert (outlet.drive, outlet.armed) == ("5%", True)
    else:
        assert outlet.drive == "x1"
        outlet.run(100.0)
        assert outlet.plugin.state.phase is Phase.BASIC
        assert outlet.drive == "x1", "nobody is identified"


@pytest.mark.case("Q-03")
@pytest.mark.parametrize("strict", [True, False])
def test_retries_at_a_dc_outlet_are_a_tolerance(strict: bool) -> None:
    outlet = plugged(PlugInSettings(modem=True, strict=strict))
    outlet.forget()
    outlet.hear(SILENT)
    assert outlet.drive == ("5%" if strict else "F")
    outlet.run(1.0)
    assert bool(outlet.said(ArmMatching)) is strict
    assert [remark.code for remark in outlet.said(Remark)] == ([] if strict else ["Q-03"])


def test_an_unplugging_behind_f_is_seen_afterwards() -> None:
    outlet = plugged()
    outlet.hear(SILENT)
    outlet.pilot_to("F")
    outlet.run(4.1)
    outlet.pilot_to("A")
    assert outlet.plugins == 2


def test_f_of_our_own_making_is_no_fault_but_one_that_stays_is() -> None:
    outlet = plugged()
    outlet.hear(SILENT)
    outlet.pilot_to("F")
    outlet.run(4.9)
    assert outlet.plugin.state.phase is Phase.MATCHING
    assert outlet.drive == "5%"
    outlet.run(0.2)
    assert outlet.plugin.state.phase is Phase.FAULTED


def test_a_run_that_failed_but_may_be_repeated_by_the_car_is_waited_for() -> None:
    """Q-02"""
    outlet = plugged()
    outlet.hear(ReportMatchingBegun())
    outlet.hear(ReportMatchingFailed("C_EV_match_retry", armed=True))
    outlet.run(10.0)
    assert outlet.drive == "5%"
    outlet.match()
    assert outlet.sdp


@pytest.mark.parametrize("strict", [True, False])
def test_a_link_that_never_came(strict: bool) -> None:
    outlet = plugged(PlugInSettings(modem=True, ac=AcLimits(), strict=strict))
    outlet.match(up=False)
    outlet.hear(IndicateDlinkReady(False, "TT_match_join"))
    assert not outlet.sdp
    assert outlet.drive == ("F" if strict else "5%")
    if not strict:
        outlet.match()
        assert outlet.sdp
        outlet.run(10.0)
        assert outlet.connect()


# --- Fall-back --------------------------------------------------------------------------------------------------------


def test_a_card_before_the_cable_gives_nominal_duty_at_once() -> None:
    outlet = Outlet(AC)
    outlet.show_card(YES)
    outlet.plug_in()
    outlet.run(10.0)
    assert [what for _, what in outlet.driven] == ["x1", "53%"], "no car has seen 5 %"


@pytest.mark.case("SL-PARM-10")
def test_a_card_before_matching_steps_to_nominal_duty() -> None:
    outlet = plugged(AC)
    outlet.driven.clear()
    began = outlet.now
    outlet.show_card(YES)
    outlet.run(20.0)
    steps = [(round(at - began, 2), what) for at, what in outlet.driven]
    assert steps[:2] == [(0.0, "F"), (4.0, "x1")], "[V2G3-M06-05]"
    assert steps[2][1] == "53%"
    assert outlet.armed, "SL-PARM-13: a car may still ask to be matched"
    assert outlet.arming is not None
    assert not outlet.arming.limited


def test_a_card_while_a_car_is_being_matched_disturbs_nobody() -> None:
    outlet = plugged(AC)
    outlet.hear(ReportMatchingBegun())
    outlet.show_card(YES)
    assert outlet.drive == "5%"
    outlet.match()
    assert outlet.connect() == (Payment.EXTERNAL,)


@pytest.mark.parametrize("hlc", [Hlc.REQUIRED, Hlc.PREFERRED])
def test_a_card_at_a_dc_outlet_or_where_talk_is_required_changes_nothing(hlc: Hlc) -> None:
    ac = AcLimits() if hlc is Hlc.REQUIRED else None
    outlet = Outlet(PlugInSettings(modem=True, hlc=hlc, ac=ac))
    outlet.show_card(YES)
    outlet.plug_in()
    outlet.run(1.0)
    assert outlet.drive == "5%"


@pytest.mark.case("Q-41")
@pytest.mark.parametrize("strict", [False, True])
def test_a_car_that_only_shows_its_contract_charges_by_duty(strict: bool) -> None:
    from secc.outlet.events import ContractDecided, ContractPresented

    outlet = plugged(replace(AC, strict=strict))
    outlet.match()
    outlet.connect()
    outlet.hear(ContractPresented())
    outlet.hear(ContractDecided(lab_proved(), YES))
    outlet.end(COMPLETED)
    assert outlet.drive == "x1"
    outlet.run(2.9)
    assert outlet.drive == "x1", "T_step_X1"
    outlet.run(1.0)
    assert outlet.drive == "53%"
    assert [remark.code for remark in outlet.said(Remark)] == ["Q-41"]
    assert outlet.shown is Indication.AUTHORIZED
    outlet.hear(stop_pressed())
    outlet.run(10.0)
    assert outlet.drive == "x1"
    outlet.run(100.0)
    assert outlet.drive == "x1", "what was stopped has to be authorised anew"


def test_a_contract_that_was_refused_does_not_fall_back() -> None:
    from secc.outlet.events import ContractDecided, ContractPresented
    from tests.outlet.talk import NO

    outlet = plugged(AC)
    outlet.match()
    outlet.connect()
    outlet.hear(ContractPresented())
    outlet.hear(ContractDecided(lab_proved(), NO))
    outlet.end(REFUSED)
    outlet.run(4.0)
    assert outlet.drive == "5%"


@pytest.mark.case("Q-13")
def test_cars_that_match_and_never_connect_charge_by_duty_after_three_times() -> None:
    outlet = plugged(AC)
    for _ in range(3):
        assert outlet.drive == "5%"
        outlet.match()
        outlet.run(20.1)
        outlet.run(4.0)
    assert outlet.plugin.state.phase is Phase.BASIC
    assert [remark.code for remark in outlet.said(Remark)] == ["Q-13"]


def test_a_car_that_matches_under_nominal_duty_is_talked_to_from_5_percent() -> None:
    outlet = plugged(AC)
    outlet.show_card(YES)
    outlet.run(20.0)
    assert outlet.drive == "53%"
    outlet.match()
    assert outlet.drive == "x1"
    outlet.run(4.0)
    assert (outlet.drive, outlet.sdp) == ("5%", True)
    assert outlet.connect() == (Payment.EXTERNAL,)


# --- The link is lost, the modem dies ---------------------------------------------------------------------------------


@pytest.mark.case("SL-MTC-22", "SL-MTC-25", "SL-MTC-26")
@BOTH_KINDS
def test_a_lost_link_ends_the_session_and_f_makes_the_car_begin_anew(settings: PlugInSettings) -> None:
    outlet = plugged(settings)
    outlet.match()
    outlet.connect()
    outlet.charge()
    outlet.hear(IndicateDlinkReady(False, "link lost"))
    assert outlet.heard(LinkLost)
    outlet.hear(ChargingEnded())
    outlet.hear(SessionEnded(Reason("severed", "link-lost")))
    assert outlet.drive == "5%", "F would open the contactor under load"
    outlet.stop_charging()
    assert outlet.drive == "F"
    outlet.pilot_to("F")
    outlet.run(4.1)
    outlet.pilot_to("B")
    assert outlet.drive == "x1"
    outlet.run(4.0)
    assert (outlet.drive, outlet.armed) == ("5%", True)
    outlet.match()
    assert outlet.connect()


def test_a_dead_modem_keeps_a_dc_outlet_waiting_and_is_shown() -> None:
    outlet = Outlet(DC)
    outlet.hear(ReportModem(False, "no modem answers"))
    assert (outlet.shown, outlet.text) == (Indication.UNAVAILABLE, "modem")
    outlet.plug_in()
    outlet.run(100.0)
    assert outlet.drive == "x1"
    assert (outlet.shown, outlet.text) == (Indication.FAULTED, "modem")
    outlet.hear(ReportModem(True))
    outlet.run(1.0)
    assert outlet.drive == "5%"


def test_a_dead_modem_leaves_an_ac_outlet_its_duty() -> None:
    outlet = Outlet(AC)
    outlet.hear(ReportModem(False, "no modem answers"))
    assert outlet.shown is Indication.AVAILABLE
    outlet.plug_in()
    outlet.show_card(YES)
    outlet.run(1.0)
    assert outlet.drive == "53%"


def test_a_modem_that_dies_while_matching() -> None:
    outlet = plugged(DC)
    outlet.hear(ReportModem(False))
    outlet.run(10.0)
    assert outlet.drive == "x1", "F would hide the car, and its card would be the next one's"
    outlet.hear(ReportModem(True))
    outlet.pilot_to("B")
    outlet.run(10.0)
    assert (outlet.drive, outlet.armed) == ("5%", True)


def test_a_fault_holds_matching_up() -> None:
    outlet = plugged(DC)
    outlet.hear(fault_raised("over_temperature", Severity.STOP))
    assert outlet.drive == "x1"
    outlet.run(100.0)
    outlet.hear(fault_cleared("over_temperature"))
    outlet.run(1.0)
    assert outlet.drive == "5%"


def test_an_emergency_of_the_board_before_there_is_a_link_holds_matching_up_and_may_clear_by_itself() -> None:
    """A heartbeat that was late for a moment left the car in F until it was plugged in again, although nothing had begun."""
    outlet = plugged(DC)
    outlet.hear(fault_raised("heartbeat_lost", Severity.EMERGENCY))
    outlet.run(10.0)
    assert (outlet.drive, outlet.sdp, outlet.shown) == ("x1", False, Indication.FAULTED)
    outlet.hear(fault_cleared("heartbeat_lost"))
    outlet.run(60.0)
    assert (outlet.drive, outlet.armed) == ("5%", True)


def test_an_emergency_stop_while_matching_is_over_until_the_car_is_unplugged() -> None:
    outlet = plugged(DC)
    outlet.hear(emergency_stop_changed(True))
    outlet.run(10.0)
    outlet.hear(emergency_stop_changed(False))
    outlet.run(100.0)
    assert (outlet.drive, outlet.shown) == ("x1", Indication.FAULTED)


def test_a_stop_while_matching() -> None:
    outlet = plugged(DC)
    outlet.hear(stop_pressed())
    outlet.run(100.0)
    assert (outlet.drive, outlet.sdp, outlet.shown) == ("x1", False, Indication.FINISHED)


# --- Pause ------------------------------------------------------------------------------------------------------------


def paused(settings: PlugInSettings = DC) -> Outlet:
    outlet = plugged(settings)
    outlet.match()
    outlet.connect()
    outlet.end(PAUSED)
    assert outlet.said(ReleaseLink) == [ReleaseLink(DLink.PAUSE)]
    assert (outlet.drive, outlet.shown) == ("x1", Indication.PAUSED)
    outlet.forget()
    return outlet


@pytest.mark.case("SL-MTC-24")
def test_a_car_wakes_the_station_by_a_toggle_and_keeps_its_link() -> None:
    outlet = paused()
    outlet.run(1000.0)
    assert outlet.drive == "x1"
    outlet.pilot_to("C")
    outlet.run(0.3)
    outlet.pilot_to("B")
    outlet.run(0.3)
    assert outlet.drive == "x1", "another toggle may follow"
    outlet.run(0.3)
    assert (outlet.drive, outlet.sdp) == ("5%", True)
    assert outlet.said(ResumeLink)
    assert not outlet.said(ReleaseLink)
    assert outlet.connect()


def test_a_toggle_right_after_the_pause_waits_for_x1_to_be_over() -> None:
    outlet = paused()
    began = outlet.now
    outlet.pilot_to("C")
    outlet.run(0.3)
    outlet.pilot_to("B")
    outlet.run(5.0)
    at, what = outlet.driven[-1]
    assert what == "5%"
    assert at - began == pytest.approx(3.0), "T_step_X1"


def test_the_station_wakes_the_car_when_there_is_news() -> None:
    outlet = paused()
    outlet.run(10.0)
    outlet.hear(LimitChanged(3000.0))
    outlet.hear(LimitChanged(2000.0))
    assert outlet.drive == "x1", "less power is no news for a car that sleeps"
    outlet.hear(LimitChanged(5000.0))
    assert outlet.drive == "5%", "B1 to B2"
    assert outlet.said(ResumeLink)


def test_a_link_that_went_in_the_pause_is_matched_anew() -> None:
    outlet = paused()
    outlet.run(10.0)
    outlet.hear(IndicateDlinkReady(False, "link lost"))
    outlet.hear(LimitChanged(0.0))
    outlet.hear(LimitChanged(None))
    outlet.run(1.0)
    assert (outlet.drive, outlet.armed, outlet.sdp) == ("5%", True, False)
    assert not outlet.said(ResumeLink)


def test_unplugged_or_stopped_in_the_pause() -> None:
    outlet = paused()
    outlet.unplug()
    assert outlet.plugins == 2
    outlet = paused()
    outlet.hear(stop_pressed())
    assert outlet.said(ReleaseLink) == [ReleaseLink(DLink.TERMINATE)]
    outlet.run(10.0)
    assert outlet.shown is Indication.FINISHED


def test_connections_before_the_link_do_not_end_the_offer() -> None:
    outlet = plugged()
    outlet.match(up=False)
    outlet.hear(SessionBegan((Payment.EXTERNAL,)))
    outlet.hear(SessionSetUp())
    outlet.hear(IndicateDlinkReady(True))
    outlet.charge()
    assert outlet.shown is Indication.CHARGING


def test_a_car_that_unplugs_before_the_network_is_left_leaves_no_key_behind() -> None:
    outlet = plugged()
    outlet.match()
    outlet.connect()
    outlet.end(lingers=True)
    assert outlet.said(ReleaseLink) == []
    outlet.unplug()
    assert outlet.said(ReleaseLink) == [ReleaseLink(DLink.ERROR)]
