"""Boards put together from several drivers: the contract of every board, and what is particular to them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypeVar

import pytest

from hal.compose import ComposedBoard, Plan, open_composed, read_plan
from hal.errors import HalError, HalLost, HalRejected, HalTimeout, HalUnsupported
from hal.events import FaultRaised
from hal.open import open_hal, recognise
from hal.ports import Board
from hal.readings import ContactorState, DcPhase, PilotState
from hal.sim.clock import run_virtual
from hal.sim.options import Options
from tests.hal.boards.bench import Bench
from tests.hal.boards.chargesom_fake import REPORT_SECONDS
from tests.hal.contract import BoardContract, Collector, Rig, beating
from tests.hal.meter_maps import sdm630
from tests.hal.modbus_fake import tcp_device
from tests.hal.outfit import Outfit, outfit, strangers

T = TypeVar("T")


class ComposedContract(BoardContract):
    """The contract, with somebody else's supply, monitor and meter."""

    base = ""
    _stack: AsyncExitStack

    async def rig(self) -> Rig:
        made = await self._stack.enter_async_context(outfit(self.base))
        world = made.world

        def pilot(state: PilotState) -> None:
            if state is PilotState.A:
                world.unplug(force=True)
                return
            world.plug_in()
            world.close_s2(state.ready, ventilation=state is PilotState.D)

        return Rig(made.board, pilot, world.press_emergency_stop, lambda: world.contactor.closed)

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        async def within() -> T:
            async with AsyncExitStack() as stack:
                self._stack = stack
                return await main

        return run_virtual(within())


class TestOnADcBoard(ComposedContract):
    base = "sim:?connector=dc"


class TestOnAnAcBoard(ComposedContract):
    """Most safety controllers were made for AC: their contactor carries the DC, and closes in C or D only all the same."""

    base = "sim:?connector=ac"


class TestOnAChargeSom(ComposedContract):
    """A real driver underneath, and the fake controller behind it."""

    report_seconds = REPORT_SECONDS

    async def rig(self) -> Rig:
        parts = await self._stack.enter_async_context(strangers())
        bench = Bench()
        board = parts.compose(bench.board)
        await board.open()
        self._stack.push_async_callback(board.close)
        await asyncio.sleep(REPORT_SECONDS)
        return Rig(
            board,
            pilot=lambda state: bench.fake.plug(state.value),
            emergency_stop=bench.fake.press,
            closed=lambda: bench.fake.closed,
        )


async def powered(made: Outfit) -> None:
    made.world.plug_in()
    await made.board.pilot.set_duty(0.05)
    made.world.close_s2()
    await asyncio.sleep(0.1)
    dc = made.board.dc
    assert dc is not None
    await dc.set_contactor(True)
    await asyncio.sleep(0.2)
    await dc.set_target(400.0, 2.0, DcPhase.PRECHARGE)
    assert len(made.rack.running) == 2


def test_the_parts_stand_where_they_belong() -> None:
    async def main() -> None:
        async with outfit("sim:?connector=ac&lock=1") as made:
            board = made.board
            assert isinstance(board, Board)
            assert board.ac is None
            assert board.dc is not None and board.dc.capabilities.max_volts == 750.0
            assert board.meter is not None and board.meter.identity == "1234567"
            assert board.imd is not None
            assert board.lock is made.base.lock and board.pilot is made.base.pilot
        async with tcp_device(sdm630()) as running:
            base = await open_hal("sim:?connector=ac")
            from hal.meters.meter import meter
            from hal.meters.modbus import Lines

            only_meter = ComposedBoard(base, meter=meter(f"modbus:tcp:127.0.0.1:{running.port}", Lines()))
            await only_meter.open()
            await only_meter.open()
            assert only_meter.ac is base.ac and only_meter.dc is None and only_meter.imd is None
            assert (await only_meter.meter.read()).watts == 11039.0 if only_meter.meter else False
            await only_meter.close()
            with pytest.raises(HalLost):
                await only_meter.open()

    run_virtual(main())


