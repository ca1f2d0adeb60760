"""One plug-in, from pilot A to pilot A: matching, attempts, pauses, and what an emergency does to all of it."""

from __future__ import annotations

from collections.abc import Iterator

from secc.conversation import Conversation, Deadline, Party, Session, Timeout
from secc.outlet.basic import charge_by_pilot
from secc.outlet.effects import (
    CloseConnection,
    CloseSdp,
    DLink,
    LockConnector,
    ReleaseLink,
    ResumeLink,
    SetF,
    SetX1,
    TellSession,
)
from secc.outlet.hearing import CarGone, Ear, EmergencyRaised
from secc.outlet.matching import link_ready, step_ef
from secc.outlet.settings import LINK_GONE_OPEN, OSCILLATOR_RETAIN, STATE_F, T_STEP_X1, OutletSettings
from secc.outlet.state import Phase, State
from secc.outlet.wake import BcbToggle
from secc.session.effects import OpenContactor, Remark
from secc.session.events import SetupTimedOut, Unplugged
from secc.session.identification import Identification
from secc.session.offer import Payment

CONNECTED = ("B", "C", "D")


class Plugin:
    """One plug-in and its ``session``, which ends (``completed.unplugged``) when the car is gone: then begin the next.

    Besides the session the station reads ``state`` and, for the ``Offer`` of a connection, ``payments`` and ``eim_authorized``.
    """

    def __init__(self, settings: OutletSettings, *, now: float, tickets: Iterator[int] | None = None) -> None:
        self.settings = settings
        self.state = State(settings, Identification(free=settings.free, token_seconds=settings.token_seconds))
        self._ear: Ear
        self.session = Session(
            self._run,
            safe=(OpenContactor(), SetX1(), CloseSdp(), CloseConnection()),
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
        self._ear, state = Ear(party, self.state), self.state
        ear = self._ear
        ear.drive(SetX1())
        try:
            while party.levels.pilot not in CONNECTED:
                yield from ear.turn()
            state.plugged(party.now, simplified=party.levels.pilot != "B")
            while True:
                try:
                    yield from ear.until(lambda: state.over is None and not state.blocked and not state.unbooked)
                    if state.talks:
                        yield from self._attempt()
                    else:
                        if state.tolerated:
                            party.do(Remark(state.tolerated, state.fallen_back or ""))
                            state.tolerated = ""
                        yield from charge_by_pilot(ear)
                        yield from self._rest()
                except EmergencyRaised:
                    yield from self._emergency()
        except CarGone:
            yield from self._leave()
        return "unplugged"

    def _attempt(self) -> Conversation[None]:
        """One offer to the car: the link, the setup clock, at most one session that was set up, and the pause after it."""
        ear, party, state = self._ear, self._ear.party, self.state
        state.attempt_began()
        if not (yield from link_ready(ear)):
            if state.fallen_back is not None and state.drive == SetX1():
                # The car has been told already to forget about 5 %, or has never seen it.
                party.do(ReleaseLink(DLink.ERROR))
            else:
                yield from self._close(DLink.ERROR)
            return
        state.phase = Phase.WAITING
        ear.window(True)
        clock = party.limit(self.settings.setup)
        yield from ear.until(
            lambda: state.set_up or state.crowded or state.over is not None or state.link_lost is not None, clock
        )
        ear.window(False)
        if state.set_up:
            state.phase = Phase.SESSION
            party.do(LockConnector())
            yield from ear.until(lambda: not state.session_open)
        else:
            party.do(TellSession(SetupTimedOut()))
        state.attempt_ended(party.now)
        if state.outcome is DLink.PAUSE and state.link_lost is None and state.over is None:
            yield from self._sleep()
        else:
            yield from self._close(state.outcome)

    def _close(self, outcome: DLink) -> Conversation[None]:
        """The attempt is over: connection and link go, and the oscillator stays off for a while. [V2G2-714]"""
        ear, party, state = self._ear, self._ear.party, self.state
        ear.window(False)
        state.phase = Phase.PAUSE
        party.do(CloseConnection())
        party.do(ReleaseLink(outcome))
        state.matching = state.matched = state.link_up = False
        if state.link_lost is not None and state.over is None:
            # Only a step to F makes a car that has lost its link begin anew; it must not open under load.
            yield from ear.until(lambda: party.levels.contactor == "open", party.limit(LINK_GONE_OPEN))
            yield from step_ef(ear)
        yield from self._rest()

    def _rest(self) -> Conversation[None]:
        """X1 between two offers, the longer the more came to nothing."""
        ear, party, state = self._ear, self._ear.party, self.state
        state.phase = Phase.PAUSE
        # The power path has opened already; X1 ends what a car may still want to draw.
        ear.drive(SetX1())
        end = party.limit(Timeout("oscillator off", state.pause_seconds, "ISO 15118-3; our back-off"))
        yield from ear.unlock()
        yield from ear.until(lambda: state.over is not None, end)
        if state.over is not None:
            state.phase = Phase.FINISHED

    def _sleep(self) -> Conversation[None]:
        """D-LINK_PAUSE: the key is kept and the oscillator is off until the car toggles, or there is news for it."""
        ear, party, state = self._ear, self._ear.party, self.state
        state.phase, state.waking = Phase.PAUSED, False
        party.do(CloseConnection())
        party.do(ReleaseLink(DLink.PAUSE))
        ear.drive(SetX1())
        toggle = BcbToggle(strict=self.settings.strict)
        toggle.see(party.levels.pilot, party.now)
        ear.on_pilot = toggle.see
        step = party.limit(T_STEP_X1)
        woken = False
        try:
            while state.over is None and not state.blocked and not (woken and party.now >= step.at):
                looks = [at for at in (toggle.due, step.at if woken else None) if at is not None and at > party.now]
                yield from ear.turn(Deadline(min(looks), T_STEP_X1) if looks else None)
                woken = woken or toggle.woken(party.now) or state.waking
        finally:
            ear.on_pilot = lambda level, now: None
        if not woken or state.over is not None or state.blocked:
            yield from self._close(DLink.TERMINATE)
        elif state.link_up:
            party.do(ResumeLink())

    def _emergency(self) -> Conversation[None]:
        """Power is off by other hands already. The car hears why, then sees F, and can be unplugged; this plug-in is over."""
        ear, party, state = self._ear, self._ear.party, self.state
        state.over = state.over or "emergency"
        state.phase = Phase.FAULTED
        ear.window(False)
        yield from ear.until(lambda: not state.session_open, party.limit(OSCILLATOR_RETAIN))
        party.do(CloseConnection())
        party.do(ReleaseLink(DLink.ERROR))
        ear.drive(SetF())
        yield from ear.until(lambda: False, party.limit(STATE_F))
        # F hides the car. X1 offers nothing either, and shows when it is gone.
        ear.drive(SetX1())
        yield from ear.unlock()

    def _leave(self) -> Conversation[None]:
        """The car is gone: what it left behind goes, too. The core abandons the open questions."""
        ear, party, state = self._ear, self._ear.party, self.state
        party.do(TellSession(Unplugged()))
        ear.window(False)
        party.do(CloseConnection())
        if state.session_open:
            party.do(ReleaseLink(DLink.ERROR))
        ear.drive(SetX1(), again=True)
        state.unplugged()
        yield from ear.unlock()
