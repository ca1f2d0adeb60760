"""A simulated controller and its contactor on a loop that is held up: late is not welded, and welded is found."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from hal.open import open_sim
from hal.readings import ContactorState
from hal.sim.board import SimBoard
from hal.sim.clock import VirtualLoop, run_virtual
from hal.sim.options import parse
from tests.hal.contract import beating

HOLDS = [(begin, seconds) for begin in (0.0, 0.01, 0.024, 0.03, 0.1) for seconds in (0.05, 0.13, 0.17, 0.24, 0.6)]


@pytest.mark.case("A-RES-09")
@pytest.mark.parametrize("connector", ["ac", "dc"])
@pytest.mark.parametrize("faults", ["", "weld"])
def test_a_loop_that_is_held_up_while_a_contactor_opens_makes_no_weld_of_it_and_hides_none(
    connector: str, faults: str
) -> None:
    """The controller has one loop with the contactor and with all the work of a station."""

    async def opened(begin: float, seconds: float) -> list[str]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        board = await open_sim(parse(f"?car=plugged&connector={connector}"))
        async with beating(board):
            await charge(board)
            if faults and board.world is not None:
                board.world.inject(faults)
            await let_go(board)
            loop.call_later(begin, loop.jump, seconds)
            # And once more, so that the judgement is in time and the movement before it was not.
            loop.call_later(begin + seconds, loop.jump, 0.03)
            await asyncio.sleep(1.5)
            found = [fault.code for fault in board.faults.active]
        await board.close()
        return found

    for begin, seconds in HOLDS:
        found = run_virtual(opened(begin, seconds))
        assert found == (["contactor_welded"] if faults else []), (begin, seconds)


@pytest.mark.case("A-RES-09")
@pytest.mark.parametrize("turn", [0.001, 0.003, 0.004, 0.01])
def test_of_fifty_contactors_that_open_in_one_turn_of_the_loop_none_is_welded(turn: float) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        boards = [await open_sim(parse("?car=plugged&connector=ac")) for _ in range(50)]

        async def end(board: SimBoard) -> None:
            await let_go(board)
            loop.jump(turn)  # what a session costs that ends

        async with contextlib.AsyncExitStack() as stack:
            for board in boards:
                await stack.enter_async_context(beating(board))
                await charge(board)
            await asyncio.gather(*(end(board) for board in boards))
            await asyncio.sleep(1.0)
            assert [fault.code for board in boards for fault in board.faults.active] == []
            assert {board.ac.contactor.state for board in boards if board.ac is not None} == {ContactorState.OPEN}
        for board in boards:
            await board.close()

    run_virtual(main())


async def charge(board: SimBoard) -> None:
    """The contactor is closed."""
    assert board.world is not None
    board.world.close_s2()
    await asyncio.sleep(0.05)
    if board.dc is not None:
        await board.dc.set_contactor(True)
    elif board.ac is not None:
        await board.ac.allow(True, "test")
    await asyncio.sleep(0.2)
    assert board.world.contactor.closed


async def let_go(board: SimBoard) -> None:
    if board.dc is not None:
        await board.dc.set_contactor(False)
    elif board.ac is not None:
        await board.ac.allow(False, "test")
