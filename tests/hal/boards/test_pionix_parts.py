"""Faults, lock, proximity and meter of the Pionix boards, and their lives at random."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hal.boards.driven import Outlet
from hal.errors import HalError, HalLost, HalRejected, HalTimeout, HalUnsupported
from hal.events import CableChanged
from hal.readings import ContactorState, LockState, Severity
from hal.sim.clock import run_virtual
from tests.hal.boards.bench import beaten
from tests.hal.boards.pionix_bench import PionixBench
from tests.hal.contract import Collector


@pytest.mark.parametrize(
    ("dialect", "flag", "code", "severity", "latched"),
    [
        ("yeti", 1, "pilot_diode", Severity.EMERGENCY, True),
        ("yeti", 2, "residual_current_test", Severity.EMERGENCY, True),
        ("tida", 3, "residual_current", Severity.EMERGENCY, True),
        ("tida", 4, "ventilation_missing", Severity.STOP, False),
        ("yeti", 5, "lock_failed", Severity.STOP, False),
        ("phyverso", 6, "pilot_malfunction", Severity.EMERGENCY, False),
        ("yeti", 7, "overcurrent", Severity.EMERGENCY, True),
        ("phyverso", 7, "communication_timeout", Severity.EMERGENCY, False),
        ("phyverso", 8, "contactor_feedback", Severity.EMERGENCY, True),
        ("phyverso", 9, "proximity_invalid", Severity.STOP, False),
    ],
)
def test_error_flags_are_faults(dialect: str, flag: int, code: str, severity: Severity, latched: bool) -> None:
    async def main() -> None:
        bench = await PionixBench(dialect).open()
        async with beaten(bench.board):
            await bench.charging()
            bench.fake.flags = {flag}
            await asyncio.sleep(0.1)
            assert [(fault.code, fault.severity) for fault in bench.board.faults.active] == [(code, severity)]
            if severity is Severity.EMERGENCY:
                assert not bench.fake.allowed and not bench.fake.closed
                with pytest.raises(HalRejected):
                    await bench.board.ac.allow(True, "test")
            if latched:
                with pytest.raises(HalRejected):
                    await bench.board.faults.clear(code)
            bench.fake.flags = set()
            await asyncio.sleep(0.1)
            assert bool(bench.board.faults.active) is latched
            await bench.board.faults.clear(code)
            assert bench.board.faults.active == ()
            assert not bench.fake.closed or severity is Severity.STOP
        await bench.board.close()

    run_virtual(main())


def test_a_missing_diode_is_forgotten_with_the_car_that_had_none() -> None:
    async def main() -> None:
        bench = await PionixBench().open()
        bench.fake.plug("B")
        bench.fake.flags = {1}
        await asyncio.sleep(0.1)
        assert bench.board.faults.active
        bench.fake.flags = set()
        await asyncio.sleep(0.1)
        assert bench.board.faults.active
        bench.fake.plug("A")
        await asyncio.sleep(0.1)
        assert bench.board.faults.active == ()
        await bench.board.close()

    run_virtual(main())


def test_a_welded_relay_is_told_to_open_again_and_again_and_reported() -> None:
    async def main() -> None:
        bench = await PionixBench().open()
        async with beaten(bench.board):
            await bench.charging()
            bench.fake.welded = True
            await bench.board.ac.allow(False, "test")
            await asyncio.sleep(0.4)
            assert bench.board.ac.contactor.state is ContactorState.WELDED
            assert [fault.code for fault in bench.board.faults.active] == ["contactor_welded"]
            bench.fake.welded = False
            await asyncio.sleep(0.3)
            assert bench.board.ac.contactor.state is ContactorState.OPEN
            await bench.board.faults.clear("contactor_welded")
        await bench.board.close()

    run_virtual(main())


def test_lock_and_cable_of_a_socket() -> None:
    async def main() -> None:
        bench = await PionixBench(outlet=Outlet(socket=True, lock=True)).open()
        seen = Collector(bench.board)
        lock, proximity = bench.board.lock, bench.board.proximity
        assert lock is not None and proximity is not None
        await lock.lock()
        assert bench.fake.locked
        assert lock.reading.state is LockState.LOCKED
        await lock.lock()
        for code, amperes in ((1, 13.0), (2, 20.0), (3, 32.0), (4, 63.0), (0, None)):
            bench.fake.report_plug(code)
            await asyncio.sleep(0.01)
            assert proximity.reading.amperes == amperes
        assert len([event for event in seen.events if isinstance(event, CableChanged)]) == 5
        bench.fake.report_plug(5)
        await asyncio.sleep(0.01)
        assert [fault.code for fault in bench.board.faults.active] == ["proximity_invalid"]
        bench.fake.report_plug(3)
        async with beaten(bench.board):
            await bench.charging()
            with pytest.raises(HalRejected):
                await lock.unlock()
            await bench.board.ac.allow(False, "test")
            await asyncio.sleep(0.1)
            bench.fake.lock_stuck = True
            began = asyncio.get_running_loop().time()
            with pytest.raises(HalTimeout):
                await lock.unlock()
            assert asyncio.get_running_loop().time() - began <= 1.01
        await bench.board.close()

    run_virtual(main())


def test_the_meter_of_a_yeti() -> None:
    async def main() -> None:
        bench = await PionixBench(meter="METER-7").open()
        meter = bench.board.meter
        assert meter is not None and meter.identity == "METER-7"
        with pytest.raises(HalTimeout):
            await meter.read()
        values = {2: 230.0, 3: 231.0, 4: 229.0, 5: 16.0, 6: 15.5, 7: 0.0, 12: 1234.5, 17: 3680.0, 18: 3580.0}
        bench.fake.meter = b"".join(
            bytes([*_key(number)]) + struct.pack("<f", value) for number, value in values.items()
        )
        reading = await meter.read()
        assert reading.watt_hours_import == 1234.5
        assert reading.volts == (230.0, 231.0, 229.0) and reading.amperes == (16.0, 15.5, 0.0)
        assert reading.watts == 7260.0
        assert meter.reading == reading
        bench.fake.meter = bytes([*_key(12)]) + struct.pack("<f", float("nan"))
        await asyncio.sleep(3.0)
        assert meter.reading is not None and meter.reading.watt_hours_import == 1234.5
        with pytest.raises(HalTimeout):
            await meter.read()
        waiting = asyncio.create_task(_outcome(meter.read()))
        await asyncio.sleep(0.1)
        bench.line.unplug()
        assert isinstance(await waiting, HalLost)
        await bench.board.close()

    run_virtual(main())


def _key(number: int) -> bytes:
    key = number << 3 | 5
    return bytes([key]) if key < 128 else bytes([key & 127 | 128, key >> 7])


async def _outcome(command: Any) -> object:
    try:
        return await command
    except HalError as error:
        return error


def test_the_hardware_s_own_limit_counts() -> None:
    async def main() -> None:
        bench = PionixBench()
        bench.fake.max_amperes = bytes([7 << 3 | 5]) + struct.pack("<f", 16.0)
        await bench.open()
        assert bench.board.ac.capabilities.max_amperes == 16.0
        await bench.board.close()

    run_virtual(main())


def test_phases_are_switched_where_the_board_can_and_the_contactor_is_open() -> None:
    async def main() -> None:
        fixed = await PionixBench("tida", outlet=Outlet(switches_phases=True)).open()
        with pytest.raises(HalUnsupported):
            await fixed.board.ac.set_phases(1)
        await fixed.board.close()
        bench = await PionixBench("yeti", outlet=Outlet(switches_phases=True)).open()
        await bench.board.ac.set_phases(1)
        await bench.board.ac.set_phases(3)
        await asyncio.sleep(0.01)
        assert bench.fake.phases == [0, 1]
        with pytest.raises(HalUnsupported):
            await bench.board.ac.set_phases(2)
        async with beaten(bench.board):
            await bench.charging()
            with pytest.raises(HalRejected):
                await bench.board.ac.set_phases(1)
        await bench.board.close()

    run_virtual(main())


ACTIONS = st.one_of(
    st.tuples(st.just("pilot"), st.sampled_from("ABCCCDE")),
    st.tuples(st.just("allow"), st.sampled_from([True, True, False])),
    st.tuples(st.just("beats"), st.sampled_from([True, True, False])),
    st.tuples(st.just("duty"), st.sampled_from([0.05, 0.05, 1.0, 0.0])),
    st.tuples(st.just("press"), st.sampled_from([True, False, False])),
    st.tuples(st.just("boot"), st.just(True)),
    st.tuples(st.just("silent"), st.sampled_from([True, False, False])),
    st.tuples(st.just("flags"), st.sampled_from([set(), set(), {6}, {3}])),
)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(["yeti", "phyverso", "tida"]), st.lists(st.tuples(ACTIONS, st.floats(0.01, 1.5)), max_size=20))
def test_whatever_happens_it_is_closed_only_in_c_or_d_with_permission_and_beats(
    dialect: str, steps: list[tuple[tuple[str, Any], float]]
) -> None:
    async def main() -> None:
        bench = await PionixBench(dialect).open()
        board, fake = bench.board, bench.fake
        loop = asyncio.get_running_loop()
        beating, last_beat, allowed = True, loop.time(), False
        bad_since: float | None = None
        closings = 0

        async def watch() -> None:
            nonlocal last_beat, bad_since, closings
            while True:
                await asyncio.sleep(0.01)
                now = loop.time()
                if beating and now - last_beat >= 0.1:
                    last_beat = now
                    with contextlib.suppress(HalLost):
                        board.beat()
                closings += fake.closed
                off = fake.pilot not in "CD" or fake.stopped or not allowed or bool(fake.flags)
                bad_since = (bad_since if bad_since is not None else now) if off else None
                if bad_since is not None and now - bad_since > 0.1:
                    assert not fake.closed
                if now - last_beat > 1.0:
                    assert not fake.closed

        watcher = asyncio.create_task(watch())
        for (what, value), seconds in steps:
            with contextlib.suppress(HalError):
                match what:
                    case "pilot":
                        fake.plug(value)
                    case "allow":
                        allowed = value
                        await board.ac.allow(value, "test")
                    case "beats":
                        beating = value
                    case "duty":
                        await {1.0: board.pilot.set_x1, 0.0: board.pilot.set_f}.get(
                            value, lambda: board.pilot.set_duty(0.05)
                        )()
                    case "press":
                        bench.press(value)
                    case "boot":
                        fake.boot()
                    case _:
                        setattr(fake, what, value)
            await asyncio.sleep(seconds)
            if watcher.done():
                break
        watcher.cancel()
        results = await asyncio.gather(watcher, return_exceptions=True)
        assert isinstance(results[0], asyncio.CancelledError), results
        assert all(state in "CD" for _, on, state in fake.asked if on)
        await board.close()
        await asyncio.sleep(0.1)
        assert not fake.closed

    run_virtual(main())
