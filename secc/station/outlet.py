"""One outlet at work: its board, its sockets, and the conversations that serve a car, with what one says routed to who hears it.

::

    board ──events──▶ plug-in, power path; what a V2G session has to hear of them comes from the plug-in
    V2G session ──CheckCable, SetOutput…──▶ power path ──SetSupply, CloseDcContactor…──▶ board
    V2G session ──ValidateContract, AuthorizeContract──▶ trust room, backend; the outcome also to the plug-in
    plug-in ──OpenSdp, SetDuty, AuthorizeToken…──▶ sockets, board, backend

Every conversation has its own module; what each wants is performed in ``power``, ``questions`` and ``pilot``, the sockets are in ``window``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from concurrent.futures import Executor
from typing import Any

from hal import ports
from hal.errors import HalError
from hal.guard import Guard
from hal.interlock import Consent
from hal.open import open_hal
from hal.ports import Board
from secc import energy, outlet
from secc.config import Config, Eim
from secc.config import Outlet as OutletSettings
from secc.conversation import Abandon, Answered, Ask, Asked, Effect, End, Event, Levels, Reason, Tell, Ticket
from secc.link.tls_chain import Handshaken
from secc.session.effects import (
    AuthorizeContract,
    CableChecked,
    CheckCable,
    Milestone,
    OpenContactor,
    PowerReported,
    Reach,
    Remark,
    SetOutput,
    StartPower,
    StopPower,
    ValidateContract,
    Verdict,
)
from secc.session.events import LimitChanged, OngoingForced, RenegotiationRequested, Shutdown
from secc.session.offer import Offer, Payment, Surroundings, Transfer, V2gProtocol
from secc.station.compose import Services, worker
from secc.station.connection import V2gConnection
from secc.station.control import ControlError
from secc.station.driver import Driver, Turns
from secc.station.journal import Journal
from secc.station.levels import ac_limits, dc_limits, levels_of
from secc.station.pilot import PilotPerformer
from secc.station.power import PowerPerformer
from secc.station.questions import Questions
from secc.station.window import Window
from secc.uplink.policy import offers_contract
from secc.uplink.port import BackendEvent, LimitOrdered

log = logging.getLogger(__name__)

BOARD_RETRY_SECONDS = 5.0
SETTLE_SECONDS = 3.0
SETTLE_STEP_SECONDS = 0.02
"""How long contactors and lanes get to come to rest when the station goes down."""


class OutletHost:
    """One outlet, from ``open`` to ``close``. All calls from the event loop's thread."""

    def __init__(self, settings: OutletSettings, config: Config, services: Services) -> None:
        self.name = settings.name
        self.interface = settings.interface
        self.turns = Turns()
        self.protocols = services.protocols
        self._settings = settings
        self._config = config
        self._services = services
        self._threads = worker(settings.name)
        self.executor: Executor = self._threads
        self._loop = asyncio.get_running_loop()
        self._board: Board | None = None
        self._guard: Guard | None = None
        self._power_hands: PowerPerformer | None = None
        self._pilot_hands: PilotPerformer | None = None
        self._plugin: outlet.Plugin | None = None
        self._plug: Driver | None = None
        self._power: Driver | None = None
        self._connection: V2gConnection | None = None
        self._asked_of_power: dict[Ticket[Any], V2gConnection] = {}
        self._watts_limit: float | None = None
        self._milestone: Milestone | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._closing = False
        self._hurried = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self.questions = Questions(
            settings.name,
            services.uplink,
            lambda: services.trust,
            self.executor,
            decide_seconds=config.timing.decide_seconds,
        )
        self.window = Window(
            settings, services, self._admit, lambda: self._plugin is not None and self._plugin.state.window_open
        )
        self.journal = Journal(settings, config, services, self.executor)

    # Coming up and going down

    async def open(self) -> None:
        """Bring up board and sockets. What is not there yet (an interface, a board) is waited for in the background."""
        await self._open_board()
        await self.window.open()
        self._tasks.append(asyncio.create_task(self.window.keep(), name=f"{self.name} window"))

    async def _open_board(self) -> None:
        try:
            board = await open_hal(self._settings.hal, name=self.name)
        except HalError as error:
            log.error("outlet %s: the board does not open: %s", self.name, error)
            self._tasks.append(asyncio.create_task(self._retry_board(), name=f"{self.name} board"))
            return
        self._take(board)

    async def _retry_board(self) -> None:
        while self._board is None:
            await asyncio.sleep(BOARD_RETRY_SECONDS)
            try:
                board = await open_hal(self._settings.hal, name=self.name)
            except HalError as error:
                log.error("outlet %s: the board does not open: %s", self.name, error)
            else:
                self._take(board)

    def _take(self, board: Board) -> None:
        self._board = board
        self._guard = guard = Guard(board, on_revoked=self._revoked, on_beat=self._beat)
        self._power_hands = PowerPerformer(self.name, board, guard, self._tell_power, self._broken)
        self._pilot_hands = PilotPerformer(self.name, board, self._tell_plug, self._broken)
        # The stream is taken before the levels are looked at, so that no change falls between the two.
        events = board.events()
        self._tasks += [
            asyncio.create_task(guard.run(), name=f"{self.name} guard"),
            asyncio.create_task(self._listen(board, events), name=f"{self.name} board events"),
        ]
        self._next_car()

    async def close(self, seconds: float) -> None:
        """A car is told and gets ``seconds`` to end by itself; then power is off, whatever it does."""
        self._closing = True
        self.window.shut()
        if self._connection is not None and not self._connection.over:
            self._tell_plug(outlet.StopOrdered("shutdown"))
            waits = [asyncio.create_task(self._idle.wait()), asyncio.create_task(self._hurried.wait())]
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()
        if self._connection is not None:
            self._connection.hear(Shutdown())
        await self._settle()
        await self.window.close()
        await self.questions.close()
        for driver in (self._plug, self._power):
            if driver is not None:
                driver.stop()
        if self._power_hands is not None:
            await self._power_hands.close()
        if self._pilot_hands is not None:
            await self._pilot_hands.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._board is not None:
            await self._board.close()
        await self.journal.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _settle(self) -> None:
        """Wait until the contactor is open; the guard opens it all the same when its task ends."""
        for _ in range(round(SETTLE_SECONDS / SETTLE_STEP_SECONDS)):
            if self.levels().contactor != "closed":
                return
            await asyncio.sleep(SETTLE_STEP_SECONDS)

    def hurry(self) -> None:
        """Do not wait for the car any longer."""
        self._hurried.set()

    # The car on the cable

    def _next_car(self) -> None:
        """Begin the next plug-in: cards are heard, the pilot is watched, no power path yet."""
        now = self._loop.time()
        timing = self._config.timing
        settings = outlet.OutletSettings(
            free=self._config.uplink.eim is Eim.FREE,
            token_seconds=timing.token_seconds,
            setup_seconds=timing.setup_seconds,
        )
        self._plugin = outlet.Plugin(settings, now=now, tickets=self._services.tickets)
        self._plug = self._driver("plug-in", self._plugin.session, self._perform_plug, self._unplugged)
        self._plug.begin()
        if self.levels().pilot in ("B", "C", "D"):
            self._begin_power()

    def _unplugged(self, end: End) -> None:
        if end.reason.kind == "bug":
            log.error("outlet %s: the plug-in conversation failed: %s", self.name, end.reason.detail)
        self._publish("unplugged")
        self._end_power()
        if not self._closing:
            # Not from inside the step that has just ended.
            self._loop.call_soon(self._next_car)

    def _begin_power(self) -> None:
        if self._board is None or (self._power is not None and self._power.alive):
            return
        dc, ac = dc_limits(self._board), ac_limits(self._board)
        path: energy.DcSettings | energy.AcSettings
        if self._is_dc and dc is not None:
            path = energy.DcSettings(
                limits=self._settings.dc.within(dc),
                watts=self._watts_limit,
                insulation_monitor=self._board.imd is not None,
            )
        elif ac is not None:
            path = energy.AcSettings(limits=self._settings.ac.within(ac), watts=self._watts_limit)
        else:
            log.error("outlet %s: the board has no port for what it is to transfer", self.name)
            return
        session = energy.power_path(path, now=self._loop.time(), tickets=self._services.tickets)
        self._power = self._driver("power path", session, self._perform_power, self._power_ended)
        self._power.begin()

    def _end_power(self) -> None:
        from secc.session.events import Unplugged

        if self._power is not None and self._power.alive:
            self._power.hear(Unplugged())

    def _power_ended(self, end: End) -> None:
        """With the car gone that is as it should be; in any other case nothing can be delivered until it is unplugged."""
        self._answer_for_power()
        if end.reason.kind == "bug":
            self._tell_plug(outlet.PowerFailed("power-path", end.reason.detail, latched=True))

    def _driver(self, name: str, session: Any, perform: Any, ended: Any) -> Driver:
        return Driver(
            f"outlet {self.name} {name}",
            session,
            turns=self.turns,
            perform=perform,
            levels=self.levels,
            ended=ended,
        )

    @property
    def _is_dc(self) -> bool:
        return self._settings.transfers[0].is_dc

    def levels(self) -> Levels:
        return levels_of(self._board)

    # The board speaks

    async def _listen(self, board: Board, events: Any) -> None:
        while True:
            try:
                async for event in events:
                    self._board_said(event)
                return
            except HalError as error:
                log.warning("outlet %s: %s", self.name, error)
                events = board.events()
                # What was missed stands in the levels.
                self._tell_power(energy.PilotChanged(), energy.ContactorReported())
                self._tell_plug(outlet.PilotChanged(self.levels().pilot), outlet.ContactorReported())

    def _board_said(self, event: ports.BoardEvent) -> None:
        match event:
            case ports.PilotChanged(reading):
                self._publish("pilot", state=reading.state.value)
                if reading.state.connected:
                    self._begin_power()
                self._tell_power(energy.PilotChanged())
                self._tell_plug(outlet.PilotChanged(reading.state.value))
            case ports.ContactorChanged(reading):
                self._publish("contactor", state=reading.state.value)
                log.info("outlet %s: contactor %s", self.name, reading.state.value)
                self._tell_power(energy.ContactorReported())
                self._tell_plug(outlet.ContactorReported())
            case ports.InsulationMeasured(reading):
                self._tell_power(energy.IsolationReported(reading.ohms))
            case ports.FaultRaised(fault):
                self._fault(fault.code, fault.severity, fault.text)
            case ports.FaultCleared(fault):
                log.info("outlet %s: fault cleared: %s", self.name, fault.code)
                self._tell_plug(outlet.FaultCleared(fault.code))
            case ports.EmergencyStopChanged(stopped):
                log.warning("outlet %s: emergency stop %s", self.name, "pressed" if stopped else "released")
                self._publish("emergency-stop", stopped=stopped)
                if stopped:
                    self._tell_power(energy.FaultReported("emergency-stop", ports.Severity.EMERGENCY))
                self._tell_plug(outlet.EmergencyStopChanged(stopped))
            case ports.DoorChanged(is_open):
                if is_open:
                    self._fault("door-open", ports.Severity.EMERGENCY, "the housing is open")
                else:
                    self._tell_plug(outlet.FaultCleared("door-open"))
            case ports.BoardLost(text):
                self._fault("board-lost", ports.Severity.EMERGENCY, text)
            case ports.BoardRecovered():
                self._tell_plug(outlet.FaultCleared("board-lost"))
            case ports.TokenPresented(token):
                self._publish("token")
                self._tell_plug(outlet.TokenPresented(token.kind, token.value))
            case ports.StopPressed():
                self._tell_plug(outlet.StopPressed())
            case _:
                pass

    def _fault(self, code: str, severity: ports.Severity, text: str) -> None:
        log.warning("outlet %s: fault %s: %s", self.name, code, text)
        self._publish("fault", code=code, text=text)
        self._tell_power(energy.FaultReported(code, severity, text))
        self._tell_plug(outlet.FaultRaised(code, severity, text))

    def _revoked(self, consent: Consent) -> None:
        if self._power_hands is not None:
            self._power_hands.revoked(str(consent))

    def _beat(self) -> None:
        self._services.beat(self.name, self._loop.time())

    def _broken(self, error: BaseException) -> None:
        """A driver of the hardware has a bug: nothing it says can be relied on."""
        self._fault("driver-bug", ports.Severity.EMERGENCY, type(error).__name__)

    def _tell_power(self, *events: Event) -> None:
        if self._power is not None:
            for event in events:
                self._power.hear(event)

    def _tell_plug(self, *events: Event) -> None:
        if self._plug is not None:
            for event in events:
                self._plug.hear(event)

    # The plug-in and the power path want something

    def _perform_plug(self, effect: Effect) -> None:
        match effect:
            case outlet.OpenSdp():
                self._publish("plugged in")
                self.window.open_for_car()
            case outlet.CloseSdp():
                self.window.shut()
            case outlet.CloseConnection():
                self._close_connection()
            case outlet.TellSession(event):
                if self._connection is not None:
                    self._connection.hear(event)
            case outlet.ReleaseLink(outcome):
                log.debug("outlet %s: %s", self.name, outcome.value)
            case Ask(ticket, question):
                self.questions.ask(ticket, question, self._tell_plug)
            case Abandon(ticket):
                self.questions.abandon(ticket)
            case _:
                assert self._pilot_hands is not None
                self._pilot_hands.perform(effect)

    def _perform_power(self, effect: Effect) -> None:
        match effect:
            case Tell(ticket, answer):
                self._power_answered(ticket, answer)
            case energy.ReportFault(code, text, latched):
                log.warning("outlet %s: power path: %s: %s", self.name, code, text)
                self._publish("fault", code=code, text=text)
                self._tell_plug(outlet.PowerFailed(code, text, latched))
            case _:
                assert self._power_hands is not None
                self._power_hands.perform(effect)

    def _power_answered(self, ticket: Ticket[Any], answer: Any) -> None:
        connection = self._asked_of_power.pop(ticket, None)
        if ticket.question == StartPower.__name__ and isinstance(answer, PowerReported) and answer.done:
            self._tell_plug(outlet.ChargingBegan())
        if connection is not None:
            connection.hear(Answered(ticket, answer))

    def _answer_for_power(self) -> None:
        """The power path is gone: its questions get the answer that nothing can be done."""
        asked, self._asked_of_power = self._asked_of_power, {}
        for ticket, connection in asked.items():
            connection.hear(Answered(ticket, _nothing(ticket.question)))

    # The V2G session wants something (``Host``)

    def perform(self, connection: V2gConnection, effect: Effect) -> None:
        """Everything that a session wants, but to send."""
        match effect:
            case Ask(ticket, CheckCable() | StartPower() | StopPower() as question):
                self._ask_power(connection, ticket, question)
            case Ask(ticket, question):
                if isinstance(question, ValidateContract):
                    self._tell_plug(outlet.ContractPresented())
                self.questions.ask(
                    ticket, question, lambda answered: self._contract_answered(connection, question, answered)
                )
            case Abandon(ticket):
                self._asked_of_power.pop(ticket, None)
                self.questions.abandon(ticket)
            case SetOutput(volts, amperes, stage):
                self._tell_power(energy.OutputSet(volts, amperes, stage))
            case OpenContactor():
                self._tell_power(energy.ContactorOpeningOrdered())
                self._tell_plug(outlet.ChargingEnded())
            case Reach(milestone, facts):
                self._reached(milestone, dict(facts))
            case Remark(code, text):
                self.journal.remark(code, text)
            case _:
                raise TypeError(f"nobody performs {type(effect).__name__}")

    def _ask_power(self, connection: V2gConnection, ticket: Ticket[Any], question: Any) -> None:
        if isinstance(question, StopPower):
            self._tell_plug(outlet.ChargingEnded())
        if self._power is None or not self._power.alive:
            connection.hear(Answered(ticket, _nothing(ticket.question)))
            return
        self._asked_of_power[ticket] = connection
        self._power.hear(Asked(ticket, question))

    def _contract_answered(self, connection: V2gConnection, question: Any, answered: Answered) -> None:
        if isinstance(answered.answer, Verdict):
            verdict = answered.answer
            if isinstance(question, AuthorizeContract) or not verdict.accepted:
                self.journal.verdict(type(question).__name__, verdict)
                self._tell_plug(outlet.ContractDecided(verdict))
        connection.hear(answered)

    def _reached(self, milestone: Milestone, facts: Mapping[str, Any]) -> None:
        self._milestone = milestone
        if milestone is Milestone.SESSION_SET_UP:
            self._tell_plug(outlet.SessionSetUp())
        self.journal.reached(milestone, facts, self.levels())
        self._publish("milestone", milestone=milestone.value, **facts)

    # Connections (``Host``)

    def _admit(self, peer: str) -> V2gConnection | None:
        """One car at a time: who comes second is turned away, and the first is not disturbed. (A-NET-06)"""
        plugin = self._plugin
        if self._closing or plugin is None or not plugin.state.window_open:
            return None
        if self._connection is not None and not self._connection.over:
            return None
        self._tell_plug(outlet.ConnectionAccepted())
        if not plugin.state.window_open:
            return None
        connection = V2gConnection(self, self._services.serving(self._settings), peer)
        self._connection = connection
        self._idle.clear()
        self.journal.connected(connection, peer, self._loop.time())
        return connection

    def _close_connection(self) -> None:
        if self._connection is not None and not self._connection.over:
            self._connection.abort()

    def surroundings(self) -> Surroundings:
        return self.journal.recorded(self._services.surroundings(self._loop.time()))

    def secured(self, connection: V2gConnection, handshaken: Handshaken) -> None:
        self.journal.secured(handshaken)
        self._publish("tls", version=handshaken.version, suite=handshaken.suite, chain=handshaken.chain)

    def begin(self, connection: V2gConnection, protocol: V2gProtocol) -> Offer:
        offer = self._offer(connection)
        protocol.warm()
        self.journal.began(protocol, offer, self._loop.time())
        self._publish("session", protocol=protocol.name, payments=[payment.value for payment in offer.payments])
        self._tell_plug(outlet.SessionBegan(offer.payments))
        return offer

    def saw(self, connection: V2gConnection, now: float, event: Event | None, effects: tuple[Effect, ...]) -> None:
        self.journal.saw(now, event, effects, self.levels())
        self._services.observe(self._board, event)

    def sent(self, connection: V2gConnection, payload_type: int, octets: bytes, message: Any) -> None:
        self.journal.sent(self._loop.time(), payload_type, message, octets)

    def ended(self, connection: V2gConnection, reason: Reason) -> None:
        log.info(
            "outlet %s: session ended: %s%s", self.name, reason.code, f" ({reason.detail})" if reason.detail else ""
        )
        self._publish("session ended", code=reason.code, clause=reason.clause, detail=reason.detail)
        for ticket in [t for t, asked in self._asked_of_power.items() if asked is connection]:
            del self._asked_of_power[ticket]
        self._tell_plug(outlet.ChargingEnded(), outlet.SessionEnded(reason))
        self.journal.ended(reason, self._loop.time(), self._milestone, self.levels())
        self._milestone = None
        self._idle.set()

    def _offer(self, connection: V2gConnection) -> Offer:
        assert self._plugin is not None
        assert self._board is not None
        now, config = self._loop.time(), self._config
        settings = self._settings
        authorized = self._plugin.eim_authorized(now)
        contract = (
            Payment.CONTRACT in settings.payments
            and self._services.trust is not None
            and self._services.trust.knows_contracts
            and offers_contract(
                self._services.uplink.policy,
                online=self._services.uplink.online,
                tls=connection.secure,
                certificate_valid=bool(self._services.identity.contexts),
                identified=authorized,
            )
        )
        payments = self._plugin.payments(now, contract=contract)
        allowed = tuple(payment for payment in payments if payment in settings.payments) or (Payment.EXTERNAL,)
        dc, ac = dc_limits(self._board), ac_limits(self._board)
        meter = self._board.meter
        return Offer(
            evse_id=settings.evse_id,
            transfers=_transfers(settings.transfers, self._board),
            ac=settings.ac.within(ac) if ac is not None else None,
            dc=settings.dc.within(dc) if dc is not None else None,
            payments=allowed,
            eim_authorized=authorized,
            free=self._plugin.settings.free,
            watts_limit=self._watts_limit,
            meter_id=settings.meter_id or (meter.identity if meter is not None else ""),
            eim_seconds=config.timing.eim_seconds,
            tls=connection.secure,
            tolerances=frozenset(config.lab.tolerate),
            strict=config.lab.strict,
        )

    # Operator and backend

    def start(self) -> Mapping[str, Any]:
        """Let whoever is plugged in charge."""
        self._tell_plug(outlet.StartOrdered("operator"))
        return {}

    def stop(self, by: Any) -> Mapping[str, Any]:
        """End charging in good order."""
        self._tell_plug(outlet.StopOrdered(by))
        return {}

    def limit(self, watts: Any) -> Mapping[str, Any]:
        """Deliver at most this much from now on; None: what the hardware can."""
        if watts is not None and (
            isinstance(watts, bool) or not isinstance(watts, int | float) or not 0 <= watts <= 1e7
        ):
            raise ControlError(f"a limit is watts from 0 to 10 000 000, or null; not {watts!r}")
        self._watts_limit = None if watts is None else float(watts)
        self._tell_power(LimitChanged(self._watts_limit))
        if self._connection is not None:
            self._connection.hear(LimitChanged(self._watts_limit))
        return {"watts": self._watts_limit}

    def token(self, kind: str, value: str) -> Mapping[str, Any]:
        """As if this card had been shown."""
        if not value or len(value) > 255 or not kind.isidentifier():
            raise ControlError("a card has a kind that is a word, and a value of 1 to 255 characters")
        self._tell_plug(outlet.TokenPresented(kind, value))
        return {}

    def renegotiate(self) -> Mapping[str, Any]:
        self._session().hear(RenegotiationRequested())
        return {}

    def ongoing(self, phase: str, on: bool) -> Mapping[str, Any]:
        self._session().hear(OngoingForced(phase, on))
        return {"phase": phase, "on": on}

    def ordered(self, event: BackendEvent) -> None:
        """The backend wants something of some outlet."""
        if event.outlet != self.name:
            return
        if isinstance(event, LimitOrdered):
            self.limit(event.watts)
        else:
            self.stop("backend")

    def _session(self) -> V2gConnection:
        if self._connection is None or self._connection.over:
            raise ControlError(f"outlet {self.name} has no session")
        return self._connection

    def _publish(self, event: str, **facts: Any) -> None:
        self._services.publish({"event": event, "outlet": self.name, "t": round(self._loop.time(), 3), **facts})

    def state(self) -> dict[str, Any]:
        """What ``secc status`` shows of this outlet."""
        levels = self.levels()
        plugin, connection = self._plugin, self._connection
        shown: dict[str, Any] = {
            "name": self.name,
            "interface": self.interface,
            "address": self.window.address,
            "port": self.window.port,
            "problem": self.window.problem or ("" if self._board is not None else "the board does not open"),
            "phase": plugin.state.phase.value if plugin is not None else "down",
            "over": (plugin.state.over or "") if plugin is not None else "",
            "pilot": levels.pilot,
            "contactor": levels.contactor,
            "volts": round(levels.volts, 1),
            "amperes": round(levels.amperes, 1),
            "watt_hours": round(levels.watt_hours, 1),
            "watts_limit": self._watts_limit,
            "faults": [fault.code for fault in self._board.faults.active] if self._board is not None else [],
            "session": None,
        }
        if connection is not None and not connection.over:
            shown["session"] = {
                "protocol": connection.protocol.name if connection.protocol is not None else "",
                "tls": connection.secure,
                "milestone": self._milestone.value if self._milestone is not None else "",
            }
        return shown


def _nothing(question: str) -> CableChecked | PowerReported:
    """The answer about a power path that is not there."""
    if question == CheckCable.__name__:
        return CableChecked(passed=False, isolation="invalid", detail="there is no power path")
    return PowerReported(done=False, detail="there is no power path")


def _transfers(wanted: tuple[Transfer, ...], board: Board) -> tuple[Transfer, ...]:
    """Of what is configured, what the board has ports and phases for."""
    able = board.ac.capabilities if board.ac is not None else None

    def possible(transfer: Transfer) -> bool:
        if transfer.is_dc:
            return board.dc is not None
        return able is not None and (transfer is Transfer.AC_SINGLE_PHASE or able.phases == 3)

    return tuple(transfer for transfer in wanted if possible(transfer))
