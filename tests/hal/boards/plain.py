"""A driven board without a wire: it does what it is told, and hears what the test says."""

from __future__ import annotations

import asyncio

from hal.boards import ports
from hal.boards.driven import DrivenBoard, Outlet
from hal.readings import BoardCapabilities, PilotReading, PilotState


class PlainBoard(DrivenBoard):
    """``switched`` is every command to the contactor, ``locked`` every one to the lock. The contactor moves when the test says so."""

    def __init__(self) -> None:
        super().__init__(
            "plain", Outlet(socket=True, lock=True), BoardCapabilities(opens_itself=False, heartbeat_seconds=1.0)
        )
        self.switched: list[bool] = []
        self.locks: list[bool] = []
        assert isinstance(self.lock, ports.PlugLock)
        self.plug_lock = self.lock

    async def _start(self) -> None:
        self.levels.recover()

    async def _stop(self) -> None:
        return

    async def _drive(self, duty: float | None) -> None:
        return

    def _switch(self, closed: bool) -> None:
        self.switched.append(closed)

    async def move_lock(self, locked: bool) -> None:
        self.locks.append(locked)

    def see(self, state: PilotState) -> None:
        """The board measures this state of the pilot."""
        now = asyncio.get_running_loop().time()
        self.hear_pilot(PilotReading(state, now, now, 0.05, 6.0, -12.0))

    async def charge(self) -> None:
        """A car in C, with permission, behind a closed contactor."""
        self.hear_inputs(emergency_stopped=False, door_open=False)
        self.beat()
        self.see(PilotState.B)
        self.see(PilotState.C)
        await self.ac.allow(True, "test")
        self.hear_contactor(True)
        assert self.switched[-1:] == [True]

    @property
    def told_to_be_open(self) -> bool:
        """The newest command."""
        return self.switched[-1:] == [False]


async def charging() -> PlainBoard:
    board = PlainBoard()
    await board.open()
    await board.charge()
    return board
