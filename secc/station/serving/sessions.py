"""The V2G sessions of one outlet, one at a time: admits cars, makes offers, and performs effects of
sessions.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from certs.contract import Contract
from secc.config.choices import PLAIN_PORT
from secc.conversation import Effect, End, Event, Reason
from secc.link.tls.chain import Handshaken
from secc.link.tls.report import TlsReport
from secc.outlet import events
from secc.outlet.effects import CloseConnection, TellSession
from secc.session import effects
from secc.session.effects import Milestone, Verdict
from secc.session.events import ConnectionClosed, Shutdown
from secc.session.identification import AuthorizeToken
from secc.session.offer import Offer, Surroundings
from secc.session.protocol import V2gProtocol
from secc.session.receipts import BookReceipt
from secc.session.schedules import KeepSchedule, PlanCharging
from secc.station.serving.connection import V2gConnection
from secc.station.serving.context import Outlet, Part
from secc.station.serving.offers import offer_for
from secc.station.serving.path import PowerPaths
from secc.station.serving.plug import PlugIns
from secc.station.serving.questions import Questions
from secc.station.serving.router import Seat
from secc.station.serving.session_log import SessionLog
from secc.station.serving.transactions import Transactions
from secc.station.shared.following import tell_follower

log = logging.getLogger(__name__)


class Sessions(Part):
    """The sessions of one outlet, and the :class:`secc.station.serving.host.Host` of their
    connections.
    """

    def __init__(
        self,
        outlet: Outlet,
        plug: PlugIns,
        path: PowerPaths,
        questions: Questions,
        session_log: SessionLog,
        transactions: Transactions,
        *,
        changed: Callable[[], None],
    ) -> None:
        super().__init__(outlet)
        self.name, self.router = outlet.name, outlet.router
        self.protocols, self.pace = self._services.protocols, self._services.pace
        self.executor: Executor = ThreadPoolExecutor(max_workers=2, thread_name_prefix=f"outlet-{self.name}")
        self.work: Executor = self._services.work
        self.answer_seconds = self._config.timing.answer_seconds
        self._plug = plug
        self._path = path
        self._questions = questions
        self._log = session_log
        self._transactions = transactions
        self._changed = changed
        self.saw = self._saw_followed if self._config.lab.danger_follower else session_log.saw
        self.sent = session_log.sent
        self._connection: V2gConnection | None = None
        self._milestone: Milestone | None = None
        self._left_silent = 0
        """The number of the plug-in in which the last connection closed without an octet; 0: none."""
        router = self.router
        kinds = effects.ValidateContract, effects.AuthorizeContract, AuthorizeToken
        for kind in (*kinds, effects.ValidateOemCertificate, effects.ProvisionContract, PlanCharging):
            router.finds(kind, by=questions.find)
        router.told(effects.ValidateOemCertificate, by=session_log.oem_judged)
        router.told(effects.ProvisionContract, by=session_log.provisioned)
        router.told(PlanCharging, by=session_log.planned)
        router.finds(BookReceipt, by=transactions.receipt)
        router.told(BookReceipt, by=session_log.receipted)
        router.taps(effects.AuthorizeContract, by=questions.asked)
        router.taps(effects.ValidateContract, by=self._presented)
        router.told(effects.ValidateContract, by=self._judged)
        router.relays(effects.SetOutput, effects.OpenContactor, KeepSchedule)
        router.taps(effects.StopPower, effects.OpenContactor, by=self._stopping)
        for proof in (effects.Identify, effects.IdentifyAgain):
            router.taps(proof, by=transactions.identified)
            router.performs(proof, by=self._identified)
        router.performs(effects.KeepForResume, by=self._paused)
        router.performs(effects.Resume, by=self._resumed)
        router.performs(effects.Reach, by=self._reached)
        router.performs(effects.Remark, by=session_log.remarked)
        router.performs(TellSession, by=self._tell)
        router.performs(CloseConnection, by=self._close)

    # The connection

    @property
    def current(self) -> V2gConnection | None:
        """The connection, unless it is over."""
        return self._connection if self._connection is not None and not self._connection.over else None

    def admit(self, peer: str) -> V2gConnection | None:
        """Admit a car. A second car is turned away, and does not disturb the first. (A-NET-06)"""
        plug = self._plug
        if plug.closing or not plug.window_open or self.current is not None or self._services.unbooked:
            return None
        self._plug.hear(events.ConnectionAccepted())
        if not self._plug.window_open:
            return None
        connection = V2gConnection(self, self._services.serving(self._orders.settings), peer)
        self._connection = connection
        self._changed()
        self._log.connected(peer, self._loop.time())
        if self._settings.port == PLAIN_PORT:
            self.tolerated("Q-16", f"the car is served at TCP port {PLAIN_PORT}")
        if self._left_silent == self._plug.number:
            self.tolerated("Q-18", "the car has connected before, and closed at once")
        self._left_silent = 0
        return connection

    def hear(self, event: Event) -> None:
        """Tell the session, or the connection if there is no session yet."""
        if self._connection is not None:
            self._connection.hear(event)

    def shut_down(self) -> None:
        """Send the last answer, then close: the station stops."""
        if self._connection is not None:
            self._connection.shut_down(Shutdown())

    def state(self) -> dict[str, Any] | None:
        """Returns what ``secc status`` shows of the session; None without one."""
        session = self.current
        if session is None:
            return None
        return {
            "protocol": session.protocol.name if session.protocol is not None else "",
            "tls": session.secure,
            "milestone": self._milestone.value if self._milestone is not None else "",
        }

    # For connections

    @property
    def spoken(self) -> tuple[V2gProtocol, ...]:
        return self._orders.spoken

    def surroundings(self) -> Surroundings:
        return self._log.recorded(self._services.surroundings(self._loop.time()))

    def secured(self, handshaken: Handshaken) -> None:
        self._log.secured(handshaken)
        self._publish("tls", version=handshaken.version, suite=handshaken.suite, chain=handshaken.chain)

    def begin(self, protocol: V2gProtocol, *, secure: bool) -> Offer:
        plugin, board = self._plug.plugin, self._hardware.board
        assert plugin is not None
        assert board is not None
        now = self._loop.time()
        offer = replace(
            offer_for(self._orders, self._services, board, plugin, protocol, secure=secure),
            watts_limit=self._path.watts_limit,
            ask_before_proof=self._questions.unproved.allowed(now),
        )
        self._transactions.offer = offer
        self._log.began(protocol, offer, now)
        self._publish("session", protocol=protocol.name, payments=[payment.value for payment in offer.payments])
        self._plug.hear(events.SessionBegan(offer.payments))
        return offer

    def _saw_followed(self, seat: Seat, now: float, event: object, said: tuple[Effect, ...]) -> None:
        """For tests: the follower of a simulated outlet also hears what the car says."""
        self._log.saw(seat, now, event, said)
        tell_follower(self._hardware.board, event)

    def tolerated(self, code: str, text: str) -> None:
        self._log.tolerated(code, text)

    def gone(self, connection: object) -> None:
        if self._connection is None or connection is not self._connection:
            return
        if self._connection.over:
            # Its buffers would stay until the next car comes.
            self._connection = None
        self._plug.hear(events.ConnectionGone())

    def ended(self, reason: Reason, report: TlsReport | None, *, silent: bool) -> None:
        reason = self._log.explained(reason)
        # First end the payment and tell the plug-in: a bug in the log must not charge the next car
        # to this one's account.
        self._plug.hear(events.ChargingEnded(), events.SessionEnded(reason))
        levels = self.router.levels()
        transaction = self._transactions.ended(reason, levels)
        detail = f" ({reason.detail})" if reason.detail else ""
        log.info("outlet %s: session ended: %s%s", self.name, reason.code, detail)
        self._publish("session ended", code=reason.code, clause=reason.clause, detail=reason.detail, flaw=reason.flaw)
        self._log.ended(reason, levels, report, transaction, silent=silent)
        if silent and reason.name == ConnectionClosed.reason:
            self._left_silent = self._plug.number
        self._milestone = None
        self._changed()
        if self._config.lab.danger_follower:
            tell_follower(self._hardware.board, End(reason))

    # Effects of sessions

    def _presented(self, question: effects.ValidateContract) -> None:
        self._plug.hear(events.ContractPresented())

    def _judged(self, question: effects.ValidateContract, found: Contract | Verdict) -> None:
        """Tell the plug-in of a rejected contract. Only the session gets the backend's verdict; the
        outlet trusts :class:`effects.Identify` alone.
        """
        self._log.judged(question, found)
        if isinstance(found, Verdict):
            self._plug.hear(events.ContractRejected())

    def _stopping(self, said: effects.StopPower | effects.OpenContactor) -> None:
        self._plug.hear(events.ChargingEnded())

    def _identified(self, said: effects.Identify) -> None:
        contract, verdict = said.contract, said.verdict
        self._log.identified(contract, verdict)
        self._plug.hear(events.ContractDecided(contract, verdict))
        if type(said) is effects.Identify:
            self._questions.learned(contract, verdict)

    def _reached(self, reach: effects.Reach) -> None:
        self._milestone = milestone = reach.milestone
        facts, levels = dict(reach.facts), self.router.levels()
        if milestone is Milestone.SESSION_SET_UP:
            self._plug.hear(events.SessionSetUp())
        self._transactions.reached(self._log.session, milestone, levels)
        self._log.reached(milestone, facts, levels)
        self._publish("milestone", milestone=milestone.value, **facts)

    def _paused(self, said: effects.KeepForResume) -> None:
        self._transactions.paused(self.router.levels())
        self._plug.hear(events.SessionPaused(said.value))

    def _resumed(self, said: effects.Resume) -> None:
        self._transactions.ledger.resume()
        self._plug.hear(events.SessionResumed())

    # Effects of the plug-in

    def _tell(self, said: TellSession) -> None:
        self.hear(said.event)

    def _close(self, said: CloseConnection) -> None:
        if self.current is not None:
            self.current.abort()
