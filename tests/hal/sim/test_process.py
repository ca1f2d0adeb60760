"""The world in a process of its own: what the station suffers does not reach it. These tests live in real time."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import hal
from hal.errors import HalLost
from hal.events import BoardLost
from hal.guard import Guard
from hal.interlock import Purpose
from hal.open import open_hal
from hal.readings import ContactorState, PilotState
from hal.sim.panel import Hand
from tests.hal.contract import Collector
from tests.lateness import watched

ROOT = Path(hal.__file__).resolve().parent.parent

STATION = """
import asyncio, sys
from hal.guard import Guard
from hal.interlock import Purpose
from hal.open import open_hal
from hal.readings import ContactorState

async def main():
    board = await open_hal(f"sim:?connector=ac&car=plugged&process=1&control={sys.argv[1]}")
    guard = Guard(board)
    asyncio.get_running_loop().create_task(guard.run())
    await board.pilot.set_duty(0.05)
    while not board.pilot.reading.state.ready:
        await asyncio.sleep(0.01)
    assert guard.ask(Purpose.AC)
    await guard.ac.allow(True, "test")
    await asyncio.sleep(3600)

asyncio.run(main())
"""


async def wait_for_contactor(hand: Hand, closed: bool, seconds: float) -> dict[str, object]:
    """The truth, once the true contactor is so. TimeoutError when it does not get there."""
    async with asyncio.timeout(seconds):
        while True:
            try:
                state = await hand.state()
                if state["contactor_closed"] is closed:
                    return state
            except HalLost:
                if not closed:
                    raise
            await asyncio.sleep(0.01)


async def until(condition: Callable[[], bool]) -> None:
    """Wait until it is so. TimeoutError after ten seconds, which a busy machine may well need for a tenth of one."""
    async with asyncio.timeout(10.0):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("blow", [signal.SIGSTOP, signal.SIGKILL], ids=["stopped", "killed"])
def test_a_station_that_is_stopped_or_killed_loses_its_contactor_within_a_second(
    tmp_path: Path, blow: signal.Signals
) -> None:
    path = tmp_path / "world.sock"
    station = subprocess.Popen([sys.executable, "-c", STATION, str(path)], cwd=ROOT)

    async def main() -> None:
        hand = Hand(path)
        async with asyncio.timeout(10.0):
            while not path.exists():
                await asyncio.sleep(0.01)
        await hand.act("s2")
        state = await wait_for_contactor(hand, True, 10.0)
        await asyncio.sleep(0.3)
        state = await hand.state()
        assert state["contactor_closed"] and state["watts"] == 3 * 230.0 * 16.0
        begun = time.monotonic()
        with watched() as lateness:
            os.kill(station.pid, blow)
            state = await wait_for_contactor(hand, False, 10.0)
        opened = state["moments"]
        assert isinstance(opened, dict)
        assert opened["contactor_opened"] - begun < 1.0 + lateness.worst
        assert state["watts"] == 0.0
        hand.close()

    try:
        asyncio.run(main())
    finally:
        station.kill()
        station.wait()


def test_a_loop_that_is_blocked_loses_its_contactor_within_a_second(tmp_path: Path) -> None:
    path = tmp_path / "world.sock"

    async def main() -> None:
        board = await open_hal(f"sim:?connector=ac&car=plugged&process=1&control={path}")
        guard = Guard(board)
        task = asyncio.create_task(guard.run())
        hand = Hand(path)
        await board.pilot.set_duty(0.05)
        await hand.act("s2")
        while not board.pilot.reading.state.ready:
            await asyncio.sleep(0.01)
        assert guard.ask(Purpose.AC) and guard.ac is not None
        await guard.ac.allow(True, "test")
        await wait_for_contactor(hand, True, 5.0)
        await until(
            lambda: board.meter is not None and board.meter.reading is not None and board.meter.reading.watts > 0.0
        )
        begun = time.monotonic()
        with watched() as lateness:
            time.sleep(1.3)
        opened = (await hand.state())["moments"]["contactor_opened"]
        assert opened - begun < 1.0 + lateness.worst
        ac = guard.ac
        await until(lambda: guard.asked is Purpose.NONE and ac.contactor.state is ContactorState.OPEN)
        await hand.act("unplug")
        await until(lambda: board.pilot.reading.state is PilotState.A)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await board.close()
        assert not path.exists()

    asyncio.run(main())


def test_a_world_that_dies_is_a_lost_board() -> None:
    async def main() -> None:
        board = await open_hal("sim:?process=1")
        seen = Collector(board)
        (child,) = await asyncio.to_thread(children)
        os.kill(child, signal.SIGKILL)
        async with asyncio.timeout(5.0):
            while not seen.events:
                await asyncio.sleep(0.01)
        assert isinstance(seen.events[0], BoardLost)
        assert not board.healthy
        with pytest.raises(HalLost):
            await board.pilot.set_x1()
        with pytest.raises(HalLost):
            board.beat()
        await board.close()

    asyncio.run(main())


def children() -> list[int]:
    """Processes of ours that are simulated worlds."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                if parent == os.getpid() and b"hal.sim.process" in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found
