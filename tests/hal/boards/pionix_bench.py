"""A driver of a Pionix board, its fake, the cable between them, and the emergency stop's second contact."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from hal.boards.driven import Outlet
from hal.boards.pionix import PionixBoard
from hal.boards.pionix_dialects import DIALECTS
from hal.errors import HalLost
from hal.readings import ContactorState
from tests.hal.boards.lines import MemoryLine
from tests.hal.boards.pionix_fake import FakePionix


class Contact:
    """An input line."""

    def __init__(self) -> None:
        self.on_change: Callable[[bool], None] = lambda active: None
        self.active = False
        self.released = False

    def turn(self, active: bool) -> None:
        self.active = active
        self.on_change(active)

    def close(self) -> None:
        self.released = True


class PionixBench:
    def __init__(
        self,
        dialect: str = "yeti",
        *,
        outlet: Outlet | None = None,
        reset_line: bool = False,
        watchdog_seconds: float | None = None,
        **options: Any,
    ) -> None:
        self.fake = FakePionix(dialect, watchdog_seconds=watchdog_seconds)
        self.plugged = True
        self.contact = Contact()
        self.line = MemoryLine(self.fake)
        self.board = PionixBoard(
            "1",
            self.connect,
            outlet or Outlet(),
            DIALECTS[dialect],
            reset=self.fake if reset_line else None,
            **options,
        )
        self.board.wire(emergency_stop=self.contact)

    def connect(self) -> MemoryLine:
        if not self.plugged:
            raise HalLost("there is no serial device")
        self.line = MemoryLine(self.fake)
        return self.line

    def press(self, pressed: bool) -> None:
        """One button, two contacts: the coil's circuit, and our line."""
        self.fake.press(pressed)
        self.contact.turn(pressed)

    async def open(self) -> PionixBench:
        await self.board.open()
        return self

    async def charging(self) -> None:
        self.fake.plug("B")
        await asyncio.sleep(0.05)
        await self.board.pilot.set_duty(0.05)
        self.fake.plug("C")
        await asyncio.sleep(0.05)
        await self.board.ac.allow(True, "test")
        await asyncio.sleep(0.1)
        assert self.fake.closed
        assert self.board.ac.contactor.state is ContactorState.CLOSED
