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
from secc.energy import AcSettings, DcSettings, PowerPath
from secc.energy.effects import (
    AllowPower,
    CloseDcContactor,
    OpenDcContactor,
    ReleasePower,
    SeekConsent,
    SwitchSupplyOff,
    WithdrawPower,
)
from secc.session.effects import CheckCable, OpenContactor, ReportFault, SetOutput
from secc.session.events import LimitChanged, Unplugged
from secc.session.offer import DcLimits
from tests.board_events import fault_raised, insulation_measured, pilot_changed
from tests.energy.bench import CHECKING, KEEP, START, STOP, Bench
from tests.energy.blind import Blind, charging_blindly

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
    session = PowerPath(DC, now=0.0)
    session.begin(0.0)
    for number in range(100):
        session.receive(SetOutput(400.0, 1.0, DcPhase.CHARGE), float(number))
    assert session.ended is None
    assert session.deadline is None, "nothing is on: it waits as long as the car is plugged in"
