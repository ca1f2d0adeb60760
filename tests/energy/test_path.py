"""Whatever comes in whatever order: no power outside the rules, and none that stays. Judged by the world's true contactor and supply."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hal.guard import ConsentLost
from hal.port_queue import CommandFailed
from hal.readings import DcPhase, Severity
from secc.conversation import Answered, Ask, Asked, Levels, Tell, Ticket
from secc.energy import AcSettings, DcSettings, power_path
from secc.energy.effects import (
    AllowPower,
    CloseDcContactor,
    OpenDcContactor,
    ReleasePower,
    SeekConsent,
    StopInsulationMonitor,
    SwitchSupplyOff,
    WithdrawPower,
)
from secc.energy.events import ContactorOpeningTold
from secc.session.effects import CheckCable, OpenContactor, ReportFault, SetOutput, StopPower
from secc.session.events import LimitChanged, Unplugged
from secc.session.offer import DcLimits
from tests.board_events import contactor_changed, fault_raised, insulation_measured, pilot_changed
from tests.energy.bench import CHECKING, KEEP, START, STOP, Bench

DC = DcSettings(limits=DcLimits(50.0, 500.0, 0.0, 200.0, 60_000.0))
AC = AcSettings()

ANY = st.floats(allow_nan=True, allow_infinity=True) | st.sampled_from([0.0, -1.0, 350.0, 400.0, 1e9, math.nan])

COMMON = [
    st.tuples(st.just("s2"), st.booleans()),
    st.tuples(st.just("s2"), st.just(True)),
    st.tuples(st.just("ask"), st.sampled_from([START, STOP, CheckCable(425.0, CHECKING), CheckCable(425.0, CHECKING)])),
    st.tuples(st.just("event"), st.builds(LimitChanged, st.none() | ANY)),
    st.tuples(
        st.just("event"),
        st.sampled_from(
            [
                OpenContactor(),
                ConsentLost("the interlock says no"),
                CommandFailed("SetSupply", "no answer"),
                fault_raised("over-temperature", Severity.EMERGENCY),
                fault_raised("over-temperature", Severity.STOP),
                insulation_measured(1000.0, 0.0),
                insulation_measured(math.nan, 0.0),
            ]
        ),
    ),
    st.tuples(st.just("emergency"), st.booleans()),
    st.tuples(st.just("run"), st.sampled_from([0.05, 0.3, 2.0, 6.0])),
    st.tuples(st.just("run"), st.sampled_from([0.05, 0.3, 2.0, 6.0])),
]
ON = st.tuples(st.just("on"), st.none())
TARGETS = [
    st.tuples(st.just("event"), st.builds(SetOutput, ANY, ANY, st.sampled_from(DcPhase))),
    st.tuples(st.just("ask"), st.just(KEEP)),
    st.tuples(st.just("relay"), st.booleans()),
]


class Rules:
    """What must hold at every moment."""

    GRACE = 0.12

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.ready_at = self.safe_at = bench.clock.now()
        self.session_over_at: float | None = None
        bench.watch = self.check

    def check(self) -> None:
        bench, now = self.bench, self.bench.clock.now()
        truth = bench.world.truth()
        if truth["s2_closed"] and truth["plugged"]:
            self.ready_at = now
        if not truth["emergency_stopped"]:
            self.safe_at = now
        if truth["contactor_closed"] or truth["supply_on"]:
            assert now - self.ready_at <= self.GRACE, "power without a car in C or D"
            assert now - self.safe_at <= self.GRACE, "power with the emergency stop pressed"
        if self.session_over_at is not None:
            assert bench.dead or now - self.session_over_at < 2.7, "power after the session's end"
        if truth["supply_on"] and truth["amperes"] > 0.0:
            assert bench.asked, "current for nobody"
        assert truth["outlet_volts"] <= 550.0


def play(bench: Bench, story: list[tuple[str, Any]]) -> Rules:
    rules = Rules(bench)
    for what, value in story:
        match what:
            case "s2":
                bench.world.close_s2(value)
            case "relay":
                # No car closes its relay on a voltage that is far from its battery's.
                if not value or abs(bench.levels.volts - bench.world.truth()["battery_volts"]) < 20.0:
                    bench.world.close_relay(value)
            case "emergency":
                bench.world.press_emergency_stop(value)
            case "ask":
                rules.session_over_at = None
                bench.ask(value)
            case "event":
                if isinstance(value, OpenContactor):
                    rules.session_over_at = bench.clock.now()
                bench.hear(value)
            case "on":
                rules.session_over_at = None
                charge_by_the_book(bench)
            case "run":
                bench.run(value)
    return rules


def charge_by_the_book(bench: Bench) -> None:
    """Bring a car that is in a state for it to charging, so that stories go wrong in the middle of it."""
    if not bench.dc:
        bench.world.close_s2(True)
        bench.ask(START)
        bench.run(0.5)
        return
    bench.world.close_relay(False)
    bench.world.close_s2(True)
    bench.run(0.3)
    check = bench.ask(CheckCable(425.0, CHECKING))
    bench.run(5.5)
    if check not in bench.told or not bench.told[check].passed:
        return
    bench.hear(SetOutput(bench.world.truth()["battery_volts"], 1.0, DcPhase.PRECHARGE))
    bench.run(1.0)
    bench.world.close_relay()
    bench.ask(START)
    for _ in range(3):
        bench.hear(SetOutput(420.0, 100.0, DcPhase.CHARGE))
        bench.run(0.3)


def charging(settings: AcSettings | DcSettings) -> Bench:
    """Where every story begins: power flows, and there is something to lose."""
    bench = Bench(settings)
    charge_by_the_book(bench)
    assert bench.powered
    assert bench.world.truth()["amperes"] > 5.0
    return bench


ENDINGS = st.sampled_from(["order", "unplug", "bug", "nothing"])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.one_of(*COMMON, *TARGETS, ON), max_size=12), ENDINGS)
def test_dc_has_no_power_outside_the_rules_from_the_beginning(story: list[tuple[str, Any]], ending: str) -> None:
    """The same rules for what comes before power, out of any order: cable checks, targets and starts that no session waits for."""
    bench = Bench(DC)
    play(bench, story)
    end(bench, ending)


@pytest.mark.case("A-SES-05", "A-SES-14", "A-PWR-01", "A-PHY-02")
@settings(max_examples=75, deadline=None)
@given(st.lists(st.one_of(*COMMON, *TARGETS, ON), max_size=10), ENDINGS)
def test_dc_has_no_power_outside_the_rules_and_none_that_stays(story: list[tuple[str, Any]], ending: str) -> None:
    bench = charging(DC)
    play(bench, story)
    end(bench, ending)


@pytest.mark.case("A-SES-14", "A-PHY-02")
@settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(*COMMON, ON), max_size=16), ENDINGS)
def test_ac_has_no_power_outside_the_rules_and_none_that_stays(story: list[tuple[str, Any]], ending: str) -> None:
    bench = charging(AC)
    play(bench, story)
    end(bench, ending)


def end(bench: Bench, ending: str) -> None:
    bench.watch = lambda: None
    match ending:
        case "order":
            bench.hear(OpenContactor())
        case "unplug":
            bench.world.unplug(force=True)
            bench.run(0.05)
            bench.hear(Unplugged())
        case "bug":
            for effect in bench.session.fail(ValueError("a bug")):
                bench._perform(effect)
        case _:
            number = bench.ask(STOP)
            bench.run_until(lambda: number in bench.told, 8.0)
    bench.run_until(lambda: bench.dead, 2.7)
    bench.run(3.0)
    assert bench.dead


@pytest.mark.case("A-NET-09")
@pytest.mark.parametrize("settings", [AC, DC], ids=["ac", "dc"])
def test_a_queued_question_of_a_session_that_is_gone_switches_nothing_on(settings: AcSettings | DcSettings) -> None:
    """One question runs, a second one waits behind it, and the session ends. The car is ready for power then, and no session wants any."""
    question = START if isinstance(settings, AcSettings) else CheckCable(425.0, CHECKING)
    bench = Bench(settings)
    if isinstance(settings, DcSettings):
        bench.world.close_s2()
        bench.run(0.3)
    first, second = bench.ask(question), bench.ask(question)
    bench.run(0.2)
    assert bench.told == {}, "the first one runs, and the second one waits for it"
    bench.hear(OpenContactor())
    bench.run(0.8)
    assert not (bench.told[first].passed if isinstance(question, CheckCable) else bench.told[first].done)
    bench.effects.clear()
    bench.world.close_s2()
    bench.run(8.0)
    assert not any(isinstance(effect, AllowPower | CloseDcContactor | SeekConsent) for effect in bench.effects)
    assert bench.dead
    assert second not in bench.told, "whoever asked is gone"


class Blind:
    """A power path whose board notices nothing by itself: the levels are what the test says."""

    def __init__(self, settings: AcSettings | DcSettings) -> None:
        self.now, self.pilot, self.contactor, self.volts, self.amperes = 0.0, "C", "open", 0.0, 0.0
        self.told, self.feedback_age = True, 0.0
        """Whether the board confirms an order to open; how old its last word about the contactor is."""
        self.effects: list[Any] = []
        self.session = power_path(settings, now=0.0)
        self._step(lambda: self.session.begin(self.now))

    def hear(self, event: Any) -> None:
        self._step(lambda: self.session.receive(event, self.now))

    def ask(self, number: int, question: Any) -> None:
        self.hear(Asked(Ticket(number, type(question).__name__), question))

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / 0.05)):
            self.now += 0.05
            self._step(lambda: self.session.expire(self.now))

    def said(self, kind: type) -> list[Any]:
        return [effect for effect in self.effects if isinstance(effect, kind)]

    def _step(self, step: Any) -> None:
        self.session.levels = Levels(
            self.pilot,  # type: ignore[arg-type]  # a test's strings
            self.contactor,  # type: ignore[arg-type]  # a test's strings
            self.volts,
            self.amperes,
            self.now,
            contactor_at=self.now - self.feedback_age,
        )
        said = step()
        self.effects.extend(said)
        if self.told and any(isinstance(effect, OpenDcContactor) for effect in said):
            self.hear(ContactorOpeningTold())


def charging_blindly() -> Blind:
    blind = Blind(DC)
    blind.run(1.0)
    blind.ask(1, CheckCable(425.0, CHECKING))
    blind.run(0.2)
    blind.contactor, blind.volts = "closed", 475.0
    blind.run(1.5)
    (test,) = blind.said(Ask)
    blind.hear(Answered(test.ticket, True))
    blind.run(0.2)
    blind.hear(insulation_measured(1e6, blind.now))
    blind.volts = 10.0
    blind.run(0.2)
    blind.hear(SetOutput(380.0, 1.0, DcPhase.PRECHARGE))
    blind.volts = 380.0
    blind.ask(2, START)
    blind.hear(SetOutput(420.0, 50.0, DcPhase.CHARGE))
    blind.run(0.2)
    assert [tell.answer.passed if tell.ticket.number == 1 else tell.answer.done for tell in blind.said(Tell)] == [
        True,
        True,
    ]
    blind.effects.clear()
    return blind


def test_a_contactor_that_stays_closed_is_found_out_without_the_boards_help() -> None:
    blind = charging_blindly()
    blind.ask(3, STOP)
    blind.run(0.4)
    assert blind.said(ReportFault) == []
    blind.run(0.3)
    assert [fault.code for fault in blind.said(ReportFault)] == ["contactor-welded"]
    (tell,) = blind.said(Tell)
    assert not tell.answer.done


@pytest.mark.case("A-RES-09")
def test_an_order_that_waits_in_our_own_queue_is_no_weld() -> None:
    """The loop is held up between our order and the board: half a second of ours has passed, and none of the contactor's."""
    blind = charging_blindly()
    blind.told = False
    blind.ask(3, STOP)
    assert blind.said(OpenDcContactor)
    blind.now += 0.7
    blind.run(0.05)
    assert blind.said(ReportFault) == []
    blind.hear(ContactorOpeningTold())
    blind.contactor = "open"
    blind.hear(contactor_changed("open"))
    blind.run(1.0)
    assert blind.said(ReportFault) == []
    (tell,) = blind.said(Tell)
    assert tell.answer.done


