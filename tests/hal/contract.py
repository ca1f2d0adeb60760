"""What every board must do, whoever made its driver.

A driver's tests derive from :class:`BoardContract` and say how to get a :class:`Rig`: the board, and hands on what stands behind it (the
simulation's world, or a fake on a pseudo terminal). Limits are those of ``hal/ports.py``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest

from hal.errors import HalError, HalLost, HalRejected, HalUnsupported
from hal.events import BoardEvent, EmergencyStopChanged, PilotChanged
from hal.ports import Board
from hal.readings import ContactorState, PilotState

T = TypeVar("T")

EDGE_SECONDS = 0.05
OPENING_SECONDS = 0.1


@dataclass
class Rig:
    """A board and the hands on its surroundings. ``closed`` is the true contactor, not the board's word for it."""

    board: Board
    pilot: Callable[[PilotState], None]
    """Make the car's side of the pilot A (unplugged), B, C or D."""
    emergency_stop: Callable[[bool], None]
    closed: Callable[[], bool]

    def close(self) -> Awaitable[None]:
        """Ask the board, without an interlock, to close its contactor."""
        board = self.board
        if board.dc is not None:
            return board.dc.set_contactor(True)
        assert board.ac is not None
        return board.ac.allow(True, "contract")


class Collector:
    """Everything that the board says from now on."""

    def __init__(self, board: Board) -> None:
        self.events: list[BoardEvent] = []
        self.ended = False
        self._task = asyncio.create_task(self._collect(board.events()))

    async def _collect(self, events: AsyncIterator[BoardEvent]) -> None:
        async for event in events:
            self.events.append(event)
        self.ended = True

    def states(self) -> list[PilotState]:
        return [event.reading.state for event in self.events if isinstance(event, PilotChanged)]

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


