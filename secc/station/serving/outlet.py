"""One outlet at work: the junction of its board, its sockets, and the conversations that serve a car.

::

    board ──events──▶ plug-in, power path; what a V2G session has to hear of them comes from the plug-in     (hardware)
    V2G session ──CheckCable, SetOutput…──▶ power path ──SetSupply, CloseDcContactor…──▶ board              (path, power)
  V2G session ──ValidateContract, AuthorizeContract──▶ trust room, backend; the answers go to the session alone   (questions)
    V2G session ──Identify──▶ plug-in, journal, backend's memory: who the car has proved to be
    plug-in ──OpenSdp, SetDuty, AuthorizeToken…──▶ sockets, board, backend                                  (plug, window, pilot)

What stays of a session is the ``journal``'s, what an operator can order is in ``commands``.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import Executor
from typing import Any

from certs import Contract
from hal.events import PilotChanged
from secc import outlet
from secc.config import Config, OutletSettings
from secc.conversation import Effect, End, Event, Levels, Reason
from secc.link.tls.chain import Handshaken
from secc.session.effects import (
    AuthorizeContract,
    Identify,
    Milestone,
    OpenContactor,
    Reach,
    Remark,
    SetOutput,
    StopPower,
    ValidateContract,
    Verdict,
)
from secc.session.events import LimitChanged, Shutdown
from secc.session.identification import AuthorizeToken
from secc.session.offer import Offer, Surroundings, V2gProtocol
from secc.station.commands import Commands
from secc.station.compose import Services, worker
from secc.station.serving.connection import V2gConnection
from secc.station.serving.hardware import Hardware
from secc.station.serving.journal import Journal
from secc.station.serving.matching import MatchHost
from secc.station.serving.offers import offer_for, refusal
from secc.station.serving.path import PathHost
from secc.station.serving.plug import PlugHost
from secc.station.serving.questions import Questions
from secc.station.serving.router import Router
from secc.station.serving.sockets import Sockets

log = logging.getLogger(__name__)


class OutletHost:
    """One outlet, from ``open`` to ``close``. All calls from the event loop's thread."""

    def __init__(self, settings: OutletSettings, config: Config, services: Services) -> None:
        self.name = settings.name
        self.interface = settings.interface
        self.protocols = services.protocols
        self._settings = settings
        self._config = config
        self._services = services
        self._threads = worker(settings.name)
        self.executor: Executor = self._threads
        self.work: Executor = services.work
        self.pace = services.pace
        self._loop = asyncio.get_running_loop()
        self._connection: V2gConnection | None = None
        self._milestone: Milestone | None = None
        self._keeper: asyncio.Task[None] | None = None
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
            self.work,
            decide_seconds=config.timing.decide_seconds,
        )
        self.hardware = Hardware(settings.name, settings.hal, self)
        self.router = router = Router(f"outlet {settings.name}", levels=self.hardware.levels)
        self.path = PathHost(settings, services, self.hardware, router, plug=self.tell_plug, publish=self.publish)
        self.matching = MatchHost(settings, config, services, self.hardware, router, publish=self.publish)
        self.plug = PlugHost(
            settings,
            config,
            services,
            self.hardware,
            self.matching,
            self.path,
            router,
            self,
            closing=lambda: self._closing,
        )
        self.sockets = Sockets(settings, services, self._admit, lambda: self._window_open)
        self.journal = Journal(settings, config, services, self.hardware, services.disk, self.plug.identity)
        self.commands = Commands(
            settings.name,
            plug=self.tell_plug,
            session=self._command_to_session,
            set_limit=self._limit,
            standing=self.plug.standing,
            verdict=self.plug.verdict,
        )
        self._table()

    # Coming up and going down

    async def open(self) -> None:
        """Bring up board and sockets. What is not there yet (an interface, a board) is waited for in the background."""
        await self.hardware.open()
        await self.sockets.open()
        self._keeper = asyncio.create_task(self.sockets.keep(), name=f"{self.name} window")

    async def close(self, seconds: float) -> None:
        """A car is told and gets ``seconds`` to end by itself; then power is off, whatever it does."""
        self._closing = True
        self.sockets.shut()
        if self._session is not None or self._by_pilot:
            self.tell_plug(outlet.StopOrdered("shutdown"))
            waits = [asyncio.create_task(self._idle.wait()), asyncio.create_task(self._hurried.wait())]
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()
        if self._connection is not None:
            self._connection.shut_down(Shutdown())
        await self.hardware.settle()
        if self._by_pilot:
            self.charged_by_pilot(on=False, text="shutdown")
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        await self.sockets.close()
        await self.matching.close()
        await self.questions.close()
        await self.journal.close()
        await self.router.close()
        await self.hardware.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def hurry(self) -> None:
        """Do not wait for the car any longer."""
        self._hurried.set()

    # The board speaks (``Ears``)

    def board_came(self) -> None:
        assert self.hardware.board is not None
        self.matching.begin(self.hardware.board)
        self.plug.begin()

    def pilot_changed(self, event: PilotChanged) -> None:
        self.matching.pilot_changed(event)

    def car_connected(self) -> None:
        self.path.begin()

    def tell_power(self, *events: object) -> None:
        self.path.hear(*events)

    def tell_plug(self, *events: object) -> None:
        self.plug.hear(*events)

    def publish(self, event: str, **facts: Any) -> None:
        self._services.publish({"event": event, "outlet": self.name, "t": round(self._loop.time(), 3), **facts})

    def beat(self) -> None:
        self._services.beat(self.name, self._loop.time())

    # The plug-in wants something (``Junction``)

    def open_window(self) -> None:
        self.publish("plugged in")
        self.sockets.open_for_car()

    def shut_window(self) -> None:
        self.sockets.shut()

    def close_connection(self) -> None:
        if self._session is not None:
            self._session.abort()

    def charged_by_pilot(self, *, on: bool, text: str) -> None:
        self._by_pilot = on
        if on:
            self._idle.clear()
        elif self._session is None:
            self._idle.set()
        self.publish("basic charging", on=on, text=text)
        self.journal.charged_by_pilot(self.levels(), on=on, text=text)

    def tell_session(self, event: Event) -> None:
        if self._connection is not None:
            self._connection.hear(event)

    def car_gone(self) -> None:
        self.publish("unplugged")
        self.path.end()
        self.matching.car_gone()
        self.questions.unproved.unplugged()

    # The V2G session wants something (``Host``)

    def levels(self) -> Levels:
        return self.hardware.levels()

    def _table(self) -> None:
        """What a V2G session says, and who performs or answers it."""
        router, questions = self.router, self.questions
        for kind in (ValidateContract, AuthorizeContract, AuthorizeToken):
            router.finds(kind, by=questions.find)
        router.taps(AuthorizeContract, by=questions.asked)
        router.taps(ValidateContract, by=self._presented)
        router.told(ValidateContract, by=self._judged)
        router.taps(StopPower, OpenContactor, by=self._stopping)
        router.relays(SetOutput, OpenContactor)
        router.performs(Identify, by=self._identified)
        router.performs(Reach, by=self._reached)
        router.performs(Remark, by=self._remark)

    def _presented(self, question: ValidateContract) -> None:
        self.tell_plug(outlet.ContractPresented())

    def _judged(self, question: ValidateContract, found: Contract | Verdict) -> None:
        """Only the session gets what the backend says of a contract; the outlet believes :class:`Identify` alone."""
        self.journal.judged(question.chain[0], found)
        if isinstance(found, Verdict):
            self.journal.verdict(type(question).__name__, found)
            self.tell_plug(outlet.ContractRejected())

    def _stopping(self, said: StopPower | OpenContactor) -> None:
        self.tell_plug(outlet.ChargingEnded())

    def _remark(self, remark: Remark) -> None:
        self.journal.remark(remark.code, remark.text)

    def _identified(self, said: Identify) -> None:
        contract, verdict = said.contract, said.verdict
        self.journal.identified(contract, verdict)
        self.tell_plug(outlet.ContractDecided(contract, verdict))
        self.questions.learned(contract, verdict)

    def _reached(self, reach: Reach) -> None:
        self._milestone, facts = reach.milestone, dict(reach.facts)
        milestone = reach.milestone
        if milestone is Milestone.SESSION_SET_UP:
            self.tell_plug(outlet.SessionSetUp())
        self.journal.reached(milestone, facts, self.levels())
        self.publish("milestone", milestone=milestone.value, **facts)

    # Connections (``Host``)

    @property
    def _session(self) -> V2gConnection | None:
        """The connection, unless it is over."""
        return self._connection if self._connection is not None and not self._connection.over else None

    @property
    def _window_open(self) -> bool:
        return self.plug.plugin is not None and self.plug.plugin.state.window_open

    def _admit(self, peer: str) -> V2gConnection | None:
        """One car at a time: who comes second is turned away, and the first is not disturbed. (A-NET-06)"""
        if self._closing or not self._window_open or self._session is not None or self._services.unbooked:
            return None
        self.tell_plug(outlet.ConnectionAccepted())
        if not self._window_open:
            return None
        connection = V2gConnection(self, self._services.serving(self._settings), peer)
        self._connection = connection
        self._idle.clear()
        self.journal.connected(peer, self._loop.time())
        return connection

    def surroundings(self) -> Surroundings:
        return self.journal.recorded(self._services.surroundings(self._loop.time()))

    def secured(self, connection: V2gConnection, handshaken: Handshaken) -> None:
        self.journal.secured(handshaken)
        self.publish("tls", version=handshaken.version, suite=handshaken.suite, chain=handshaken.chain)

    def begin(self, connection: V2gConnection, protocol: V2gProtocol) -> Offer:
        plugin, board = self.plug.plugin, self.hardware.board
        assert plugin is not None
        assert board is not None
        now = self._loop.time()
        offer = offer_for(
            self._settings,
            self._config,
            self._services,
            board,
            plugin,
            secure=connection.secure,
            watts_limit=self.path.watts_limit,
            ask_before_proof=self.questions.unproved.allowed(now),
            now=now,
        )
        self.journal.began(protocol, offer, now)
        self.publish("session", protocol=protocol.name, payments=[payment.value for payment in offer.payments])
        self.tell_plug(outlet.SessionBegan(offer.payments))
        return offer

    def saw(self, connection: V2gConnection, now: float, event: object, effects: tuple[Effect, ...]) -> None:
        seat = connection.seat
        assert seat is not None
        # The levels that the step saw, not those of now: a trace has to replay.
        self.journal.saw(now, event, effects, seat.session.levels, seat.session.waiting_for)
        self._services.observe(self.hardware.board, event)

    def sent(self, connection: V2gConnection, payload_type: int, octets: bytes, message: Any) -> None:
        self.journal.sent(self._loop.time(), payload_type, message, octets)

    def ended(self, connection: V2gConnection, reason: Reason) -> None:
        reason = self.journal.explained(reason)
        detail = f" ({reason.detail})" if reason.detail else ""
        log.info("outlet %s: session ended: %s%s", self.name, reason.code, detail)
        self.publish("session ended", code=reason.code, clause=reason.clause, detail=reason.detail, flaw=reason.flaw)
        self.tell_plug(outlet.ChargingEnded(), outlet.SessionEnded(reason))
        self.journal.ended(reason, self._loop.time(), self.levels(), connection.tls_report, silent=connection.silent)
        self._milestone = None
        self._idle.set()
        self._services.observe(self.hardware.board, End(reason))

    @property
    def idle(self) -> bool:
        """Nothing is going on: no session, and no power."""
        return self._idle.is_set() and self.levels().contactor != "closed"

    # Operator and backend

    def _limit(self, watts: float | None) -> None:
        self.path.limit(watts)
        self.tell_session(LimitChanged(watts))
        self.tell_plug(LimitChanged(watts))

    def _command_to_session(self, event: Event) -> bool:
        session = self._session
        if session is not None:
            session.hear(event)
        return session is not None

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
        levels, plugin, session = self.levels(), self.plug.plugin, self._session
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
            "last": self.journal.last,
            "session": None
            if session is None
            else {
                "protocol": session.protocol.name if session.protocol is not None else "",
                "tls": session.secure,
                "milestone": self._milestone.value if self._milestone is not None else "",
            },
        }