@pytest.mark.case("A-RES-09")
def test_feedback_that_waits_in_our_own_queue_is_no_weld() -> None:
    """The board opened in time and has said so, but what we have read of it is older than that."""
    blind = charging_blindly()
    blind.ask(3, STOP)
    assert blind.said(OpenDcContactor)
    blind.now += 0.8
    blind.feedback_age = 0.75
    blind.run(0.05)
    assert blind.said(ReportFault) == []
    blind.feedback_age, blind.contactor = 0.0, "open"
    blind.hear(contactor_changed("open"))
    blind.run(1.0)
    assert blind.said(ReportFault) == []
    assert blind.said(Tell)


def test_a_driver_that_tells_changes_only_does_not_hide_a_weld() -> None:
    blind = charging_blindly()
    blind.feedback_age = math.inf
    blind.ask(3, STOP)
    blind.run(1.2)
    (tell,) = blind.said(Tell)
    assert not tell.answer.done
    assert blind.said(ReportFault) == []
    blind.run(2.2)
    assert [fault.code for fault in blind.said(ReportFault)] == ["contactor-welded"]


def test_an_order_to_open_that_failed_does_not_hide_a_weld() -> None:
    blind = charging_blindly()
    blind.told = False
    blind.ask(3, STOP)
    blind.hear(CommandFailed("OpenDcContactor", "the bus is busy"))
    blind.run(0.7)
    assert [fault.code for fault in blind.said(ReportFault)] == ["contactor-welded"]


