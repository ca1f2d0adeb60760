"""The ports of a driven board: what they refuse before the driver is asked."""

from __future__ import annotations

import pytest

from hal.errors import HalRejected
from hal.readings import ContactorState
from hal.sim.clock import run_virtual
from tests.hal.boards.plain import PlainBoard


@pytest.mark.parametrize("state", list(ContactorState))
def test_the_plug_is_let_go_only_when_the_contactor_is_known_to_be_open(state: ContactorState) -> None:
    """Welded and unknown are as good as closed: the plug may be live, and a person would pull it."""

    async def main() -> None:
        board = PlainBoard()
        await board.open()
        board.levels.note_contactor(state)
        if state is ContactorState.OPEN:
            await board.plug_lock.unlock()
            assert board.locks == [False]
        else:
            with pytest.raises(HalRejected, match="not open"):
                await board.plug_lock.unlock()
            assert board.locks == []
        await board.plug_lock.lock()
        assert board.locks[-1] is True, "locking is always right"
        await board.close()

    run_virtual(main())
