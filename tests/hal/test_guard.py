"""The guard on a simulated board: every way the consent goes opens the true contactor, and nobody had to ask a session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from hal.errors import HalLost, HalRejected, HalTimeout
from hal.guard import Guard
from hal.guarded import GuardedAcPower
from hal.interlock import Consent, Insulation, Purpose, Reason
from hal.open import open_sim
from hal.readings import DcPhase, PilotState
from hal.sim.board import SimBoard
from hal.sim.clock import VirtualLoop, run_virtual
from hal.sim.options import parse
from hal.sim.world import World
from hal.ticker import Ticker
from tests.hal.heard_beats import beats_of


class Bench:
    """A board with a guard and a car in state C."""

    def __init__(self, board: SimBoard, ticker: Ticker | None = None) -> None:
        assert board.world is not None
        self.board = board
        self.world: World = board.world
        self.revoked: list[Consent] = []
        self.beats = beats_of(board)
        self.turns: list[float] = []
        self.guard = Guard(board, ticker=ticker, on_revoked=self.revoked.append, on_turn=self.turns.append)

    async def charge(self) -> None:
        """Power flows into the car."""
        guard, world = self.guard, self.world
        if guard.dc is not None:
            guard.insulation(Insulation.VALID)
            assert guard.ask(Purpose.DC)
            await guard.dc.set_contactor(True)
            await guard.dc.set_target(world.car.battery.open_volts, 2.0, DcPhase.PRECHARGE)
            await asyncio.sleep(1.0)
            world.close_relay()
            await guard.dc.set_target(420.0, 100.0, DcPhase.CHARGE)
            await asyncio.sleep(3.0)
        else:
            assert guard.ac is not None
            assert guard.ask(Purpose.AC)
            await guard.ac.allow(True, "test")
            await asyncio.sleep(1.0)
        assert world.watts() > 10_000.0


@asynccontextmanager
async def bench(query: str = "?car=plugged", ticker: Ticker | None = None) -> AsyncIterator[Bench]:
    board = await open_sim(parse(query))
    it = Bench(board, ticker)
    task = asyncio.create_task(it.guard.run())
    await board.pilot.set_duty(0.05)
    it.world.close_s2()
    await asyncio.sleep(0.3)
    try:
        yield it
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await board.close()


KINDS = ["?car=plugged&connector=dc", "?car=plugged&connector=ac"]


@pytest.mark.parametrize("query", KINDS)
@pytest.mark.parametrize(
    ("happens", "seconds"),
    [
        pytest.param(lambda world: world.unplug(), 0.1, id="unplugged"),
        pytest.param(lambda world: world.close_s2(False), 0.1, id="state B"),
        pytest.param(lambda world: world.press_emergency_stop(), 0.1, id="emergency stop"),
        pytest.param(lambda world: world.open_door(), 0.1, id="door"),
        pytest.param(lambda world: world.inject("pilot_diode"), 0.1, id="pilot diode"),
        pytest.param(lambda world: world.inject("pilot_short"), 0.1, id="pilot short"),
        pytest.param(lambda world: world.inject("residual_current"), 0.1, id="residual current"),
        pytest.param(lambda world: world.inject("controller_silent"), 1.0, id="silent controller"),
        pytest.param(lambda world: world.inject("meter_lost"), 10.2, id="a stop that nobody carries out"),
    ],
)
def test_whatever_happens_the_power_is_off_in_time(
    query: str, happens: Callable[[World], None], seconds: float
) -> None:
    async def main() -> None:
        async with bench(query) as it:
            await it.charge()
            happens(it.world)
            await asyncio.sleep(seconds)
            assert not it.world.contactor.closed
            assert it.world.watts() == 0.0
            await asyncio.sleep(2.0)
            assert len(it.revoked) == 1
            assert it.guard.asked is Purpose.NONE
            assert not it.world.contactor.closed

    run_virtual(main())


def test_a_cable_check_forgets_what_the_one_before_it_found() -> None:
    """The finding is of that moment. A session that went on to charge without waiting for its own would charge by an old one."""

    async def main() -> None:
        async with bench() as it:
            await it.charge()
            assert it.guard.ask(Purpose.CABLE_CHECK)
            await asyncio.sleep(1.0)
            assert it.world.contactor.closed, "the check may go on behind a closed contactor"
            refused = it.guard.ask(Purpose.DC)
            assert refused.reasons == {Reason.INSULATION_UNKNOWN}
            it.guard.insulation(Insulation.VALID)
            assert it.guard.ask(Purpose.DC)

    run_virtual(main())


def test_power_does_not_come_back_when_the_reason_goes() -> None:
    async def main() -> None:
        async with bench() as it:
            await it.charge()
            it.world.press_emergency_stop()
            await asyncio.sleep(0.2)
            it.world.press_emergency_stop(False)
            await asyncio.sleep(5.0)
            assert not it.world.contactor.closed
            assert it.guard.consent.reasons == {Reason.NOT_ASKED}
            assert it.guard.ask(Purpose.DC)

    run_virtual(main())


def test_the_supply_alone_misbehaving_is_met_by_the_contactor() -> None:
    async def main() -> None:
        async with bench() as it:
            await it.charge()
            it.world.inject("supply_runaway")
            it.world.close_s2(False)
            await asyncio.sleep(0.1)
            assert not it.world.contactor.closed
            assert it.world.watts() == 0.0

    run_virtual(main())


def test_releasing_brings_the_current_down_before_the_contactor_opens() -> None:
    async def main() -> None:
        async with bench() as it:
            await it.charge()
            it.guard.release()
            await asyncio.sleep(0.3)
            assert not it.world.contactor.closed
            assert list(it.world.incidents) == []
            assert it.revoked == []
            it.guard.release()

    run_virtual(main())


def test_an_emergency_does_not_wait_for_an_orderly_opening() -> None:
    async def main() -> None:
        async with bench() as it:
            await it.charge()
            it.world.inject("supply_runaway")
            it.guard.release()
            await asyncio.sleep(0.05)
            assert it.world.contactor.closed
            it.world.press_emergency_stop()
            await asyncio.sleep(0.1)
            assert not it.world.contactor.closed

    run_virtual(main())


def test_an_orderly_opening_that_waits_for_its_supply_makes_no_emergency_wait() -> None:
    """The supply takes its two seconds, and the board is one that leaves the contactor to us: what counts is when the guard commands it."""

    async def main() -> None:
        async with bench() as it:
            await it.charge()
            dc, loop = it.board.dc, asyncio.get_running_loop()
            assert dc is not None
            opened: list[float] = []
            set_contactor = dc.set_contactor

            async def slow() -> None:
                await asyncio.sleep(2.0)

            async def noted(closed: bool) -> None:
                if not closed:
                    opened.append(loop.time())
                await set_contactor(closed)

            dc.off, dc.set_contactor = slow, noted  # type: ignore[method-assign]  # a slow supply, and a look at the contactor's commands
            it.guard.release()
            await asyncio.sleep(0.5)
            assert opened == [], "the orderly opening waits for the current"
            assert it.world.contactor.closed
            pressed = loop.time()
            it.world.press_emergency_stop()
            await asyncio.sleep(0.2)
            assert opened, "the emergency waits behind it"
            assert opened[0] - pressed <= 0.1

    run_virtual(main())


def test_a_refused_question_changes_nothing() -> None:
    async def main() -> None:
        async with bench() as it:
            assert it.guard.ask(Purpose.CABLE_CHECK)
            refused = it.guard.ask(Purpose.DC)
            assert refused.reasons == {Reason.INSULATION_UNKNOWN}
            assert it.guard.asked is Purpose.CABLE_CHECK
            assert it.guard.consent

    run_virtual(main())


def test_the_guarded_ports_close_nothing_without_consent() -> None:
    async def main() -> None:
        async with bench() as it:
            dc = it.guard.dc
            assert dc is not None
            with pytest.raises(HalRejected, match="power is not asked for"):
                await dc.set_contactor(True)
            with pytest.raises(HalRejected, match="power is not asked for"):
                await dc.set_target(400.0, 2.0, DcPhase.CABLE_CHECK)
            assert it.guard.ask(Purpose.CABLE_CHECK)
            await dc.set_contactor(True)
            await dc.set_target(400.0, 2.0, DcPhase.CABLE_CHECK)
            for phase in (DcPhase.PRECHARGE, DcPhase.CHARGE):
                with pytest.raises(HalRejected, match="cable_check"):
                    await dc.set_target(400.0, 2.0, phase)
            await dc.off()
            await dc.set_contactor(False)

    run_virtual(main())


def test_a_driver_that_closes_behind_the_guards_back_is_opened() -> None:
    async def main() -> None:
        async with bench("?car=plugged&connector=ac") as it:
            assert it.board.ac is not None
            await it.board.ac.allow(True, "a bug")
            await asyncio.sleep(0.2)
            assert not it.world.contactor.closed

    run_virtual(main())


def test_bad_insulation_needs_nobody_to_report_it_and_unplugging_forgets_what_was_good() -> None:
    async def main() -> None:
        async with bench() as it:
            assert it.board.imd is not None
            await it.charge()
            await it.board.imd.start()
            it.world.inject("insulation_fault")
            await asyncio.sleep(1.3)
            assert not it.world.contactor.closed
            assert Reason.INSULATION_FAULT in it.revoked[0].reasons | it.guard.ask(Purpose.DC).reasons
            it.world.heal("insulation_fault")
            await it.board.faults.clear("insulation_fault")
            it.world.unplug()
            await asyncio.sleep(0.3)
            it.world.plug_in()
            it.world.close_s2()
            await asyncio.sleep(0.3)
            assert it.guard.ask(Purpose.DC).reasons == {Reason.INSULATION_UNKNOWN}

    run_virtual(main())


@pytest.mark.parametrize("query", KINDS)
def test_a_loop_that_is_held_up_gets_no_beat_and_loses_the_consent(query: str) -> None:
    async def main() -> None:
        async with bench(query) as it:
            await it.charge()
            loop = asyncio.get_running_loop()
            assert isinstance(loop, VirtualLoop)
            before = loop.time()
            loop.jump(3.0)  # what a blocking call does to a loop
            await asyncio.sleep(0)
            await asyncio.sleep(0.05)
            assert [beat for beat in it.beats if beat > before] == []
            await asyncio.sleep(0.05)
            assert not it.world.contactor.closed
            assert Reason.HEARTBEAT_LATE in it.revoked[0].reasons
            await asyncio.sleep(1.0)
            assert len([beat for beat in it.beats if beat > before]) >= 9
            it.guard.insulation(Insulation.VALID)
            assert it.guard.ask(Purpose.DC if it.board.dc else Purpose.AC)

    run_virtual(main())


def test_a_guard_with_a_bug_costs_its_own_board_the_beats_and_no_other() -> None:
    """Two outlets on one ticker. What one guard raises neither feeds its board nor stops the other's beats."""

    async def main() -> None:
        ticker = Ticker()
        async with bench(ticker=ticker) as ill, bench("?car=plugged&connector=ac", ticker=ticker) as well:
            await ill.charge()
            await well.charge()
            well.beats.clear()

            def bug() -> None:
                raise ZeroDivisionError("planted")

            ill.guard._evaluate = bug  # type: ignore[method-assign]  # a planted bug
            ill.beats.clear()
            await asyncio.sleep(1.0)
            assert ill.beats == []
            assert not ill.world.contactor.closed, "its board has opened by itself"
            await asyncio.sleep(9.0)
            assert 99 <= len(well.beats) <= 101
            assert well.world.contactor.closed
            assert ill.beats == []

    run_virtual(main())