def stopping_at(amperes: float, stop: StopPower = STOP) -> Blind:
    """A supply whose current does not fall below this."""
    blind = charging_blindly()
    blind.amperes = amperes
    blind.ask(3, stop)
    assert blind.said(SwitchSupplyOff)
    return blind


@pytest.mark.parametrize("amperes", [20.0, -20.0, 5.0, -5.0])
def test_the_contactor_waits_for_a_current_that_it_may_break(amperes: float) -> None:
    """5 A and more are not broken before the supply has had its 2 s, whichever way they flow."""
    blind = stopping_at(amperes)
    blind.run(1.8)
    assert blind.said(OpenDcContactor) == []
    blind.run(0.4)
    assert blind.said(OpenDcContactor), "the lesser evil"
    assert [fault.code for fault in blind.said(ReportFault)] == ["supply-not-off"]


@pytest.mark.parametrize("amperes", [4.9, -4.9])
def test_the_contactor_opens_when_the_current_may_be_broken(amperes: float) -> None:
    blind = stopping_at(20.0)
    blind.run(0.5)
    blind.amperes = amperes
    blind.run(0.15)
    assert blind.said(OpenDcContactor), "the current is a level, and nothing but the tick tells of it"
    blind.contactor = "open"
    blind.run(0.2)
    assert blind.said(ReportFault) == []


