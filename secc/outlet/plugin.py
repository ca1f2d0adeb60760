"""One plug-in, from pilot A to pilot A: matching, attempts, pauses, emergencies."""

from __future__ import annotations

from collections.abc import Iterator

from hal.events import PilotChanged
from secc.conversation import ENDLESS, Conversation, Deadline, Party, Session, Timeout
from secc.link.slac.dlink import (
    DLink,
    ReleaseLink,
    ResumeLink,
)
from secc.outlet.basic import charge_by_pilot
from secc.outlet.effects import (
    CloseConnection,
    CloseSdp,
    LockConnector,
    PauseOver,
    SetF,
    SetX1,
    TellSession,
)
from secc.outlet.hearing import CarGone, EmergencyRaised, Hearing
from secc.outlet.matching import link_ready, step_ef
from secc.outlet.plug import Plug
from secc.outlet.settings import (
    BCB_WHOLE,
    LAST_ANSWER,
    LINK_GONE_OPEN,
    OSCILLATOR_RETAIN,
    STATE_F,
    T_STEP_X1,
    PlugInSettings,
)
from secc.outlet.state import Phase, State
from secc.outlet.wake import BcbToggle
from secc.session.effects import OpenContactor, Remark
from secc.session.events import SetupTimedOut, Unplugged
from secc.session.identification import Identification
from secc.session.offer import Payment


