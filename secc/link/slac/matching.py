"""SLAC on the station's side (ISO 15118-3 Annex A): one conversation a modem, from switching on to switching off.

::

    session = SlacSession(SlacSettings(evse_mac=modem.mac), now=loop.time())
    session.levels = levels; effects = session.begin(now)

It sets a new key in the modem. Once the key is confirmed, the plug-in has armed matching, and the
pilot is B, C or D, it answers cars.
One of them matches and gets the key, and the link is watched until the network is left. Then a new
key goes into the modem at once, before the next
car comes, and while the last one may still be there. The session ends only by a bug; then the
caller opens the next one, which also begins with a
new key.

=======================  ============================================================================================
the board brings         ``PilotChanged``; the level is in ``session.levels``
the modem brings         ``FrameReceived`` from ``PlcModem.frames()``, and answers to the questions ``SetKey`` and ``CheckLink``
the plug-in says         ``ArmMatching`` before it sets the duty; ``ReleaseLink``, ``ResumeLink`` (all in ``dlink``)
the plug-in hears        ``ReportMatchingBegun``, ``ReportMatchingFailed``, ``ReportMatched`` (open SDP now), ``IndicateDlinkReady``, ``ReportModem``
the log hears            ``Announce``
=======================  ============================================================================================

Retries by E or F and nominal duty are the plug-in's: it arms matching again for another attempt.
Pilot A ends everything.
After an unplugging, D-LINK_TERMINATE, D-LINK_ERROR or a lost link no car is answered until the
plug-in arms matching again.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator

from hal.events import PilotChanged
from secc.conversation import ENDLESS, Conversation, Deadline, Party, Session, Timeout, nearest
from secc.link.slac import timing
from secc.link.slac.dlink import (
    ArmMatching,
    DLink,
    ReleaseLink,
    ReportMatchingBegun,
    ReportMatchingFailed,
    ReportModem,
    ResumeLink,
)
from secc.link.slac.effects import Notice, SetKey
from secc.link.slac.events import FrameReceived, KeySet
from secc.link.slac.key import NetworkKey
from secc.link.slac.line import Line
from secc.link.slac.mme import Mme, SlacMatchReq
from secc.link.slac.network import Network
from secc.link.slac.run import Run
from secc.link.slac.runs import Runs
from secc.link.slac.settings import SlacSettings


class SlacSession(Session):
    """The matching session of one modem."""

    def __init__(
        self,
        settings: SlacSettings,
        *,
        now: float = 0.0,
        entropy: Callable[[int], bytes] = os.urandom,
        tickets: Iterator[int] | None = None,
    ) -> None:
        def talk(evse: Party) -> Conversation[None]:
            self._slac = Slac(evse, settings)
            return self._slac.talk()

        super().__init__(talk, now=now, entropy=entropy, tickets=tickets)

    @property
    def remembered(self) -> int:
        """Number of invited cars and runs: what a flood of requests could let grow."""
        return self._slac.runs.size


class Slac:
    """The station's side of matching. States: ``new_key``, ``unmatched``, and ``network.Network``
    for matched.
    """

    def __init__(self, evse: Party, settings: SlacSettings) -> None:
        self.evse = evse
        self.settings = settings
        self.armed = False
        self.limited = True
        self.init: Deadline | None = None
        """TT_EVSE_SLAC_init, while it runs."""
        self.init_began: float | None = None
        self.matched: deque[tuple[bytes, bytes]] = deque(maxlen=timing.REMEMBERED)
        """The last cars and RunIDs that have matched."""
        self.line = Line(evse, settings)
        self.runs = Runs(evse, self.line)
        self.begun = False
        self.failed = False
        self._modem_ready: bool | None = None
        self._unplugged = False

    def talk(self) -> Conversation[None]:
        """The whole conversation."""
        evse = self.evse
        evse.hear(FrameReceived, by=self._hold)
        evse.hear(ArmMatching, by=self._arm)
        evse.hear(ReleaseLink, by=self._release)
        evse.hear(PilotChanged, ResumeLink)
        evse.look(self._see_pilot)
        while True:
            key = yield from self.new_key()
            run, request = yield from self.unmatched()
            # Each key goes to one car only, so a match uses it up.
            self.armed = False
            self.matched.append((run.ev_mac, run.run_id))
            network = Network(evse, self.line, run, request, key, self.matched)
            again = yield from network.talk()
            # The network may have noticed before this handler that the car has gone.
            self._see_pilot()
            self.armed = again or self.armed

    # In every state

    def _hold(self, event: FrameReceived) -> None:
        frame = self.line.read(event)
        if frame is not None:
            self.line.hold(frame)

    def _arm(self, event: ArmMatching) -> None:
        # A change of the pilot before arming does not count.
        self._see_pilot()
        self.armed, self.limited = True, event.limited
        self.init = None
        self.begun = self.failed = False

    def _release(self, order: ReleaseLink) -> None:
        if order.outcome is not DLink.PAUSE:
            self.armed = False

    def _see_pilot(self) -> None:
        """When the car has gone, drop all its state. (Q-12)"""
        before, self._unplugged = self._unplugged, self.evse.levels.pilot == "A"
        if self._unplugged and not before:
            self.armed = False
            self.line.drop_held()

    # Key

    def new_key(self) -> Conversation[NetworkKey]:
        """Set a new key in the modem, with retries. Until the modem confirms, no car is answered."""
        key = NetworkKey(self.evse.entropy(16))
        within = timing.KEY_CONFIRMATION
        silence = KeySet(False, text=f"no answer in {within.seconds:g} s")
        while True:
            outcome = yield from self.line.ask_modem(SetKey(key.network_id, key), within, silence)
            if outcome.done:
                self.line.modem = outcome.modem or self.line.modem
                self._report_modem(ready=True)
                return key
            self._report_modem(ready=False, text=outcome.text)
            yield from self.evse.rest(timing.KEY_RETRY)

    def _report_modem(self, *, ready: bool, text: str = "") -> None:
        if ready is not self._modem_ready:
            self._modem_ready = ready
            self.evse.do(ReportModem(ready, text))

    # Unmatched

    def unmatched(self) -> Conversation[tuple[Run, SlacMatchReq]]:
        """Answer cars until one of them matches."""
        evse, runs = self.evse, self.runs
        self.begun = self.failed = False
        with (
            evse.hearing(FrameReceived, by=self._hear),
            evse.hearing(PilotChanged, by=runs.see_pilot),
            evse.looking(self._look, self._due),
        ):
            self._look()
            yield from evse.until(lambda: runs.matched is not None, within=ENDLESS)
        matched, self.init = runs.matched, None
        assert matched is not None
        runs.clear()
        return matched

    @property
    def listening(self) -> bool:
        return self.armed and self.evse.levels.connected

    def _hear(self, event: FrameReceived) -> None:
        frame = self.line.read(event)
        if frame is None:
            return
        if self.listening:
            self._answer(frame)
        else:
            self.line.hold(frame)

    def _answer(self, frame: Mme) -> None:
        answered = self.runs.answered
        self.runs.hear(frame)
        if self.runs.answered > answered:
            self._answered_parm()

    def _answered_parm(self) -> None:
        """The first car has asked: stop TT_EVSE_SLAC_init."""
        if self.failed:
            self.failed = False
            self.line.announce(Notice.AGAIN, "Q-02")
        if self.init_began is not None and self.evse.now - self.init_began > timing.SLAC_INIT_RANGE[0]:
            self.line.announce(Notice.LATE, "Q-04")
        self.init = self.init_began = None
        if not self.begun:
            self.begun = True
            self.evse.do(ReportMatchingBegun())

    def _look(self) -> None:
        """After every step: act on what is due or over."""
        self.runs.expire()
        self._expire()
        if self.listening:
            for frame in self.line.take_held():
                self.line.announce(Notice.EARLY, "Q-01")
                self._answer(frame)
        else:
            self.runs.clear()
            self.begun = self.failed = False
        self._report_failure()
        self._watch_init()

    def _due(self) -> Deadline | None:
        return nearest(self.runs.deadline, self.init)

    def _watch_init(self) -> None:
        """Run TT_EVSE_SLAC_init while a car is on the cable, matching is armed, and no car has
        asked.
        """
        if not self.listening or self.begun or not self.limited:
            self.init = self.init_began = None
        elif self.init is None:
            seconds = self.settings.init_seconds
            name, clause = timing.TT_EVSE_SLAC_INIT.name, timing.TT_EVSE_SLAC_INIT.clause
            self.init = self.evse.limit(Timeout(name, seconds, clause))
            self.init_began = self.evse.now

    def _expire(self) -> None:
        if self.init is not None and self.init.at <= self.evse.now:
            if self.settings.init_seconds < timing.SLAC_INIT_RANGE[0]:
                self.line.announce(Notice.LATE, "Q-04")
            # A later request is not answered: the plug-in is doing something else by then.
            self.armed = False
            self.evse.do(ReportMatchingFailed(self.init.timeout.name, armed=False))

    def _report_failure(self) -> None:
        """The last run has ended without a match. Cars try again without being replugged, so keep
        listening.
        """
        if self.runs.failure is None or not self.runs.idle:
            return
        cause, self.runs.failure = self.runs.failure, None
        self.armed = self.armed and not self.settings.strict
        self.begun, self.failed = False, True
        self.evse.do(ReportMatchingFailed(cause, armed=self.armed))