@asynccontextmanager
async def beating(board: Board) -> AsyncIterator[None]:
    """The station lives."""

    async def beat() -> None:
        while True:
            board.beat()
            await asyncio.sleep(0.1)

    task = asyncio.create_task(beat())
    await asyncio.sleep(0)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class BoardContract:
    """Derive, and implement :meth:`rig` and :meth:`run`."""

    report_seconds = 0.0
    """For a board that cannot push and reports at fixed times: how often, by its documents. It is late by so much, and no more."""

    @property
    def edge_seconds(self) -> float:
        return EDGE_SECONDS + self.report_seconds

    async def rig(self) -> Rig:
        """A fresh, open board with no car at it."""
        raise NotImplementedError

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run on the time in which the rig lives."""
        raise NotImplementedError

    async def ready(self, rig: Rig) -> None:
        """A car in state C, digital communication on."""
        rig.pilot(PilotState.B)
        await asyncio.sleep(self.edge_seconds)
        await rig.board.pilot.set_duty(0.05)
        rig.pilot(PilotState.C)
        await asyncio.sleep(self.edge_seconds)
        assert rig.board.pilot.reading.state is PilotState.C

    async def closed(self, rig: Rig) -> None:
        await self.ready(rig)
        await rig.close()
        await asyncio.sleep(0.2)
        assert rig.closed()
        assert self.contactor(rig) is ContactorState.CLOSED

    def contactor(self, rig: Rig) -> ContactorState:
        port = rig.board.dc if rig.board.dc is not None else rig.board.ac
        assert port is not None
        return port.contactor.state

    def test_it_opens_in_the_safe_state(self) -> None:
        async def main() -> None:
            rig = await self.rig()
            board = rig.board
            assert isinstance(board, Board)
            assert board.healthy
            assert board.pilot.reading.state is PilotState.A
            assert board.pilot.reading.duty == 1.0
            assert not rig.closed()
            assert self.contactor(rig) is ContactorState.OPEN
            assert not board.inputs.reading.emergency_stopped
            assert board.faults.active == ()
            await board.close()

        self.run(main())

    def test_every_pilot_state_is_pushed_within_50_ms(self) -> None:
        async def main() -> None:
            rig = await self.rig()
            await rig.board.pilot.set_duty(0.05)
            seen = Collector(rig.board)
            for state in (PilotState.B, PilotState.C, PilotState.D, PilotState.C, PilotState.B, PilotState.A):
                rig.pilot(state)
                await asyncio.sleep(self.edge_seconds)
                assert seen.states()[-1] is state
                assert rig.board.pilot.reading.state is state
                age = asyncio.get_running_loop().time() - rig.board.pilot.reading.since
                assert 0.0 <= age <= self.edge_seconds
            await rig.board.close()

        self.run(main())

    def test_a_bcb_toggle_of_150_ms_pulses_loses_no_edge(self) -> None:
        async def main() -> None:
            rig = await self.rig()
            rig.pilot(PilotState.B)
            await asyncio.sleep(0.2)
            seen = Collector(rig.board)
            for state in (PilotState.C, PilotState.B) * 3:
                rig.pilot(state)
                await asyncio.sleep(0.15)
            await asyncio.sleep(self.report_seconds)
            assert seen.states() == [PilotState.C, PilotState.B] * 3
            await rig.board.close()

        self.run(main())

    def test_two_readers_hear_the_same(self) -> None:
        async def main() -> None:
            rig = await self.rig()
            one, two = Collector(rig.board), Collector(rig.board)
            rig.pilot(PilotState.B)
            await asyncio.sleep(self.edge_seconds)
            await one.stop()
            rig.pilot(PilotState.A)
            await asyncio.sleep(self.edge_seconds)
            assert one.states() == [PilotState.B]
            assert two.states() == [PilotState.B, PilotState.A]
            await rig.board.close()

        self.run(main())

    def test_a_duty_that_is_none_is_rejected(self) -> None:
        async def main() -> None:
            rig = await self.rig()
            for duty in (-0.1, 0.0, 0.02, 0.98, 1.0, 5.0, float("nan"), float("inf")):
                with pytest.raises(HalRejected):
                    await rig.board.pilot.set_duty(duty)
            assert rig.board.pilot.reading.duty == 1.0
            await rig.board.close()

        self.run(main())

    def test_e_and_f_are_driven_or_honestly_refused(self) -> None:
        async def main() -> None:
            rig = await self.rig()
            rig.pilot(PilotState.B)
            await rig.board.pilot.set_f()
            await asyncio.sleep(self.edge_seconds)
            assert rig.board.pilot.reading.state is PilotState.F
            if rig.board.pilot.capabilities.supports_e:
                await rig.board.pilot.set_e()
                await asyncio.sleep(self.edge_seconds)
                assert rig.board.pilot.reading.state is PilotState.E
            else:
                with pytest.raises(HalUnsupported):
                    await rig.board.pilot.set_e()
            await rig.board.pilot.set_x1()
            await asyncio.sleep(self.edge_seconds)
            assert rig.board.pilot.reading.state is PilotState.B
            await rig.board.close()

        self.run(main())

    def test_nothing_closes_without_a_heartbeat(self) -> None:
        async def main() -> None:
            rig = await self.rig()
            await self.ready(rig)
            with pytest.raises(HalRejected):
                await rig.close()
            await asyncio.sleep(0.2)
            assert not rig.closed()
            await rig.board.close()

        self.run(main())

    def test_nothing_closes_in_state_b(self) -> None:
        async def main() -> None:
            rig = await self.rig()
            rig.pilot(PilotState.B)
            await asyncio.sleep(self.edge_seconds)
            async with beating(rig.board):
                try:
                    await rig.close()
                except HalRejected:
                    assert rig.board.dc is not None
                await asyncio.sleep(0.3)
                assert not rig.closed()
            await rig.board.close()

        self.run(main())

    @pytest.mark.parametrize("state", [PilotState.A, PilotState.B])
    def test_leaving_c_opens_within_100_ms_and_coming_back_does_not_close(self, state: PilotState) -> None:
        async def main() -> None:
            rig = await self.rig()
            async with beating(rig.board):
                await self.closed(rig)
                rig.pilot(state)
                await asyncio.sleep(OPENING_SECONDS)
                assert not rig.closed()
                rig.pilot(PilotState.B)
                rig.pilot(PilotState.C)
                await asyncio.sleep(0.5)
                assert not rig.closed()
                assert self.contactor(rig) is ContactorState.OPEN
            await rig.board.close()

        self.run(main())

    def test_the_emergency_stop_opens_within_100_ms_and_forbids_closing(self) -> None:
        async def main() -> None:
            rig = await self.rig()
            async with beating(rig.board):
                await self.closed(rig)
                seen = Collector(rig.board)
                rig.emergency_stop(True)
                await asyncio.sleep(OPENING_SECONDS)
                assert not rig.closed()
                await asyncio.sleep(self.report_seconds)
                assert rig.board.inputs.reading.emergency_stopped
                assert [event.stopped for event in seen.events if isinstance(event, EmergencyStopChanged)] == [True]
                with pytest.raises(HalRejected):
                    await rig.close()
                rig.emergency_stop(False)
                await asyncio.sleep(0.5)
                assert not rig.closed()
            await rig.board.close()

        self.run(main())

    def test_a_lost_heartbeat_opens_within_a_second(self) -> None:
        async def main() -> None:
            rig = await self.rig()
            async with beating(rig.board):
                await self.closed(rig)
                await asyncio.sleep(2.0)
                assert rig.closed()
            await asyncio.sleep(1.0)
            assert not rig.closed()
            async with beating(rig.board):
                await asyncio.sleep(0.5)
                assert not rig.closed()
            await rig.board.close()

        self.run(main())

    def test_commands_are_idempotent(self) -> None:
        async def main() -> None:
            rig = await self.rig()
            async with beating(rig.board):
                await self.closed(rig)
                await rig.close()
                await rig.board.pilot.set_duty(0.05)
                await asyncio.sleep(0.3)
                assert rig.closed()
                for _ in range(2):
                    if rig.board.dc is not None:
                        await rig.board.dc.off()
                        await rig.board.dc.set_contactor(False)
                    else:
                        assert rig.board.ac is not None
                        await rig.board.ac.allow(False, "contract")
                await asyncio.sleep(0.2)
                assert not rig.closed()
            await rig.board.close()
            await rig.board.close()

        self.run(main())

    def test_a_meter_reads_now(self) -> None:
        async def main() -> None:
            rig = await self.rig()
            if rig.board.meter is not None:
                reading = await rig.board.meter.read()
                assert asyncio.get_running_loop().time() - reading.at < 1.0
                assert len(reading.volts) == len(reading.amperes) > 0
                assert 0 < len(rig.board.meter.identity) <= 32
            await rig.board.close()

        self.run(main())

    def test_closing_is_safe_and_final(self) -> None:
        async def main() -> None:
            rig = await self.rig()
            seen = Collector(rig.board)
            async with beating(rig.board):
                await self.closed(rig)
                await rig.board.close()
            await asyncio.sleep(OPENING_SECONDS)
            assert not rig.closed()
            assert not rig.board.healthy
            assert seen.ended
            with pytest.raises(HalLost):
                rig.board.beat()
            with pytest.raises(HalError):
                await rig.board.pilot.set_duty(0.05)
            assert [event async for event in rig.board.events()] == []

        self.run(main())
