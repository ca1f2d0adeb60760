"""One stream of commands to a port, whoever gives them: the power path, or the guard that takes the power away."""

from __future__ import annotations

import asyncio

import pytest

from hal.errors import HalRejected, HalTimeout
from hal.events import BoardEvent, BoardLost, BoardRecovered, FaultRaised, PilotChanged
from hal.interlock import Insulation, Purpose
from hal.port_queue import Overtaken
from hal.readings import DcPhase, Fault, Severity
from hal.sim.clock import run_virtual
from tests.hal.slow_ports import slow_bench


def test_an_orderly_stop_is_one_command_each_for_supply_and_contactor() -> None:
    async def main() -> None:
        async with slow_bench() as it:
            await it.charge()
            it.port.before = it.port.after = 0.01
            off = it.dc.off()
            await asyncio.sleep(0.1)
            opened = it.dc.set_contactor(False)
            it.guard.release()
            it.guard.release()
            await off
            await opened
            await asyncio.sleep(5.0)
            assert it.port.began == ["off", "open"]
            assert not it.port.closed

    run_virtual(main())


def test_a_release_commands_itself_what_nobody_has_commanded() -> None:
    async def main() -> None:
        async with slow_bench() as it:
            await it.charge()
            it.guard.release()
            await asyncio.sleep(5.0)
            assert it.port.began == ["off", "open"]

    run_virtual(main())


def test_a_release_without_the_car_believes_nothing_that_was_confirmed_before() -> None:
    """The supply was off, it is believed, while the terms were talked about; then the plug was pulled."""

    async def main() -> None:
        async with slow_bench() as it:
            await it.charge()
            await it.dc.off()
            await asyncio.sleep(1.0)
            called: list[asyncio.Future[None]] = []
            publish = it.board.levels.events.publish

            def hear_first(event: BoardEvent) -> None:
                """The power path hears of it before the guard."""
                publish(event)
                if isinstance(event, PilotChanged):
                    assert it.guard.asked is Purpose.DC
                    called.extend((it.dc.off(), it.dc.set_contactor(False)))
                    it.guard.release()

            it.board.levels.events.publish = hear_first  # type: ignore[method-assign]
            it.world.close_s2(False)
            await asyncio.sleep(0.03)
            assert it.port.began == ["off", "open", "off"]
            assert len(called) == 2 and all(one.done() for one in called)

    run_virtual(main())


def test_an_emergency_commands_anew_what_was_confirmed_and_what_is_under_way() -> None:
    async def main() -> None:
        async with slow_bench() as it:
            await it.charge()
            await it.dc.off()
            it.port.after = 0.3
            opened = it.dc.set_contactor(False)
            await asyncio.sleep(0.02)
            it.port.after = 0.0
            it.world.press_emergency_stop()
            await opened
            assert it.port.began == ["off", "open", "off", "open"]
            await asyncio.sleep(5.0)
            assert it.port.began == ["off", "open", "off", "open"]

    run_virtual(main())


def test_what_the_power_path_says_in_an_emergency_joins_what_the_guard_has_said() -> None:
    async def main() -> None:
        async with slow_bench() as it:
            await it.charge()
            it.port.after = 0.03
            it.world.press_emergency_stop()
            await asyncio.sleep(0.01)
            assert it.port.began == ["off"]
            await asyncio.gather(it.dc.off(), it.dc.set_contactor(False))
            await asyncio.sleep(5.0)
            assert it.port.began == ["off", "open"]

    run_virtual(main())


def test_the_end_of_the_watch_commands_anew() -> None:
    async def main() -> None:
        async with slow_bench() as it:
            await it.charge()
            it.guard.release()
            await asyncio.sleep(1.0)
            it.port.began.clear()
        assert it.port.began == ["off", "open"]

    run_virtual(main())


def test_a_target_after_off_spoils_it_and_the_guard_commands_off_anew() -> None:
    """Off under way, then a newer target: who took the first off for the last word would leave the supply on."""

    async def main() -> None:
        async with slow_bench() as it:
            await it.charge()
            it.port.before = it.port.after = 0.05
            it.dc.off()
            target = it.dc.set_target(400.0, 20.0, DcPhase.CHARGE)
            await asyncio.sleep(0.12)
            it.guard.release()
            with pytest.raises(Overtaken):
                await target
            await asyncio.sleep(1.0)
            assert it.port.began == ["off", "target", "off", "open"]
            assert not it.port.on

    run_virtual(main())


