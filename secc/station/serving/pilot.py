"""Pilot, lock and indicator of a board: what the plug-in says of them, as commands in the queues of these ports."""

from __future__ import annotations

from collections.abc import Callable

from hal.port_queue import Command, CommandFailed, PortQueue
from hal.ports import Board
from secc.conversation import Effect
from secc.outlet.effects import Indicate, LockConnector, SetDuty, SetF, SetX1, UnlockConnector
from secc.station.serving.hardware import Hardware
from secc.station.serving.router import Router


class PilotPorts:
    """Lives as long as the outlet; nothing is said before the board is there. ``failed`` hears what a port refused."""

    def __init__(self, hardware: Hardware, router: Router, *, failed: Callable[[CommandFailed], None]) -> None:
        self._hardware = hardware
        self._failed = failed
        self._pilot = PortQueue(f"{hardware.name} pilot", broken=hardware.broken)
        self._lock = PortQueue(f"{hardware.name} lock", broken=hardware.broken)
        self._indicator = PortQueue(f"{hardware.name} indicator", broken=hardware.broken)
        router.performs(SetDuty, SetX1, SetF, by=self._drive)
        router.performs(LockConnector, UnlockConnector, by=self._latch)
        router.performs(Indicate, by=self._show)

    async def close(self) -> None:
        """Cancel what is under way; from now on every command fails."""
        for queue in (self._pilot, self._lock, self._indicator):
            await queue.close()

    @property
    def _board(self) -> Board:
        assert self._hardware.board is not None
        return self._hardware.board

    def _drive(self, said: SetDuty | SetX1 | SetF) -> None:
        pilot = self._board.pilot
        match said:
            case SetDuty(duty):
                self._order(self._pilot, said, lambda: pilot.set_duty(duty))
            case SetX1():
                self._order(self._pilot, said, pilot.set_x1)
            case SetF():
                self._order(self._pilot, said, pilot.set_f)

    def _latch(self, said: LockConnector | UnlockConnector) -> None:
        lock = self._board.lock
        if lock is not None:
            self._order(self._lock, said, lock.lock if isinstance(said, LockConnector) else lock.unlock)

    def _show(self, said: Indicate) -> None:
        indicator = self._board.indicator
        self._order(self._indicator, said, lambda: indicator.show(said.indication, said.text), replaceable=True)

    def _order(self, queue: PortQueue, said: Effect, command: Command, *, replaceable: bool = False) -> None:
        queue.order(type(said).__name__, command, failed=self._failed, safe=said.safe, replaceable=replaceable)
