"""Matched: one car has the key. Wait for it to join, watch the link, leave."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection

from secc.conversation import ENDLESS, Conversation, Party, Timeout
from secc.link.slac import timing
from secc.link.slac.dlink import DLink, IndicateDlinkReady, ReleaseLink, ReportMatched, ResumeLink
from secc.link.slac.effects import CheckLink, Notice
from secc.link.slac.events import FrameReceived, LinkReported
from secc.link.slac.key import NetworkKey
from secc.link.slac.line import Line
from secc.link.slac.mme import BROADCAST, AmpMapCnf, AmpMapReq, Message, Mme, SlacMatchCnf, SlacMatchReq, SlacParmReq
from secc.link.slac.run import Run


class Left(Exception):
    """The network has to be left. Raised only within matching. ``armed``: the car may ask again at
    once.
    """

    def __init__(self, cause: str, *, armed: bool = False) -> None:
        super().__init__(cause)
        self.cause = cause
        self.armed = armed


class Network:
    """The network whose key one car has. ``known``: cars and RunIDs that have matched before."""

    def __init__(
        self,
        evse: Party,
        line: Line,
        run: Run,
        request: SlacMatchReq,
        key: NetworkKey,
        known: Collection[tuple[bytes, bytes]],
    ) -> None:
        self.evse, self.line, self.settings = evse, line, line.settings
        self.run, self.request = run, request
        self.key = key
        self.known = known
        self.repeats = 0
        self.joined = False
        self.paused = False
        self.mapped = False
        """The car has confirmed the station's amplitude map."""

    def talk(self) -> Conversation[bool]:
        """Run from CM_SLAC_MATCH.CNF until the network is left. Returns True if the car may ask
        again without arming.
        """
        evse = self.evse
        evse.do(ReportMatched(self.run.ev_mac, self.run.run_id))
        self.confirm()
        try:
            with (
                evse.hearing(FrameReceived, by=self.hear),
                evse.hearing(ReleaseLink, by=self.release),
                evse.hearing(ResumeLink, by=self.resume),
                evse.looking(self.see_pilot),
            ):
                yield from self.join(timing.TT_MATCH_JOIN if self.settings.strict else timing.MATCH_JOIN_TOLERATED)
                while True:
                    yield from self.watch()
                    # D-LINK_PAUSE: keep the key and leave the link alone until the car is awake.
                    yield from evse.until(lambda: not self.paused, within=ENDLESS)
                    yield from self.join(timing.T_CONN_RESUME)
        except Left as left:
            evse.do(IndicateDlinkReady(False, left.cause))
            return left.armed

    def confirm(self) -> None:
        """Send CM_SLAC_MATCH.CNF, the same each time."""
        request, key = self.request, self.key
        cnf = SlacMatchCnf(self.run.ev_mac, self.settings.evse_mac, self.run.run_id, key.network_id, key)
        # A car that sent identities gets them back.
        cnf = dataclasses.replace(cnf, pev_id=request.pev_id, evse_id=request.evse_id)
        self.send(cnf)

    def send(self, message: Message) -> None:
        self.line.send(self.run.ev_mac, message)

    # The link

    def join(self, timeout: Timeout) -> Conversation[None]:
        """Ask the modem until the car has joined. Raises Left if it does not."""
        evse = self.evse
        begun = evse.now
        end = evse.limit(timeout)
        while True:
            link = yield from self.poll()
            # A modem that does not answer differs from one that cannot tell.
            if link.up or (link.up is None and not link.error):
                break
            yield from evse.until(lambda: False, within=timing.LINK_POLL_JOINING, before=end)
            if evse.now >= end.at:
                raise Left(timeout.name, armed=not self.settings.strict)
        if not self.joined and evse.now - begun > timing.TT_MATCH_JOIN.seconds:
            self.line.announce(Notice.SLOW_JOIN, "Q-10")
        if not self.joined:
            yield from evse.rest(timing.TP_LINK_READY_NOTIFICATION)
            self.joined = True
            watched = link.up is not None
            if not watched:
                self.line.announce(Notice.LINK_UNKNOWN)
            evse.do(IndicateDlinkReady(True, watched=watched))
            yield from self.exchange_amplitude_map()

    def watch(self) -> Conversation[None]:
        """Watch the link until a pause. Raises Left when it is lost."""
        doubts = 0
        while not self.paused:
            link = yield from self.poll()
            lost = link.up is False or bool(link.error)
            doubts = doubts + 1 if lost and not self.paused else 0
            if doubts >= timing.LINK_DOUBTS:
                raise Left(link.error or "link lost")
            yield from self.evse.rest(timing.LINK_POLL_JOINING if doubts else timing.LINK_POLL)

    def exchange_amplitude_map(self) -> Conversation[None]:
        """Send the amplitude map to the car, if there is one, at most three times."""
        if not self.settings.amplitude_map:
            return
        self.mapped = False
        for _ in range(1 + timing.C_EV_MATCH_RETRY):
            self.send(AmpMapReq(self.settings.amplitude_map))
            if (yield from self.evse.until(lambda: self.mapped, within=timing.TT_AMP_MAP_EXCHANGE)):
                return

    def poll(self) -> Conversation[LinkReported]:
        """Ask the modem once."""
        within = timing.LINK_ANSWER
        silence = LinkReported(None, f"no link status in {within.seconds:g} s")
        return (yield from self.line.ask_modem(CheckLink(), within, silence))

    # Handlers

    def see_pilot(self) -> None:
        """Raises Left as soon as the plug is out: before any other handler, and after every step."""
        if self.evse.levels.pilot == "A":
            raise Left("unplugged")

    def release(self, order: ReleaseLink) -> None:
        """The plug-in needs the link no more, or knows that the car sleeps."""
        self.see_pilot()
        if order.outcome is not DLink.PAUSE:
            raise Left(order.outcome.value)
        self.paused = True

    def resume(self, order: ResumeLink) -> None:
        """The plug-in knows that the car is awake."""
        del order
        self.paused = False

    def hear(self, event: FrameReceived) -> None:
        """Handle a frame. Only the matched car counts."""
        self.see_pilot()
        frame = self.line.read(event)
        if frame is not None and frame.source == self.run.ev_mac:
            self.hear_car(frame)

    def hear_car(self, frame: Mme) -> None:
        """Answer repeats and amplitude maps of the matched car, but not CM_SLAC_PARM.REQ."""
        if frame.destination == BROADCAST and not isinstance(frame.message, SlacParmReq):
            return
        match frame.message:
            case SlacMatchReq() as request if request.run_id == self.run.run_id and self.run.is_match(request):
                self.repeats += 1
                if self.repeats > timing.C_EV_MATCH_RETRY:
                    if self.settings.strict:
                        return
                    self.line.announce(Notice.MATCH_REPEATED, "Q-09")
                self.confirm()
            case AmpMapReq() as wish:
                good = len(wish.carriers) == timing.CARRIERS
                self.send(AmpMapCnf(0 if good else 1))
            case AmpMapCnf():
                self.mapped = True
            case SlacParmReq() as request if not self.joined and not self.settings.strict:
                # The car starts again; its request is answered when the next key is set. A RunID
                # that has matched before is a replayed recording.
                if (frame.source, request.run_id) not in self.known:
                    self.line.announce(Notice.AGAIN, "Q-02")
                    self.line.hold(frame)
                    raise Left("restarted by the car", armed=True)
            case _:
                pass
