"""The simulated board keeps the contract of all boards, in both kinds and on both sides of a link."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest

from hal.errors import HalLost, HalRejected, HalTimeout
from hal.events import BoardLost, BoardRecovered, FaultCleared, FaultRaised, StopPressed, TokenPresented
from hal.open import open_sim
from hal.readings import DcPhase, LockState, PilotState
from hal.sim.board import SimBoard
from hal.sim.clock import run_virtual
from hal.sim.options import parse
from hal.sim.world import World
from tests.hal.contract import BoardContract, Collector, Rig, beating

T = TypeVar("T")


def world_of(board: SimBoard) -> World:
    assert board.world is not None
    return board.world


def move_pilot(world: World, state: PilotState) -> None:
    """What the car does to reach this state."""
    if state is PilotState.A:
        world.unplug(force=True)
        return
    world.plug_in()
    world.close_s2(state is not PilotState.B, ventilation=state is PilotState.D)


class TestDc(BoardContract):
    query = "?connector=dc"

    async def rig(self) -> Rig:
        board = await open_sim(parse(self.query))
        world = world_of(board)
        return Rig(
            board,
            pilot=lambda state: move_pilot(world, state),
            emergency_stop=world.press_emergency_stop,
            closed=lambda: world.contactor.closed,
        )

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        return run_virtual(main)


class TestAc(TestDc):
    query = "?connector=ac"


class TestFast(TestDc):
    """A world at ten times the speed keeps every limit, too."""

    query = "?connector=dc&speed=10"


def test_a_silent_board_is_noticed_and_comes_back_with_everything_that_was_missed() -> None:
    async def main() -> None:
        board = await open_sim(parse("?car=plugged"))
        world = world_of(board)
        seen = Collector(board)

        async def beat() -> None:
            while True:
                try:
                    board.beat()
                except HalLost:
                    assert not board.healthy
                await asyncio.sleep(0.1)

        task = asyncio.create_task(beat())
        await asyncio.sleep(1.0)
        world.inject("controller_silent")
        await asyncio.sleep(0.5)
        with pytest.raises(HalTimeout):
            await board.pilot.set_duty(0.05)
        assert [event for event in seen.events if isinstance(event, BoardLost)]
        assert not board.healthy
        with pytest.raises(HalLost):
            await board.pilot.set_duty(0.05)
        world.inject("meter_lost")
        world.unplug()
        await asyncio.sleep(0.5)
        assert board.pilot.reading.state is PilotState.B  # what it last said
        world.heal("controller_silent")
        await asyncio.sleep(0.2)
        assert board.healthy
        assert [event for event in seen.events if isinstance(event, BoardRecovered)]
        assert board.pilot.reading.state is PilotState.A
        assert [fault.code for fault in board.faults.active] == ["meter_lost"]
        task.cancel()
        await board.close()

    run_virtual(main())


def test_a_board_that_is_silent_from_the_start_does_not_open() -> None:
    async def main() -> None:
        with pytest.raises(HalTimeout):
            await open_sim(parse("?faults=controller_silent"))

    run_virtual(main())


def test_tokens_and_the_stop_button_are_pushed() -> None:
    async def main() -> None:
        board = await open_sim(parse(""))
        seen = Collector(board)
        world_of(board).present_token("ISO14443", "04A1B2C3")
        world_of(board).press_stop()
        await asyncio.sleep(0.01)
        token, stop = seen.events
        assert isinstance(token, TokenPresented)
        assert (token.token.kind, token.token.value) == ("ISO14443", "04A1B2C3")
        assert "04A1B2C3" not in repr(token)
        assert isinstance(stop, StopPressed)
        assert board.tokens.latest == token.token
        await board.close()

    run_virtual(main())


def test_a_lost_meter_is_a_fault_and_its_last_reading_grows_old() -> None:
    async def main() -> None:
        board = await open_sim(parse(""))
        seen = Collector(board)
        await board.meter.read()
        world_of(board).inject("meter_lost")
        await asyncio.sleep(3.0)
        with pytest.raises(HalTimeout):
            await board.meter.read()
        reading = board.meter.reading
        assert reading is not None
        assert asyncio.get_running_loop().time() - reading.at >= 3.0
        world_of(board).heal("meter_lost")
        await asyncio.sleep(0.01)
        assert [type(event) for event in seen.events] == [FaultRaised, FaultCleared]
        await board.close()

    run_virtual(main())


def test_a_silent_supply_lets_its_measurement_grow_old() -> None:
    async def main() -> None:
        board = await open_sim(parse(""))
        assert board.dc is not None
        assert asyncio.get_running_loop().time() - board.dc.present.at < 0.1
        world_of(board).inject("supply_silent")
        await asyncio.sleep(2.0)
        assert asyncio.get_running_loop().time() - board.dc.present.at >= 2.0
        await board.close()

    run_virtual(main())


def test_targets_beyond_the_supply_are_rejected() -> None:
    async def main() -> None:
        board = await open_sim(parse("?car=plugged"))
        assert board.dc is not None
        async with beating(board):
            for volts, amperes in ((-1.0, 1.0), (501.0, 1.0), (400.0, -1.0), (400.0, 201.0), (float("nan"), 1.0)):
                with pytest.raises(HalRejected):
                    await board.dc.set_target(volts, amperes, DcPhase.CHARGE)
            assert not world_of(board).supply.on
        await board.close()

    run_virtual(main())


def test_the_imd_tests_itself_and_measures() -> None:
    async def main() -> None:
        board = await open_sim(parse("?car=plugged"))
        assert board.imd is not None
        assert await board.imd.self_test()
        world_of(board).inject("imd_self_test")
        assert not await board.imd.self_test()
        assert board.imd.reading is None
        await board.imd.start()
        await asyncio.sleep(1.5)
        reading = board.imd.reading
        assert reading is not None and reading.ohms == 1.0e6
        world_of(board).inject("insulation_fault")
        await asyncio.sleep(1.5)
        assert [fault.code for fault in board.faults.active] == ["insulation_fault"]
        with pytest.raises(HalRejected):
            await board.faults.clear("insulation_fault")
        world_of(board).heal("insulation_fault")
        await board.faults.clear("insulation_fault")
        assert board.faults.active == ()
        await board.imd.stop()
        await board.close()

    run_virtual(main())


def test_a_silent_imd_times_out() -> None:
    async def main() -> None:
        board = await open_sim(parse("?faults=imd_silent"))
        assert board.imd is not None
        begun = asyncio.get_running_loop().time()
        with pytest.raises(HalTimeout):
            await board.imd.self_test()
        assert asyncio.get_running_loop().time() - begun == pytest.approx(30.0)
        await board.close()

    run_virtual(main())


def test_the_lock_holds_the_plug_and_lets_go_only_with_the_contactor_open() -> None:
    async def main() -> None:
        board = await open_sim(parse("?connector=ac&lock=1&car=plugged"))
        world = world_of(board)
        assert board.lock is not None and board.ac is not None
        await asyncio.sleep(0.1)
        await board.lock.lock()
        assert board.lock.reading.state is LockState.LOCKED
        with pytest.raises(HalRejected):
            world.unplug()
        async with beating(board):
            world.close_s2()
            await asyncio.sleep(0.05)
            await board.ac.allow(True, "test")
            await asyncio.sleep(0.1)
            with pytest.raises(HalRejected):
                await board.lock.unlock()
            await board.ac.allow(False, "test")
            await asyncio.sleep(0.1)
            await board.lock.unlock()
        world.inject("lock_stuck")
        with pytest.raises(HalTimeout):
            await board.lock.lock()
        assert board.lock.reading.state is LockState.UNLOCKED
        await board.close()

    run_virtual(main())
