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
from secc.config import Eim, Tls
from secc.link.v2gtp import TOLERATED, PayloadType, frame
from tests.station_scene import BOTH, LONG, OPEN_SECONDS, Drive, Scene, configured, judged, station
from tools.evcc.behaviour import Behaviour, Current, Payment

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


async def pipelined(scene: Scene, drive: Drive) -> None:
    drive.hush()
    drive.line._writer.write(drive.sent * 10)


async def ignored_garbage(scene: Scene, drive: Drive) -> None:
    """Frames of a payload type that nobody asked for, too few to be hung up on, to keep the connection for ever."""
    drive.hush()
    writer, loop = drive.line._writer, asyncio.get_running_loop()
    for seconds in (20.0, 40.0):
        loop.call_later(seconds, writer.write, bytes.fromhex("01fe810100000004") + b"gaga")


async def exi_garbage(scene: Scene, drive: Drive) -> None:
    drive.hush()
    for _ in range(TOLERATED):
        drive.line._writer.write(frame(PayloadType.EXI, b"\x80\x98" + b"\xff" * 40))


async def no_exi(scene: Scene, drive: Drive) -> None:
    drive.hush()
    drive.line._writer.write(frame(PayloadType.EXI, b"GET / HTTP/1.1\r\n") * TOLERATED)


async def exi_to_stay(scene: Scene, drive: Drive) -> None:
    """Octets that are no message, too few to be hung up on, from a car that says nothing else."""
    drive.hush()
    writer, loop = drive.line._writer, asyncio.get_running_loop()
    for seconds in (20.0, 55.0):
        loop.call_later(seconds, writer.write, frame(PayloadType.EXI, b"\x80\x98" + b"\xff" * 40))


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


async def earth_lost(scene: Scene, drive: Drive) -> None:
    """Without protective earth no pilot comes back: for the station the car is gone."""
    scene.world().car.plugged = False
    scene.world()._changed("pilot")


async def diode_shorted(scene: Scene, drive: Drive) -> None:
    scene.world().inject("pilot_diode")


async def over_temperature(scene: Scene, drive: Drive) -> None:
    scene.world().inject("over_temperature")


async def meter_lost(scene: Scene, drive: Drive) -> None:
    scene.world().inject("meter_lost")


async def bug_in_a_phase(scene: Scene, drive: Drive) -> None:
    """The session's conversation raises at its next step."""
    connection = scene.outlet().sessions._connection
    assert connection is not None
    assert connection.seat is not None
    session = connection.seat.session

    def bug(event: Any, now: float) -> Any:
        raise ZeroDivisionError("planted")

    session.receive = bug  # type: ignore[method-assign]  # a planted bug


async def bug_in_the_recorder(scene: Scene, drive: Drive) -> None:
    """Whoever looks on has a bug, and then the car pulls the plug: the trace is lost, not the opening."""

    def bug(*facts: Any) -> Any:
        raise ZeroDivisionError("planted")

    recorder = scene.outlet().session_log._recorder
    assert recorder is not None
    recorder.stepped = bug  # type: ignore[method-assign]  # a planted bug
    scene.world().unplug(force=True)


async def bug_in_the_power_path(scene: Scene, drive: Drive) -> None:
    scene.seat("power path").fail(ZeroDivisionError("planted"))


async def bug_in_the_plug_in(scene: Scene, drive: Drive) -> None:
    scene.seat("plug-in").fail(ZeroDivisionError("planted"))


async def driver_raises(scene: Scene, drive: Drive) -> None:
    """The supply's driver raises what it must not."""
    board = scene.board()
    assert board.dc is not None

    async def bug(*target: Any) -> None:
        raise ZeroDivisionError("planted")

    board.dc.set_target = bug  # type: ignore[method-assign, assignment]  # a planted bug


async def driver_mended(scene: Scene, drive: Drive) -> None:
    board = scene.board()
    assert board.dc is not None
    del board.dc.set_target


