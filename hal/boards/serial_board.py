"""A board behind a controller on a serial line: the line and its loss, the reset line, and the turns in which everything is said again."""

from __future__ import annotations

import abc
import asyncio
import contextlib
import enum
from typing import Final

from hal.boards.driven import DrivenBoard, Outlet
from hal.boards.uart import Connect, SerialLine
from hal.errors import HalError, HalLost
from hal.linux.gpio import OutputLine
from hal.readings import BoardCapabilities

RECONNECT_SECONDS: Final = 1.0


class SerialBoard(DrivenBoard):
    """``turn_seconds``: how often :meth:`_turn` is called. A line that is gone is opened anew."""

    def __init__(
        self,
        name: str,
        connect: Connect,
        outlet: Outlet,
        capabilities: BoardCapabilities,
        *,
        phase: enum.Enum,
        reset: OutputLine | None,
        turn_seconds: float,
    ) -> None:
        super().__init__(name, outlet, capabilities)
        self._connect, self._reset = connect, reset
        self._turn_seconds = turn_seconds
        self._phase = phase
        self._line: SerialLine | None = None
        self._since = self._tried = 0.0
        self._duty = 1.0
        self._ticker: asyncio.TimerHandle | None = None

    @abc.abstractmethod
    def _turn(self, now: float) -> None:
        """What is due, while there is a line. HalError where the line is not of use any more."""

    @abc.abstractmethod
    def _begin(self) -> None:
        """The line is open again: lead the controller into a known state. Raises HalError."""

    @abc.abstractmethod
    def _hear(self, octets: bytes) -> None:
        """What comes over the line."""

    @abc.abstractmethod
    def _vanish(self, text: str) -> None:
        """The controller does not answer any more."""

    @abc.abstractmethod
    def _refuse(self, text: str) -> None:
        """HalLost for all that wait for an answer."""

    @abc.abstractmethod
    async def _leave(self) -> None:
        """Say over the line that the board is left in its safe state. Raises HalError."""

    async def _stop(self) -> None:
        if self._ticker is not None:
            self._ticker.cancel()
        try:
            if self._line is not None:
                await self._leave()
        finally:
            self._refuse("this board is closed")
            if self._line is not None:
                self._line.close()
            if self._reset is not None:
                self._reset.close()

    def _reconnect(self) -> None:
        self._tried = self._loop.time()
        line = self._connect()
        line.on_octets, line.on_lost = self._hear, self._hang_up
        self._line = line

    def _hang_up(self, text: str) -> None:
        line, self._line = self._line, None
        if line is not None:
            line.close()
        self._vanish(text)

    def _enter(self, phase: enum.Enum) -> None:
        self._phase, self._since = phase, self._loop.time()

    def _tick(self) -> None:
        now = self._loop.time()
        self._ticker = self._loop.call_later(self._turn_seconds, self._tick)
        if self._line is not None:
            try:
                self._turn(now)
            except HalError as error:
                self._hang_up(str(error))
        elif now - self._tried >= RECONNECT_SECONDS:
            with contextlib.suppress(HalError):
                self._reconnect()
                self._begin()

    def _write(self, octets: bytes) -> None:
        if self._line is None:
            raise HalLost("the serial line is gone")
        self._line.write(octets)
