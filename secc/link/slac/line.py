"""The power line at one outlet: which frames count, sending, and requests that are held until cars
are answered.
"""

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
    """Used by every state of matching. ``modem``: the address from which the station's modem sends
    its profiles, if known.
    """

    def __init__(self, evse: Party, settings: SlacSettings) -> None:
        self.evse = evse
        self.settings = settings
        self.modem: bytes | None = None
        self._held: dict[tuple[bytes, bytes], tuple[float, Mme]] = {}
        self._said: dict[Notice, float] = {}

    # Sending

    def send(self, ev_mac: bytes, message: Message) -> None:
        """Send a frame to this car."""
        self.evse.do(SendFrame(ev_mac, self.settings.evse_mac, message))

    def announce(self, notice: Notice, code: str = "") -> None:
        """Log a notice, at most once in ten seconds."""
        said = self._said.get(notice)
        if said is None or self.evse.now - said >= timing.QUIET:
            self._said[notice] = self.evse.now
            self.evse.do(Announce(notice, code))

    def ask_modem(self, question: Question[A], within: Timeout, otherwise: A) -> Conversation[A]:
        """Returns the modem's answer, or ``otherwise`` if it does not answer in time."""
        ticket = self.evse.ask(question)
        try:
            return (yield from self.evse.receive(ticket, within=within))
        except TimedOut:
            return otherwise
        finally:
            self.evse.abandon(ticket)

    # Receiving

    def read(self, event: FrameReceived) -> Mme | None:
        """Returns the message of this frame if it can be read and is for this station."""
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
        """Accept profiles of the station's modem only. A car or another device that sends profiles
        could choose the station.
        """
        return source != profile.pev_mac if self.modem is None else source == self.modem

    # Requests that come too early

    def hold(self, frame: Mme) -> None:
        """Keep the request of a car that asks too early, to answer it if the station listens soon.
        (Q-01)
        """
        message = frame.message
        if isinstance(message, SlacParmReq) and self.evse.levels.connected and not self.settings.strict:
            self._held[frame.source, message.run_id] = (self.evse.now + timing.HELD.seconds, frame)
            if len(self._held) > timing.C_EVSE_MATCH_PARALLEL:
                del self._held[next(iter(self._held))]

    def take_held(self) -> list[Mme]:
        """Returns the requests whose cars still wait, and drops all."""
        held, self._held = self._held, {}
        return [frame for until, frame in held.values() if self.evse.now <= until]

    def drop_held(self) -> None:
        self._held.clear()
