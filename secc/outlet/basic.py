"""Charging by pilot and duty alone (IEC 61851-1), for cars that do not use digital communication."""

from __future__ import annotations

from hal.pilot import duty_of_amperes
from secc.conversation import ENDLESS, Conversation, Deadline, Ticket
from secc.link.slac.dlink import (
    ArmMatching,
    DLink,
    ReleaseLink,
)
from secc.outlet.effects import (
    LockConnector,
    ReportBasicCharging,
    SetDuty,
    SetF,
    SetX1,
)
from secc.outlet.hearing import CarGone, EmergencyRaised
from secc.outlet.plug import Plug
from secc.outlet.settings import (
    CONTACTOR_OPEN,
    DUTY_CHANGE,
    LOCKING,
    OPEN_UNDER_LOAD,
    SWITCHING_ON,
    T_STEP_EF,
    T_STEP_X1,
    WAKE_UP,
    Hlc,
)
from secc.outlet.state import Phase
from secc.session.effects import OpenContactor, PowerReported, StartPower

RETRY_SECONDS = 5.0
"""The plug-in asks the power path again after this time when power could not be switched on. Our
choice.
"""
TRIES = 3
SMALLEST_STEP = 0.001
"""A tenth of a per cent of duty: cars do not notice less."""


def charge_by_pilot(plug: Plug) -> Conversation[None]:
    """Wait for a driver who may charge, offer the current limit, follow the car; until it is over,
    or the car asks to be matched.
    """
    state = plug.state
    plug.drive(SetX1())
    state.phase, state.power_failed = Phase.BASIC, None
    if state.settings.hlc is Hlc.PREFERRED and state.settings.modem and state.modem_ready:
        # A car may ask to be matched after the plug-in has stopped waiting.
        plug.party.do(ArmMatching(limited=False))
    basic = Basic(plug)
    try:
        yield from plug.until(lambda: basic.over or state.may_charge(plug.party.now), within=ENDLESS)
        if not basic.over:
            yield from basic.lock()
        yield from basic.follow()
        yield from basic.end()
    except CarGone:
        basic.abort("unplugged")
        raise
    except EmergencyRaised:
        basic.abort("emergency")
        raise


