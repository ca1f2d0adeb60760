"""One running outlet: its board, its sockets, and the conversations that serve a car.

::

    board ──events──▶ plug-in, power path, matching; V2G sessions hear of it from the plug-in     (hardware)
    V2G session ──CheckCable, SetOutput…──▶ power path ──SetSupply…──▶ board                   (path, power)
    V2G session ──ValidateContract, AuthorizeContract──▶ trust room, backend; only the session hears the answer
    V2G session ──Identify──▶ plug-in, ledger, backend: who the car has proved to be
    plug-in ──OpenSdp, SetDuty, AuthorizeToken…──▶ sockets, board, backend             (plug, sockets, pilot)

``session_log`` and ``transactions`` keep what remains of a session; ``commands`` has the orders of an operator.
"""

from __future__ import annotations

import asyncio
from typing import Any

from secc.config import OutletSettings
from secc.outlet.effects import CloseSdp, ForgetPaused, OpenSdp, PauseOver, ReportBasicCharging
from secc.outlet.events import StopOrdered
from secc.session.effects import StartPower
from secc.station.serving.commands import Commands
from secc.station.serving.context import Outlet
from secc.station.serving.matching import MatchHost
from secc.station.serving.offers import refusal
from secc.station.serving.path import PowerPaths
from secc.station.serving.pilot import PilotPorts
from secc.station.serving.plug import PlugIns
from secc.station.serving.power import PowerPorts
from secc.station.serving.questions import Questions
from secc.station.serving.session_log import PLUG_IN_FAILED, SessionLog, why_by_pilot
from secc.station.serving.sessions import Sessions
from secc.station.serving.sockets import Sockets
from secc.station.serving.transactions import Transactions
from secc.station.serving.writes import Writes
from secc.station.shared.services import Services

SETTLE_SECONDS = 3.0
"""Time for contactors and queues to settle when the station stops."""