async def driver_refuses(scene: Scene, drive: Drive) -> None:
    board = scene.board()
    assert board.dc is not None

    async def no(*target: Any) -> None:
        raise HalRejected("planted")

    board.dc.set_target = no  # type: ignore[method-assign, assignment]  # a supply that refuses


async def readings_raise(scene: Scene, drive: Drive) -> None:
    """A property of the board that must never raise does, for a second; then the car sends its next request."""
    meter = type(scene.board().meter)

    def bug(self: Any) -> Any:
        raise ZeroDivisionError("planted")

    meter.reading = property(bug, lambda self, value: None)  # type: ignore[assignment]  # a planted bug
    asyncio.get_running_loop().call_later(1.0, delattr, meter, "reading")


async def guard_fails(scene: Scene, drive: Drive) -> None:
    """The guard itself has a bug: no beat goes out any more, and the board opens by itself."""
    guard = scene.outlet().hardware.guard
    assert guard is not None

    def bug() -> None:
        raise ZeroDivisionError("planted")

    guard._evaluate = bug  # type: ignore[method-assign]  # a planted bug
    scene.world().press_stop()


async def guard_mended(scene: Scene, drive: Drive) -> None:
    guard = scene.outlet().hardware.guard
    del guard._evaluate  # type: ignore[union-attr]  # the planted bug


async def operator(scene: Scene, drive: Drive) -> None:
    scene.outlet().commands.stop("operator")


async def button(scene: Scene, drive: Drive) -> None:
    scene.world().press_stop()


ENDINGS = [
    Ending("unplugged", unplug, "severed.unplugged"),
    Ending("emergency-stop", emergency_stop, "emergency.emergency-stop", mend=release),
    Ending("door", open_door, "emergency.fault", mend=close_door),
    Ending("tcp-closed", close_tcp, "severed.connection-closed"),
    Ending("tcp-reset", reset, "severed.connection-closed"),
    # A half-open connection. Without targets the current goes to zero (A-SES-09), and the session waits for its minute.
    Ending("silence", silence, "timer.V2G_SECC_Sequence_Timeout", seconds=61.0),
    Ending("no-v2gtp", garbage, "severed.stream-broken"),
    Ending("pipelined", pipelined, "refused.FAILED_SequenceError"),
    Ending("ignored-garbage", ignored_garbage, "timer.V2G_SECC_Sequence_Timeout", seconds=61.0),
    Ending("broken-exi", exi_garbage, "severed.stream-broken"),
    Ending("no-exi", no_exi, "severed.stream-broken"),
    Ending("insulation", insulation, "emergency.fault", seconds=1.0, mend=heal),
    Ending("board-lost", board_silent, "emergency.fault", seconds=1.0, mend=heal),
    Ending("board-lost-for-long", board_silent_for_long, "emergency.fault", mend=heal),
    Ending("pilot-shorted", pilot_short, "emergency.fault", mend=heal),
    Ending("earth-lost", earth_lost, "severed.unplugged"),
    Ending("diode-shorted", diode_shorted, "emergency.fault", mend=heal),
    Ending("too-hot", over_temperature, "completed.terminated", seconds=10.0, mend=heal),
    Ending("bug-in-a-phase", bug_in_a_phase, "bug.ZeroDivisionError", seconds=0.5),
    Ending("bug-in-the-recorder", bug_in_the_recorder, "severed.unplugged"),
    Ending("bug-in-the-power-path", bug_in_the_power_path, "emergency.fault"),
    Ending("bug-in-the-plug-in", bug_in_the_plug_in, "severed.connection-closed"),
    Ending("driver-raises", driver_raises, "emergency.fault", seconds=1.0, mend=driver_mended),
    Ending("driver-refuses", driver_refuses, "emergency.fault", seconds=3.0, mend=driver_mended),
    Ending("readings-raise", readings_raise, "emergency.fault", seconds=0.5),
    Ending("operator", operator, "completed.terminated", seconds=10.0),
    Ending("stop-button", button, "completed.terminated", seconds=10.0),
]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_guard_that_fails_leaves_the_board_to_itself(tmp_path: Path) -> None:
    """Nobody can say that power is safe then: the outlet stays out of order, and no car is offered anything."""

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
        async with station(configured(tmp_path)) as scene:
            drive = await scene.charging(scene.drive(PATIENT, stay=True))
            await guard_fails(scene, drive)
            await scene.opened(seconds=1.5)
            await scene.ended()
            assert drive.task is not None
            drive.task.cancel()
            await guard_mended(scene, drive)
            assert "driver-bug" in scene.outlet().plug.plugin.state.faults  # type: ignore[union-attr]  # there is one

    run_virtual(main())


