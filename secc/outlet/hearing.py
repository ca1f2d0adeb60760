"""Event handlers of a plug-in, active in every phase, and checks after every step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, TypeAlias, TypeVar

from hal.events import (
    BoardEvent,
    BoardLost,
    BoardRecovered,
    CableChanged,
    ContactorChanged,
    DoorChanged,
    EmergencyStopChanged,
    FaultCleared,
    FaultRaised,
    LockChanged,
    PilotChanged,
    StopPressed,
    TokenPresented,
)
from hal.faults import EMERGENCY_STOP, cleared_by, fault_of
from hal.port_queue import CommandFailed
from hal.readings import PilotState, Severity, Token
from secc.conversation import Deadline, Party, Ticket, nearest
from secc.link.slac.dlink import (
    IndicateDlinkReady,
    ReportMatched,
    ReportMatchingBegun,
    ReportMatchingFailed,
    ReportModem,
)
from secc.outlet import events as said
from secc.outlet.effects import ForgetPaused, PauseOver, SetDuty, SetF, SetX1, TellSession
from secc.outlet.settings import CARD_WAITS, PILOT_SETTLES, REFUSED_SHOWN, TOKEN_ANSWER
from secc.outlet.state import STOPPED, Phase, State
from secc.session.effects import Decision, Ground, ReportFault, Verdict
from secc.session.events import EimDecided, EmergencyStopped, Fault, LimitChanged, LinkLost, StopRequested
from secc.session.identification import AuthorizeToken, By

E = TypeVar("E")

WATCHFUL = (Phase.MATCHING, Phase.WAITING, Phase.SESSION, Phase.BASIC, Phase.PAUSED)
"""Phases in which a pilot that is not A, B, C or D is a fault of the cable or the car."""
FAULTS: Final[tuple[type[BoardEvent], ...]] = (
    FaultRaised,
    FaultCleared,
    EmergencyStopChanged,
    DoorChanged,
    BoardLost,
    BoardRecovered,
)
PILOT_COMMANDS = (SetDuty.__name__, SetX1.__name__, SetF.__name__)

Stopper: TypeAlias = Literal["driver", "operator", "backend", "shutdown"]


class CarGone(Exception):
    """The pilot is A. Raised only within the plug-in."""


class EmergencyRaised(Exception):
    """Power is off, and this plug-in is over. Raised only within the plug-in."""


class Hearing:
    """Registers the handlers of one plug-in, which update ``state``.

    Where the plug-in waits, ``CarGone`` is raised when the car has gone, and ``EmergencyRaised`` in
    an emergency.
    """

    def __init__(self, party: Party, state: State) -> None:
        self.party = party
        self.state = state
        self._asked: tuple[Ticket[Verdict], Deadline] | None = None
        """The question about a card, and how long its answer counts."""
        self._hear_board()
        self._hear_link()
        self._hear_session()
        self._hear_orders()
        party.look(self._look, self._due)

    def pilot_changed(self, changed: PilotChanged) -> None:
        """Raise ``CarGone`` on pilot A even if the pilot has changed again before this step: the
        next plug is another plug-in.
        """
        if self.state.plugged_in and changed.reading.state is PilotState.A:
            raise CarGone

    def _hear(self, kind: type[E], by: Callable[[E], object]) -> None:
        """Hear ``kind``, but drop its events once the plug is out: they must not become the reason
        of the end.
        """

        def heard(event: E) -> None:
            if not (self.state.plugged_in and self.party.levels.pilot == "A"):
                by(event)

        self.party.hear(kind, by=heard)

    # What is looked at after every step

    def _look(self) -> None:
        state, now = self.state, self.party.now
        state.identification = state.identification.expired(now)
        self._look_at_card()
        self._look_at_pilot()
        if state.over is not None:
            self.forget_paused(PauseOver.STOPPED if state.over == STOPPED else PauseOver.FAULT)

    def _due(self) -> Deadline | None:
        """When a time limit needs a look: card, shown refusal, settling pilot, unanswered question
        to the backend.
        """
        state, now = self.state, self.party.now
        expires_at = state.identification.expires_at
        return nearest(
            Deadline(expires_at, CARD_WAITS) if expires_at is not None else None,
            Deadline(state.refused_until, REFUSED_SHOWN) if state.refused_until > now else None,
            Deadline(state.settles_at, PILOT_SETTLES) if state.settles_at > now else None,
            self._asked[1] if self._asked is not None else None,
        )

    def _look_at_card(self) -> None:
        if self._asked is None:
            return
        ticket, deadline = self._asked
        verdict = self.party.answer(ticket)
        if verdict is None:
            if self.party.now < deadline.at:
                return
            verdict = Verdict(Decision.NO_ANSWER, "the backend did not answer in time", Ground.SILENCE)
        self.party.abandon(ticket)
        self._token_decided(verdict)

    def _look_at_pilot(self) -> None:
        party, state = self.party, self.state
        level = party.levels.pilot
        if not state.plugged_in:
            return
        if level == "A":
            raise CarGone
        if level == "B":
            state.simplified = False
        # While the station drives F, or has just stopped to, E and F say nothing about the car.
        ours = isinstance(state.drive, SetF) or party.now < state.settles_at
        if level in ("E", "F", "?") and state.phase in WATCHFUL and not ours:
            party.do(TellSession(Fault("pilot-fault", f"pilot state {level}")))
            raise EmergencyRaised

    # Board and power path

    def _hear_board(self) -> None:
        # This event reports a plug that was pulled, so it is not filtered.
        self.party.hear(PilotChanged, by=self.pilot_changed)
        # The levels hold their values.
        self.party.hear(ContactorChanged, LockChanged, CableChanged)
        for kind in FAULTS:
            self._hear(kind, self._board_changed)
        self._hear(TokenPresented, lambda presented: self._token_presented(presented.token))
        self._hear(StopPressed, lambda pressed: self._stop("driver"))
        self._hear(CommandFailed, self._command_failed)
        self._hear(ReportFault, self._power_failed)

    def _board_changed(self, event: BoardEvent) -> None:
        if (code := cleared_by(event)) is not None:
            self.state.faults.pop(code, None)
        fault = fault_of(event)
        if fault is None or not self.state.fault_raised(fault):
            return
        if fault.severity is Severity.EMERGENCY:
            stopped = fault.code == EMERGENCY_STOP
            self.party.do(TellSession(EmergencyStopped() if stopped else Fault(fault.code, fault.text)))
            if stopped or self.state.phase is not Phase.MATCHING:
                self._raise_emergency()
            # Before the link there is nothing to end: such a fault keeps the car waiting, and may
            # clear.
        else:
            self.party.do(TellSession(StopRequested("power")))

    def _command_failed(self, failed: CommandFailed) -> None:
        if failed.command == "LockConnector":
            # The interlock gives no power to a plug that is not locked, so end the session now.
            self.party.do(TellSession(Fault("lock-failed", failed.text)))
            if self.state.phase is Phase.BASIC:
                self.state.over = self.state.over or "lock-failed"
        elif failed.command in PILOT_COMMANDS and self.state.phase in WATCHFUL:
            # The pilot does not show what was commanded, so the car must not draw current on it.
            self.party.do(TellSession(Fault("pilot-command-failed", failed.text)))
            self.state.over = self.state.over or "pilot-command-failed"
            self._raise_emergency()

    def _power_failed(self, failed: ReportFault) -> None:
        self.state.power_failed = failed.code
        self.party.do(TellSession(Fault(failed.code, failed.text)))
        # A report about the previous car does not count for this one.
        if failed.latched and self.state.plugged_in:
            self.state.over = failed.code

    def _raise_emergency(self) -> None:
        """End what has begun; before a link, an emergency only keeps the car waiting."""
        if self.state.plugged_in and self.state.phase is not Phase.FAULTED:
            raise EmergencyRaised

    # Matching

    def _hear_link(self) -> None:
        self._hear(ReportModem, self._modem_reported)
        self._hear(ReportMatchingBegun, self._matching_begun)
        self._hear(ReportMatchingFailed, self._matching_failed)
        self._hear(ReportMatched, self._matched)
        self._hear(IndicateDlinkReady, self._link_changed)

    def _modem_reported(self, report: ReportModem) -> None:
        self.state.modem_ready = report.ready

    # Without a plug these reports are about the previous car.

    def _matching_begun(self, report: ReportMatchingBegun) -> None:
        if self.state.plugged_in:
            self.state.matching = True

    def _matching_failed(self, report: ReportMatchingFailed) -> None:
        if self.state.plugged_in:
            self.state.matching, self.state.match_failure = False, report

    def _matched(self, report: ReportMatched) -> None:
        if self.state.plugged_in:
            self.state.matching = self.state.matched = True

    def _link_changed(self, link: IndicateDlinkReady) -> None:
        if not link.established:
            self.state.link_is_gone(link.cause)
            self.party.do(TellSession(LinkLost()))
        elif self.state.plugged_in:
            self.state.link_is_up()

    # Connections and the V2G session

    def _hear_session(self) -> None:
        state = self.state
        self._hear(said.ConnectionAccepted, self._connection_accepted)
        self._hear(said.ConnectionGone, self._connection_gone)
        self._hear(said.SessionBegan, lambda began: state.session_began(began.payments))
        self._hear(said.SessionSetUp, self._session_set_up)
        self._hear(said.SessionPaused, self._session_paused)
        self._hear(said.SessionResumed, self._session_resumed)
        self._hear(said.ContractPresented, lambda presented: state.contract_presented())
        self._hear(said.ContractRejected, lambda rejected: state.contract_rejected())
        self._hear(said.ContractDecided, self._contract_decided)
        self._hear(said.ChargingBegan, lambda began: state.charging_began())
        self._hear(said.ChargingEnded, self._charging_ended)
        self._hear(said.SessionEnded, self._session_ended)

    def _connection_accepted(self, accepted: said.ConnectionAccepted) -> None:
        self.state.connections += 1
        self.state.connected = True

    def _connection_gone(self, gone: said.ConnectionGone) -> None:
        self.state.connected = False

    def _session_set_up(self, set_up: said.SessionSetUp) -> None:
        self.state.set_up = True
        self.forget_paused(PauseOver.LEFT)

    def _session_paused(self, paused: said.SessionPaused) -> None:
        self.state.paused = paused.value

    def _session_resumed(self, resumed: said.SessionResumed) -> None:
        self.state.paused, self.state.resumed = None, True

    def forget_paused(self, why: PauseOver) -> None:
        """Drop the value of a paused session, if there is one."""
        if self.state.paused is not None:
            self.state.paused = None
            self.party.do(ForgetPaused(why))

    def _session_ended(self, ended: said.SessionEnded) -> None:
        state = self.state
        state.session_ended(ended.reason)
        if state.over == STOPPED and state.identification.external is not None:
            # A driver was identified after the stop, while the stopped session still ran.
            state.over = None

    def _contract_decided(self, decided: said.ContractDecided) -> None:
        self.state.contract_decided(decided.contract, decided.verdict, self.party.now)

    def _charging_ended(self, ended: said.ChargingEnded) -> None:
        self.state.charging = False

    # Operator, backend, books

    def _hear_orders(self) -> None:
        self._hear(said.StartOrdered, self._start_ordered)
        self._hear(said.StopOrdered, lambda ordered: self._stop(ordered.by))
        self._hear(said.WakeOrdered, self._wake_ordered)
        self._hear(LimitChanged, self._limit_changed)
        self._hear(said.BookChanged, self._book_changed)

    def _start_ordered(self, ordered: said.StartOrdered) -> None:
        self.state.waking = True
        # Who pays for a paused session is known: it goes on.
        if self.state.paused is None:
            self._accepted(Verdict(Decision.ACCEPTED), ordered.by)

    def _limit_changed(self, changed: LimitChanged) -> None:
        state, watts = self.state, changed.watts
        before, state.watts_limit = state.watts_limit, watts
        # Less power is not a reason to wake a car.
        state.waking = state.waking or (before is not None and (watts is None or watts > before))

    def _wake_ordered(self, ordered: said.WakeOrdered) -> None:
        self.state.waking = True

    def _book_changed(self, changed: said.BookChanged) -> None:
        self.state.unbooked = changed.problem

    def _stop(self, by: Stopper) -> None:
        """End the session in good order and drop the identification: to go on, the driver
        identifies again.
        """
        state = self.state
        state.identification = state.identification.spent()
        state.contract_kept = ""
        self.party.do(TellSession(StopRequested(by)))
        if state.plugged_in:
            state.over = state.over or STOPPED
            if state.phase is Phase.AVAILABLE:
                state.phase = Phase.FINISHED

    # Identification

    def _token_presented(self, token: Token) -> None:
        party, state = self.party, self.state
        lost = state.over is not None and state.over != STOPPED
        wanted = state.identification.wants_token(party.now) and not state.contract_kept and state.paused is None
        if self._asked is None and not lost and wanted:
            ticket = party.ask(AuthorizeToken(token.kind, token.value))
            self._asked = ticket, party.limit(TOKEN_ANSWER)
            state.asking = True

    def _token_decided(self, verdict: Verdict) -> None:
        self._asked = None
        self.state.asking = False
        if verdict.accepted:
            self._accepted(verdict, "rfid")
        else:
            self.state.refused_until = self.party.now + REFUSED_SHOWN.seconds
            self.party.do(TellSession(EimDecided(False, "rfid")))

    def _accepted(self, verdict: Verdict, by: By) -> None:
        state, before = self.state, self.state.identification
        state.identification = before.token_decided(verdict, by, self.party.now)
        if state.identification is not before:
            self.party.do(TellSession(EimDecided(True, by)))
        # An identification takes back a stop; all other ends last until the plug is out.
        if state.over == STOPPED and not state.session_open:
            state.over = None