class Plugin:
    """One plug-in and its ``session``, which ends (``completed.unplugged``) when the car has gone:
    then begin the next.

    Besides the session the station reads ``state`` and, for the ``Offer`` of a connection,
    ``payments`` and ``eim_authorized``.
    """

    def __init__(self, settings: PlugInSettings, *, now: float, tickets: Iterator[int] | None = None) -> None:
        self.settings = settings
        self.state = State(settings, Identification(free=settings.free, token_seconds=settings.token_seconds))
        self._hearing: Hearing
        self._plug: Plug
        self.session = Session(
            self._run,
            safe=(OpenContactor(), SetX1(), CloseSdp(), CloseConnection()),
            now=now,
            tickets=tickets,
        )

    # What the station reads

    def payments(self, now: float, *, contract: bool) -> tuple[Payment, ...]:
        """For the ``Offer`` of a connection that begins now. ``contract``: Plug & Charge is
        possible on this connection.
        """
        return self.state.identification.payments(now, contract=contract)

    def eim_authorized(self, now: float) -> bool:
        """For the ``Offer``: whether a driver was identified from outside the car (not for
        ``free``, which the offer has itself).
        """
        identification = self.state.identification
        return identification.external is not None and identification.authorized(now)

    # From A to A

    def _run(self, party: Party) -> Conversation[str]:
        state = self.state
        self._hearing, self._plug = Hearing(party, state), Plug(party, state)
        plug = self._plug
        plug.drive(SetX1())
        try:
            yield from plug.until(lambda: party.levels.connected, within=ENDLESS)
            state.plugged(party.now, simplified=party.levels.pilot != "B")
            while True:
                try:
                    yield from plug.until(
                        lambda: state.over is None and not state.blocked(party.levels) and not state.unbooked,
                        within=ENDLESS,
                    )
                    if state.talks:
                        yield from self._attempt()
                    else:
                        if state.tolerated:
                            party.do(Remark(state.tolerated, state.fallen_back or ""))
                            state.tolerated = ""
                        self._hearing.forget_paused(PauseOver.LEFT)
                        yield from charge_by_pilot(plug)
                        yield from self._rest()
                except EmergencyRaised:
                    yield from self._emergency()
        except CarGone:
            yield from self._leave()
        return "unplugged"

    def _attempt(self) -> Conversation[None]:
        """One attempt: the link, the setup clock, at most one session that was set up, and the
        pause after it.
        """
        plug, party, state = self._plug, self._plug.party, self.state
        state.attempt_began()
        if not (yield from link_ready(plug)):
            if state.fallen_back is not None and state.drive == SetX1():
                # The car has been told to forget 5 %, or has never seen it.
                party.do(ReleaseLink(DLink.ERROR))
            else:
                yield from self._close(DLink.ERROR)
            return
        state.phase = Phase.WAITING
        plug.window(True)
        yield from plug.until(
            lambda: (
                state.set_up or state.refused or state.crowded or state.over is not None or state.link_lost is not None
            ),
            within=self.settings.setup,
        )
        plug.window(False)
        if state.set_up:
            state.phase = Phase.SESSION
            party.do(LockConnector())
            yield from plug.until(lambda: not state.session_open, within=ENDLESS)
        else:
            party.do(TellSession(SetupTimedOut()))
        state.attempt_ended(party.now)
        if state.sleeps:
            yield from self._sleep()
        else:
            # A car that paused and may not go on leaves the network.
            yield from self._close(DLink.TERMINATE if state.outcome is DLink.PAUSE else state.outcome)

    def _close(self, outcome: DLink) -> Conversation[None]:
        """End the attempt: close connection and link, and keep the oscillator off for the pause.
        [V2G2-714]
        """
        plug, party, state = self._plug, self._plug.party, self.state
        plug.window(False)
        state.phase = Phase.PAUSE
        party.do(CloseConnection())
        if (state.set_up or state.refused) and state.link_lost is None:
            yield from self._rest(outcome)
            return
        self._release(outcome)
        if state.link_lost is not None and state.over is None:
            # Only a step to F makes a car that has lost its link start again; the contactor must
            # not open under load.
            yield from plug.until(lambda: party.levels.contactor == "open", within=LINK_GONE_OPEN)
            yield from step_ef(plug)
        yield from self._rest()

    def _release(self, outcome: DLink) -> None:
        self._plug.party.do(ReleaseLink(outcome))
        self.state.matching = self.state.matched = self.state.link_up = False

    def _rest(self, leaving: DLink | None = None) -> Conversation[None]:
        """X1 between two attempts, longer after each attempt without charging. The network is left
        (``leaving``) when the connection is closed: the last answer has to reach the car.
        """
        plug, party, state = self._plug, self._plug.party, self.state
        state.phase = Phase.PAUSE
        # The power path has opened already; X1 ends what the car may still draw.
        plug.drive(SetX1())
        end = party.limit(Timeout("oscillator off", state.pause_seconds, "ISO 15118-3; our back-off"))
        yield from plug.unlock()
        if leaving is not None:
            yield from plug.until(lambda: not state.connected, within=LAST_ANSWER)
            self._release(leaving)
        yield from plug.until(lambda: state.over is not None, before=end)
        if state.over is not None:
            state.phase = Phase.FINISHED

    def _sleep(self) -> Conversation[None]:
        """D-LINK_PAUSE: keep the key and the oscillator off until the car toggles, or a higher
        limit, a start or an order to wake it comes.
        """
        plug, party, state = self._plug, self._plug.party, self.state
        state.phase, state.waking = Phase.PAUSED, False
        party.do(CloseConnection())
        party.do(ReleaseLink(DLink.PAUSE))
        plug.drive(SetX1())
        step = party.limit(T_STEP_X1)
        toggle = BcbToggle(strict=self.settings.strict)
        toggle.see(party.levels.pilot, party.now)

        def seen(changed: PilotChanged) -> None:
            toggle.see(changed.reading.state, party.now)
            self._hearing.pilot_changed(changed)

        def look() -> None:
            state.waking = state.waking or toggle.woken(party.now)

        def due() -> Deadline | None:
            at = toggle.due
            return Deadline(at, BCB_WHOLE) if at is not None and at > party.now else None

        def ends() -> bool:
            return state.over is not None or state.blocked(party.levels)

        with party.hearing(PilotChanged, by=seen), party.looking(look, due):
            yield from plug.until(lambda: state.waking or ends(), within=ENDLESS)
            yield from plug.until(ends, before=step)
        if ends():
            yield from self._close(DLink.TERMINATE)
        elif state.link_up:
            party.do(ResumeLink())

    def _emergency(self) -> Conversation[None]:
        """The power path is off already. Tell the session why, drive F, unlock; this plug-in is
        over. The network is left when the connection is closed: the answer that says why has to
        reach the car.
        """
        plug, party, state = self._plug, self._plug.party, self.state
        state.over = state.over or "emergency"
        state.phase = Phase.FAULTED
        plug.window(False)
        yield from plug.until(lambda: not state.session_open, within=OSCILLATOR_RETAIN)
        plug.drive(SetF())
        end = party.limit(STATE_F)
        yield from plug.until(lambda: not state.connected or state.link_lost is not None, before=end)
        party.do(CloseConnection())
        self._release(DLink.ERROR)
        yield from plug.until(lambda: False, before=end)
        # F hides the car. X1 offers nothing either, and shows when the car leaves.
        plug.drive(SetX1())
        yield from plug.unlock()

    def _leave(self) -> Conversation[None]:
        """The car has gone: clear what belongs to it. The core abandons the open questions."""
        plug, party, state = self._plug, self._plug.party, self.state
        party.do(TellSession(Unplugged()))
        plug.window(False)
        party.do(CloseConnection())
        if state.session_open or (state.phase in (Phase.PAUSE, Phase.FAULTED) and state.link_up):
            party.do(ReleaseLink(DLink.ERROR))
        plug.drive(SetX1(), again=True)
        state.unplugged()
        yield from plug.unlock()
