"""Performs what the power path says on the board's ports, and tells it what became of that.

Supply and contactor are commanded through the guard's ports, the insulation monitor through a queue of its own. What is
safe overtakes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from hal.errors import HalError, HalUnsupported
from hal.guard import ConsentLost, Guard
from hal.port_queue import CommandFailed, PortQueue, tell
from hal.ports import Board
from secc.conversation import Effect
from secc.energy.effects import (
    AllowPower,
    Announce,
    CloseDcContactor,
    OpenDcContactor,
    ReleasePower,
    ReportInsulation,
    SeekConsent,
    SetOvercurrent,
    SetSupply,
    StartInsulationMonitor,
    StopInsulationMonitor,
    SwitchSupplyOff,
    WithdrawPower,
)
from secc.energy.events import ContactorOpeningTold

log = logging.getLogger(__name__)


class PowerPerformer:
    """One board's power ports. ``tell`` brings events back to the power path, ``broken`` hears of bugs in a driver."""

    def __init__(
        self,
        name: str,
        board: Board,
        guard: Guard,
        tell: Callable[[object], None],
        broken: Callable[[BaseException], None],
    ) -> None:
        self._name = name
        self._board = board
        self._guard = guard
        self._tell = tell
        self._broken = broken
        self._insulation = PortQueue(f"{name} insulation monitor")

    def perform(self, effect: Effect) -> bool:
        """Start the effect; False if it is none of the power path's."""
        guard = self._guard
        match effect:
            case SeekConsent(purpose):
                consent = guard.ask(purpose)
                if not consent:
                    self._tell(ConsentLost(str(consent)))
            case ReleasePower():
                guard.release()
            case AllowPower():
                self._command(effect, lambda: self._ac().allow(True, "power path"))
            case WithdrawPower():
                self._command(effect, lambda: self._ac().allow(False, "power path"), done=self._told_to_open)
            case SetOvercurrent(amperes):
                self._command(effect, lambda: self._ac().set_overcurrent(amperes))
            case CloseDcContactor():
                self._command(effect, lambda: self._dc().set_contactor(True))
            case OpenDcContactor():
                self._command(effect, lambda: self._dc().set_contactor(False), done=self._told_to_open)
            case SetSupply(volts, amperes, phase):
                self._command(effect, lambda: self._dc().set_target(volts, amperes, phase))
            case SwitchSupplyOff():
                self._command(effect, lambda: self._dc().off())
            case StartInsulationMonitor():
                self._command(effect, lambda: self._insulation.call("start", self._imd().start))
            case StopInsulationMonitor():
                self._command(effect, lambda: self._insulation.call("stop", self._imd().stop, safe=True))
            case ReportInsulation(finding):
                guard.insulation(finding)
            case Announce(notice):
                log.info("outlet %s: %s", self._name, notice.value)
            case _:
                return False
        return True

    async def close(self) -> None:
        await self._insulation.close()

    def _command(
        self,
        effect: Effect,
        command: Callable[[], asyncio.Future[Any]],
        *,
        done: Callable[[Any], None] | None = None,
    ) -> None:
        name = type(effect).__name__
        try:
            called = command()
        except HalUnsupported as error:
            self._tell(CommandFailed(name, str(error)))
        else:
            tell(called, name, done=done, failed=self._tell, broken=self._broken)

    def _told_to_open(self, _: Any) -> None:
        self._tell(ContactorOpeningTold())

    async def test_insulation_monitor(self) -> bool:
        """Whether the monitor passes its self-test; one that does not answer has failed it."""
        try:
            passed: bool = await self._imd().self_test()
        except HalError as error:
            log.warning("outlet %s: the insulation monitor's self-test: %s", self._name, error)
            return False
        return passed

    def _ac(self) -> Any:
        return _present(self._guard.ac, "AC")

    def _dc(self) -> Any:
        return _present(self._guard.dc, "DC")

    def _imd(self) -> Any:
        return _present(self._board.imd, "insulation monitor")


def _present(port: Any, name: str) -> Any:
    if port is None:
        raise HalUnsupported(f"this board has no {name} port")
    return port
