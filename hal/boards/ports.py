"""Ports that several boards share: each reads its board's levels, checks commands, and passes them
to the board.
"""

from __future__ import annotations

import logging
from typing import Protocol

from hal.boards.levels import Levels
from hal.errors import HalRejected, HalUnsupported
from hal.readings import (
    AcCapabilities,
    CableReading,
    ContactorReading,
    ContactorState,
    Indication,
    InputsReading,
    LockReading,
    PilotCapabilities,
    PilotReading,
)

log = logging.getLogger(__name__)


class Commands(Protocol):
    """The interface of a board to its ports. Errors and times as in :mod:`hal.ports`."""

    @property
    def levels(self) -> Levels: ...

    async def drive(self, duty: float | None) -> None:
        """Drive the pilot with this duty: 1 is steady high, 0 steady low, None 0 V."""

    async def permit(self, on: bool, reason: str) -> None: ...
    async def limit(self, amperes: float) -> None: ...
    async def switch_phases(self, phases: int) -> None: ...
    async def test_residual_current(self) -> bool: ...
    async def move_lock(self, locked: bool) -> None: ...


class _Port:
    def __init__(self, board: Commands) -> None:
        self._board = board


class Pilot(_Port):
    def __init__(self, board: Commands, *, supports_e: bool) -> None:
        super().__init__(board)
        self.capabilities = PilotCapabilities(supports_e=supports_e)

    @property
    def reading(self) -> PilotReading:
        return self._board.levels.pilot

    async def set_duty(self, duty: float) -> None:
        if not 0.03 <= duty <= 0.97:
            raise HalRejected(f"a duty of {duty:g} is outside 0.03 to 0.97")
        await self._board.drive(duty)

    async def set_x1(self) -> None:
        await self._board.drive(1.0)

    async def set_f(self) -> None:
        await self._board.drive(0.0)

    async def set_e(self) -> None:
        if not self.capabilities.supports_e:
            raise HalUnsupported("this board cannot pull the pilot to 0 V (E); use F instead")
        await self._board.drive(None)


class Proximity(_Port):
    @property
    def reading(self) -> CableReading:
        return self._board.levels.cable


class Ac(_Port):
    def __init__(self, board: Commands, capabilities: AcCapabilities) -> None:
        super().__init__(board)
        self.capabilities = capabilities

    @property
    def contactor(self) -> ContactorReading:
        return self._board.levels.contactor

    async def allow(self, on: bool, reason: str) -> None:
        await self._board.permit(on, reason)

    async def set_overcurrent(self, amperes: float) -> None:
        if not amperes > 0.0:
            raise HalRejected(f"an over-current limit of {amperes:g} A")
        await self._board.limit(amperes)

    async def set_phases(self, phases: int) -> None:
        if phases == self.capabilities.phases and not self.capabilities.switches_phases:
            return
        if not self.capabilities.switches_phases or phases not in (1, self.capabilities.phases):
            raise HalUnsupported(f"this outlet cannot charge with {phases} phases")
        if self._board.levels.contactor.state is not ContactorState.OPEN:
            raise HalRejected("phases are switched with the contactor open")
        await self._board.switch_phases(phases)

    async def test_residual_current(self) -> bool:
        if self._board.levels.contactor.state is not ContactorState.OPEN:
            raise HalRejected("the residual-current device is tested with the contactor open")
        return await self._board.test_residual_current()


class PlugLock(_Port):
    @property
    def reading(self) -> LockReading:
        return self._board.levels.lock

    async def lock(self) -> None:
        await self._board.move_lock(True)

    async def unlock(self) -> None:
        if self._board.levels.contactor.state is not ContactorState.OPEN:
            raise HalRejected("the plug stays locked while the contactor is not open")
        await self._board.move_lock(False)


class BoardInputs(_Port):
    @property
    def reading(self) -> InputsReading:
        return self._board.levels.inputs


class LoggedIndicator:
    """For boards without a display: logs what the driver of the car should see."""

    def __init__(self, name: str) -> None:
        self._name = name

    async def show(self, indication: Indication, text: str = "") -> None:
        log.debug("board %s would show: %s %s", self._name, indication.value, text)