AC_ENDINGS = [
    Ending("exi-to-stay", exi_to_stay, "timer.V2G_SECC_Sequence_Timeout", seconds=61.0),
    *(
        one
        for one in ENDINGS
        if one.name in ("unplugged", "emergency-stop", "door", "tcp-closed", "tcp-reset", "silence")
    ),
    *(
        one
        for one in ENDINGS
        if one.name in ("broken-exi", "board-lost-for-long", "bug-in-a-phase", "bug-in-the-power-path")
    ),
    *(
        one
        for one in ENDINGS
        if one.name in ("bug-in-the-plug-in", "readings-raise", "operator", "pilot-shorted", "earth-lost")
    ),
]
CASES = {
    "unplugged": ("A-RES-05",),
    "tcp-reset": ("A-NET-09",),
    "tcp-closed": ("TLS-21",),
    "bug-in-a-phase": ("A-SES-14", "A-RES-04"),
    "pipelined": ("A-V2G-03",),
    "ignored-garbage": ("A-V2G-06",),
    "broken-exi": ("TP-06", "D7"),
    "exi-to-stay": ("TP-06", "A-V2G-06"),
    "silence": ("I2-CD-05", "I2-PD-23"),
}
ELECTRICAL = {
    ("pilot-shorted", Current.DC): "I2-ABN-01",
    ("earth-lost", Current.DC): "I2-ABN-02",
    ("diode-shorted", Current.DC): "I2-ABN-03",
    ("pilot-shorted", Current.AC): "I2-ABN-04",
    ("earth-lost", Current.AC): "I2-ABN-05",
}


def endings() -> list[Any]:
    every = [(Current.DC, one) for one in ENDINGS] + [(Current.AC, one) for one in AC_ENDINGS]
    return [
        pytest.param(
            current,
            one,
            id=f"{current}-{one}",
            marks=pytest.mark.case(*CASES.get(one.name, ()), *filter(None, [ELECTRICAL.get((one.name, current))])),
        )
        for current, one in every
    ]


@pytest.mark.parametrize(("current", "ending"), endings())
def test_charging_ends_and_the_next_car_charges(tmp_path: Path, current: Current, ending: Ending) -> None:
    charges_and_ends(tmp_path, ending, current=current)


def charges_and_ends(tmp_path: Path, ending: Ending, **how: Any) -> None:
    """A car that behaves so charges; power is off in time, and the next car of its kind charges."""

    async def main() -> None:
        async with station(configured(tmp_path, dc=how.get("current") is not Current.AC)) as scene:
            drive = await scene.charging(scene.drive(replace(PATIENT, **how), stay=True))
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
            await scene.charges(**how)
            assert list(world.incidents) == []
            judged(scene)

    run_virtual(main())


@pytest.mark.case("A-SES-09")
def test_a_target_that_is_not_repeated_is_not_followed_for_long(tmp_path: Path) -> None:
    async def main() -> None:
        async with station(configured(tmp_path)) as scene:
            drive = await scene.charging(scene.drive(PATIENT, stay=True))
            drive.hush()
            supply = scene.world().supply
            await scene.until(lambda: supply.target_amperes == 0.0, 5.5, "the supply is told to come down")
            await scene.until(lambda: scene.world().present()[1] < 0.5, 2.0, "the current is down")
            # The session still waits for its minute; the car is not hung up on.
            assert scene.codes() == []
            assert drive.task is not None
            drive.task.cancel()
            await asyncio.gather(drive.task, return_exceptions=True)

    run_virtual(main())