@pytest.mark.parametrize("reason", ["unplugged", "state B", "emergency stop", "board silent", "contactor stuck open"])
def test_the_supply_goes_off_with_the_contactor_without_being_told(reason: str) -> None:
    async def main() -> None:
        async with outfit("sim:?connector=ac") as made, beating(made.board):
            await powered(made)
            world = made.world
            match reason:
                case "unplugged":
                    world.unplug(force=True)
                case "state B":
                    world.close_s2(False)
                case "emergency stop":
                    world.press_emergency_stop()
                case "board silent":
                    made.base.levels.lose("for the test")
                case _:
                    world.inject("contactor_stuck_open")
            await asyncio.sleep(0.1)
            assert not made.rack.running
            dc = made.board.dc
            assert dc is not None
            if reason == "emergency stop":
                with pytest.raises(HalRejected, match="emergency stop"):
                    await dc.set_target(400.0, 2.0, DcPhase.PRECHARGE)
            if reason == "board silent":
                with pytest.raises(HalLost):
                    await dc.set_target(400.0, 2.0, DcPhase.PRECHARGE)

    run_virtual(main())


def test_the_supply_goes_off_when_the_contactor_has_welded() -> None:
    """The contactor never reports that it is open then, and the pilot is still in C: the fault is all that there is to hear."""

    async def main() -> None:
        async with outfit("sim:?connector=ac") as made, beating(made.board):
            await powered(made)
            made.world.inject("weld")
            dc = made.board.dc
            assert dc is not None
            await dc.set_contactor(False)
            await asyncio.sleep(0.5)
            assert dc.contactor.state is ContactorState.WELDED
            assert made.board.pilot.reading.state is PilotState.C
            assert not made.rack.running

    run_virtual(main())


def test_after_events_were_missed_the_board_is_heard_again() -> None:
    async def main() -> None:
        async with outfit("sim:?connector=ac") as made, beating(made.board):
            await powered(made)
            events = made.board.events()
            made.base.levels.events.lose()
            with pytest.raises(HalLost):
                await anext(events)
            assert len(made.rack.running) == 2
            seen = Collector(made.board)
            made.world.close_s2(False)
            await asyncio.sleep(0.1)
            assert seen.states() == [PilotState.B]
            assert not made.rack.running

    run_virtual(main())


@pytest.mark.parametrize("missed", ["state B", "emergency stop", "board silent", "weld"])
def test_what_was_said_in_the_missed_events_switches_the_supply_off_all_the_same(missed: str) -> None:
    """The reader missed the very event that said so; the levels still say it."""

    async def main() -> None:
        async with outfit("sim:?connector=ac") as made, beating(made.board):
            await powered(made)
            unload, made.board._unload = made.board._unload, lambda event: None  # type: ignore[method-assign]  # the event that is missed
            match missed:
                case "state B":
                    made.world.close_s2(False)
                case "emergency stop":
                    made.world.press_emergency_stop()
                case "board silent":
                    made.base.levels.lose("for the test")
                case _:
                    made.world.inject("weld")
                    assert made.board.dc is not None
                    await made.board.dc.set_contactor(False)
            await asyncio.sleep(0.3)
            assert len(made.rack.running) == 2
            made.board._unload = unload  # type: ignore[method-assign]
            made.base.levels.events.lose()
            await asyncio.sleep(0.1)
            assert not made.rack.running

    run_virtual(main())


def test_the_supply_goes_off_with_the_heartbeat() -> None:
    async def main() -> None:
        async with outfit("sim:?connector=ac") as made:
            async with beating(made.board):
                await powered(made)
            await asyncio.sleep(1.0)
            assert not made.rack.running and not made.world.contactor.closed

    run_virtual(main())


def test_faults_of_all_drivers_are_one_list_and_one_stream() -> None:
    async def main() -> None:
        async with outfit() as made, beating(made.board):
            seen, other = Collector(made.board), Collector(made.board)
            made.meter_line.trouble.deaf = True
            made.monitor_line.trouble.deaf = True
            made.rack.modules[0].deaf = True
            made.world.inject("over_temperature")
            await asyncio.sleep(20.0)
            codes = {fault.code for fault in made.board.faults.active}
            assert {"meter-lost", "imd-lost", "supply-lost"} < codes and len(codes) == 5
            assert {event.fault.code for event in seen.events if isinstance(event, FaultRaised)} >= codes - {
                "supply-not-off"
            }
            assert other.events == seen.events
            for code in sorted(codes):
                with pytest.raises(HalError):
                    await made.board.faults.clear(code)
            await made.board.faults.clear("nobody-knows")
            made.meter_line.trouble.deaf = made.monitor_line.trouble.deaf = made.rack.modules[0].deaf = False
            made.world.heal("over_temperature")
            await asyncio.sleep(15.0)
            assert made.board.faults.active == ()

    run_virtual(main())


