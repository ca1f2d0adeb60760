"""The driver of the Charge SOM against a fake of its safety controller, in virtual time: the contract, and the line."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import pytest

from hal.boards.chargesom import ChargeSom
from hal.boards.driven import Outlet
from hal.errors import HalLost, HalRejected, HalTimeout
from hal.events import BoardLost, BoardRecovered, EmergencyStopChanged, FaultRaised
from hal.readings import ContactorState, PilotState
from hal.sim.clock import run_virtual
from tests.hal.boards.bench import Bench, beaten, kinds
from tests.hal.boards.chargesom_fake import REPORT_SECONDS
from tests.hal.contract import BoardContract, Collector, Rig

T = TypeVar("T")


class TestContract(BoardContract):
    report_seconds = REPORT_SECONDS

    async def rig(self) -> Rig:
        bench = await Bench().open()
        return Rig(
            bench.board,
            pilot=lambda state: bench.fake.plug(state.value),
            emergency_stop=bench.fake.press,
            closed=lambda: bench.fake.closed,
        )

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        return run_virtual(main)


def test_lost_octets_bad_crc_and_garbage_cost_a_report_and_nothing_else() -> None:
    async def main() -> None:
        bench = await Bench().open()
        seen = Collector(bench.board)

        def spoiler() -> Callable[[bytes], bytes]:
            turns = itertools.count(1)

            def spoil(octets: bytes) -> bytes:
                # Three in eleven: an octet lost, a bit turned, noise before it; never two reports in a row.
                match next(turns) % 11:
                    case 1:
                        return octets[:4] + octets[5:]
                    case 5:
                        return octets[:6] + bytes([octets[6] ^ 0x10]) + octets[7:]
                    case 9:
                        return b"\xa5\x07noise\x03" + octets
                    case _:
                        return octets

            return spoil

        async with beaten(bench.board):
            bench.line.upwards = spoiler()
            bench.line.downwards = spoiler()
            await bench.charging()
            await asyncio.sleep(5.0)
            assert bench.fake.closed
            assert bench.fake.rubbish > 0
            bench.fake.plug("B")
            await asyncio.sleep(0.25)
            assert not bench.fake.closed
        assert kinds(seen, BoardLost, FaultRaised) == []
        await bench.board.close()

    run_virtual(main())


def test_a_silent_controller_is_lost_and_counts_as_open_only_when_it_must_have_opened() -> None:
    async def main() -> None:
        bench = await Bench().open()
        seen = Collector(bench.board)
        async with beaten(bench.board):
            await bench.charging()
            bench.fake.powered = False  # not even a restart: it is just gone
            await asyncio.sleep(0.45)
            assert kinds(seen, BoardLost) == ["BoardLost"]
            assert not bench.board.healthy
            assert bench.board.ac.contactor.state is ContactorState.UNKNOWN
            with pytest.raises(HalLost):
                await bench.board.ac.allow(True, "test")
            with pytest.raises(HalLost):
                await bench.board.pilot.set_x1()
            await asyncio.sleep(1.6)
            assert bench.board.ac.contactor.state is ContactorState.OPEN
            assert not bench.fake.closed
        await bench.board.close()

    run_virtual(main())


def test_a_power_cycle_is_recovered_from_with_everything_off() -> None:
    async def main() -> None:
        bench = await Bench().open()
        seen = Collector(bench.board)
        async with beaten(bench.board):
            await bench.charging()
            bench.fake.power(False)
            await asyncio.sleep(3.0)
            bench.fake.power(True)
            await asyncio.sleep(3.5)
            assert kinds(seen, BoardLost, BoardRecovered) == ["BoardLost", "BoardRecovered"]
            assert bench.board.healthy
            assert bench.board.pilot.reading.duty == 1.0
            await asyncio.sleep(1.0)
            assert not bench.fake.closed  # C is still there; nobody has asked again
            await bench.board.pilot.set_duty(0.05)
            await bench.board.ac.allow(True, "again")
            await asyncio.sleep(0.2)
            assert bench.fake.closed
        await bench.board.close()

    run_virtual(main())


@pytest.mark.parametrize("offset", [0.0, 0.03, 0.06, 0.09])
def test_a_spurious_reset_never_closes_again_by_itself(offset: float) -> None:
    async def main() -> None:
        bench = await Bench().open()
        seen = Collector(bench.board)
        async with beaten(bench.board):
            await bench.charging()
            await asyncio.sleep(offset)
            bench.fake.restart()
            bench.fake.asked.clear()
            since = asyncio.get_running_loop().time()
            commands = set()
            while asyncio.get_running_loop().time() - since < 4.0:
                # Every command carries the whole wish, so none may go out to a controller that has just started.
                commands.add(asyncio.create_task(bench.board.pilot.set_duty(0.05)))
                await asyncio.sleep(0.01)
                if asyncio.get_running_loop().time() - since > 0.03:
                    assert not bench.fake.closed
            assert not any(closed for _, closed, _ in bench.fake.asked)
            outcomes = await asyncio.gather(*commands, return_exceptions=True)
            assert any(isinstance(outcome, HalLost) for outcome in outcomes)
            assert kinds(seen, BoardLost, BoardRecovered) == ["BoardLost", "BoardRecovered"]
        await bench.board.close()

    run_virtual(main())


def test_when_the_beats_stop_it_opens_goes_to_the_safe_state_and_comes_back_with_them() -> None:
    async def main() -> None:
        bench = await Bench().open()
        seen = Collector(bench.board)
        async with beaten(bench.board):
            await bench.charging()
        await asyncio.sleep(0.8)
        assert not bench.fake.closed
        await asyncio.sleep(1.0)
        assert bench.fake.safe == 2
        assert bench.board.pilot.reading.state is PilotState.F
        assert kinds(seen, FaultRaised) == ["heartbeat_lost", "communication_timeout"]
        with pytest.raises(HalRejected):
            await bench.board.pilot.set_duty(0.05)
        await bench.board.pilot.set_f()
        resets = bench.fake.resets
        await asyncio.sleep(30.0)
        assert bench.fake.resets == resets  # nobody is there to charge for
        async with beaten(bench.board):
            await asyncio.sleep(3.0)
            assert bench.board.healthy and bench.board.faults.active == ()
            assert bench.fake.resets == resets + 1
            assert kinds(seen, BoardLost, BoardRecovered) == ["BoardLost", "BoardRecovered"]
            assert not bench.fake.closed
        await bench.board.close()

    run_virtual(main())


def test_a_station_that_stands_still_gets_the_safe_state_from_the_controller_alone() -> None:
    async def main() -> None:
        bench = await Bench().open()
        async with beaten(bench.board):
            await bench.charging()
            bench.line.downwards = lambda octets: b""  # as when the event loop does not turn
            await asyncio.sleep(0.6)
            assert not bench.fake.closed
            assert bench.fake.safe == 2
        await bench.board.close()

    run_virtual(main())


def test_without_a_reset_line_the_safe_state_needs_hands() -> None:
    async def main() -> None:
        bench = await Bench(reset=False).open()
        async with beaten(bench.board):
            await bench.charging()
            bench.fake.press(True)
            await asyncio.sleep(0.2)
            bench.fake.press(False)
            await asyncio.sleep(20.0)
            assert [fault.code for fault in bench.board.faults.active] == ["safe_state_emergency_stop"]
            with pytest.raises(HalRejected):
                await bench.board.ac.allow(True, "test")
        await bench.board.close()
        again = ChargeSom("1", bench.connect, Outlet())
        with pytest.raises(HalRejected, match="only a reset ends"):
            await again.open()
        await again.close()

    run_virtual(main())


def test_after_the_emergency_stop_is_released_it_restarts_and_stays_open() -> None:
    async def main() -> None:
        bench = await Bench().open()
        seen = Collector(bench.board)
        async with beaten(bench.board):
            await bench.charging()
            bench.fake.press(True)
            await asyncio.sleep(10.0)
            assert bench.board.inputs.reading.emergency_stopped
            bench.fake.press(False)
            await asyncio.sleep(3.0)
            assert [event.stopped for event in seen.events if isinstance(event, EmergencyStopChanged)] == [True, False]
            assert bench.board.faults.active == () and bench.board.healthy
            assert not bench.fake.closed
        await bench.board.close()

    run_virtual(main())


def test_a_controller_that_never_answers_is_no_board() -> None:
    async def main() -> None:
        for reset in (True, False):
            bench = Bench(reset=reset)
            bench.fake.silent = True
            began = asyncio.get_running_loop().time()
            with pytest.raises(HalLost):
                await bench.board.open()
            assert asyncio.get_running_loop().time() - began < 5.0
            await bench.board.close()

    run_virtual(main())


def test_an_adapter_that_is_pulled_out_is_lost_at_once_and_found_again() -> None:
    async def main() -> None:
        bench = await Bench().open()
        seen = Collector(bench.board)
        async with beaten(bench.board):
            await bench.charging()
            bench.plugged = False
            bench.line.unplug()
            await asyncio.sleep(0.0)
            await asyncio.sleep(0.001)
            assert kinds(seen, BoardLost) == ["BoardLost"]
            await asyncio.sleep(2.0)
            assert not bench.fake.closed
            assert bench.board.ac.contactor.state is ContactorState.OPEN
            bench.plugged = True
            await asyncio.sleep(8.0)
            assert bench.board.healthy
        await bench.board.close()

    run_virtual(main())


def test_a_late_answer_is_waited_for_and_a_missing_one_is_a_timeout() -> None:
    async def main() -> None:
        bench = await Bench().open()
        bench.fake.plug("B")
        loop = asyncio.get_running_loop()
        bench.line.downwards = lambda octets: b""
        first = asyncio.create_task(bench.board.pilot.set_duty(0.05))
        await asyncio.sleep(0.2)
        bench.line.downwards = lambda octets: octets
        await first
        stuck = bench.fake
        stuck.deaf = True
        stuck.heard_at = loop.time() + 60.0  # deaf, and not in its safe state: the worst that it can do
        began = loop.time()
        with pytest.raises(HalTimeout):
            await bench.board.pilot.set_duty(0.10)
        assert loop.time() - began <= 1.01
        stuck.deaf = False
        await bench.board.close()

    run_virtual(main())


def test_the_last_of_two_commands_wins_and_both_return() -> None:
    async def main() -> None:
        bench = await Bench().open()
        await asyncio.gather(
            bench.board.pilot.set_duty(0.05), bench.board.pilot.set_duty(0.25), bench.board.pilot.set_x1()
        )
        assert bench.fake.duty == 1000
        await bench.board.close()

    run_virtual(main())