def test_a_guard_that_fails_as_it_begins_or_has_ended_feeds_nothing() -> None:
    async def main() -> None:
        async with bench() as it:

            def bug() -> None:
                raise ZeroDivisionError("planted")

            other: list[float] = []
            second = Guard(it.board, on_turn=other.append)
            second._evaluate = bug  # type: ignore[method-assign]  # a planted bug
            with pytest.raises(ZeroDivisionError):
                await second.run()
            del second._evaluate  # type: ignore[method-assign]  # the planted bug
            await asyncio.sleep(1.0)
            assert other == []
            third = asyncio.create_task(second.run())
            await asyncio.sleep(0.25)
            third.cancel()
            await asyncio.gather(third, return_exceptions=True)
            assert len(other) == 3
            await asyncio.sleep(1.0)
            assert len(other) == 3

    run_virtual(main())


def test_beats_come_ten_a_second() -> None:
    async def main() -> None:
        async with bench() as it:
            it.beats.clear()
            await asyncio.sleep(10.0)
            assert 99 <= len(it.beats) <= 101

    run_virtual(main())


def test_a_board_that_does_not_take_the_command_to_open_gets_no_beat() -> None:
    async def main() -> None:
        async with bench("?car=plugged&connector=ac") as it:
            await it.charge()
            assert it.board.ac is not None
            allow = it.board.ac.allow

            async def deaf(on: bool, reason: str) -> None:
                raise HalTimeout("no answer")

            it.board.ac.allow = deaf  # type: ignore[method-assign]  # a driver whose commands get lost
            it.guard.release()
            await asyncio.sleep(1.0)
            assert not it.world.contactor.closed
            it.board.ac.allow = allow  # type: ignore[method-assign]
            await asyncio.sleep(1.0)
            assert it.beats[-1] > asyncio.get_running_loop().time() - 0.2

    run_virtual(main())


