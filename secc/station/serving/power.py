"""Contactor, supply and insulation monitor of a board: each effect of the power path is one
command.

The guard's ports command supply and contactor; the insulation monitor has a queue of its own. Safe
commands overtake.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final, TypeVar

from hal.errors import HalError, HalUnsupported
from hal.guard import ConsentLost, Guard
from hal.guarded import GuardedAcPower, GuardedDcPower
from hal.port_queue import Called, CommandFailed, PortQueue, tell
from hal.ports import Imd
from secc.conversation import Effect
from secc.energy import effects
from secc.energy.events import ContactorOpeningTold
from secc.station.serving.hardware import Hardware
from secc.station.serving.router import Router

log = logging.getLogger(__name__)

P = TypeVar("P")


class PowerPorts:
    """Lives as long as the outlet; commands come once the board is open.

    ``tell`` brings the results of commands to the power path and to no other conversation: the
    plug-in has ports and failures of its own.
    """

    def __init__(self, hardware: Hardware, router: Router, *, tell: Callable[[object], None]) -> None:
        self.monitor = PortQueue(f"{hardware.name} insulation monitor")
        self._hardware = hardware
        self._tell = tell
        router.performs(*COMMANDS, by=self._command)
        router.performs(effects.SeekConsent, by=self._seek_consent)
        router.performs(effects.ReleasePower, by=self._release)
        router.performs(effects.ReportInsulation, by=self._found)
        router.finds(effects.TestInsulationMonitor, by=self._test)

    async def close(self) -> None:
        """Cancel commands of the insulation monitor; from now on they fail. The other queues are
        the guard's.
        """
        await self.monitor.close()

    # The ports. A port that the board lacks raises HalUnsupported.

    @property
    def ac(self) -> GuardedAcPower:
        return _present(self._guard.ac, "AC")

    @property
    def dc(self) -> GuardedDcPower:
        return _present(self._guard.dc, "DC")

    @property
    def imd(self) -> Imd:
        board = self._hardware.board
        return _present(board.imd if board is not None else None, "insulation monitor")

    @property
    def _guard(self) -> Guard:
        assert self._hardware.guard is not None
        return self._hardware.guard

    # Effects of the power path

    def _command(self, said: Effect) -> None:
        name = type(said).__name__
        try:
            called = COMMANDS[type(said)](self, said)
        except HalUnsupported as error:
            self._tell(CommandFailed(name, str(error)))
            return
        opens = isinstance(said, effects.OpenDcContactor | effects.WithdrawPower)
        done = (lambda _: self._tell(ContactorOpeningTold())) if opens else None
        tell(called, name, done=done, failed=self._tell, broken=self._hardware.broken)

    def _seek_consent(self, said: effects.SeekConsent) -> None:
        consent = self._guard.ask(said.purpose)
        if not consent:
            self._tell(ConsentLost(str(consent)))

    def _release(self, said: effects.ReleasePower) -> None:
        self._guard.release()

    def _found(self, said: effects.ReportInsulation) -> None:
        self._guard.insulation(said.finding)

    async def _test(self, question: effects.TestInsulationMonitor) -> bool:
        """Returns whether the monitor passes its self-test; one that does not answer has failed it."""
        try:
            return await self.imd.self_test()
        except HalError as error:
            log.warning("outlet %s: the insulation monitor's self-test: %s", self._hardware.name, error)
            return False


COMMANDS: Final[dict[type[Effect], Callable[[PowerPorts, Any], Called]]] = {
    effects.AllowPower: lambda ports, said: ports.ac.allow(True, "power path"),
    effects.WithdrawPower: lambda ports, said: ports.ac.allow(False, "power path"),
    effects.SetOvercurrent: lambda ports, said: ports.ac.set_overcurrent(said.amperes),
    effects.CloseDcContactor: lambda ports, said: ports.dc.set_contactor(True),
    effects.OpenDcContactor: lambda ports, said: ports.dc.set_contactor(False),
    effects.SetSupply: lambda ports, said: ports.dc.set_target(said.volts, said.amperes, said.phase),
    effects.SwitchSupplyOff: lambda ports, said: ports.dc.off(),
    effects.StartInsulationMonitor: lambda ports, said: ports.monitor.call("start", ports.imd.start),
    effects.StopInsulationMonitor: lambda ports, said: ports.monitor.call("stop", ports.imd.stop, safe=True),
}
"""The command of each effect that is just one command of a port."""


def _present(port: P | None, name: str) -> P:
    if port is None:
        raise HalUnsupported(f"this board has no {name} port")
    return port
