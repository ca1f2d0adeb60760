"""One outlet at work: its board, its sockets, and the conversations that serve a car.

::

    board ──events──▶ plug-in, power path, matching; what concerns a V2G session comes from the plug-in      (hardware)
    V2G session ──CheckCable, SetOutput…──▶ power path ──SetSupply, CloseDcContactor…──▶ board              (path, power)
  V2G session ──ValidateContract, AuthorizeContract──▶ trust room, backend; the answers go to the session alone   (questions)
    V2G session ──Identify──▶ plug-in, ledger, backend's memory: who the car has proved to be
    plug-in ──OpenSdp, SetDuty, AuthorizeToken…──▶ sockets, board, backend                                  (plug, sockets, pilot)

What stays of a session is in ``session_log`` and ``transactions``, what an operator can order in ``commands``.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from secc.config import Config, OutletSettings
from secc.conversation import Levels
from secc.outlet.effects import CloseSdp, OpenSdp, ReportBasicCharging
from secc.outlet.events import StopOrdered
from secc.session.effects import StartPower
from secc.station.serving.commands import Commands
from secc.station.serving.connection import V2gConnection
from secc.station.serving.hardware import Hardware
from secc.station.serving.matching import MatchHost
from secc.station.serving.offers import refusal
from secc.station.serving.path import PowerPaths
from secc.station.serving.pilot import PilotPorts
from secc.station.serving.plug import PlugIns
from secc.station.serving.power import PowerPorts
from secc.station.serving.questions import Questions
from secc.station.serving.router import Router
from secc.station.serving.session_log import PLUG_IN_FAILED, SessionLog, why_by_pilot
from secc.station.serving.sessions import Sessions
from secc.station.serving.sockets import Sockets
from secc.station.serving.transactions import Transactions
from secc.station.serving.writes import Writes
from secc.station.shared.services import Services, worker

log = logging.getLogger(__name__)


class OutletHost:
    """One outlet, from ``open`` to ``close``. All calls from the event loop's thread."""

    def __init__(self, settings: OutletSettings, config: Config, services: Services) -> None:
        self.name = settings.name
        self.interface = settings.interface
        self._settings = settings
        self._config = config
        self._services = services
        self._threads = worker(settings.name)
        self._loop = asyncio.get_running_loop()
        self._by_pilot = False
        """Charging without a session."""
        self._closing = False
        self._hurried = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self.questions = Questions(
            settings.name,
            services.uplink,
            lambda: services.trust,
            services.work,
            decide_seconds=config.timing.decide_seconds,
        )
        self.router = router = Router(f"outlet {settings.name}", levels=lambda: self.hardware.levels())
        self.hardware = Hardware(
            settings.name,
            settings.hal,
            settings.transfers,
            router,
            services.ticker,
            came=self._board_came,
            publish=self.publish,
            beat=self._beat,
        )
        self.path = PowerPaths(settings, services, self.hardware, router, publish=self.publish)
        self.power = PowerPorts(self.hardware, router, tell=self.path.hear)
        self.matching = MatchHost(settings, config, services, self.hardware, router, publish=self.publish)
        self.plug = PlugIns(
            settings,
            config,
            services,
            self.hardware,
            self.matching,
            self.path,
            router,
            came=self.path.begin,
            gone=self._car_gone,
            closing=lambda: self._closing,
        )
        self.pilot = PilotPorts(self.hardware, router, failed=self.plug.hear)
        self.writes = Writes(settings.name)
        self.transactions = Transactions(settings, services, self.hardware, self.writes, self.plug.identity)
        self.session_log = SessionLog(
            settings, config, services, self.hardware, services.disk, self.writes, self.transactions.ledger
        )
        self.sessions = Sessions(
            settings,
            config,
            services,
            self.hardware,
            router,
            self.plug,
            self.path,
            self.questions,
            self.session_log,
            self.transactions,
            self._threads,
            publish=self.publish,
            changed=self._changed,
        )
        self.sockets = Sockets(settings, services, self._admit, lambda: self.plug.window_open)
        self.commands = Commands(
            settings.name,
            plug=self.plug.hear,
            session=self.sessions.command,
            set_limit=self.path.limit,
            standing=self.plug.standing,
            verdict=self.plug.verdict,
        )
        router.taps(StartPower, by=self.transactions.power_wanted)
        router.performs(OpenSdp, by=self._open_sdp)
        router.performs(CloseSdp, by=self._close_sdp)
        router.performs(ReportBasicCharging, by=self._charged_by_pilot)

    # Coming up and going down

    async def open(self) -> None:
        """Bring up board and sockets. What is not there yet (an interface, a board) is waited for in the background."""
        await self.hardware.open()
        await self.sockets.open()
        self.sockets.keep()

    async def close(self, seconds: float) -> None:
        """A car is told and gets ``seconds`` to end by itself; then power is off, whatever it does."""
        self._closing = True
        self.sockets.shut()
        if self.sessions.current is not None or self._by_pilot:
            self.plug.hear(StopOrdered("shutdown"))
            waits = [asyncio.create_task(self._idle.wait()), asyncio.create_task(self._hurried.wait())]
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()
        self.sessions.shut_down()
        await self.hardware.settle()
        if self._by_pilot:
            self._charged_by_pilot(ReportBasicCharging(False, "shutdown"))
        await self.sockets.close()
        await self.matching.close()
        await self.questions.close()
        self.session_log.catch_up()
        await self.writes.close()
        await self.router.close()
        await self.power.close()
        await self.pilot.close()
        await self.hardware.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def hurry(self) -> None:
        """Do not wait for the car any longer."""
        self._hurried.set()

    # The board

    def _board_came(self) -> None:
        assert self.hardware.board is not None
        self.matching.begin(self.hardware.board)
        self.plug.begin()

    def publish(self, event: str, **facts: Any) -> None:
        """To followers of the station outside. A bug there must not stop what is being told of."""
        try:
            self._services.publish({"event": event, "outlet": self.name, "t": round(self._loop.time(), 3), **facts})
        except Exception:
            log.exception("outlet %s: %s could not be published", self.name, event)

    def _beat(self) -> None:
        self._services.beat(self.name, self._loop.time())

    # The plug-in says

    def _open_sdp(self, said: OpenSdp) -> None:
        self.publish("plugged in")
        self.sockets.open_for_car()

    def _close_sdp(self, said: CloseSdp) -> None:
        self.sockets.shut()

    def _charged_by_pilot(self, said: ReportBasicCharging) -> None:
        self._by_pilot = said.on
        self._changed()
        text, levels = said.text, self.levels()
        self.publish("basic charging", on=said.on, text=text)
        if said.on:
            self.transactions.began(self.session_log.began_by_pilot(text), levels)
        else:
            self.session_log.ended_by_pilot(text, levels, self.transactions.ended(why_by_pilot(text), levels))

    def _car_gone(self) -> None:
        if self._by_pilot:
            # A plug-in that ended by a bug has not said so, and what the next one delivers is not this one's.
            self._charged_by_pilot(ReportBasicCharging(False, PLUG_IN_FAILED))
        self.publish("unplugged")
        self.path.end()
        self.matching.car_gone()
        self.questions.unproved.unplugged()

    def _admit(self, peer: str) -> V2gConnection | None:
        return None if self._closing else self.sessions.admit(peer)

    def _changed(self) -> None:
        """A session, or charging by pilot, has begun or ended."""
        if self.sessions.current is None and not self._by_pilot:
            self._idle.set()
        else:
            self._idle.clear()

    # How it is

    def levels(self) -> Levels:
        return self.hardware.levels()

    @property
    def idle(self) -> bool:
        """Nothing is going on: no session, and no power."""
        return self._idle.is_set() and self.levels().contactor != "closed"

    @property
    def problem(self) -> str:
        """Why a car could not charge here at this moment; empty if it could."""
        if self.sockets.problem:
            return self.sockets.problem
        if self.hardware.board is None:
            return "the board does not open"
        if stands := self.hardware.forbidding:
            return stands
        if self.matching.present and not self.matching.ready:
            return f"no car can be matched: {self.matching.problem or 'the modem is not ready'}"
        return refusal(self._settings, self._config, self._services)

    def _modem(self) -> str:
        if not self.matching.present:
            return "none"
        return "ready" if self.matching.ready else self.matching.problem or "not ready"

    def state(self) -> dict[str, Any]:
        """What ``secc status`` shows of this outlet."""
        levels, plugin = self.levels(), self.plug.plugin
        return {
            "name": self.name,
            "interface": self.interface,
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
            "faults": list(self.hardware.faults),
            "last": self.session_log.last,
            "session": self.sessions.state(),
        }
