"""Pilot, lock and indicator of a board: performs effects of the plug-in as commands in the queues
of these ports.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from hal.port_queue import Command, CommandFailed, PortQueue
from hal.ports import Board
from secc.conversation import Effect
from secc.outlet.effects import Indicate, LockConnector, SetDuty, SetF, SetX1, UnlockConnector
from secc.station.serving.hardware import Hardware
from secc.station.serving.router import Router


class PilotPorts:
    """Lives as long as the outlet; commands come once the board is open. ``failed`` hears what a
    port refused.
    """

    def __init__(self, hardware: Hardware, router: Router, *, failed: Callable[[CommandFailed], None]) -> None:
        self._hardware = hardware
        self._failed = failed
        ports, broken = (PILOT, LOCK, INDICATOR), hardware.broken
        self._queues = {port: PortQueue(f"{hardware.name} {port}", broken=broken) for port in ports}
        router.performs(*COMMANDS, by=self._command)

    async def close(self) -> None:
        """Cancel commands that are under way; from now on every command fails."""
        for queue in self._queues.values():
            await queue.close()

    def _command(self, said: Effect) -> None:
        board = self._hardware.board
        assert board is not None
        port, command_of = COMMANDS[type(said)]
        command = command_of(board, said)
        if command is not None:
            # A newer text replaces one that waits.
            self._queues[port].order(
                type(said).__name__, command, failed=self._failed, safe=said.safe, replaceable=port is INDICATOR
            )


PILOT, LOCK, INDICATOR = "pilot", "lock", "indicator"
COMMANDS: Final[dict[type[Effect], tuple[str, Callable[[Board, Any], Command | None]]]] = {
    SetDuty: (PILOT, lambda board, said: lambda: board.pilot.set_duty(said.duty)),
    SetX1: (PILOT, lambda board, said: board.pilot.set_x1),
    SetF: (PILOT, lambda board, said: board.pilot.set_f),
    LockConnector: (LOCK, lambda board, said: board.lock.lock if board.lock is not None else None),
    UnlockConnector: (LOCK, lambda board, said: board.lock.unlock if board.lock is not None else None),
    Indicate: (INDICATOR, lambda board, said: lambda: board.indicator.show(said.indication, said.text)),
}
"""The port and the command of each effect; None if the board has no such port."""
