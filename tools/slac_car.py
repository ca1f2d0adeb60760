"""A car's matching on the power line (ISO 15118-3 Annex A): the counterpart of
:mod:`secc.link.slac.matching`, on the same core.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from secc.conversation import Conversation, Party, Session, TimedOut, Timeout
from secc.errors import FramingError, Refusal
from secc.link.slac import mme
from secc.link.slac.effects import CheckLink, SendFrame, SetKey
from secc.link.slac.events import FrameReceived
from secc.link.slac.timing import C_EV_MATCH_RETRY, TT_MATCH_JOIN, TT_MATCH_RESPONSE

A = TypeVar("A")

TT_EV_ATTEN_RESULTS: Final = Timeout("TT_EV_atten_results", 1.2, "ISO 15118-3 Table A.1")
TP_EV_BATCH_MSG_INTERVAL: Final = Timeout("TP_EV_batch_msg_interval", 0.03, "ISO 15118-3 Table A.1")
"""Between two messages of a batch; the standard allows 20 to 50 ms."""
C_EV_START_ATTEN_CHAR_INDS: Final = 3
LINK_POLL: Final = Timeout("link status poll", 0.1, "our choice")
KEY_ANSWER: Final = Timeout("CM_SET_KEY confirmation", 6.0, "our choice")


class EvSlac:
    """One attempt of one car.

    ``sounds``: the number of its sounds; None: as many as the station asks for. ``compares``: it
    waits for the results of all stations, and takes the best; otherwise it takes the first.
    """

    def __init__(self, ev: Party, mac: bytes, *, sounds: int | None = None, compares: bool = False) -> None:
        self.ev = ev
        self.mac = mac
        self.sounds = sounds
        self.compares = compares
        self.run_id = ev.entropy(8)
        self.invited: mme.SlacParmCnf | None = None
        self.results: dict[bytes, mme.AttenCharInd] = {}
        """Each station's result of this attempt, by its address."""
        self.matched: mme.SlacMatchCnf | None = None
        ev.hear(FrameReceived, by=self._hear)

    def measure(self) -> Conversation[tuple[bytes, mme.AttenCharInd]]:
        """Ask, sound, and wait for the results. Returns the nearest station and its result. Raises
        Refusal, TimedOut.
        """
        ev = self.ev
        cnf = yield from self._ask(mme.SlacParmReq(0, 0, self.run_id), lambda: self.invited)
        end = ev.limit(TT_EV_ATTEN_RESULTS)
        sounds = cnf.num_sounds if self.sounds is None else self.sounds
        for _ in range(C_EV_START_ATTEN_CHAR_INDS):
            self._say(mme.StartAttenCharInd(0, 0, sounds, cnf.time_out, 1, self.mac, self.run_id))
            yield from ev.rest(TP_EV_BATCH_MSG_INTERVAL)
        for count in reversed(range(sounds)):
            self._say(mme.MnbcSoundInd(0, 0, mme.NO_ID, count, self.run_id, random=ev.entropy(16)))
            yield from ev.rest(TP_EV_BATCH_MSG_INTERVAL)
        yield from ev.until(lambda: bool(self.results) and not self.compares, before=end)
        if not self.results:
            raise TimedOut(end)
        return min(self.results.items(), key=lambda said: sum(said[1].groups) / max(1, len(said[1].groups)))

    def match(self) -> Conversation[bytes]:
        """Measure, choose, join. Returns the address of the station. Raises Refusal, TimedOut."""
        ev = self.ev
        station, _ = yield from self.measure()
        request = mme.SlacMatchReq(0, 0, mme.MVF_LENGTH_REQ, mme.NO_ID, self.mac, mme.NO_ID, station, self.run_id)
        cnf = yield from self._ask(request, lambda: self.matched, station)
        key = ev.ask(SetKey(cnf.nid, cnf.nmk))
        if not (yield from ev.receive(key, within=KEY_ANSWER)).done:
            raise Refusal("no-key", "the car's modem did not take the key")
        end = ev.limit(TT_MATCH_JOIN)
        while not (yield from ev.receive(ev.ask(CheckLink()), before=end)).up:
            yield from ev.rest(LINK_POLL)
            if ev.now >= end.at:
                raise TimedOut(end)
        return station

    def _say(self, message: mme.Message, destination: bytes = mme.BROADCAST) -> None:
        self.ev.do(SendFrame(destination, self.mac, message))

    def _ask(
        self, request: mme.Message, answer: Callable[[], A | None], destination: bytes = mme.BROADCAST
    ) -> Conversation[A]:
        """Ask until there is an answer, at most three times."""
        for _ in range(1 + C_EV_MATCH_RETRY):
            self._say(request, destination)
            yield from self.ev.until(lambda: answer() is not None, within=TT_MATCH_RESPONSE)
            if (found := answer()) is not None:
                return found
        raise Refusal("no-answer", f"{type(request).__name__} was not answered")

    def _hear(self, event: FrameReceived) -> None:
        try:
            frame = mme.parse(event.octets)
        except FramingError:
            return
        if frame.destination != self.mac or getattr(frame.message, "run_id", None) != self.run_id:
            return
        match frame.message:
            case mme.SlacParmCnf() as cnf:
                self.invited = cnf
            case mme.AttenCharInd() as result:
                self.results[frame.source] = result
                self._say(mme.AttenCharRsp(0, 0, self.mac, self.run_id, mme.NO_ID, mme.NO_ID, 0), frame.source)
            case mme.SlacMatchCnf() as cnf:
                self.matched = cnf
            case _:
                pass


def ev_slac(mac: bytes, *, now: float, compares: bool = False) -> Session:
    """Returns one attempt of a car, not begun yet. Its result is the address of the matching
    station.
    """
    return Session(lambda ev: EvSlac(ev, mac, compares=compares).match(), now=now)
