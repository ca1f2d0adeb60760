"""What every driven board guards by itself, whatever its controller does: each reason alone, and none of them heals by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from hal.errors import HalRejected
from hal.events import DoorChanged, EmergencyStopChanged
from hal.readings import PilotState
from hal.sim.clock import run_virtual
from tests.hal.boards.plain import PlainBoard, charging
from tests.hal.contract import Collector


def test_an_emergency_stop_is_pressed_while_one_source_says_so() -> None:
    """A contact of our own and the controller both see the stop. The one that sees nothing does not release what the other one sees."""

    async def main() -> None:
        board = await charging()
        seen = Collector(board)
        await asyncio.sleep(0)
        board.hear_inputs(emergency_stopped=True, source="contact")
        board.hear_inputs(emergency_stopped=False, source="board")
        assert board.inputs.reading.emergency_stopped
        assert board.told_to_be_open
        board.beat()
        with pytest.raises(HalRejected, match="emergency stop"):
            await board.ac.allow(True, "test")
        board.hear_inputs(emergency_stopped=True, source="board")
        board.hear_inputs(emergency_stopped=False, source="contact")
        assert board.inputs.reading.emergency_stopped
        board.hear_inputs(emergency_stopped=False, source="board")
        assert not board.inputs.reading.emergency_stopped
        assert board.told_to_be_open, "and stays so until somebody asks again"
        await asyncio.sleep(0)
        assert [event.stopped for event in seen.events if isinstance(event, EmergencyStopChanged)] == [True, False]
        await board.close()

    run_virtual(main())


@pytest.mark.parametrize(
    "happens",
    [
        pytest.param(lambda board: board.hear_inputs(door_open=True), id="door"),
        pytest.param(lambda board: board.hear_inputs(emergency_stopped=True), id="emergency stop"),
        pytest.param(lambda board: board.see(PilotState.B), id="state B"),
        pytest.param(lambda board: board.see(PilotState.A), id="state A"),
        pytest.param(lambda board: board.see(PilotState.E), id="state E"),
    ],
)
def test_each_reason_alone_opens_before_it_is_told(happens: Callable[[PlainBoard], None]) -> None:
    """The event itself opens: nothing else is reported, and no later look at the pilot is waited for."""

    async def main() -> None:
        board = await charging()
        happens(board)
        assert board.told_to_be_open
        assert not board.permitted
        await board.close()

    run_virtual(main())


def test_an_open_door_is_told_and_power_stays_off_when_it_is_shut() -> None:
    async def main() -> None:
        board = await charging()
        seen = Collector(board)
        await asyncio.sleep(0)
        board.hear_inputs(door_open=True)
        board.hear_contactor(False)
        with pytest.raises(HalRejected, match="door open"):
            await board.ac.allow(True, "test")
        board.hear_inputs(door_open=False)
        board.see(PilotState.C)
        assert board.told_to_be_open
        await asyncio.sleep(0)
        assert [event.open for event in seen.events if isinstance(event, DoorChanged)] == [True, False]
        await board.close()

    run_virtual(main())


def test_a_board_that_opened_by_itself_is_not_closed_again() -> None:
    """It had a reason that it may not have told. The permission from before is stale, and the next report of state C must not use it."""

    async def main() -> None:
        board = await charging()
        board.hear_contactor(False)
        board.switched.clear()
        for _ in range(3):
            board.beat()
            board.see(PilotState.C)
            await asyncio.sleep(0.1)
        assert True not in board.switched
        assert not board.permitted
        await board.ac.allow(True, "asked anew")
        assert board.switched[-1] is True
        await board.close()

    run_virtual(main())