class Basic:
    """Basic charging from one start to its end."""

    def __init__(self, plug: Plug) -> None:
        self.plug, self.party, self.state = plug, plug.party, plug.state
        self.on = False
        """The power path has been told to follow the pilot."""
        self._begun = self._reported = False
        self._ticket: Ticket[PowerReported] | None = None
        self._failures = 0
        self._retry_at = float("-inf")
        self._changed_at = float("-inf")
        self._idle_since: float | None = None
        self._asleep = False
        """The car has not moved for so long that the station will wake it."""
        self._wakes = 0

    @property
    def over(self) -> bool:
        """Whether to end: stopped, a fault, no driver who may charge, or a car that was matched and
        can have a session.
        """
        state = self.state
        if state.over is not None or state.blocked(self.party.levels) or state.power_failed is not None:
            return True
        return state.matched and not self._begun and state.settings.falls_back

    def lock(self) -> Conversation[None]:
        party, state = self.party, self.state
        party.do(LockConnector())
        if not state.settings.lock:
            return
        if not (yield from self.plug.until(lambda: party.levels.locked or self.over, within=LOCKING)):
            state.over = state.over or "lock-failed"

    def follow(self) -> Conversation[None]:
        """Show the current limit on the pilot, and give power while the car wants it."""
        while not self.over:
            self._adjust()
            with self.party.looking(self._adjust, due=self._next):
                yield from self.plug.until(lambda: self.over or self._asleep, within=ENDLESS)
            if not self.over:
                yield from self._wake()

    def end(self) -> Conversation[None]:
        """Drive X1, wait until the car has had its time to open its switch, then open the
        contactor. IEC 61851-1 sequences 9 and 10.
        """
        party, state = self.party, self.state
        self.plug.drive(SetX1())
        if self._ticket is not None:
            party.abandon(self._ticket)
        if self.on or self._ticket is not None:
            # Power that is not on yet is not in the books, and must not come on while the car
            # stops.
            at_once = state.power_failed is not None or not self.on
            state.barren += state.power_failed is not None
            yield from self.plug.until(lambda: at_once or not party.levels.ready, within=OPEN_UNDER_LOAD)
            party.do(OpenContactor())
        self._report_end(state.over or state.power_failed or "held up")
        yield from self.plug.until(lambda: party.levels.contactor == "open", within=CONTACTOR_OPEN)
        if state.matched and not self._begun:
            # The next attempt offers 5 %, as the car asks.
            state.fallen_back = None
        elif state.matched:
            party.do(ReleaseLink(DLink.TERMINATE))

    def abort(self, cause: str) -> None:
        """The power path has switched off already: end without waiting."""
        if self._ticket is not None:
            self.party.abandon(self._ticket)
        if self.on or self._ticket is not None:
            self.party.do(OpenContactor())
        self._report_end(cause)

    def _report_end(self, cause: str) -> None:
        self.state.charging = False
        if self._reported:
            self._reported = False
            self.party.do(ReportBasicCharging(False, cause))

    # The offer

    def _adjust(self) -> None:
        """After every step."""
        if not self.over:
            self._offer()
            self._follow_pilot()
            self._look_for_sleep()

    def _offer(self) -> None:
        """Set the duty by limit, cable and car, not more often than a car can follow; X1 at once
        below the least current.
        """
        # Charging that has begun is booked already; new charging waits until it can be booked.
        unbooked = self.state.unbooked and not self._reported
        now, amperes = self.party.now, 0.0 if unbooked else self.state.amperes(self.party.levels)
        if amperes <= 0.0:
            if isinstance(self.state.drive, SetDuty):
                self._changed_at = now
            self.plug.drive(SetX1())
            return
        wanted, drive = SetDuty(round(duty_of_amperes(amperes), 4)), self.state.drive
        if isinstance(drive, SetDuty):
            if abs(drive.duty - wanted.duty) < SMALLEST_STEP or now < self._changed_at + DUTY_CHANGE.seconds:
                return
        elif now < max(self.state.leave_x1_at, self._changed_at + DUTY_CHANGE.seconds):
            return
        self._changed_at = now
        self.plug.drive(wanted)

    def _follow_pilot(self) -> None:
        state, now = self.state, self.party.now
        ready = self.party.levels.ready
        offered = isinstance(state.drive, SetDuty)
        if self._ticket is not None and (answer := self.party.answer(self._ticket)) is not None:
            self._ticket = None
            self._started(answer)
        if self._ticket is not None and not offered:
            # The limit has fallen to nothing: power that is not on yet must not come on.
            self.party.abandon(self._ticket)
            self._ticket, self._retry_at = None, now
            self.party.do(OpenContactor())
        if self.on:
            # The power path opens and closes behind the car; this only shows it.
            state.charging = ready and offered
            if ready and not offered and now >= state.drive_at + OPEN_UNDER_LOAD.seconds:
                # Nothing is offered, and the car keeps its switch closed.
                self.on, self._retry_at = False, now
                self.party.do(OpenContactor())
        elif ready and offered and self._ticket is None and now >= self._retry_at:
            self._ticket = self.party.ask(StartPower(SWITCHING_ON))
        self._idle_since = (self._idle_since or now) if offered and not ready and not self.on else None

    def _look_for_sleep(self) -> None:
        since = self._idle_since
        self._asleep = self._wakes < 2 and since is not None and self.party.now >= since + WAKE_UP.seconds

    def _started(self, answer: PowerReported) -> None:
        if answer.done:
            self.on = True
            self._begun = True
            if not self._reported:
                self._reported = True
                self.party.do(ReportBasicCharging(True, self.state.fallen_back or "no high-level communication"))
            return
        self._failures += self.party.levels.ready
        self._retry_at = self.party.now + RETRY_SECONDS
        if self._failures >= TRIES:
            self.state.over = self.state.over or "power"

    def _next(self) -> Deadline | None:
        """When to look again although no event has come."""
        now, state = self.party.now, self.state
        due = [self._changed_at + DUTY_CHANGE.seconds, state.leave_x1_at, self._retry_at]
        if self.on:
            due.append(state.drive_at + OPEN_UNDER_LOAD.seconds)
        if self._idle_since is not None:
            due.append(self._idle_since + WAKE_UP.seconds)
        later = [at for at in due if at > now]
        return Deadline(min(later), DUTY_CHANGE) if later else None

    # Waking a car

    def _wake(self) -> Conversation[None]:
        """First toggle from B2 to B1 and back, which current cars react to, then once step to F for
        older ones.
        """
        self._wakes += 1
        self._idle_since, self._asleep = None, False
        if self._wakes == 1:
            self.plug.drive(SetX1())
            yield from self.plug.until(lambda: self.over, within=T_STEP_X1)
        else:
            self.plug.drive(SetF())
            yield from self.plug.rest(T_STEP_EF)
            self.plug.drive(SetX1())
