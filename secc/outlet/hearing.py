"""The ears of a plug-in: whatever happens is heard here, in whatever the plug-in is doing, and kept in its state."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

from hal.values import Severity
from secc.conversation import Conversation, Deadline, Event, Party, Question, Ticket, TimedOut
from secc.outlet import events as said
from secc.outlet.effects import CloseSdp, Indicate, OpenSdp, SetDuty, SetF, SetX1, TellSession, UnlockConnector
from secc.outlet.settings import (
    CONTACTOR_OPEN,
    PILOT_SETTLES,
    REFUSED_SHOWN,
    REST,
    T_STEP_X1,
    TOKEN_ANSWER,
    X1_AFTER_EF,
)
from secc.outlet.state import STOPPED, Phase, State
from secc.session.effects import Decision, Ground, Verdict
from secc.session.events import EimDecided, EmergencyStopped, Fault, LimitChanged, LinkLost, StopRequested
from secc.session.identification import AuthorizeToken, By

HEARD: tuple[type[Event], ...] = (
    said.PilotChanged,
    said.ContactorReported,
    said.TokenPresented,
    said.StopPressed,
    said.EmergencyStopChanged,
    said.FaultRaised,
    said.FaultCleared,
    said.CableRated,
    said.LockReported,
    said.ModemReported,
    said.MatchingBegan,
    said.MatchingFailed,
    said.CarMatched,
    said.LinkEstablished,
    said.LinkLost,
    said.PowerFailed,
    said.ConnectionAccepted,
    said.SessionBegan,
    said.SessionSetUp,
    said.ContractPresented,
    said.ContractRejected,
    said.ContractDecided,
    said.ChargingBegan,
    said.ChargingEnded,
    said.SessionEnded,
    said.StartOrdered,
    said.StopOrdered,
    said.CommandFailed,
    said.BookChanged,
    LimitChanged,
)
WATCHFUL = (Phase.MATCHING, Phase.WAITING, Phase.SESSION, Phase.BASIC, Phase.PAUSED)
"""Where a pilot that is neither A, B, C nor D is a fault of the cable or the car."""
PILOT_COMMANDS = (SetDuty.__name__, SetX1.__name__, SetF.__name__)

Stopper: TypeAlias = Literal["driver", "operator", "backend", "shutdown"]


class CarGone(Exception):
    """The pilot says A. Never leaves the plug-in."""


class EmergencyRaised(Exception):
    """Power is off, and this plug-in is over. Never leaves the plug-in."""


class Ear:
    """Hears for one plug-in. ``until`` and ``turn`` raise ``CarGone`` when the car goes, ``EmergencyRaised`` in an emergency."""

    def __init__(self, party: Party, state: State) -> None:
        self.party = party
        self.state = state
        self.settings = state.settings
        self.on_pilot: Callable[[str, float], None] = lambda level, now: None
        """Sees every change of the pilot, also those that are over by now."""
        self._asked: tuple[Ticket[Verdict], Deadline] | None = None
        self._tickets: list[Ticket[Any]] = []
        self._shown: Indicate | None = None

    # Waiting

    def until(self, condition: Callable[[], bool], before: Deadline | None = None) -> Conversation[bool]:
        """Wait until it is so; False if it is not before the deadline."""
        while not condition():
            if before is not None and self.party.now >= before.at:
                return False
            yield from self.turn(before)
        return True

    def turn(self, before: Deadline | None = None) -> Conversation[None]:
        """One step: whatever happens is heard here."""
        party, state = self.party, self.state
        self._indicate()
        heard: object = None
        with contextlib.suppress(TimedOut):
            deadline = min(self._deadlines(before), key=lambda deadline: deadline.at)
            heard = yield from party.receive(*self._kinds(), before=deadline)
        state.identification = state.identification.expired(party.now)
        if isinstance(heard, Verdict):
            self._token_decided(heard)
        elif self._asked is not None and party.now >= self._asked[1].at:
            party.abandon(self._asked[0])
            self._token_decided(Verdict(Decision.NO_ANSWER, "the backend did not answer in time", Ground.SILENCE))
        if not (state.plugged_in and party.levels.pilot == "A"):
            # What the power path says of a plug that was pulled is not the reason why it is over.
            self._hear(heard)
        self._look_at_pilot(heard)
        self._indicate()

    def _kinds(self) -> list[Any]:
        kinds: list[Any] = list(HEARD)
        if self._asked is not None:
            kinds.append(self._asked[0])
        self._tickets = [ticket for ticket in self._tickets if self.party.answer(ticket) is None]
        return kinds + self._tickets

    def _deadlines(self, before: Deadline | None) -> list[Deadline]:
        party, state = self.party, self.state
        deadlines = [party.limit(REST)] + ([before] if before is not None else [])
        if state.identification.expires_at is not None:
            deadlines.append(Deadline(state.identification.expires_at, REST))
        if state.refused_until > party.now:
            deadlines.append(Deadline(state.refused_until, REFUSED_SHOWN))
        if state.settles_at > party.now:
            deadlines.append(Deadline(state.settles_at, PILOT_SETTLES))
        if self._asked is not None:
            deadlines.append(self._asked[1])
        return deadlines

    # Saying

    def drive(self, effect: SetDuty | SetX1 | SetF, *, again: bool = False) -> None:
        """Tell the pilot; what it was told already only with ``again``."""
        party, state = self.party, self.state
        before = state.drive
        if effect == before and not again:
            return
        if isinstance(effect, SetX1) and not isinstance(before, SetX1 | None):
            step = X1_AFTER_EF if isinstance(before, SetF) else T_STEP_X1
            state.leave_x1_at = party.now + step.seconds
        if isinstance(before, SetF):
            state.settles_at = party.now + PILOT_SETTLES.seconds
        state.drive, state.drive_at = effect, party.now
        party.do(effect)

    def window(self, is_open: bool) -> None:
        if is_open is not self.state.window_open:
            self.state.window_open = is_open
            self.party.do(OpenSdp() if is_open else CloseSdp())

    def ask(self, question: Question[Any]) -> Ticket[Any]:
        """Ask; ``until(lambda: party.answer(ticket) is not None)`` waits for it."""
        ticket = self.party.ask(question)
        self._tickets.append(ticket)
        return ticket

    def unlock(self) -> Conversation[None]:
        """As soon as the contactor is open; a lock under power opens for nobody."""
        party = self.party
        if (yield from self.until(lambda: party.levels.contactor == "open", party.limit(CONTACTOR_OPEN))):
            party.do(UnlockConnector())

    def _indicate(self) -> None:
        shown = Indicate(*self.state.indication(self.party.now))
        if shown != self._shown:
            self._shown = shown
            self.party.do(shown)

    # Hearing

    def _hear(self, event: object) -> None:
        party, state = self.party, self.state
        match event:
            case said.TokenPresented():
                self._token_presented(event)
            case said.StopPressed():
                self._stop("driver")
            case said.StopOrdered():
                self._stop(event.by)
            case said.StartOrdered():
                state.waking = True
                self._accepted(Verdict(Decision.ACCEPTED), event.by)
            case said.EmergencyStopChanged():
                state.emergency_stopped = event.stopped
                if event.stopped:
                    party.do(TellSession(EmergencyStopped()))
                    self._raise_emergency()
            case said.FaultRaised():
                self._fault_raised(event)
            case said.FaultCleared():
                state.faults.pop(event.code, None)
            case said.CommandFailed():
                self._command_failed(event)
            case LimitChanged():
                state.watts_limit, state.waking = event.watts, True
            case said.BookChanged():
                state.unbooked = event.problem
            case said.CableRated():
                state.cable_amperes = event.amperes
            case said.LockReported():
                state.locked = event.locked
            case _:
                self._hear_link(event)

    def _hear_link(self, event: object) -> None:
        state = self.state
        match event:
            case said.ModemReported():
                state.modem_ready = event.ready
            case said.MatchingBegan() | said.MatchingFailed() | said.CarMatched() | said.LinkEstablished() if (
                not state.plugged_in
            ):
                pass  # a last word on the car before this one
            case said.MatchingBegan():
                state.matching = True
            case said.MatchingFailed():
                state.matching, state.match_failure = False, event
            case said.CarMatched():
                state.matching = state.matched = True
            case said.LinkEstablished():
                state.matching = state.matched = state.link_up = True
                state.link_lost = None
            case said.LinkLost():
                state.link_is_gone(event.cause)
                self.party.do(TellSession(LinkLost()))
            case _:
                self._hear_session(event)

    def _hear_session(self, event: object) -> None:
        state, now = self.state, self.party.now
        match event:
            case said.ConnectionAccepted():
                state.connections += 1
            case said.SessionBegan():
                state.session_began()
                state.identification = state.identification.offered(event.payments)
            case said.SessionSetUp():
                state.set_up = True
            case said.ContractPresented():
                state.identification = state.identification.contract_presented()
            case said.ContractRejected():
                state.identification = state.identification.contract_rejected()
            case said.ContractDecided():
                state.contract_decided(event.contract, event.verdict, now)
            case said.ChargingBegan():
                state.charging_began()
            case said.ChargingEnded():
                state.charging = False
            case said.SessionEnded():
                state.session_ended(event.reason)
            case said.PowerFailed():
                state.power_failed = event.code
                self.party.do(TellSession(Fault(event.code, event.text)))
                # A last word on the car before this one is not about this one.
                if event.latched and state.plugged_in:
                    state.over = event.code
            case _:
                pass

    def _command_failed(self, failed: said.CommandFailed) -> None:
        if failed.command == "LockConnector":
            # The interlock gives no power to a plug that is not locked: better the car hears it now.
            self.party.do(TellSession(Fault("lock-failed", failed.text)))
            if self.state.phase is Phase.BASIC:
                self.state.over = self.state.over or "lock-failed"
        elif failed.command in PILOT_COMMANDS and self.state.phase in WATCHFUL:
            # What the car is told is not what we mean: nothing may be drawn on it.
            self.party.do(TellSession(Fault("pilot-command-failed", failed.text)))
            self.state.over = self.state.over or "pilot-command-failed"
            self._raise_emergency()

    def _look_at_pilot(self, heard: object) -> None:
        party, state = self.party, self.state
        level = party.levels.pilot
        if isinstance(heard, said.PilotChanged):
            self.on_pilot(heard.state, party.now)
        if not state.plugged_in:
            return
        # Two changes may lie between two steps: a plug that was out is another plug-in, whatever the pilot says now.
        if level == "A" or (isinstance(heard, said.PilotChanged) and heard.state == "A"):
            raise CarGone
        if level == "B":
            state.simplified = False
        # While it is us who drive F, or have just stopped to, E and F say nothing about the car.
        ours = isinstance(state.drive, SetF) or party.now < state.settles_at
        if level in ("E", "F", "?") and state.phase in WATCHFUL and not ours:
            party.do(TellSession(Fault("pilot-fault", f"pilot state {level}")))
            raise EmergencyRaised

    def _fault_raised(self, fault: said.FaultRaised) -> None:
        if fault.severity is Severity.WARNING:
            return
        self.state.faults[fault.code] = fault
        if fault.severity is Severity.EMERGENCY:
            self.party.do(TellSession(Fault(fault.code, fault.text)))
            self._raise_emergency()
        else:
            self.party.do(TellSession(StopRequested("power")))

    def _raise_emergency(self) -> None:
        """An emergency ends what has begun; one that is there before the car only keeps it waiting."""
        if self.state.plugged_in and self.state.phase is not Phase.FAULTED:
            raise EmergencyRaised

    def _stop(self, by: Stopper) -> None:
        """Somebody is done here: the session ends in good order, and whoever wants to go on is to be identified again."""
        state = self.state
        state.identification = state.identification.spent()
        state.contract_kept = ""
        self.party.do(TellSession(StopRequested(by)))
        if state.plugged_in:
            state.over = state.over or STOPPED
            if state.phase is Phase.AVAILABLE:
                state.phase = Phase.FINISHED

    # Identification

    def _token_presented(self, token: said.TokenPresented) -> None:
        party, state = self.party, self.state
        lost = state.over is not None and state.over != STOPPED
        wanted = state.identification.wants_token(party.now) and not state.contract_kept
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
        # Who is let charge again after a stop may; nothing else that is over comes back without unplugging.
        if state.over == STOPPED and not state.session_open:
            state.over = None
