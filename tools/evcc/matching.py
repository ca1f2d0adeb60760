"""SLAC from the car's side (ISO 15118-3 Annex A): the mirror of ``secc.link.slac.matching``, on the same core, and what drives it through a modem."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Final, TypeVar

from hal.errors import HalError
from hal.ports import PlcModem
from secc.conversation import Answered, Ask, Conversation, Effect, Event, Party, Session, TimedOut, Timeout
from secc.errors import FramingError, Refusal, SeccError
from secc.link.slac import mme
from secc.link.slac.effects import CheckLink, SendFrame, SetKey
from secc.link.slac.events import FrameReceived, KeySet, LinkReported
from secc.link.slac.mme import (
    BROADCAST,
    MVF_LENGTH_REQ,
    AttenCharInd,
    AttenCharRsp,
    Message,
    Mme,
    MnbcSoundInd,
    SlacMatchCnf,
    SlacMatchReq,
    SlacParmCnf,
    SlacParmReq,
    StartAttenCharInd,
)

M = TypeVar("M", bound=Message)

_TABLE: Final = "ISO 15118-3 Table A.1"
TT_MATCH_RESPONSE: Final = Timeout("TT_match_response", 0.2, _TABLE)
TT_EV_ATTEN_RESULTS: Final = Timeout("TT_EV_atten_results", 1.2, _TABLE)
TP_EV_BATCH_MSG_INTERVAL: Final = Timeout("TP_EV_batch_msg_interval", 0.03, _TABLE)
TT_MATCH_JOIN: Final = Timeout("TT_match_join", 12.0, _TABLE)
TT_MATCHING_RATE: Final = 0.4
C_EV_MATCH_RETRY: Final = 2
C_EV_START_ATTEN_CHAR_INDS: Final = 3
C_CONN_MAX_MATCH: Final = 3
LINK_POLL: Final = Timeout("link status poll", 0.1, "our choice")
KEY_ANSWER: Final = Timeout("CM_SET_KEY confirmation", 6.0, "our choice")
DUTY_SECONDS: Final = 20.0
"""How long a car waits for 5 % on the pilot before it gives the station up. Our choice."""
SDP_AFTER_SECONDS: Final = 0.5
"""From the link to the first SDP request: the quickest of cars take this long."""
DUTY_STEP_SECONDS: Final = 0.02
_NO_ID: Final = bytes(17)


class NotMatched(SeccError):
    """No station matched this car, or no link came up."""


class EvSlac:
    """One run of one car."""

    def __init__(self, ev: Party, mac: bytes) -> None:
        self.ev = ev
        self.mac = mac
        self.run_id = ev.entropy(8)

    def talk(self) -> Conversation[str]:
        """Ask, sound, be told how well it was heard, choose, join."""
        ev, run_id = self.ev, self.run_id
        cnf, _ = yield from self.asked(SlacParmReq(0, 0, run_id), SlacParmCnf, BROADCAST)
        results = ev.limit(TT_EV_ATTEN_RESULTS)
        for _ in range(C_EV_START_ATTEN_CHAR_INDS):
            self.say(StartAttenCharInd(0, 0, cnf.num_sounds, cnf.time_out, 1, self.mac, run_id))
            yield from self.pause(TP_EV_BATCH_MSG_INTERVAL)
        for count in reversed(range(cnf.num_sounds)):
            self.say(MnbcSoundInd(0, 0, _NO_ID, count, run_id, random=ev.entropy(16)))
            yield from self.pause(TP_EV_BATCH_MSG_INTERVAL)
        while True:
            told = yield from self.hear(results)
            if isinstance(told.message, AttenCharInd) and told.message.run_id == run_id:
                break
        station = told.source
        self.say(AttenCharRsp(0, 0, self.mac, run_id, _NO_ID, _NO_ID, 0), station)
        request = SlacMatchReq(0, 0, MVF_LENGTH_REQ, _NO_ID, self.mac, _NO_ID, station, run_id)
        match, _ = yield from self.asked(request, SlacMatchCnf, station)
        key = ev.ask(SetKey(match.nid, match.nmk))
        if not (yield from ev.receive(key, within=KEY_ANSWER)).done:
            raise Refusal("no-key", "the car's modem took no key")
        end = ev.limit(TT_MATCH_JOIN)
        while not (yield from ev.receive(ev.ask(CheckLink()), before=end)).up:
            yield from self.pause(LINK_POLL)
            if ev.now >= end.at:
                raise TimedOut(end)
        return "matched"

    def say(self, message: Message, destination: bytes = BROADCAST) -> None:
        self.ev.do(SendFrame(destination, self.mac, message))

    def asked(self, request: Message, kind: type[M], destination: bytes) -> Conversation[tuple[M, bytes]]:
        """Ask until it is answered, three times at most; the answer, and whose it is."""
        for _ in range(1 + C_EV_MATCH_RETRY):
            self.say(request, destination)
            before = self.ev.limit(TT_MATCH_RESPONSE)
            with contextlib.suppress(TimedOut):
                while True:
                    answer = yield from self.hear(before)
                    message = answer.message
                    if isinstance(message, kind) and getattr(message, "run_id", None) == self.run_id:
                        return message, answer.source
        raise Refusal("no-answer", f"{kind.__name__} did not come")

    def hear(self, before: Any) -> Conversation[Mme]:
        """The next frame for this car."""
        while True:
            event = yield from self.ev.receive(FrameReceived, before=before)
            with contextlib.suppress(FramingError):
                frame = mme.parse(event.octets)
                if frame.destination == self.mac:
                    return frame

    def pause(self, timeout: Timeout) -> Conversation[None]:
        """Let time pass; what comes meanwhile is for later, if the station repeats it."""
        end = self.ev.limit(timeout)
        with contextlib.suppress(TimedOut):
            while True:
                yield from self.ev.receive(_Nothing, before=end)


class _Nothing(Event):
    """Never happens."""

    __slots__ = ()


def ev_slac(mac: bytes, *, now: float) -> Session:
    """One run of a car, not begun yet. It ends ``completed.matched``, or as it broke."""
    return Session(
        lambda ev: EvSlac(ev, mac).talk(),
        now=now,
    )


# --- On a modem -----------------------------------------------------------------------------------------------------------


async def be_matched(modem: PlcModem, tell: Callable[[str, str, dict[str, Any]], None]) -> None:
    """Until the link is up; NotMatched where it does not come, after so many runs as a car makes."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    for number in range(C_CONN_MAX_MATCH):
        code = await _run(modem)
        if code == "completed.matched":
            seconds = loop.time() - began
            await asyncio.sleep(SDP_AFTER_SECONDS)
            tell("matched", f"matched by SLAC, link up after {seconds:.1f} s", {"seconds": seconds, "runs": number + 1})
            return
        await asyncio.sleep(TT_MATCHING_RATE)
    raise NotMatched(f"no station matched this car: {code}")