@pytest.mark.parametrize("amperes", [20.0, -20.0])
def test_a_contactor_that_would_stay_closed_over_a_renegotiation_opens_where_the_current_does_not_fall(
    amperes: float,
) -> None:
    blind = stopping_at(amperes, KEEP)
    blind.run(1.8)
    assert blind.said(OpenDcContactor) == []
    blind.run(0.4)
    assert blind.said(OpenDcContactor)
    assert [fault.code for fault in blind.said(ReportFault)] == ["supply-not-off"]
    assert [tell.answer.done for tell in blind.said(Tell)] == [False]


def test_a_contactor_stays_closed_over_a_renegotiation() -> None:
    blind = stopping_at(20.0, KEEP)
    blind.run(0.5)
    blind.amperes = 0.0
    blind.run(5.0)
    assert [tell.answer.done for tell in blind.said(Tell)] == [True]
    assert blind.said(OpenDcContactor) == blind.said(ReleasePower) == blind.said(StopInsulationMonitor) == []


def test_over_voltage_is_off_in_the_next_step_without_the_boards_help() -> None:
    blind = charging_blindly()
    blind.volts = 551.0
    blind.run(0.1)
    assert [fault.code for fault in blind.said(ReportFault)] == ["over-voltage"]
    assert blind.said(SwitchSupplyOff)
    blind.run(0.1)
    assert blind.said(OpenDcContactor)


