"""The driver of the Pionix boards against a fake controller, in virtual time: the contract, and the line."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest

from hal.errors import HalLost, HalRejected
from hal.events import BoardLost, BoardRecovered, FaultRaised
from hal.readings import ContactorState, PilotState
from hal.sim.clock import run_virtual
from tests.hal.boards.bench import beaten, kinds
from tests.hal.boards.pionix_bench import PionixBench
from tests.hal.contract import BoardContract, Collector, Rig

T = TypeVar("T")
KINDS = ["yeti", "phyverso", "tida", "adi"]


class TestYeti(BoardContract):
    dialect = "yeti"

    async def rig(self) -> Rig:
        bench = PionixBench(self.dialect)
        bench.fake.meter = bytes([12 << 3 | 5]) + b"\0\0\x80\x3f"  # one watt hour
        await bench.open()
        return Rig(
            bench.board,
            pilot=lambda state: bench.fake.plug(state.value),
            emergency_stop=bench.press,
            closed=lambda: bench.fake.closed,
        )

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        return run_virtual(main)


class TestPhyVerso(TestYeti):
    dialect = "phyverso"


class TestTida(TestYeti):
    dialect = "tida"


@pytest.mark.parametrize("dialect", KINDS)
@pytest.mark.parametrize("reset_line", [True, False])
def test_it_comes_up_off_whatever_was_on(dialect: str, reset_line: bool) -> None:
    async def main() -> None:
        bench = PionixBench(dialect, reset_line=reset_line)
        bench.fake.car = "C"
        bench.fake.allowed, bench.fake.duty, bench.fake.relay = True, 500, True
        await bench.open()
        assert bench.fake.resets == 1
        assert not bench.fake.closed and bench.fake.duty == 10000
        assert bench.board.pilot.reading.state is PilotState.C
        assert bench.board.ac.contactor.state is ContactorState.OPEN
        assert bench.board.software == "fake"
        await bench.board.close()

    run_virtual(main())


def test_a_board_with_two_connectors_hears_and_moves_only_its_own() -> None:
    async def main() -> None:
        bench = await PionixBench("phyverso", connector=2).open()  # the fake is connector 1, and says so
        bench.fake.plug("B")
        await asyncio.sleep(0.1)
        assert bench.board.pilot.reading.state is PilotState.UNKNOWN
        await bench.board.pilot.set_duty(0.05)
        await asyncio.sleep(0.1)
        assert bench.fake.duty == 10000
        assert bench.fake.configured == {}
        await bench.board.close()

    run_virtual(main())


def test_the_boot_configuration_is_given_when_it_is_asked_for() -> None:
    async def main() -> None:
        bench = await PionixBench("phyverso", revision=1).open()
        await asyncio.sleep(0.01)
        assert bench.fake.configured == {1: 1}
        await bench.board.close()

    run_virtual(main())


@pytest.mark.parametrize("drop", range(1, 8))
def test_a_lost_command_is_said_again(drop: int) -> None:
    """Whichever packet of the opening is lost, the contactor opens; and so with the closing."""

    async def main() -> None:
        bench = await PionixBench().open()
        async with beaten(bench.board):
            await bench.charging()
            for on in (False, True, False):
                count = 0

                def lose(octets: bytes) -> bytes:
                    nonlocal count
                    count += 1
                    return octets[:2] + octets[3:] if count <= drop else octets

                bench.line.downwards = lose
                await bench.board.ac.allow(on, "test")
                if on:
                    await asyncio.sleep(8.0)
                    assert bench.fake.closed or bench.board.faults.active
                else:
                    await asyncio.sleep(0.1 * drop + 0.15)
                    assert not bench.fake.closed
                if bench.board.faults.active:  # took too long: it is off, and a person looks
                    assert bench.board.faults.active[0].code in ("contactor_stuck_open", "contactor_welded")
                    assert not bench.fake.allowed
                    break
        await bench.board.close()

    run_virtual(main())


def test_lost_octets_bad_crc_and_garbage_lose_no_keep_alive_that_matters() -> None:
    async def main() -> None:
        bench = await PionixBench().open()
        seen = Collector(bench.board)
        turn = 0

        def spoil(octets: bytes) -> bytes:
            nonlocal turn
            turn += 1
            match turn % 3:
                case 0:
                    return octets[1:]
                case 1:
                    return b"\x07noise\x00" + octets
                case _:
                    return octets

        async with beaten(bench.board):
            await bench.charging()
            bench.line.upwards = bench.line.downwards = spoil
            await asyncio.sleep(20.0)
            assert bench.fake.closed
        assert kinds(seen, BoardLost, FaultRaised) == []
        await bench.board.close()

    run_virtual(main())


@pytest.mark.parametrize("dialect", KINDS)
def test_a_silent_controller_is_lost_after_five_seconds_and_its_contactor_unknown(dialect: str) -> None:
    async def main() -> None:
        bench = await PionixBench(dialect).open()
        seen = Collector(bench.board)
        async with beaten(bench.board):
            await bench.charging()
            bench.fake.silent = True
            await asyncio.sleep(3.8)
            assert kinds(seen, BoardLost) == []
            await asyncio.sleep(1.4)
            assert kinds(seen, BoardLost) == ["BoardLost"]
            assert not bench.board.healthy
            # Nothing published says that it opens when it does not hear us: so nothing is claimed.
            assert bench.board.ac.contactor.state is ContactorState.UNKNOWN
            assert not bench.fake.closed  # it was told to, and reset
            with pytest.raises(HalLost):
                await bench.board.ac.allow(True, "test")
            with pytest.raises(HalLost):
                await bench.board.pilot.set_duty(0.05)
            bench.fake.silent = False
            await asyncio.sleep(5.0)
            assert kinds(seen, BoardLost, BoardRecovered) == ["BoardLost", "BoardRecovered"]
            assert bench.board.healthy and bench.board.pilot.reading.duty == 1.0
            assert not bench.fake.closed
        await bench.board.close()

    run_virtual(main())


@pytest.mark.parametrize("dialect", KINDS)
def test_a_spurious_reset_is_lost_and_recovered_with_everything_off(dialect: str) -> None:
    async def main() -> None:
        bench = await PionixBench(dialect).open()
        seen = Collector(bench.board)
        async with beaten(bench.board):
            await bench.charging()
            bench.fake.boot()
            await asyncio.sleep(0.5)
            assert kinds(seen, BoardLost, BoardRecovered) == ["BoardLost", "BoardRecovered"]
            await asyncio.sleep(5.0)
            assert not bench.fake.closed
            await bench.board.pilot.set_duty(0.05)
            await bench.board.ac.allow(True, "again")
            await asyncio.sleep(0.1)
            assert bench.fake.closed
        await bench.board.close()

    run_virtual(main())


def test_a_power_cycle_while_the_reset_reason_is_lost() -> None:
    async def main() -> None:
        bench = await PionixBench().open()
        seen = Collector(bench.board)
        async with beaten(bench.board):
            await bench.charging()
            bench.fake.power(False)
            await asyncio.sleep(6.5)
            assert kinds(seen, BoardLost) == ["BoardLost"]
            bench.line.upwards = lambda octets: b""
            bench.fake.power(True)
            await asyncio.sleep(0.2)
            bench.line.upwards = lambda octets: octets
            await asyncio.sleep(9.0)
            assert bench.board.healthy
            assert not bench.fake.closed
        await bench.board.close()

    run_virtual(main())


def test_an_adapter_that_is_pulled_out_is_lost_at_once_and_found_again() -> None:
    async def main() -> None:
        bench = await PionixBench().open()
        seen = Collector(bench.board)
        async with beaten(bench.board):
            await bench.charging()
            bench.plugged = False
            bench.line.unplug()
            await asyncio.sleep(0.001)
            assert kinds(seen, BoardLost) == ["BoardLost"]
            with pytest.raises(HalLost):
                await bench.board.pilot.set_x1()
            bench.plugged = True
            await asyncio.sleep(3.0)
            assert bench.board.healthy and not bench.fake.closed
        await bench.board.close()

    run_virtual(main())


def test_a_line_without_a_controller_is_no_board() -> None:
    async def main() -> None:
        bench = PionixBench()
        bench.fake.silent = True
        began = asyncio.get_running_loop().time()
        with pytest.raises(HalLost, match="no yeti controller answers"):
            await bench.open()
        assert asyncio.get_running_loop().time() - began < 5.0
        await bench.board.close()
        assert bench.contact.released

    run_virtual(main())


def test_a_controller_that_says_nothing_of_its_pilot_is_a_board_without_power() -> None:
    async def main() -> None:
        bench = PionixBench()
        bench.line.upwards = lambda octets: octets
        told = bench.fake._tell

        def mute(name: str, value: int | bytes, *, force: bool = False) -> None:
            if name != ">cp":
                told(name, value, force=force)

        bench.fake._tell = mute  # type: ignore[method-assign]  # a firmware that reports changes only, and sees none
        bench.fake.car = "C"
        await bench.open()
        assert bench.board.pilot.reading.state is PilotState.UNKNOWN
        async with beaten(bench.board):
            await bench.board.pilot.set_duty(0.05)
            await bench.board.ac.allow(True, "test")
            await asyncio.sleep(0.5)
            assert not bench.fake.closed
        await bench.board.close()

    run_virtual(main())


def test_a_controller_with_a_watchdog_says_that_it_has_missed_us() -> None:
    async def main() -> None:
        bench = await PionixBench("phyverso", watchdog_seconds=2.5).open()
        seen = Collector(bench.board)
        async with beaten(bench.board):
            await bench.charging()
        await asyncio.sleep(4.0)
        assert kinds(seen, FaultRaised) == ["heartbeat_lost", "communication_timeout"]
        assert not bench.fake.closed
        async with beaten(bench.board):
            await asyncio.sleep(2.0)
            assert bench.board.faults.active == ()
            await asyncio.sleep(2.0)
            assert not bench.fake.closed
        await bench.board.close()

    run_virtual(main())


def test_a_contact_that_is_open_from_the_start_forbids_power() -> None:
    async def main() -> None:
        bench = PionixBench()
        bench.press(True)
        await bench.open()
        async with beaten(bench.board):
            bench.fake.plug("C")
            await asyncio.sleep(0.1)
            assert bench.board.inputs.reading.emergency_stopped
            with pytest.raises(HalRejected, match="emergency stop"):
                await bench.board.ac.allow(True, "test")
        await bench.board.close()

    run_virtual(main())