def test_a_board_that_was_lost_while_it_did_not_open_is_fed_again() -> None:
    """Its own watchdog has opened, so no command to open clears that it did not confirm the first."""

    async def main() -> None:
        async with bench("?car=plugged&connector=ac") as it:
            await it.charge()
            assert it.board.ac is not None

            async def deaf(on: bool, reason: str) -> None:
                raise HalTimeout("no answer")

            allow, it.board.ac.allow = it.board.ac.allow, deaf  # type: ignore[method-assign]  # a slow link
            it.guard.release()
            await asyncio.sleep(0.05)
            it.world.inject("controller_silent")
            it.board.levels.lose("the link is gone")
            await asyncio.sleep(3.0)
            assert not it.world.contactor.closed
            assert not it.board.healthy
            it.board.ac.allow = allow  # type: ignore[method-assign]
            turns = len(it.turns)
            it.world.heal("controller_silent")
            await asyncio.sleep(3.0)
            assert it.board.healthy
            assert it.beats[-1] > asyncio.get_running_loop().time() - 0.2
            assert len(it.turns) >= turns + 29
            assert it.guard.ask(Purpose.AC)

    run_virtual(main())


def test_a_board_that_is_lost_stops_the_beats_and_not_the_turns() -> None:
    """A service watchdog lives on the turns: one lost board must not end the sessions at the others."""

    async def main() -> None:
        async with bench() as it:
            it.world.inject("controller_silent")
            await asyncio.sleep(2.0)
            it.beats.clear()
            it.turns.clear()
            await asyncio.sleep(3.0)
            assert it.beats == []
            assert len(it.turns) >= 29

    run_virtual(main())