@pytest.mark.parametrize("volts", [math.nan, math.inf])
def test_a_measured_voltage_that_is_no_number_is_over_voltage(volts: float) -> None:
    blind = charging_blindly()
    blind.volts = volts
    blind.run(0.1)
    assert [fault.code for fault in blind.said(ReportFault)] == ["over-voltage"]


def test_a_pilot_that_leaves_c_opens_without_the_boards_help_and_in_time() -> None:
    blind = charging_blindly()
    blind.pilot, blind.amperes = "B", 50.0
    blind.hear(pilot_changed("B"))
    assert blind.said(SwitchSupplyOff)
    blind.run(0.05)
    assert blind.said(OpenDcContactor)
    assert blind.said(ReleasePower)


def test_a_car_that_opens_its_ac_switch_unheard_is_seen_a_tick_later() -> None:
    """Events only wake the path: one that is lost costs a tenth of a second, and not the 3 s that a car has."""
    blind = Blind(AC)
    blind.run(0.1)
    blind.ask(1, START)
    blind.contactor = "closed"
    blind.run(0.2)
    blind.ask(2, STOP)
    blind.run(1.0)
    blind.effects.clear()
    blind.pilot = "B"
    blind.run(0.1)
    assert blind.said(WithdrawPower)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["ask", "drop", "s2"]), st.floats(0.0, 3.0)), max_size=10),
    st.lists(
        st.sampled_from([START, STOP, KEEP, CheckCable(425.0, CHECKING)]),
        min_size=1,
        max_size=4,
    ),
    st.booleans(),
)
def test_every_question_of_a_living_session_is_answered_once(
    story: list[tuple[str, float]], questions: list[Any], charges: bool
) -> None:
    bench = charging(DC) if charges else Bench(DC)
    waiting = list(questions)
    for what, pause in story:
        if what == "ask" and waiting:
            bench.ask(waiting.pop(0))
        elif what == "s2":
            bench.world.close_s2(not bench.world.truth()["s2_closed"])
        else:
            bench.hear(fault_raised("over-temperature", Severity.EMERGENCY))
        bench.run(pause)
    for question in waiting:
        bench.ask(question)
    assert len(bench.asked) >= len(questions)
    bench.run_until(lambda: bench.told.keys() == bench.asked.keys(), 45.0 * len(questions))


def test_what_nobody_waits_for_does_not_disturb_it() -> None:
    session = power_path(DC, now=0.0)
    session.begin(0.0)
    for number in range(100):
        session.receive(SetOutput(400.0, 1.0, DcPhase.CHARGE), float(number))
    assert session.ended is None
    assert session.deadline is None, "nothing is on: it waits as long as the car is plugged in"
