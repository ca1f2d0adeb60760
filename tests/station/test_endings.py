"""Every way in which charging can end opens the true contactor in time, and the next car charges. Virtual time; judged by the simulated world."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from hal.errors import HalRejected
from hal.sim.clock import run_virtual
from secc.link.v2gtp import PayloadType, frame
from tests.station_scene import LONG, OPEN_SECONDS, Drive, Scene, configured, judged, station

PATIENT = replace(LONG, patience=1000.0)
Act = Callable[[Scene, Drive], Awaitable[None]]


@dataclass(frozen=True)
class Ending:
    """What happens in the middle of charging; within ``seconds`` of it the contactor is open, and the session ends with this code."""

    name: str
    act: Act
    code: str
    seconds: float = OPEN_SECONDS
    mend: Act | None = None
    """What has to be put right before the next car can charge."""
    unplug: bool = True

    def __str__(self) -> str:
        return self.name


async def unplug(scene: Scene, drive: Drive) -> None:
    scene.world().unplug(force=True)


async def emergency_stop(scene: Scene, drive: Drive) -> None:
    scene.world().press_emergency_stop()


async def release(scene: Scene, drive: Drive) -> None:
    scene.world().press_emergency_stop(False)


async def open_door(scene: Scene, drive: Drive) -> None:
    scene.world().open_door()


async def close_door(scene: Scene, drive: Drive) -> None:
    scene.world().open_door(False)


async def close_tcp(scene: Scene, drive: Drive) -> None:
    drive.line._writer.close()


async def reset(scene: Scene, drive: Drive) -> None:
    drive.reset()


async def silence(scene: Scene, drive: Drive) -> None:
    drive.hush()


async def garbage(scene: Scene, drive: Drive) -> None:
    drive.hush()
    drive.line._writer.write(b"\xde\xad\xbe\xef" * 64)


async def exi_garbage(scene: Scene, drive: Drive) -> None:
    drive.hush()
    drive.line._writer.write(frame(PayloadType.EXI, b"\x80\x98" + b"\xff" * 40))


async def no_exi(scene: Scene, drive: Drive) -> None:
    drive.hush()
    drive.line._writer.write(frame(PayloadType.EXI, b"GET / HTTP/1.1\r\n"))


async def insulation(scene: Scene, drive: Drive) -> None:
    scene.world().inject("insulation_fault")


async def heal(scene: Scene, drive: Drive) -> None:
    for name in list(scene.world().faults):
        scene.world().heal(name)
    await asyncio.sleep(1.0)
    # A latched fault of the board needs somebody who clears it.
    board = scene.board()
    for fault in board.faults.active:
        await board.faults.clear(fault.code)


async def board_silent(scene: Scene, drive: Drive) -> None:
    scene.world().inject("controller_silent")


async def board_silent_for_long(scene: Scene, drive: Drive) -> None:
    scene.world().inject("controller_silent")
    await asyncio.sleep(5.0)


async def pilot_short(scene: Scene, drive: Drive) -> None:
    scene.world().inject("pilot_short")


async def over_temperature(scene: Scene, drive: Drive) -> None:
    scene.world().inject("over_temperature")


async def meter_lost(scene: Scene, drive: Drive) -> None:
    scene.world().inject("meter_lost")


async def bug_in_a_phase(scene: Scene, drive: Drive) -> None:
    """The session's conversation raises at its next step."""
    connection = scene.outlet()._connection
    assert connection is not None
    assert connection.driver is not None
    session = connection.driver.session

    def bug(event: Any, now: float) -> Any:
        raise ZeroDivisionError("planted")

    session.receive = bug  # type: ignore[method-assign]  # a planted bug


async def bug_in_the_recorder(scene: Scene, drive: Drive) -> None:
    """Whoever looks on has a bug, and then the car pulls the plug: the trace is lost, not the opening."""

    def bug(*facts: Any) -> Any:
        raise ZeroDivisionError("planted")

    scene.outlet().journal.saw = bug  # type: ignore[method-assign]  # a planted bug
    scene.world().unplug(force=True)


async def bug_in_the_power_path(scene: Scene, drive: Drive) -> None:
    driver = scene.outlet().path._driver
    assert driver is not None
    driver.fail(ZeroDivisionError("planted"))


async def bug_in_the_plug_in(scene: Scene, drive: Drive) -> None:
    driver = scene.outlet().plug._driver
    assert driver is not None
    driver.fail(ZeroDivisionError("planted"))


