"""The simulated board keeps the contract of all boards, in both kinds and on both sides of a link."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from types import FrameType
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


@asynccontextmanager
async def charging(query: str) -> AsyncIterator[SimBoard]:
    """A board whose station beats, and a car that draws a steady current: 100 A of DC, three times 16 A of AC."""
    board = await open_sim(parse(query))
    world = world_of(board)
    async with beating(board):
        world.plug_in()
        await board.pilot.set_duty(0.05)
        world.close_s2()
        await asyncio.sleep(0.1)
        if board.dc is not None:
            await board.dc.set_contactor(True)
            await board.dc.set_target(world.car.battery.open_volts, 1.0, DcPhase.PRECHARGE)
            await asyncio.sleep(1.0)
            world.close_relay()
            await board.dc.set_target(450.0, 100.0, DcPhase.CHARGE)
        else:
            assert board.ac is not None
            await board.ac.allow(True, "test")
        await asyncio.sleep(3.0)
        assert world.watts() > 10_000.0
        yield board
    await board.close()


def looks(board: SimBoard) -> list[Any]:
    """Everything that can be looked at."""
    power = board.dc if board.dc is not None else board.ac
    assert power is not None
    return [
        board.pilot.reading,
        board.inputs.reading,
        board.faults.active,
        board.meter.reading,
        power.contactor,
        board.tokens.latest,
        *((board.dc.present,) if board.dc is not None else ()),
        *((board.imd.reading,) if board.imd is not None else ()),
        *((board.lock.reading,) if board.lock is not None else ()),
        *((board.proximity.reading,) if board.proximity is not None else ()),
    ]


@pytest.mark.parametrize("query", ["connector=dc", "connector=ac&lock=1"])
def test_a_look_finds_what_is_stored_and_asks_for_nothing(query: str) -> None:
    async def main() -> None:
        async with charging(query) as board:
            called: set[str] = set()

            def note(frame: FrameType, event: str, _: Any) -> None:
                if event == "call":
                    called.add(frame.f_code.co_filename.rpartition("/")[2])

            before = looks(board)
            sys.setprofile(note)
            after = looks(board)
            sys.setprofile(None)
            assert all(one is other for one, other in zip(before, after, strict=True))
            # The ports' own properties, and nothing behind them.
            assert called <= {"ports.py", "devices.py", "test_board.py"}

    run_virtual(main())


@pytest.mark.parametrize("query", ["connector=dc", "connector=ac"])
def test_what_is_stored_is_young_and_exact(query: str) -> None:
    async def main() -> None:
        async with charging(query) as board:
            world, taken = world_of(board), set()
            for _ in range(150):
                await asyncio.sleep(0.007)
                now, flow = asyncio.get_running_loop().time(), world.flow()
                meter = board.meter.reading
                assert meter is not None
                assert 0.0 <= now - meter.at <= 0.101
                since = flow.watts * (now - meter.at) / 3600.0
                assert meter.watt_hours_import + since == pytest.approx(flow.watt_hours, abs=5e-6)
                assert (meter.amperes, meter.watts) == (flow.amperes, pytest.approx(flow.watts, rel=1e-5))
                if board.dc is not None:
                    assert board.dc.present.at == meter.at
                    assert board.dc.present.amperes == 100.0
                assert now - board.pilot.reading.at <= 0.101
                taken.add(meter.at)
            assert len(taken) >= 10

    run_virtual(main())


def test_a_switch_that_moves_is_seen_at_once() -> None:
    """Nothing beats here, so that nothing else asks for a measurement."""

    async def main() -> None:
        board = await open_sim(parse("car=plugged"))
        world = world_of(board)
        assert board.dc is not None
        await asyncio.sleep(1.0)
        world.close_relay()
        assert board.dc.present.volts == world.present()[0] == pytest.approx(world.car.battery.open_volts)
        world.unplug()
        await asyncio.sleep(0.13)
        assert 100.0 < board.dc.present.volts < world.car.battery.open_volts - 50.0, "it falls, and the board sees it"
        await asyncio.sleep(1.0)
        assert board.dc.present.volts == 0.0
        await board.close()

    run_virtual(main())


@pytest.mark.parametrize("query", ["connector=dc", "connector=ac"])
def test_the_last_watt_hour_stands_in_the_meter_when_the_contactor_is_open(query: str) -> None:
    async def main() -> None:
        async with charging(query) as board:
            world = world_of(board)
            world.close_s2(False)
            while world.contactor.closed:
                await asyncio.sleep(0.001)
            meter = board.meter.reading
            assert meter is not None
            assert meter.watt_hours_import == world.books.metered
            assert meter.watts == 0.0

    run_virtual(main())


def test_the_current_is_told_before_the_supply_says_that_it_is_off() -> None:
    async def main() -> None:
        async with charging("connector=dc") as board:
            assert board.dc is not None
            assert board.dc.present.amperes == 100.0
            await board.dc.off()
            assert board.dc.present.amperes <= 1.0
            assert board.dc.present.at == asyncio.get_running_loop().time()

    run_virtual(main())
