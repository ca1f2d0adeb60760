"""One plug-in, from pilot A to pilot A: attempts, identification, what the driver sees, and what an emergency does to all of it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, Literal, TypeAlias

from hal.values import Severity
from secc.conversation import Conversation, Deadline, Event, Party, Session, Ticket, TimedOut, Timeout
from secc.errors import Refusal
from secc.outlet.effects import (
    CloseConnection,
    CloseSdp,
    DLink,
    Indicate,
    LockConnector,
    OpenSdp,
    ReleaseLink,
    SetDuty,
    SetF,
    SetX1,
    TellSession,
    UnlockConnector,
)
from secc.outlet.events import (
    ChargingBegan,
    ChargingEnded,
    CommandFailed,
    ConnectionAccepted,
    ContactorReported,
    ContractDecided,
    ContractPresented,
    EmergencyStopChanged,
    FaultCleared,
    FaultRaised,
    PilotChanged,
    PowerFailed,
    SessionBegan,
    SessionEnded,
    SessionSetUp,
    StartOrdered,
    StopOrdered,
    StopPressed,
    TokenPresented,
)
from secc.outlet.settings import (
    CONTACTOR_OPEN,
    DIGITAL_COMMUNICATION,
    OSCILLATOR_RETAIN,
    REFUSED_SHOWN,
    REST,
    STATE_F,
    TOKEN_ANSWER,
    OutletSettings,
)
from secc.outlet.state import STOPPED, Phase, State
from secc.session.effects import Decision, Verdict
from secc.session.events import EimDecided, EmergencyStopped, Fault, SetupTimedOut, StopRequested, Unplugged
from secc.session.identification import AuthorizeToken, By, Identification
from secc.session.offer import Payment

HEARD: tuple[type[Event], ...] = (
    PilotChanged,
    ContactorReported,
    TokenPresented,
    StopPressed,
    EmergencyStopChanged,
    FaultRaised,
    FaultCleared,
    PowerFailed,
    ConnectionAccepted,
    SessionBegan,
    SessionSetUp,
    ContractPresented,
    ContractDecided,
    ChargingBegan,
    ChargingEnded,
    SessionEnded,
    StartOrdered,
    StopOrdered,
    CommandFailed,
)


Stopper: TypeAlias = Literal["driver", "operator", "backend", "shutdown"]


class _CarGone(Exception):
    """The pilot says A. Never leaves this module."""


class _Emergency(Exception):
    """Power is off, and this plug-in is over. Never leaves this module."""


class Plugin:
    """One plug-in and its ``session``, which ends (``completed.unplugged``) when the car is gone: then begin the next.

    Besides the session the station reads ``state`` and, for the ``Offer`` of a connection, ``payments`` and ``eim_authorized``.
    """

    def __init__(self, settings: OutletSettings, *, now: float, tickets: Iterator[int] | None = None) -> None:
        self.settings = settings
        self.state = State(settings, Identification(free=settings.free, token_seconds=settings.token_seconds))
        self._asked: tuple[Ticket[Verdict], Deadline] | None = None
        self._shown: Indicate | None = None
        self._party: Party
        self.session = Session(
            self._run,
            # Nobody sends it messages, only events: these two are never used.
            refuse=lambda request, cause: None,
            out_of_order=Refusal("out-of-order", "the plug-in hears no messages"),
            safe=(SetX1(), CloseSdp(), CloseConnection()),
            now=now,
            tickets=tickets,
        )

    # What the station reads

    def payments(self, now: float, *, contract: bool) -> tuple[Payment, ...]:
        """For the ``Offer`` of a connection that begins now. ``contract``: this connection and this station can do Plug & Charge."""
        return self.state.identification.payments(now, contract=contract)

    def eim_authorized(self, now: float) -> bool:
        """For the ``Offer``: somebody was identified from outside the car (not for ``free``, which the offer says itself)."""
        identification = self.state.identification
        return identification.external is not None and identification.authorized(now)

    # From A to A

    def _run(self, party: Party) -> Conversation[str]:
        self._party, state = party, self.state
        party.do(SetX1())
        try:
            while party.levels.pilot not in ("B", "C", "D"):
                yield from self._turn()
            state.identification = state.identification.plugged(party.now)
            while True:
                try:
                    yield from self._until(lambda: state.over is None and not state.blocked)
                    yield from self._attempt()
                except _Emergency:
                    yield from self._emergency()
        except _CarGone:
            yield from self._leave()
        return "unplugged"

    def _attempt(self) -> Conversation[None]:
        """One offer to the car: the link, the setup clock, at most one session that was set up, and the pause after it."""
        party, state = self._party, self.state
        party.do(SetDuty(DIGITAL_COMMUNICATION))
        yield from self._link_ready()
        state.set_up, state.ended, state.connections = False, None, 0
        state.phase = Phase.WAITING
        self._window(True)
        clock = party.limit(self.settings.setup)
        yield from self._until(lambda: state.set_up or state.crowded or state.over is not None, clock)
        self._window(False)
        if state.set_up:
            state.phase = Phase.SESSION
            party.do(LockConnector())
            yield from self._until(lambda: not state.session_open)
        else:
            party.do(TellSession(SetupTimedOut()))
        state.phase = Phase.PAUSE
        party.do(CloseConnection())
        party.do(ReleaseLink(state.outcome))
        # The power path has opened already; X1 ends what a car may still want to draw. [V2G2-714]
        party.do(SetX1())
        end = party.limit(Timeout("oscillator off", state.pause_seconds, "ISO 15118-3; our back-off"))
        yield from self._unlock()
        yield from self._until(lambda: state.over is not None, end)
        if state.over is not None:
            state.phase = Phase.FINISHED

    def _link_ready(self) -> Conversation[None]:
        """D-LINK_READY: an interface without a modem between is there as soon as the cable is."""
        yield from ()

    def _emergency(self) -> Conversation[None]:
        """Power is off by other hands already. The car hears why, then sees F, and can be unplugged; this plug-in is over."""
        party, state = self._party, self.state
        state.over = state.over or "emergency"
        state.phase = Phase.FAULTED
        self._window(False)
        yield from self._until(lambda: not state.session_open, party.limit(OSCILLATOR_RETAIN))
        party.do(CloseConnection())
        party.do(ReleaseLink(DLink.ERROR))
        party.do(SetF())
        yield from self._until(lambda: False, party.limit(STATE_F))
        # F hides the car. X1 offers nothing either, and shows when it is gone.
        party.do(SetX1())
        yield from self._unlock()

    def _leave(self) -> Conversation[None]:
        """The car is gone: what it left behind goes, too. The core abandons the open questions."""
        party, state = self._party, self.state
        party.do(TellSession(Unplugged()))
        self._window(False)
        party.do(CloseConnection())
        if state.session_open:
            party.do(ReleaseLink(DLink.ERROR))
        party.do(SetX1())
        state.identification = state.identification.unplugged()
        state.phase, state.over = Phase.AVAILABLE, None
        state.session_open = state.charging = state.charged = False
        yield from self._unlock()

    def _unlock(self) -> Conversation[None]:
        """As soon as the contactor is open; a lock under power opens for nobody."""
        party = self._party
        if (yield from self._until(lambda: party.levels.contactor == "open", party.limit(CONTACTOR_OPEN))):
            party.do(UnlockConnector())

    # Waiting

    def _until(self, condition: Callable[[], bool], before: Deadline | None = None) -> Conversation[bool]:
        """Wait until it is so; False if it is not before the deadline. Raises when the car goes, or in an emergency."""
        while not condition():
            if before is not None and self._party.now >= before.at:
                return False
            yield from self._turn(before)
        return True

    def _turn(self, before: Deadline | None = None) -> Conversation[None]:
        """One step: whatever happens is heard here."""
        party, state = self._party, self.state
        self._indicate()
        deadlines = [party.limit(REST)] + ([before] if before is not None else [])
        if state.identification.expires_at is not None:
            deadlines.append(Deadline(state.identification.expires_at, REST))
        if state.refused_until > party.now:
            deadlines.append(Deadline(state.refused_until, REFUSED_SHOWN))
        kinds: list[Any] = list(HEARD)
        if self._asked is not None:
            kinds.append(self._asked[0])
            deadlines.append(self._asked[1])
        heard: object = None
        with contextlib.suppress(TimedOut):
            heard = yield from party.receive(*kinds, before=min(deadlines, key=lambda deadline: deadline.at))
        state.identification = state.identification.expired(party.now)
        if isinstance(heard, Verdict):
            self._token_decided(heard)
        elif self._asked is not None and party.now >= self._asked[1].at:
            party.abandon(self._asked[0])
            self._token_decided(Verdict(Decision.NO_ANSWER, "the backend did not answer in time"))
        # First: what the power path says of a plug that was pulled is not the reason.
        self._look_for_car(heard)
        self._hear(heard)
        self._look_at_pilot()
        self._indicate()

    # Hearing

    def _hear(self, event: object) -> None:
        party, state = self._party, self.state
        match event:
            case TokenPresented():
                self._token_presented(event)
            case StopPressed():
                self._stop("driver")
            case StopOrdered():
                self._stop(event.by)
            case StartOrdered():
                self._accepted(Verdict(Decision.ACCEPTED), event.by)
            case EmergencyStopChanged():
                state.emergency_stopped = event.stopped
                if event.stopped:
                    party.do(TellSession(EmergencyStopped()))
                    self._raise_emergency()
            case FaultRaised():
                self._fault_raised(event)
            case FaultCleared():
                state.faults.pop(event.code, None)
            case PowerFailed():
                party.do(TellSession(Fault(event.code, event.text)))
                # A last word on the car before this one is not about this one.
                if event.latched and state.plugged_in:
                    state.over = event.code
            case CommandFailed(command="LockConnector"):
                # The interlock gives no power to a plug that is not locked: better the car hears it now.
                party.do(TellSession(Fault("lock-failed", event.text)))
            case _:
                self._hear_session(event)

    def _hear_session(self, event: object) -> None:
        state, now = self.state, self._party.now
        match event:
            case ConnectionAccepted():
                state.connections += 1
            case SessionBegan():
                state.session_began()
                state.identification = state.identification.offered(event.payments)
            case SessionSetUp():
                state.set_up = True
            case ContractPresented():
                state.identification = state.identification.contract_presented()
            case ContractDecided():
                state.identification = state.identification.contract_decided(event.verdict, now)
            case ChargingBegan():
                state.charging = state.charged = True
            case ChargingEnded():
                state.charging = False
            case SessionEnded():
                state.session_ended(event.reason)
            case _:
                pass

    def _look_for_car(self, heard: object) -> None:
        # Two changes may lie between two steps: a plug that was out is another plug-in, whatever the pilot says now.
        out = self._party.levels.pilot == "A" or (isinstance(heard, PilotChanged) and heard.state == "A")
        if out and self.state.plugged_in:
            raise _CarGone

    def _look_at_pilot(self) -> None:
        level = self._party.levels.pilot
        # While it is us who drive F, or have just stopped to, E and F say nothing about the car.
        if level in ("E", "F", "?") and self.state.plugged_in and self.state.phase in (Phase.WAITING, Phase.SESSION):
            self._party.do(TellSession(Fault("pilot-fault", f"pilot state {level}")))
            raise _Emergency

    def _fault_raised(self, fault: FaultRaised) -> None:
        if fault.severity is Severity.WARNING:
            return
        self.state.faults[fault.code] = fault
        if fault.severity is Severity.EMERGENCY:
            self._party.do(TellSession(Fault(fault.code, fault.text)))
            self._raise_emergency()
        else:
            self._party.do(TellSession(StopRequested("power")))

    def _raise_emergency(self) -> None:
        """An emergency ends what has begun; one that is there before the car only keeps it waiting."""
        if self.state.plugged_in and self.state.phase is not Phase.FAULTED:
            raise _Emergency

    def _stop(self, by: Stopper) -> None:
        """Somebody is done here: the session ends in good order, and whoever wants to go on is to be identified again."""
        state = self.state
        state.identification = state.identification.spent()
        self._party.do(TellSession(StopRequested(by)))
        if state.plugged_in:
            state.over = state.over or STOPPED
            if state.phase is Phase.AVAILABLE:
                state.phase = Phase.FINISHED

    # Identification

    def _token_presented(self, token: TokenPresented) -> None:
        party, state = self._party, self.state
        lost = state.over is not None and state.over != STOPPED
        if self._asked is None and not lost and state.identification.wants_token(party.now):
            ticket = party.ask(AuthorizeToken(token.kind, token.value))
            self._asked = ticket, party.limit(TOKEN_ANSWER)
            state.asking = True

    def _token_decided(self, verdict: Verdict) -> None:
        self._asked = None
        self.state.asking = False
        if verdict.accepted:
            self._accepted(verdict, "rfid")
        else:
            self.state.refused_until = self._party.now + REFUSED_SHOWN.seconds
            self._party.do(TellSession(EimDecided(False, "rfid")))

    def _accepted(self, verdict: Verdict, by: By) -> None:
        state, before = self.state, self.state.identification
        state.identification = before.token_decided(verdict, by, self._party.now)
        if state.identification is not before:
            self._party.do(TellSession(EimDecided(True, by)))
        # Who is let charge again after a stop may; nothing else that is over comes back without unplugging.
        if state.over == STOPPED and not state.session_open:
            state.over = None

    # Small words

    def _indicate(self) -> None:
        shown = Indicate(*self.state.indication(self._party.now))
        if shown != self._shown:
            self._shown = shown
            self._party.do(shown)

    def _window(self, is_open: bool) -> None:
        if is_open is not self.state.window_open:
            self.state.window_open = is_open
            self._party.do(OpenSdp() if is_open else CloseSdp())