async def drives(scene: Scene, count: int) -> list[Drive]:
    cars = [scene.drive(PATIENT, number=number, stay=True) for number in range(count)]
    for number, car in enumerate(cars):
        await scene.charging(car, number)
    return cars


@pytest.mark.parametrize("act", [emergency_stop, unplug])
def test_within_100_ms_also_with_20_sessions_in_the_process(tmp_path: Path, act: Act) -> None:
    async def main() -> None:
        async with station(configured(tmp_path, outlets=20), watch=False) as scene:
            cars = await drives(scene, 20)
            world = scene.world(7)
            if act is unplug:
                world.unplug(force=True)
            else:
                world.press_emergency_stop()
            await scene.opened(7)
            await scene.ended()
            assert scene.codes("8") == scene.codes()
            assert all(scene.world(number).contactor.closed for number in range(20) if number != 7)
            for car in cars:
                assert car.task is not None
                car.task.cancel()
            await asyncio.gather(*(car.task for car in cars if car.task), return_exceptions=True)

    run_virtual(main())


def test_a_car_that_is_told_ends_by_itself_when_the_station_is_stopped(tmp_path: Path) -> None:
    async def main() -> None:
        async with station(configured(tmp_path)) as scene:
            drive = await scene.charging(scene.drive(LONG))
            closing = asyncio.create_task(scene.outlet().close(10.0))
            await drive.done()
            assert drive.outcome == "completed.by-station"
            await closing
            assert scene.codes() == ["completed.terminated"]

    run_virtual(main())


@pytest.mark.parametrize("again", [False, True])
def test_one_that_does_not_is_cut_off_when_its_time_is_over_or_at_the_second_word(tmp_path: Path, again: bool) -> None:
    async def main() -> None:
        async with station(configured(tmp_path)) as scene:
            drive = await scene.charging(scene.drive(PATIENT, stay=True))
            drive.hush()
            loop = asyncio.get_running_loop()
            began = loop.time()
            closing = asyncio.create_task(scene.outlet().close(10.0))
            if again:
                loop.call_later(1.0, scene.outlet().hurry)
            await scene.opened(seconds=10.5)
            await closing
            assert loop.time() - began < (2.0 if again else 11.0)
            assert scene.codes() == ["severed.station-shutdown"]

    run_virtual(main())


def test_a_worker_that_dies_in_the_middle_of_a_check_costs_that_session_only(tmp_path: Path) -> None:
    config = configured(tmp_path, tls=Tls.OFFERED, payments=BOTH, eim=Eim.LIST)

    async def main() -> None:
        async with station(config) as scene:
            trust = scene.services.trust
            assert trust is not None

            def die(question: Any) -> Any:
                raise ZeroDivisionError("planted")

            trust.validate = die  # type: ignore[method-assign]  # a planted bug
            drive = await scene.drive(Behaviour(payment=Payment.CONTRACT, loops=3), tls=True).done()
            assert drive.outcome.startswith("refused.FAILED"), drive.outcome
            del trust.validate
            drive = await scene.drive(Behaviour(payment=Payment.CONTRACT, loops=3), tls=True).done()
            assert drive.outcome == "completed.full"

    run_virtual(main())


def test_a_station_out_of_threads_refuses_the_handshake_and_goes_on(tmp_path: Path) -> None:
    config = configured(tmp_path, tls=Tls.OFFERED, payments=BOTH, eim=Eim.LIST)

    async def main() -> None:
        async with station(config) as scene:
            threads = scene.outlet().sessions.executor

            def no(*call: Any) -> Any:
                raise RuntimeError("can't start new thread")

            threads.submit = no  # type: ignore[method-assign, assignment]  # as the standard library says it
            drive = await scene.drive(Behaviour(payment=Payment.CONTRACT, loops=3), tls=True).done()
            assert drive.reason is None
            del threads.submit
            drive = await scene.drive(Behaviour(payment=Payment.CONTRACT, loops=3), tls=True).done()
            assert drive.outcome == "completed.full"

    run_virtual(main())
