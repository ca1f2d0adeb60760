"""A board behind a controller on a serial line: the line and its loss, the reset line, and the
periodic repeats.
"""

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
    """``turn_seconds``: how often :meth:`_turn` is called. A line that was lost is opened anew."""

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
        """Send what is due, while there is a line. Raises HalError if the line has failed."""

    @abc.abstractmethod
    def _begin(self) -> None:
        """The line is open again: bring the controller into a known state. Raises HalError."""

    @abc.abstractmethod
    def _hear(self, octets: bytes) -> None:
        """Handle received octets."""

    @abc.abstractmethod
    def _forget(self) -> None:
        """Drop what the controller has reported."""

    @abc.abstractmethod
    def _refuse(self, text: str) -> None:
        """Raise HalLost at all commands that wait for an answer."""

    @abc.abstractmethod
    async def _leave(self) -> None:
        """Command the safe state before the board is closed. Raises HalError."""

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

    def _vanish(self, text: str) -> None:
        """The controller no longer answers."""
        self._duty = 1.0
        self.lose(text)
        self._forget()
        self._refuse(text)

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
            raise HalLost("the serial line is lost")
        self._line.write(octets)
