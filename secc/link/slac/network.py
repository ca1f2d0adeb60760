"""Matched: one car has the key. Wait for it to join, watch the link, leave."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from secc.conversation import Conversation, Deadline, Timeout
from secc.link.slac import timing
from secc.link.slac.effects import CheckLink, IndicateDlinkReady, Notice, ReportMatched, SendFrame
from secc.link.slac.events import (
    DlinkFailed,
    DlinkPaused,
    DlinkResumed,
    DlinkTerminated,
    LinkReported,
    MatchingArmed,
)
from secc.link.slac.mme import (
    BROADCAST,
    AmpMapCnf,
    AmpMapReq,
    Message,
    Mme,
    NetworkKey,
    SlacMatchCnf,
    SlacMatchReq,
    SlacParmReq,
)
from secc.link.slac.run import Run

if TYPE_CHECKING:
    from secc.link.slac.matching import Slac


class Left(Exception):
    """The network is to be left: an expected outcome, which never leaves matching. ``armed``: the car may ask again at once."""

    def __init__(self, cause: str, *, armed: bool = False) -> None:
        super().__init__(cause)
        self.cause = cause
        self.armed = armed


class Network:
    """The network that one car was given the key of."""

    def __init__(self, slac: Slac, run: Run, request: SlacMatchReq, key: NetworkKey) -> None:
        self.slac, self.evse, self.settings = slac, slac.evse, slac.settings
        self.run, self.request = run, request
        self.key = key
        self.repeats = 0
        self.joined = False
        self.paused = False

    def talk(self) -> Conversation[bool]:
        """From CM_SLAC_MATCH.CNF until the network is left; True where the car may ask again without being armed for."""
        self.evse.do(ReportMatched(self.run.ev_mac, self.run.run_id))
        self.confirm()
        try:
            yield from self.join(timing.TT_MATCH_JOIN if self.settings.strict else timing.MATCH_JOIN_TOLERATED)
            while True:
                yield from self.watch()
                yield from self.sleep()
                yield from self.join(timing.T_CONN_RESUME)
        except Left as left:
            self.evse.do(IndicateDlinkReady(False, left.cause))
            return left.armed

    def confirm(self) -> None:
        """CM_SLAC_MATCH.CNF, the same each time."""
        request, key = self.request, self.key
        cnf = SlacMatchCnf(self.run.ev_mac, self.settings.evse_mac, self.run.run_id, key.network_id, key)
        # A car that has an identity finds it again.
        cnf = dataclasses.replace(cnf, pev_id=request.pev_id, evse_id=request.evse_id)
        self.send(cnf)

    def send(self, message: Message) -> None:
        self.evse.do(SendFrame(self.run.ev_mac, self.settings.evse_mac, message))

    # The link

    def join(self, timeout: Timeout) -> Conversation[None]:
        """Ask the modem until the car is there; Left when it does not come."""
        begun = self.evse.now
        end = self.evse.limit(timeout)
        while True:
            link = yield from self.poll()
            # A modem that does not answer is another matter than one that cannot tell.
            if link.up or (link.up is None and not link.error):
                break
            if (yield from self.pause(timing.LINK_POLL_JOINING, end)):
                raise Left(timeout.name, armed=not self.settings.strict)
        if not self.joined and self.evse.now - begun > timing.TT_MATCH_JOIN.seconds:
            self.slac.announce(Notice.SLOW_JOIN, "Q-10")
        if not self.joined:
            yield from self.pause(timing.TP_LINK_READY_NOTIFICATION)
            self.joined = True
            watched = link.up is not None
            if not watched:
                self.slac.announce(Notice.LINK_UNKNOWN, "")
            self.evse.do(IndicateDlinkReady(True, watched=watched))
            yield from self.exchange_amplitude_map()

    def watch(self) -> Conversation[None]:
        """Look at the link until it is gone (Left), or we are told to pause."""
        doubts = 0
        while not self.paused:
            link = yield from self.poll()
            lost = link.up is False or bool(link.error)
            doubts = doubts + 1 if lost and not self.paused else 0
            if doubts >= timing.LINK_DOUBTS:
                raise Left(link.error or "link lost")
            yield from self.pause(timing.LINK_POLL_JOINING if doubts else timing.LINK_POLL)

    def sleep(self) -> Conversation[None]:
        """D-LINK_PAUSE: keep the key and leave the link alone until the car is awake."""
        while self.paused:
            yield from self.listen(None)

    def exchange_amplitude_map(self) -> Conversation[None]:
        """Ask the car to keep to our map, where we have one. A car that does not answer is not asked a fourth time."""
        if not self.settings.amplitude_map:
            return
        for _ in range(1 + timing.C_EV_MATCH_RETRY):
            self.send(AmpMapReq(self.settings.amplitude_map))
            answer = self.evse.limit(timing.TT_AMP_MAP_EXCHANGE)
            while (event := (yield from self.listen(answer))) is not None:
                if isinstance(event, AmpMapCnf):
                    return

    def poll(self) -> Conversation[LinkReported]:
        """One question to the modem."""
        ticket = self.evse.ask(CheckLink())
        answer = self.evse.limit(timing.LINK_ANSWER)
        try:
            while (event := (yield from self.listen(answer, ticket))) is not None:
                if isinstance(event, LinkReported):
                    return event
            return LinkReported(None, f"no link status in {timing.LINK_ANSWER.seconds:g} s")
        finally:
            self.evse.abandon(ticket)

    def pause(self, timeout: Timeout, end: Deadline | None = None) -> Conversation[bool]:
        """Let time pass, hearing what comes; True if ``end`` has come with it."""
        until = self.evse.limit(timeout)
        if end is not None and end.at <= until.at:
            until = end
        while (yield from self.listen(until)) is not None and self.evse.now < until.at:
            pass
        return until is end

    # Hearing

    def listen(self, before: Deadline | None, *tickets: Any) -> Conversation[Any]:
        """One step. Raises Left where the network has to be left; repeats and amplitude maps are answered on the way."""
        event = yield from self.slac.turn(before, *tickets)
        if self.evse.levels.pilot == "A":
            raise Left("unplugged")
        match event:
            case DlinkTerminated():
                raise Left("D-LINK_TERMINATE")
            case DlinkFailed():
                raise Left("D-LINK_ERROR")
            case DlinkPaused():
                self.paused = True
            case DlinkResumed():
                self.paused = False
            case MatchingArmed():
                pass
            case None | LinkReported():
                pass
            case _:
                frame = self.slac.frame_of(event)
                if frame is not None and frame.source == self.run.ev_mac:
                    return self.hear(frame) or event
        return event

    def hear(self, frame: Mme) -> Message | None:
        """What the matched car may still say; nobody else is heard, and CM_SLAC_PARM.REQ is not answered."""
        if frame.destination == BROADCAST and not isinstance(frame.message, SlacParmReq):
            return None
        match frame.message:
            case SlacMatchReq() as request if request.run_id == self.run.run_id and self.run.is_match(request):
                self.repeats += 1
                if self.repeats > timing.C_EV_MATCH_RETRY:
                    if self.settings.strict:
                        return None
                    self.slac.announce(Notice.MATCH_REPEATED, "Q-09")
                self.confirm()
            case AmpMapReq() as wish:
                good = len(wish.carriers) == timing.CARRIERS
                self.send(AmpMapCnf(0 if good else 1))
            case AmpMapCnf() as answer:
                return answer
            case SlacParmReq() as request if not self.joined and not self.settings.strict:
                # It did not like what it got, and starts anew; its request is answered when the next key is in. A RunID that has matched
                # before is a record played again.
                if (frame.source, request.run_id) not in self.slac.matched:
                    self.slac.announce(Notice.AGAIN, "Q-02")
                    self.slac.hold(frame)
                    raise Left("restarted by the car", armed=True)
            case _:
                pass
        return None
