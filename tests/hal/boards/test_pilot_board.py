"""The Linux-native pilot on a simulated circuit, in virtual time: the contract, faults, and lives at random."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hal.errors import HalError, HalLost, HalRejected, HalTimeout, HalUnsupported
from hal.events import BoardLost, BoardRecovered
from hal.readings import ContactorState, LockState, PilotState
from hal.sim.clock import run_virtual
from tests.hal.boards.bench import beaten, kinds
from tests.hal.boards.pilot_bench import PilotBench
from tests.hal.contract import BoardContract, Collector, Rig

T = TypeVar("T")


class TestLinux(BoardContract):
    feedback = True

    async def rig(self) -> Rig:
        bench = await PilotBench(feedback=self.feedback).open()
        return Rig(
            bench.board,
            pilot=lambda state: bench.plug(state.value),
            emergency_stop=bench.stop.turn,
            closed=lambda: bench.relay,
        )

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        return run_virtual(main)


class TestWithoutFeedback(TestLinux):
    feedback = False


def test_it_says_that_it_needs_an_interlock_in_hardware(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        bench = await PilotBench().open()
        assert not bench.board.capabilities.opens_itself
        assert "interlock in hardware" in caplog.text
        await bench.board.close()
        assert not bench.coil.active and bench.circuit.duty == 1.0
        assert bench.coil.closed and bench.stop.closed and bench.mirror.closed

    run_virtual(main())


def test_a_lone_sample_changes_nothing() -> None:
    async def main() -> None:
        bench = await PilotBench().open()
        async with beaten(bench.board):
            await bench.charging()
            seen = Collector(bench.board)
            for _ in range(5):
                bench.circuit.glitches = 1
                await asyncio.sleep(0.05)
            assert bench.relay
            assert seen.events == []
        await bench.board.close()

    run_virtual(main())


def test_a_missing_diode_opens_and_is_remembered_until_the_car_has_gone() -> None:
    async def main() -> None:
        bench = await PilotBench().open()
        async with beaten(bench.board):
            await bench.charging()
            bench.circuit.diode_missing = True
            await asyncio.sleep(0.1)
            assert not bench.relay
            assert [fault.code for fault in bench.board.faults.active] == ["pilot_diode"]
            bench.circuit.diode_missing = False
            await asyncio.sleep(0.1)
            assert bench.board.pilot.reading.state is PilotState.UNKNOWN
            with pytest.raises(HalRejected):
                await bench.board.ac.allow(True, "test")
            bench.plug("A")
            await asyncio.sleep(0.1)
            assert bench.board.faults.active == ()
        await bench.board.close()

    run_virtual(main())


def test_a_short_to_earth_opens() -> None:
    async def main() -> None:
        bench = await PilotBench().open()
        async with beaten(bench.board):
            await bench.charging()
            bench.plug("E")
            await asyncio.sleep(0.1)
            assert not bench.relay
            assert bench.board.pilot.reading.state is PilotState.E
            assert [fault.code for fault in bench.board.faults.active] == ["pilot_short"]
            bench.plug("B")
            await asyncio.sleep(0.1)
            assert bench.board.faults.active == ()
        await bench.board.close()

    run_virtual(main())


def test_an_adc_that_fails_opens_within_100_ms_and_the_board_comes_back_safe() -> None:
    async def main() -> None:
        bench = await PilotBench().open()
        seen = Collector(bench.board)
        async with beaten(bench.board):
            await bench.charging()
            bench.circuit.broken = True
            await asyncio.sleep(0.1)
            assert not bench.relay
            assert kinds(seen, BoardLost) == ["BoardLost"]
            assert bench.board.ac.contactor.state is ContactorState.OPEN  # the mirror says so
            with pytest.raises(HalLost):
                await bench.board.pilot.set_duty(0.05)
            await asyncio.sleep(3.0)
            bench.circuit.broken = False
            await asyncio.sleep(1.0)
            assert kinds(seen, BoardRecovered) == ["BoardRecovered"]
            assert bench.board.healthy and bench.circuit.duty == 1.0
            assert not bench.relay
        await bench.board.close()

    run_virtual(main())


def test_welded_and_stuck_contactors_are_found_by_the_mirror() -> None:
    async def main() -> None:
        bench = await PilotBench().open()
        async with beaten(bench.board):
            await bench.charging()
            bench.welded = True
            await bench.board.ac.allow(False, "test")
            await asyncio.sleep(0.4)
            assert bench.board.ac.contactor.state is ContactorState.WELDED
            with pytest.raises(HalRejected):
                await bench.board.faults.clear("contactor_welded")
            bench.welded = False
            bench.coil.set(False)
            await asyncio.sleep(0.1)
            await bench.board.faults.clear("contactor_welded")
            bench.stuck = True
            await bench.board.ac.allow(True, "test")
            await asyncio.sleep(1.1)
            assert not bench.coil.active
            assert [fault.code for fault in bench.board.faults.active] == ["contactor_stuck_open"]
        await bench.board.close()

    run_virtual(main())


def test_a_coil_line_that_is_gone_is_an_error_and_no_permission() -> None:
    async def main() -> None:
        bench = await PilotBench().open()
        async with beaten(bench.board):
            await bench.charging()
            bench.coil.broken = True
            with pytest.raises(HalLost):
                await bench.board.ac.allow(False, "test")
            assert not bench.board.permitted
        await bench.board.close()

    run_virtual(main())


def test_the_lock_confirms_or_is_a_timeout() -> None:
    async def main() -> None:
        bench = await PilotBench(lock=True).open()
        lock = bench.board.lock
        assert lock is not None
        await lock.lock()
        assert lock.reading.state is LockState.LOCKED
        bench.bolt_stuck = True
        with pytest.raises(HalTimeout):
            await lock.unlock()
        await bench.board.close()
        bare = await PilotBench().open()
        assert bare.board.lock is None
        with pytest.raises(HalUnsupported):
            await bare.board.ac.test_residual_current()
        await bare.board.close()

    run_virtual(main())


def test_a_loop_that_was_held_up_is_noticed() -> None:
    async def main() -> None:
        bench = await PilotBench().open()
        seen = Collector(bench.board)
        loop = asyncio.get_running_loop()
        await asyncio.sleep(0.1)
        loop.jump(0.3)  # type: ignore[attr-defined]  # the virtual loop: time passes and nothing else happens
        await asyncio.sleep(0.1)
        assert "pilot_unwatched" in kinds(seen, *{type(event) for event in seen.events})
        await bench.board.close()

    run_virtual(main())


ACTIONS = st.one_of(
    st.tuples(st.just("car"), st.sampled_from("ABCCCDE")),
    st.tuples(st.just("allow"), st.sampled_from([True, True, False])),
    st.tuples(st.just("beats"), st.sampled_from([True, True, False])),
    st.tuples(st.just("duty"), st.sampled_from([0.05, 0.05, 1.0, 0.0, None])),
    st.tuples(st.just("stop"), st.sampled_from([True, False, False])),
    st.tuples(st.just("broken"), st.sampled_from([True, False, False])),
    st.tuples(st.just("diode_missing"), st.sampled_from([True, False, False])),
    st.tuples(st.just("glitches"), st.just(1)),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(ACTIONS, st.floats(0.0, 1.0)), max_size=20))
def test_whatever_happens_it_is_closed_only_in_c_or_d_with_permission_and_beats(
    steps: list[tuple[tuple[str, Any], float]],
) -> None:
    async def main() -> None:
        bench = await PilotBench().open()
        board, circuit = bench.board, bench.circuit
        loop = asyncio.get_running_loop()
        beating, last_beat, allowed = True, loop.time(), False
        bad_since: float | None = None

        async def watch() -> None:
            nonlocal last_beat, bad_since
            while True:
                await asyncio.sleep(0.01)
                now = loop.time()
                if beating and now - last_beat >= 0.1:
                    last_beat = now
                    with contextlib.suppress(HalLost):
                        board.beat()
                off = circuit.car not in "CD" or circuit.duty == 0.0 or circuit.pulled or bench.stop.active
                off = off or not allowed or circuit.broken or (circuit.diode_missing and 0.0 < circuit.duty < 1.0)
                bad_since = (bad_since if bad_since is not None else now) if off else None
                if bad_since is not None and now - bad_since > 0.1:
                    assert not bench.relay
                if now - last_beat > 1.0:
                    assert not bench.relay

        watcher = asyncio.create_task(watch())
        for (what, value), seconds in steps:
            with contextlib.suppress(HalError):
                match what:
                    case "car":
                        bench.plug(value)
                    case "allow":
                        allowed = value
                        await board.ac.allow(value, "test")
                    case "beats":
                        beating = value
                    case "duty":
                        commands: dict[Any, Any] = {
                            1.0: board.pilot.set_x1,
                            0.0: board.pilot.set_f,
                            None: board.pilot.set_e,
                        }
                        await commands.get(value, lambda: board.pilot.set_duty(0.05))()
                    case "stop":
                        bench.stop.turn(value)
                    case _:
                        setattr(circuit, what, value)
            await asyncio.sleep(seconds)
            if watcher.done():
                break
        watcher.cancel()
        results = await asyncio.gather(watcher, return_exceptions=True)
        assert isinstance(results[0], asyncio.CancelledError), results
        await board.close()
        await asyncio.sleep(0.1)
        assert not bench.relay

    run_virtual(main())