def test_feedback_may_lag_a_tenth_of_a_second_and_then_the_contactor_is_told_again() -> None:
    async def main() -> None:
        async with slow_bench() as it:
            await it.charge()
            it.port.faults = ["", "ignored"]
            it.guard.release()
            await asyncio.sleep(0.02)
            # The board took the command and does not obey: closed it stays.
            it.port.closed, it.port.moved_at = True, 0.0
            for _ in range(7):
                it.world.press_stop()  # any event has the guard look
                await asyncio.sleep(0.01)
            assert it.port.began == ["off", "open"]
            await asyncio.sleep(0.15)
            assert it.port.began == ["off", "open", "off", "open"]
            await asyncio.sleep(5.0)
            assert not it.port.closed
            assert it.port.began == ["off", "open", "off", "open"]

    run_virtual(main())


@pytest.mark.parametrize(
    ("event", "commands"),
    [
        (BoardLost("silent", 0.0), ["off"]),
        (BoardRecovered(0.0), ["off"]),
        (FaultRaised(Fault("supply-lost", Severity.WARNING, "", False, 0.0)), ["off"]),
        (None, []),
    ],
    ids=["lost", "recovered", "fault", "nothing"],
)
def test_a_board_that_was_away_or_has_a_fault_is_told_anew(event: object, commands: list[str]) -> None:
    async def main() -> None:
        async with slow_bench() as it:
            await it.charge()
            await it.dc.off()
            it.port.began.clear()
            if event is not None:
                it.board.levels.events.publish(event)  # type: ignore[arg-type]
            await asyncio.sleep(0.05)
            await it.dc.off()
            assert it.port.began == commands

    run_virtual(main())


def test_a_board_of_which_events_were_missed_is_told_anew() -> None:
    async def main() -> None:
        async with slow_bench() as it:
            await it.charge()
            await it.dc.off()
            it.port.began.clear()
            it.board.levels.events.lose()
            await asyncio.sleep(0.05)
            await it.dc.off()
            assert it.port.began == ["off"]

    run_virtual(main())


@pytest.mark.parametrize("fault", ["lost", "unconfirmed", "hangs", "bug"])
def test_an_opening_that_fails_withholds_the_heartbeat_and_is_tried_again(fault: str) -> None:
    async def main() -> None:
        async with slow_bench() as it:
            await it.charge()
            it.port.before = 0.01
            await it.dc.off()
            it.port.faults = [fault, "", fault, "", fault]
            opened = it.dc.set_contactor(False)
            it.guard.release()
            await asyncio.sleep(0.02 if fault != "hangs" else 1.6)
            failed = asyncio.get_running_loop().time()
            await asyncio.sleep(0.25)
            assert it.port.closed is (fault != "unconfirmed")
            assert it.beats[-1] < failed, "a board that cannot be told opens by itself, without beats"
            await asyncio.sleep(8.0)
            assert opened.done(), "whoever joined hears of it"
            assert it.port.executed[-1] == "open"
            assert not it.port.closed
            assert it.beats[-1] > asyncio.get_running_loop().time() - 0.2

    run_virtual(main())


def test_a_command_that_loses_its_consent_while_it_is_under_way_is_undone() -> None:
    async def main() -> None:
        async with slow_bench() as it:
            assert it.guard.ask(Purpose.CABLE_CHECK)
            it.port.before = 0.2
            closing = it.dc.set_contactor(True)
            await asyncio.sleep(0.1)
            it.world.press_emergency_stop()
            with pytest.raises(HalRejected):
                await closing
            await asyncio.sleep(1.0)
            assert it.port.executed[-1] == "open"
            assert not it.port.closed

    run_virtual(main())


def test_a_command_that_is_refused_reaches_no_port() -> None:
    async def main() -> None:
        async with slow_bench() as it:
            it.guard.insulation(Insulation.VALID)
            for called in (it.dc.set_contactor(True), it.dc.set_target(400.0, 1.0, DcPhase.CHARGE)):
                with pytest.raises(HalRejected, match="power is not asked for"):
                    await called
            assert it.port.began == []
            assert it.guard.ask(Purpose.DC)
            it.port.faults = ["lost"]
            with pytest.raises(HalTimeout):
                await it.dc.set_contactor(True)

    run_virtual(main())
