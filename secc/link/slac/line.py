"""The power line at one outlet: which frames count, what is said on it, and which requests are held until cars are answered."""

from __future__ import annotations

from typing import TypeVar

from secc.conversation import Conversation, Party, Question, TimedOut, Timeout
from secc.errors import FramingError
from secc.link.slac import mme, timing
from secc.link.slac.effects import Announce, Notice, SendFrame
from secc.link.slac.events import FrameReceived
from secc.link.slac.mme import BROADCAST, AttenProfileInd, Message, Mme, SlacParmReq
from secc.link.slac.settings import SlacSettings

A = TypeVar("A")


class Line:
    """What every state of matching stands on. ``modem``: the address that our modem sends its profiles from, where it is known."""

    def __init__(self, evse: Party, settings: SlacSettings) -> None:
        self.evse = evse
        self.settings = settings
        self.modem: bytes | None = None
        self._held: dict[tuple[bytes, bytes], tuple[float, Mme]] = {}
        self._said: dict[Notice, float] = {}

    # Saying

    def send(self, ev_mac: bytes, message: Message) -> None:
        """A frame to this car."""
        self.evse.do(SendFrame(ev_mac, self.settings.evse_mac, message))

    def announce(self, notice: Notice, code: str = "") -> None:
        """Into the log, but not again and again."""
        said = self._said.get(notice)
        if said is None or self.evse.now - said >= timing.QUIET:
            self._said[notice] = self.evse.now
            self.evse.do(Announce(notice, code))

    def ask_modem(self, question: Question[A], within: Timeout, otherwise: A) -> Conversation[A]:
        """What the modem answers, or ``otherwise`` where it does not answer in time."""
        ticket = self.evse.ask(question)
        try:
            return (yield from self.evse.receive(ticket, within=within))
        except TimedOut:
            return otherwise
        finally:
            self.evse.abandon(ticket)

    # Hearing

    def read(self, event: FrameReceived) -> Mme | None:
        """The message in this frame, if it is one for us that we can read."""
        try:
            frame = mme.parse(event.octets)
        except FramingError:
            self.announce(Notice.MALFORMED)
            return None
        if frame.message is None or frame.destination not in (self.settings.evse_mac, BROADCAST):
            return None
        if frame.source[0] & 1 or frame.source == self.settings.evse_mac:
            return None
        if isinstance(frame.message, AttenProfileInd) and not self._from_modem(frame.source, frame.message):
            self.announce(Notice.FOREIGN_PROFILE)
            return None
        return frame

    def _from_modem(self, source: bytes, profile: AttenProfileInd) -> bool:
        """Only our own modem measures. A car, or somebody on the line, that measures itself would choose its station."""
        return source != profile.pev_mac if self.modem is None else source == self.modem

    # Requests that come too early

    def hold(self, frame: Mme) -> None:
        """A car that asks before we listen is answered when we do, if that is soon. (Q-01)"""
        message = frame.message
        if isinstance(message, SlacParmReq) and self.evse.levels.connected and not self.settings.strict:
            self._held[frame.source, message.run_id] = (self.evse.now + timing.HELD.seconds, frame)
            if len(self._held) > timing.C_EVSE_MATCH_PARALLEL:
                del self._held[next(iter(self._held))]

    def take_held(self) -> list[Mme]:
        """The requests that are still waited for. They are held no longer."""
        held, self._held = self._held, {}
        return [frame for until, frame in held.values() if self.evse.now <= until]

    def drop_held(self) -> None:
        self._held.clear()