async def driver_raises(scene: Scene, drive: Drive) -> None:
    """The supply's driver raises what it must not."""
    board = scene.board()
    assert board.dc is not None

    async def bug(*target: Any) -> None:
        raise ZeroDivisionError("planted")

    board.dc.set_target = bug  # type: ignore[method-assign]  # a planted bug


async def driver_mended(scene: Scene, drive: Drive) -> None:
    board = scene.board()
    assert board.dc is not None
    del board.dc.set_target


async def driver_refuses(scene: Scene, drive: Drive) -> None:
    board = scene.board()
    assert board.dc is not None

    async def no(*target: Any) -> None:
        raise HalRejected("planted")

    board.dc.set_target = no  # type: ignore[method-assign]  # a supply that refuses


async def readings_raise(scene: Scene, drive: Drive) -> None:
    """A property of the board that must never raise does, for a second; then the car sends its next request."""
    board = type(scene.board())
    saved = board.__dict__["meter_reading"]

    def bug(self: Any) -> Any:
        raise ZeroDivisionError("planted")

    board.meter_reading = property(bug)  # type: ignore[misc, assignment]  # a planted bug
    asyncio.get_running_loop().call_later(1.0, setattr, board, "meter_reading", saved)


async def guard_dies(scene: Scene, drive: Drive) -> None:
    guard = next(task for task in scene.outlet().hardware._tasks if task.get_name().endswith("guard"))
    guard.cancel()


async def operator(scene: Scene, drive: Drive) -> None:
    scene.outlet().levers.stop("operator")


async def button(scene: Scene, drive: Drive) -> None:
    scene.world().press_stop()


ENDINGS = [
    Ending("unplugged", unplug, "severed.unplugged"),
    Ending("emergency-stop", emergency_stop, "emergency.emergency-stop", mend=release),
    Ending("door", open_door, "emergency.fault", mend=close_door),
    Ending("tcp-closed", close_tcp, "severed.connection-closed"),
    Ending("tcp-reset", reset, "severed.connection-closed"),
    # The car is silent: what it asked for last is stale after some seconds (A-SES-09), the session waits for its minute.
    Ending("silence", silence, "timer.V2G_SECC_Sequence_Timeout", seconds=61.0),
    Ending("no-v2gtp", garbage, "severed.stream-broken"),
    Ending("broken-exi", exi_garbage, "severed.stream-broken"),
    Ending("no-exi", no_exi, "severed.stream-broken"),
    Ending("insulation", insulation, "emergency.fault", seconds=1.0, mend=heal),
    Ending("board-lost", board_silent, "emergency.fault", seconds=1.0, mend=heal),
    Ending("board-lost-for-long", board_silent_for_long, "emergency.fault", mend=heal),
    Ending("pilot-shorted", pilot_short, "emergency.fault", mend=heal),
    Ending("too-hot", over_temperature, "completed.terminated", seconds=10.0, mend=heal),
    Ending("bug-in-a-phase", bug_in_a_phase, "bug.ZeroDivisionError", seconds=0.5),
    Ending("bug-in-the-recorder", bug_in_the_recorder, "severed.unplugged"),
    Ending("bug-in-the-power-path", bug_in_the_power_path, "emergency.fault"),
    Ending("bug-in-the-plug-in", bug_in_the_plug_in, "severed.connection-closed"),
    Ending("driver-raises", driver_raises, "emergency.fault", seconds=1.0, mend=driver_mended),
    Ending("driver-refuses", driver_refuses, "emergency.fault", seconds=3.0, mend=driver_mended),
    Ending("operator", operator, "completed.terminated", seconds=10.0),
    Ending("stop-button", button, "completed.terminated", seconds=10.0),
]


@pytest.mark.parametrize("ending", ENDINGS, ids=str)
def test_charging_ends_and_the_next_car_charges(tmp_path: Path, ending: Ending) -> None:
    async def main() -> None:
        async with station(configured(tmp_path)) as scene:
            drive = await scene.charging(scene.drive(PATIENT, stay=True))
            await ending.act(scene, drive)
            await scene.opened(seconds=ending.seconds)
            codes = await scene.ended()
            assert codes == [ending.code]
            assert drive.task is not None
            drive.task.cancel()
            await asyncio.gather(drive.task, return_exceptions=True)
            if ending.mend is not None:
                await ending.mend(scene, drive)
            world = scene.world()
            if world.car.plugged:
                world.unplug(force=True)
            await scene.until(lambda: scene.outlet().state()["phase"] == "available", 10.0, "available")
            await scene.charges()
            assert list(world.incidents) == []
            judged(scene)

    run_virtual(main())