class OutletHost(Outlet):
    """One outlet, from ``open`` to ``close``. All calls from the event loop's thread."""

    def __init__(self, settings: OutletSettings, services: Services) -> None:
        super().__init__(settings, services)
        self._by_pilot = False
        """A car charges without a session."""
        self._hurried = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self.questions = Questions(self.name, services, self.orders)
        self.path = PowerPaths(self)
        self.power = PowerPorts(self.hardware, self.router, tell=self.path.hear)
        self.matching = MatchHost(self)
        self.plug = PlugIns(self, self.matching, self.path, gone=self._car_gone)
        self.pilot = PilotPorts(self.hardware, self.router, failed=self.plug.hear)
        self.writes = Writes(self.name)
        self.transactions = Transactions(self, self.writes, self.plug.identity)
        self.session_log = SessionLog(self, self.writes, self.transactions.ledger)
        self.sessions = Sessions(
            self, self.plug, self.path, self.questions, self.session_log, self.transactions, changed=self._changed
        )
        self.sockets = Sockets(self, self.plug, self.sessions.admit, lambda: self.matching.car_mac)
        self.commands = Commands(self.name, self.plug, self.path, self.sessions, self.orders)
        self.router.taps(StartPower, by=self.transactions.power_wanted)
        self.router.performs(OpenSdp, by=self._open_sdp)
        self.router.performs(CloseSdp, by=self._close_sdp)
        self.router.performs(ReportBasicCharging, by=self._charged_by_pilot)
        self.router.performs(ForgetPaused, by=lambda said: self.transactions.forgotten(said.why))

    # Start and stop

    async def open(self) -> None:
        """Open board and sockets. An interface or a board that is missing is looked for in the
        background.
        """
        await self.hardware.open(self._board_came)
        await self.sockets.open()

    async def close(self, seconds: float) -> None:
        """Stop. A charging car is told and gets ``seconds`` to end by itself; then power is off in
        any case.
        """
        self.plug.closing = True
        self.sockets.shut()
        if self.sessions.current is not None or self._by_pilot:
            self.plug.hear(StopOrdered("shutdown"))
            waits = [asyncio.create_task(self._idle.wait()), asyncio.create_task(self._hurried.wait())]
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()
        self.sessions.shut_down()
        await self.hardware.settle(SETTLE_SECONDS)
        if self._by_pilot:
            self._charged_by_pilot(ReportBasicCharging(False, "shutdown"))
        self.transactions.forgotten(PauseOver.SHUTDOWN)
        await self.sockets.close()
        await self.matching.close()
        await self.questions.close()
        self.session_log.catch_up()
        await self.writes.close()
        await self.router.close()
        await self.power.close()
        await self.pilot.close()
        await self.hardware.close()
        self.sessions.executor.shutdown(wait=False, cancel_futures=True)

    def hurry(self) -> None:
        """Do not wait for the car any longer."""
        self._hurried.set()

    # The board

    def _board_came(self) -> None:
        self.matching.begin()
        self.plug.begin()

    # Effects of the plug-in

    def _open_sdp(self, said: OpenSdp) -> None:
        self.publish("plugged in")
        self.sockets.open_for_car()

    def _close_sdp(self, said: CloseSdp) -> None:
        self.sockets.shut()

    def _charged_by_pilot(self, said: ReportBasicCharging) -> None:
        self._by_pilot = said.on
        self._changed()
        text, levels = said.text, self.hardware.levels()
        self.publish("basic charging", on=said.on, text=text)
        if said.on:
            self.transactions.began(self.session_log.began_by_pilot(text), levels)
        else:
            self.session_log.ended_by_pilot(text, levels, self.transactions.ended(why_by_pilot(text), levels))

    def _car_gone(self) -> None:
        if self._by_pilot:
            # A plug-in that ended by a bug has not reported the end, and the next one's energy is
            # not this one's.
            self._charged_by_pilot(ReportBasicCharging(False, PLUG_IN_FAILED))
        plugin = self.plug.plugin
        well = plugin is not None and plugin.session.ended is not None and plugin.session.ended.well
        self.transactions.forgotten(PauseOver.UNPLUGGED if well else PauseOver.FAULT)
        self.publish("unplugged")
        self.path.end()
        self.matching.car_gone()
        self.questions.unplugged()

    def _changed(self) -> None:
        """A session, or charging by pilot, has begun or ended."""
        if self.sessions.current is None:
            self.sockets.connection_over()
        if self.sessions.current is None and not self._by_pilot:
            self._idle.set()
        else:
            self._idle.clear()

    # State

    @property
    def idle(self) -> bool:
        """No session runs, and no contactor is closed."""
        return self._idle.is_set() and self.hardware.levels().contactor != "closed"

    @property
    def problem(self) -> str:
        """Why a car cannot charge here now; empty if it can."""
        if self.sockets.problem:
            return self.sockets.problem
        if self.hardware.board is None:
            return "the board does not open"
        if stands := self.hardware.forbidding:
            return stands
        if self.matching.present and not self.matching.ready:
            return f"no car can be matched: {self.matching.problem or 'the modem is not ready'}"
        return refusal(self.orders, self.services)

    def _modem(self) -> str:
        if not self.matching.present:
            return "none"
        return "ready" if self.matching.ready else self.matching.problem or "not ready"

    def state(self) -> dict[str, Any]:
        """Returns what ``secc status`` shows of this outlet."""
        levels, plugin = self.hardware.levels(), self.plug.plugin
        return {
            "name": self.name,
            "interface": self.settings.interface,
            "address": self.sockets.address,
            "port": self.sockets.port,
            "problem": self.problem,
            "phase": plugin.state.phase.value if plugin is not None else "down",
            "over": (plugin.state.over or "") if plugin is not None else "",
            "pilot": levels.pilot,
            "contactor": levels.contactor,
            "volts": round(levels.volts, 1),
            "amperes": round(levels.amperes, 1),
            "watt_hours": round(levels.watt_hours, 1),
            "modem": self._modem(),
            "watts_limit": self.path.watts_limit,
            "lab": self.orders.now.plain(),
            "faults": list(self.hardware.faults),
            "last": self.session_log.last,
            "session": self.sessions.state(),
        }
