"""Every driven board under the guard that the station uses: consent, its loss, the end of the watch, and what that costs in frames."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from hal.errors import HalRejected
from hal.guard import Guard
from hal.interlock import Consent, Purpose, Reason
from hal.readings import ContactorState
from hal.sim.clock import run_virtual
from tests.hal.boards.bench import Bench
from tests.hal.boards.pilot_bench import PilotBench
from tests.hal.boards.pionix_bench import PionixBench

AnyBench = Bench | PionixBench | PilotBench


async def som() -> AnyBench:
    return await Bench().open()


async def yeti() -> AnyBench:
    return await PionixBench("yeti").open()


async def native() -> AnyBench:
    return await PilotBench().open()


def closed(bench: AnyBench) -> bool:
    return bench.relay if isinstance(bench, PilotBench) else bench.fake.closed


def plug(bench: AnyBench, state: str) -> None:
    (bench if isinstance(bench, PilotBench) else bench.fake).plug(state)


def fall_silent(bench: AnyBench) -> None:
    if isinstance(bench, PilotBench):
        bench.circuit.broken = True
    else:
        bench.line.unplug()


@pytest.mark.parametrize("make", [som, yeti, native])
@pytest.mark.parametrize("ending", ["unplug", "lost", "guard"])
def test_power_flows_with_consent_and_ends_with_it(make: Callable[[], Awaitable[AnyBench]], ending: str) -> None:
    async def main() -> None:
        bench = await make()
        board = bench.board
        revoked: list[Consent] = []
        guard = Guard(board, on_revoked=revoked.append)
        watch = asyncio.create_task(guard.run())
        await asyncio.sleep(0.3)
        assert guard.ac is not None
        assert Reason.PILOT_NOT_READY in guard.ask(Purpose.AC).reasons
        with pytest.raises(HalRejected):
            await guard.ac.allow(True, "test")
        plug(bench, "B")
        await asyncio.sleep(0.15)
        await board.pilot.set_duty(0.05)
        plug(bench, "C")
        await asyncio.sleep(0.15)
        assert guard.ask(Purpose.AC)
        await guard.ac.allow(True, "test")
        await asyncio.sleep(3.0)
        assert closed(bench)
        assert revoked == []
        match ending:
            case "unplug":
                plug(bench, "A")
                await asyncio.sleep(0.1)
                assert not closed(bench)
            case "lost":
                fall_silent(bench)
                await asyncio.sleep(0.15)
                assert any(Reason.BOARD_LOST in consent.reasons for consent in revoked)
            case _:
                watch.cancel()
                await asyncio.sleep(0.9)
                assert not closed(bench)
        await asyncio.sleep(0.2)
        assert guard.asked is Purpose.NONE
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)
        await board.close()

    run_virtual(main())


class Frames:
    """What goes down a serial line to a fake board, with its time."""

    def __init__(self, bench: Bench | PionixBench) -> None:
        self.at: list[float] = []
        bench.line.downwards = self._note

    def _note(self, octets: bytes) -> bytes:
        self.at.append(asyncio.get_running_loop().time())
        return octets


@pytest.mark.parametrize("make", [som, yeti])
def test_one_frame_goes_out_for_one_command_though_guard_and_power_path_both_give_it(
    make: Callable[[], Awaitable[Bench | PionixBench]],
) -> None:
    async def main() -> None:
        bench = await make()
        guard = Guard(bench.board)
        watch = asyncio.create_task(guard.run())
        plug(bench, "B")
        await asyncio.sleep(0.15)
        await bench.board.pilot.set_duty(0.05)
        plug(bench, "C")
        await asyncio.sleep(0.15)
        assert guard.ask(Purpose.AC) and guard.ac is not None
        await guard.ac.allow(True, "test")
        await asyncio.sleep(1.0)
        assert closed(bench)
        frames = Frames(bench)
        while not frames.at:
            await asyncio.sleep(0.001)
        # Between two of the repeats, which both drivers make by a clock of their own.
        await asyncio.sleep(0.01)
        frames.at.clear()
        await guard.ac.allow(False, "power path")
        guard.release()
        await asyncio.sleep(0.005)
        await guard.ac.allow(False, "power path, at the end of the session")
        await asyncio.sleep(0.005)
        assert len(frames.at) == 1
        await asyncio.sleep(0.2)
        assert not closed(bench)
        assert bench.board.ac.contactor.state is ContactorState.OPEN
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)
        await bench.board.close()

    run_virtual(main())