def test_closing_switches_the_supply_off_first() -> None:
    async def main() -> None:
        async with outfit() as made:
            async with beating(made.board):
                await powered(made)
            await made.board.close()
            assert not made.rack.running and not made.world.contactor.closed
            assert list(made.world.incidents) == []

    run_virtual(main())


# --- the file ---


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "board.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_whole_file(tmp_path: Path) -> None:
    plan = read_plan(
        written(
            tmp_path,
            """
            board = "sim:?connector=ac"
            dc = "infypower:can0?modules=0,1"
            imd = "isocha:rtu:/dev/ttyS1"
            meter = "modbus:rtu:/dev/ttyS1?baud=19200&parity=E&model=sdm72"
            """,
        ),
        recognise,
    )
    assert isinstance(plan, Plan)
    assert plan.board == "sim:?connector=ac"
    assert plan.supply is not None and plan.imd is not None and plan.meter is not None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "board is missing"),
        ("board = 7", "in quotes"),
        ("board = 'sim:'\ncolour = 'red'", "board, dc, imd, meter"),
        ("board = 'composed:x'", "another one"),
        ("board = 'sim:'\nmeter = 'sml:/dev/ttyS1'", "modbus:"),
        ("board = 'sim:'\nmeter = 'modbus:tcp:host?model=x'", "no meter model"),
        ("board = 'sim:'\ndc = 'infypower:can0?modules=99'", "modules"),
        ("board = 'sim:'\nimd = 'isocha:rtu:/dev/ttyS1'\nmeter = 'modbus:rtu:/dev/ttyS1'", "two settings"),
        ("board = ", "Invalid value"),
    ],
)
def test_files_that_are_none(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(HalRejected, match=why) as caught:
        read_plan(written(tmp_path, text), recognise)
    assert "board.toml" in str(caught.value)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(HalRejected):
        read_plan(tmp_path / "none.toml", recognise)
    path = tmp_path / "board.toml"
    path.write_bytes(b"board = '\xff\xfe'")
    with pytest.raises(HalRejected):
        read_plan(path, recognise)


def test_a_file_is_opened_with_its_board(tmp_path: Path) -> None:
    async def main() -> None:
        async with tcp_device(sdm630()) as running:
            text = f"board = 'sim:?connector=ac'\nmeter = 'modbus:tcp:127.0.0.1:{running.port}'"
            path = written(tmp_path, text)
            assert isinstance(recognise(f"composed:{path}"), Plan)
            board = await open_hal(f"composed:{path}", name="7")
            assert board.name == "7"
            assert board.healthy and board.meter is not None and board.meter.reading is not None
            await board.close()
            assert not board.healthy

    run_virtual(main())


def test_the_board_of_a_file_is_recognised_too(tmp_path: Path) -> None:
    path = written(tmp_path, "board = 'sim:?follower=follow'")
    assert recognise(f"composed:{path}").unsafe == ("follower",)
    for board, error in (("sim:?colour=red", HalRejected), ("abacus:", HalUnsupported)):
        with pytest.raises(error):
            recognise(f"composed:{written(tmp_path, f'board = {board!r}')}")


def test_a_part_that_cannot_be_opened_lets_go_of_the_board(tmp_path: Path) -> None:
    opened: list[Board] = []

    async def remember(where: str) -> Board:
        opened.append(await open_hal(where))
        return opened[-1]

    async def main() -> None:
        path = written(tmp_path, "board = 'sim:?connector=ac'\ndc = 'infypower:none0'")
        with pytest.raises((HalUnsupported, HalLost, HalTimeout)):
            await open_composed(read_plan(path, recognise), remember)
        assert not opened[0].healthy
        ac = opened[0].ac
        assert ac is not None and ac.contactor.state is ContactorState.OPEN

    run_virtual(main())


def test_the_file_of_its_board_is_relative_to_the_file(tmp_path: Path) -> None:
    plan = read_plan(written(tmp_path, 'board = "linux:pilot.toml"'), lambda where: Options())
    assert plan.board == f"linux:{tmp_path}/pilot.toml"
