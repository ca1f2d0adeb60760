"""What the safety controller of a Charge SOM complains of, and what comes of it."""

from __future__ import annotations

import asyncio

import pytest

from hal.errors import HalRejected, HalUnsupported
from hal.events import FaultCleared, FaultRaised
from hal.readings import ContactorState, Severity
from hal.sim.clock import VirtualLoop, run_virtual
from tests.hal.boards.bench import Bench, beaten, kinds
from tests.hal.contract import Collector


@pytest.mark.parametrize(
    ("attribute", "car", "code", "severity"),
    [
        ("diode_missing", "C", "pilot_diode", Severity.EMERGENCY),
        ("shorted", "C", "pilot_short", Severity.EMERGENCY),
        ("hot", "C", "over_temperature", Severity.EMERGENCY),
    ],
)
def test_faults_take_the_power_away_and_have_a_name(attribute: str, car: str, code: str, severity: Severity) -> None:
    async def main() -> None:
        bench = await Bench().open()
        async with beaten(bench.board):
            await bench.charging()
            setattr(bench.fake, attribute, True)
            bench.fake.plug(car)
            await asyncio.sleep(0.15)
            faults = {fault.code: fault.severity for fault in bench.board.faults.active}
            assert faults[code] is severity
            assert not bench.fake.closed
            with pytest.raises(HalRejected):
                await bench.board.ac.allow(True, "test")
            setattr(bench.fake, attribute, False)
            bench.fake.plug("A")
            await asyncio.sleep(25.0)
            assert bench.board.faults.active == ()
        await bench.board.close()

    run_virtual(main())


def test_a_welded_contactor_is_latched_until_somebody_has_looked() -> None:
    async def main() -> None:
        bench = await Bench().open()
        async with beaten(bench.board):
            await bench.charging()
            bench.fake.welded = True
            await bench.board.ac.allow(False, "test")
            await asyncio.sleep(0.5)
            assert bench.board.ac.contactor.state is ContactorState.WELDED
            assert [fault.code for fault in bench.board.faults.active] == ["contactor_welded"]
            with pytest.raises(HalRejected):
                await bench.board.faults.clear("contactor_welded")
            resets = bench.fake.resets
            await asyncio.sleep(30.0)
            assert bench.fake.resets == resets
            bench.fake.welded = False
            bench.fake.press(False)
            await asyncio.sleep(0.5)
            assert bench.board.ac.contactor.state is ContactorState.OPEN
            assert bench.board.faults.active != ()
            await bench.board.faults.clear("contactor_welded")
            await asyncio.sleep(6.0)
            assert bench.board.healthy and bench.board.faults.active == ()
        await bench.board.close()

    run_virtual(main())


@pytest.mark.case("A-RES-09")
def test_a_loop_that_was_held_up_has_not_seen_the_contactor_open() -> None:
    """What the controller said meanwhile waits to be read, and of that the oldest comes first."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        bench = await Bench().open()
        async with beaten(bench.board):
            await bench.charging()
            seen = Collector(bench.board)
            await bench.board.ac.allow(False, "test")
            loop.jump(0.5)
            await asyncio.sleep(1.0)
            assert bench.board.ac.contactor.state is ContactorState.OPEN
            assert "contactor_welded" not in kinds(seen, FaultRaised)
        await bench.board.close()

    run_virtual(main())


def test_what_is_heard_of_a_board_confirms_its_contactor() -> None:
    """Frames come ten times a second and say the same; who asks how old the feedback is must not hear of the last change."""

    async def main() -> None:
        bench = await Bench().open()
        async with beaten(bench.board):
            await bench.charging()
            await asyncio.sleep(5.0)
            reading = bench.board.ac.contactor
            assert reading.state is ContactorState.CLOSED
            assert asyncio.get_running_loop().time() - reading.at < 0.2
        await bench.board.close()

    run_virtual(main())


def test_a_contactor_that_does_not_close_is_given_up() -> None:
    async def main() -> None:
        bench = await Bench().open()
        seen = Collector(bench.board)
        async with beaten(bench.board):
            bench.fake.stuck = True
            bench.fake.plug("C")
            await asyncio.sleep(0.15)
            await bench.board.pilot.set_duty(0.05)
            await bench.board.ac.allow(True, "test")
            await asyncio.sleep(1.2)
            assert not bench.fake.request
            assert kinds(seen, FaultRaised) == ["contactor_stuck_open"]
            bench.fake.stuck = False
            await asyncio.sleep(1.0)
            assert not bench.fake.closed
            await bench.board.faults.clear("contactor_stuck_open")
            await asyncio.sleep(0.01)
            assert kinds(seen, FaultCleared) == ["contactor_stuck_open"]
        await bench.board.close()

    run_virtual(main())


@pytest.mark.parametrize(("result", "passed"), [(1, True), (3, False)])
def test_the_residual_current_monitor_tests_itself(result: int, passed: bool) -> None:
    async def main() -> None:
        bench = await Bench().open()
        with pytest.raises(HalUnsupported):
            await bench.board.ac.test_residual_current()
        bench.fake.residual = 1
        bench.fake.residual_result = result
        await asyncio.sleep(0.15)
        assert await bench.board.ac.test_residual_current() is passed
        await bench.board.close()

    run_virtual(main())


def test_a_socket_reads_the_rating_of_its_cable() -> None:
    async def main() -> None:
        bench = await Bench(socket=True).open()
        assert bench.board.proximity is not None
        for code, amperes in ((1, 13.0), (2, 20.0), (3, 32.0), (4, 63.0), (0, None)):
            bench.fake.proximity = code
            await asyncio.sleep(0.15)
            assert bench.board.proximity.reading.amperes == amperes
        bench.fake.proximity = 7
        await asyncio.sleep(0.15)
        assert [fault.code for fault in bench.board.faults.active] == ["proximity_invalid"]
        await bench.board.close()

    run_virtual(main())


def test_temperatures_can_be_read() -> None:
    async def main() -> None:
        bench = await Bench().open()
        await asyncio.sleep(0.15)
        assert bench.board.temperatures == (90.0,)
        await bench.board.close()

    run_virtual(main())
