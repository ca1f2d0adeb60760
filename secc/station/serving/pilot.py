"""Performs what the plug-in says on the board: pilot, lock, what the driver sees."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from hal.port_queue import CommandFailed, PortQueue
from hal.ports import Board
from secc import outlet
from secc.conversation import Effect


class PilotPerformer:
    """One board's pilot, lock and indicator. ``tell`` brings failures back to the plug-in."""

    def __init__(
        self, name: str, board: Board, tell: Callable[[CommandFailed], None], broken: Callable[[BaseException], None]
    ) -> None:
        self._board = board
        self._tell = tell
        self._pilot = PortQueue(f"{name} pilot", broken=broken)
        self._lock = PortQueue(f"{name} lock", broken=broken)
        self._indicator = PortQueue(f"{name} indicator", broken=broken)

    def perform(self, effect: Effect) -> None:
        """Start the effect. Raises TypeError for one that is not the plug-in's."""
        board = self._board
        match effect:
            case outlet.SetDuty(duty):
                self._order(self._pilot, effect, lambda: board.pilot.set_duty(duty))
            case outlet.SetX1():
                self._order(self._pilot, effect, board.pilot.set_x1, safe=True)
            case outlet.SetF():
                self._order(self._pilot, effect, board.pilot.set_f)
            case outlet.LockConnector():
                if board.lock is not None:
                    self._order(self._lock, effect, board.lock.lock)
            case outlet.UnlockConnector():
                if board.lock is not None:
                    self._order(self._lock, effect, board.lock.unlock)
            case outlet.Indicate(indication, text):
                self._order(self._indicator, effect, lambda: board.indicator.show(indication, text), replaceable=True)
            case _:
                raise TypeError(f"nobody performs {type(effect).__name__}")

    async def close(self) -> None:
        for queue in (self._pilot, self._lock, self._indicator):
            await queue.close()

    def _order(
        self,
        queue: PortQueue,
        effect: Effect,
        command: Callable[[], Awaitable[Any]],
        *,
        safe: bool = False,
        replaceable: bool = False,
    ) -> None:
        name = type(effect).__name__
        queue.order(
            name,
            command,
            failed=self._tell,
            safe=safe,
            replaceable=replaceable,
        )