async def _run(modem: PlcModem) -> str:
    loop = asyncio.get_running_loop()
    inbox: asyncio.Queue[Event] = asyncio.Queue()
    session = ev_slac(modem.mac, now=loop.time())
    frames = modem.frames()

    async def read() -> None:
        async for _, octets in frames:
            inbox.put_nowait(FrameReceived(octets))

    reader = asyncio.create_task(read(), name="the car's modem")
    try:
        await _perform(modem, session.begin(loop.time()), inbox)
        while session.ended is None:
            deadline = session.deadline
            try:
                async with asyncio.timeout_at(None if deadline is None else deadline.at):
                    event = await inbox.get()
            except TimeoutError:
                await _perform(modem, session.expire(loop.time()), inbox)
                continue
            await _perform(modem, session.receive(event, loop.time()), inbox)
    finally:
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)
    return session.ended.code


async def _perform(modem: PlcModem, effects: tuple[Effect, ...], inbox: asyncio.Queue[Event]) -> None:
    for effect in effects:
        match effect:
            case SendFrame():
                await modem.send(effect.octets)
            case Ask(ticket, SetKey(nid, nmk)):
                inbox.put_nowait(Answered(ticket, await _answer(modem.set_key(nid, nmk.octets))))
            case Ask(ticket, CheckLink()):
                try:
                    inbox.put_nowait(Answered(ticket, LinkReported(await modem.link_up())))
                except HalError as error:
                    inbox.put_nowait(Answered(ticket, LinkReported(None, error=str(error))))
            case _:
                pass


async def _answer(setting: Any) -> KeySet:
    try:
        await setting
    except HalError as error:
        return KeySet(False, text=str(error))
    return KeySet(True)
