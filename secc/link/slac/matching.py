"""SLAC on the station's side (ISO 15118-3 Annex A): one conversation a modem, from switching on to switching off.

::

    session = slac(SlacSettings(evse_mac=modem.mac), now=loop.time())
    session.levels = levels; effects = session.begin(now)

A key that nobody knows goes into the modem; once it is confirmed, and the plug-in has armed us, and the pilot says B, C or D, cars are answered.
One of them matches, gets the key, and the link is watched until the network is left, for which a new key goes into the modem: before the next
car comes, and while the last one may still be there. The session has no ending but a bug; then the driver opens the next one, which begins with a
new key as well.

=======================  ============================================================================================
the station brings       ``FrameReceived`` from ``PlcModem.frames()``, ``PilotChanged`` (the level is in ``session.levels``), and answers to the
                         questions ``SetKey`` and ``CheckLink``
the plug-in brings       ``MatchingArmed`` before it sets the duty; ``DlinkTerminated``, ``DlinkFailed``, ``DlinkPaused``, ``DlinkResumed``
the plug-in hears        ``ReportMatchingBegun``, ``ReportMatchingFailed``, ``ReportMatched`` (open SDP now), ``IndicateDlinkReady``, ``ReportModem``
the log hears            ``Announce``
=======================  ============================================================================================

Retries by E or F, nominal duty and the like are the plug-in's: it arms us again when it wants to be asked again. Pilot A ends everything by
itself. After an unplugging, D-LINK_TERMINATE, D-LINK_ERROR or a lost link nobody is answered until the plug-in has armed us again.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from secc.conversation import Conversation, Deadline, Party, Session, TimedOut, Timeout
from secc.errors import FramingError
from secc.link.slac import mme, timing
from secc.link.slac.effects import (
    Announce,
    Notice,
    ReportMatchingBegun,
    ReportMatchingFailed,
    ReportModem,
    SetKey,
)
from secc.link.slac.events import (
    DlinkFailed,
    DlinkPaused,
    DlinkResumed,
    DlinkTerminated,
    FrameReceived,
    KeySet,
    MatchingArmed,
    PilotChanged,
)
from secc.link.slac.mme import BROADCAST, AttenProfileInd, Mme, NetworkKey, SlacMatchReq, SlacParmReq
from secc.link.slac.network import Network
from secc.link.slac.run import Run, SlacSettings
from secc.link.slac.runs import Runs

__all__ = ["Slac", "SlacSettings", "slac"]

_CONNECTED = ("B", "C", "D")


def slac(
    settings: SlacSettings,
    *,
    now: float = 0.0,
    entropy: Callable[[int], bytes] = os.urandom,
    tickets: Iterator[int] | None = None,
) -> Session:
    """The matching session of one modem."""
    return Session(
        lambda evse: Slac(evse, settings).talk(),
        now=now,
        entropy=entropy,
        tickets=tickets,
    )


class Slac:
    """The station's side of matching. States by their names: ``renew_key``, ``unmatched``, and ``network.Network`` for matched."""

    def __init__(self, evse: Party, settings: SlacSettings) -> None:
        self.evse = evse
        self.settings = settings
        self.armed = False
        self.limited = True
        self.init: Deadline | None = None
        """TT_EVSE_SLAC_init, once it runs."""
        self.init_began: float | None = None
        self.key: NetworkKey | None = None
        """What is in the modem now; None while nothing certain is."""
        self.modem: bytes | None = None
        self.matched: deque[tuple[bytes, bytes]] = deque(maxlen=timing.REMEMBERED)
        """Cars and RunIDs that have matched, the last ones."""
        self.runs = Runs(evse, settings, self.announce)
        self.begun = False
        self.failed = False
        self._held: dict[tuple[bytes, bytes], tuple[float, Mme]] = {}
        self._said: dict[Notice, float] = {}
        self._modem_ready: bool | None = None
        self._pilot = "?"

    def talk(self) -> Conversation[None]:
        """The whole conversation."""
        while True:
            yield from self.renew_key()
            run, request = yield from self.unmatched()
            # A match is a promise of a key that nobody had before: it goes out once.
            key, self.key = self.key, None
            assert key is not None
            self.armed = False
            self.matched.append((run.ev_mac, run.run_id))
            network = Network(self, run, request, key)
            self.armed = (yield from network.talk()) or self.armed

    # Key

    def renew_key(self) -> Conversation[None]:
        """A fresh key into the modem, however often it has to be asked. Until it confirms, no car is answered."""
        key = NetworkKey(self.evse.entropy(16))
        while True:
            outcome = yield from self._set_key(key)
            if outcome.done:
                self.modem = outcome.modem or self.modem
                self.key = key
                self._report_modem(ready=True)
                return
            self._report_modem(ready=False, text=outcome.text)
            pause = self.evse.limit(timing.KEY_RETRY)
            while (event := (yield from self.turn(pause))) is not None:
                self._hold_event(event)

    def _set_key(self, key: NetworkKey) -> Conversation[KeySet]:
        ticket = self.evse.ask(SetKey(key.network_id, key))
        answer = self.evse.limit(timing.KEY_CONFIRMATION)
        try:
            while (event := (yield from self.turn(answer, ticket))) is not None:
                if isinstance(event, KeySet):
                    return event
                self._hold_event(event)
            return KeySet(False, text=f"no answer in {timing.KEY_CONFIRMATION.seconds:g} s")
        finally:
            self.evse.abandon(ticket)

    def _report_modem(self, *, ready: bool, text: str = "") -> None:
        if ready is not self._modem_ready:
            self._modem_ready = ready
            self.evse.do(ReportModem(ready, text))

    # Unmatched

    def unmatched(self) -> Conversation[tuple[Run, SlacMatchReq]]:
        """Answer cars until one of them matches."""
        self.begun = self.failed = False
        self._answer_held()
        while True:
            self._watch_init()
            event = yield from self.turn(self._next_deadline())
            if event is None:
                self._expire()
            elif (frame := self.frame_of(event)) is not None:
                if (matched := self._hear(frame)) is not None:
                    self.runs.clear()
                    self.init = None
                    return matched
            elif isinstance(event, PilotChanged) and self.listening:
                self.runs.notice(event)
            elif isinstance(event, MatchingArmed):
                self.begun = self.failed = False
                self._answer_held()
            elif isinstance(event, DlinkTerminated | DlinkFailed):
                self.armed = False
            if not self.listening:
                self.runs.clear()
                self.begun = self.failed = False
            self._report_failure()

    @property
    def connected(self) -> bool:
        return self.evse.levels.pilot in _CONNECTED

    @property
    def listening(self) -> bool:
        return self.armed and self.connected

    def _hear(self, frame: Mme) -> tuple[Run, SlacMatchReq] | None:
        if not self.listening:
            self.hold(frame)
            return None
        answered = self.runs.answered
        matched = self.runs.hear(frame)
        if self.runs.answered > answered:
            self._answered_parm()
        return matched

    def _answered_parm(self) -> None:
        """The first car has come: TT_EVSE_SLAC_init has done its work."""
        if self.failed:
            self.failed = False
            self.announce(Notice.AGAIN, "Q-02")
        if self.init_began is not None and self.evse.now - self.init_began > timing.SLAC_INIT_RANGE[0]:
            self.announce(Notice.LATE, "Q-04")
        self.init = self.init_began = None
        if not self.begun:
            self.begun = True
            self.evse.do(ReportMatchingBegun())

    def _watch_init(self) -> None:
        """TT_EVSE_SLAC_init runs while a car is on the cable, we are armed, and nobody has asked."""
        if not self.listening or self.begun or not self.limited:
            self.init = self.init_began = None
        elif self.init is None:
            seconds = self.settings.init_seconds
            name, clause = timing.TT_EVSE_SLAC_INIT.name, timing.TT_EVSE_SLAC_INIT.clause
            self.init = self.evse.limit(Timeout(name, seconds, clause))
            self.init_began = self.evse.now

    def _expire(self) -> None:
        self.runs.expire()
        if self.init is not None and self.init.at <= self.evse.now:
            if self.settings.init_seconds < timing.SLAC_INIT_RANGE[0]:
                self.announce(Notice.LATE, "Q-04")
            # A car that comes after this is not answered: the plug-in has something else in mind by now.
            self.armed = False
            self.evse.do(ReportMatchingFailed(self.init.timeout.name, armed=False))

    def _report_failure(self) -> None:
        """The last run has ended without a match. Cars try again without being replugged, so we go on listening."""
        if self.runs.failure is None or not self.runs.idle:
            return
        cause, self.runs.failure = self.runs.failure, None
        self.armed = self.armed and not self.settings.strict
        self.begun, self.failed = False, True
        self.evse.do(ReportMatchingFailed(cause, armed=self.armed))

    def _next_deadline(self) -> Deadline | None:
        due = [deadline for deadline in (self.runs.deadline, self.init) if deadline is not None]
        return min(due, key=lambda deadline: deadline.at, default=None)

    # A request that comes too early

    def _hold_event(self, event: object) -> None:
        frame = self.frame_of(event)
        if frame is not None:
            self.hold(frame)

    def hold(self, frame: Mme) -> None:
        """A car that asks before we listen is answered when we do, if that is soon. (Q-01)"""
        message = frame.message
        if isinstance(message, SlacParmReq) and self.connected and not self.settings.strict:
            self._held[frame.source, message.run_id] = (self.evse.now + timing.HELD.seconds, frame)
            if len(self._held) > timing.C_EVSE_MATCH_PARALLEL:
                del self._held[next(iter(self._held))]

    def _answer_held(self) -> None:
        if not self.listening:
            return
        held, self._held = self._held, {}
        for until, frame in held.values():
            if self.evse.now <= until:
                self.announce(Notice.EARLY, "Q-01")
                self._hear(frame)

    # For all states

    def turn(self, before: Deadline | None, *tickets: Any) -> Conversation[Any]:
        """One step: an event, the answer to a ticket, or None when it is time."""
        evse = self.evse
        try:
            event = yield from evse.receive(
                FrameReceived,
                PilotChanged,
                MatchingArmed,
                DlinkTerminated,
                DlinkFailed,
                DlinkPaused,
                DlinkResumed,
                *tickets,
                before=before if before is not None else evse.limit(timing.REST),
            )
        except TimedOut:
            event = None
        if isinstance(event, MatchingArmed):
            self.armed, self.limited = True, event.limited
            self.init = None
        earlier, self._pilot = self._pilot, evse.levels.pilot
        if self._pilot == "A" and earlier != "A":
            # The car is gone: nothing of what it did stays.
            if not isinstance(event, MatchingArmed):
                self.armed = False
            self._held.clear()
        return event

    def frame_of(self, event: object) -> Mme | None:
        """The message in this event, if it is one for us that we can read."""
        if not isinstance(event, FrameReceived):
            return None
        try:
            frame = mme.parse(event.octets)
        except FramingError:
            self.announce(Notice.MALFORMED, "")
            return None
        if frame.message is None or frame.destination not in (self.settings.evse_mac, BROADCAST):
            return None
        if frame.source[0] & 1 or frame.source == self.settings.evse_mac:
            return None
        if isinstance(frame.message, AttenProfileInd) and not self._from_modem(frame):
            self.announce(Notice.FOREIGN_PROFILE, "")
            return None
        return frame

    def _from_modem(self, frame: Mme) -> bool:
        """Only our own modem measures. A car, or somebody on the line, that measures itself would choose its station."""
        assert isinstance(frame.message, AttenProfileInd)
        return frame.source != frame.message.pev_mac if self.modem is None else frame.source == self.modem

    def announce(self, notice: Notice, code: str) -> None:
        """Into the log, but not again and again."""
        said = self._said.get(notice)
        if said is None or self.evse.now - said >= timing.QUIET:
            self._said[notice] = self.evse.now
            self.evse.do(Announce(notice, code))
