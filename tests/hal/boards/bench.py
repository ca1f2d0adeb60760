"""A driver of the Charge SOM, its fake, and the cable between them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hal.boards.chargesom import ChargeSom
from hal.boards.driven import DrivenBoard, Outlet
from hal.errors import HalLost
from hal.readings import ContactorState
from tests.hal.boards.chargesom_fake import FakeChargeSom
from tests.hal.boards.lines import MemoryLine
from tests.hal.contract import Collector


class Bench:
    """A driver, its fake, and the cable between them."""

    def __init__(self, *, reset: bool = True, socket: bool = False) -> None:
        self.fake = FakeChargeSom()
        self.line = MemoryLine(self.fake)
        self.plugged = True
        self.board = ChargeSom("1", self.connect, Outlet(socket=socket), reset=self.fake if reset else None)

    def connect(self) -> MemoryLine:
        if not self.plugged:
            raise HalLost("there is no serial device")
        self.line = MemoryLine(self.fake)
        return self.line

    async def open(self) -> Bench:
        await self.board.open()
        return self

    async def charging(self) -> None:
        self.fake.plug("B")
        await asyncio.sleep(0.15)
        await self.board.pilot.set_duty(0.05)
        self.fake.plug("C")
        await asyncio.sleep(0.15)
        await self.board.ac.allow(True, "test")
        await asyncio.sleep(0.3)
        assert self.fake.closed
        assert self.board.ac.contactor.state is ContactorState.CLOSED


@asynccontextmanager
async def beaten(board: DrivenBoard) -> AsyncIterator[None]:
    """The station lives, and lives on while the board does not answer."""

    async def beat() -> None:
        while True:
            try:
                board.beat()
            except HalLost:
                assert not board.healthy
            await asyncio.sleep(0.1)

    task = asyncio.create_task(beat())
    await asyncio.sleep(0)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def kinds(seen: Collector, *classes: type) -> list[str]:
    names = []
    for event in seen.events:
        if isinstance(event, classes):
            fault = getattr(event, "fault", None)
            names.append(fault.code if fault is not None else type(event).__name__)
    return names