def test_a_contactor_that_says_nothing_keeps_no_other_port_closed() -> None:
    """A board with AC and DC, whose AC port hangs."""

    async def main() -> None:
        async with bench() as it:
            await it.charge()

            class Hanging:
                async def allow(self, on: bool, reason: str) -> None:
                    await asyncio.Event().wait()

            it.guard.ac = GuardedAcPower(Hanging(), it.guard, it.board.name)  # type: ignore[arg-type]
            it.guard.release()
            await asyncio.sleep(0.5)
            assert not it.world.contactor.closed

    run_virtual(main())


@pytest.mark.parametrize("query", KINDS)
def test_when_the_guard_ends_the_power_ends(query: str) -> None:
    async def main() -> None:
        board = await open_sim(parse(query))
        it = Bench(board)
        task = asyncio.create_task(it.guard.run())
        await board.pilot.set_duty(0.05)
        it.world.close_s2()
        await asyncio.sleep(0.3)
        await it.charge()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.sleep(0.05)
        assert not it.world.contactor.closed
        assert it.guard.ask(Purpose.AC).reasons == {Reason.STOPPED}
        await board.close()

    run_virtual(main())


@pytest.mark.parametrize("query", KINDS)
def test_the_guard_ends_though_the_board_has_fallen_silent(query: str) -> None:
    async def main() -> None:
        board = await open_sim(parse(query))
        it = Bench(board)
        task = asyncio.create_task(it.guard.run())
        await board.pilot.set_duty(0.05)
        it.world.close_s2()
        await asyncio.sleep(0.3)
        await it.charge()
        it.world.inject("controller_silent")
        task.cancel()
        begun = asyncio.get_running_loop().time()
        await asyncio.wait_for(asyncio.gather(task, return_exceptions=True), 60.0)
        assert asyncio.get_running_loop().time() - begun < 4.0
        assert not it.world.contactor.closed
        await board.close()

    run_virtual(main())


def test_the_guard_survives_missed_events_and_ends_with_the_board() -> None:
    async def main() -> None:
        board = await open_sim(parse("?car=plugged"))
        it = Bench(board)
        task = asyncio.create_task(it.guard.run())
        await asyncio.sleep(0.1)
        for _ in range(2000):  # more than a stream holds, without one turn of the loop
            it.world.press_stop()
        await asyncio.sleep(0.5)
        assert not task.done()
        it.world.close_s2()
        await asyncio.sleep(0.1)
        assert board.pilot.reading.state is PilotState.C
        assert it.guard.ask(Purpose.CABLE_CHECK)
        await board.close()
        await asyncio.wait_for(task, 1.0)
        with pytest.raises(HalLost):
            board.beat()

    run_virtual(main())
