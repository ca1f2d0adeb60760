"""Every driven board under the guard that the station uses: consent, its loss, and the end of the watch."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from hal.errors import HalRejected
from hal.guard import Guard
from hal.interlock import Consent, Purpose, Reason
from hal.sim.clock import run_virtual
from tests.hal.boards.bench import Bench
from tests.hal.boards.pionix_bench import PionixBench
from tests.hal.linux.pilot_bench import PilotBench

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
