"""A matching session on a clock of its own: a modem that answers, a pilot, and cars that say what they are told to say."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable
from typing import Any

from secc.conversation import Abandon, Answered, Ask, Effect, End, Levels, Ticket
from secc.link.slac import mme
from secc.link.slac.dlink import (
    ArmMatching,
    IndicateDlinkReady,
    ReportMatched,
    ReportMatchingFailed,
)
from secc.link.slac.effects import Announce, CheckLink, SendFrame, SetKey
from secc.link.slac.events import FrameReceived, KeySet, LinkReported
from secc.link.slac.key import NetworkKey
from secc.link.slac.matching import SlacSession
from secc.link.slac.mme import (
    BROADCAST,
    GROUPS,
    AttenCharInd,
    AttenCharRsp,
    AttenProfileInd,
    Message,
    MnbcSoundInd,
    SlacMatchCnf,
    SlacMatchReq,
    SlacParmCnf,
    SlacParmReq,
    StartAttenCharInd,
)
from secc.link.slac.settings import SlacSettings
from tests.board_events import pilot_changed

EVSE = bytes.fromhex("025ecc000001")
EV = bytes.fromhex("02ee00000001")
NEIGHBOUR = bytes.fromhex("02ee00000002")
MODEM = bytes.fromhex("00b052bb0001")
RUN = bytes.fromhex("1122334455667788")
OTHER_RUN = bytes.fromhex("8877665544332211")
NO_ID = bytes(17)
PROFILE = tuple(20 + i % 5 for i in range(GROUPS))


class Scene:
    """One outlet. ``armed``: plugged in and ready for a car. What went out stands in ``sent`` (time, message) and ``effects``."""

    def __init__(self, *, armed: bool = True, now: float = 100.0, begin: bool = True, **settings: Any) -> None:
        self.now = now
        self.settings = SlacSettings(**{"evse_mac": EVSE, **settings})
        self.entropy = (hashlib.sha256(bytes([n & 255, n >> 8])).digest() for n in itertools.count())
        self.session = SlacSession(self.settings, now=now, entropy=lambda count: next(self.entropy)[:count])
        self.sent: list[tuple[float, SendFrame]] = []
        self.effects: list[Effect] = []
        self.moments: list[float] = []
        self.keys: list[tuple[float, NetworkKey]] = []
        self.answers: list[tuple[float, Ticket[Any], Any]] = []
        self.key_answer: Callable[[], KeySet | None] = lambda: KeySet(True, MODEM)
        self.key_delay = 0.005
        self.link: bool | None = False
        self.link_error = ""
        self.polls: list[float] = []
        self.silent_link = False
        self.ended: End | None = None
        if begin:
            self.take(self.session.begin(now))
        if armed:
            self.wait(0.05)
            self.pilot("B")
            self.say(ArmMatching())

    # Time

    def wait(self, seconds: float) -> None:
        """Let time pass; answers and deadlines come at their moment."""
        end = self.now + seconds
        while True:
            due = self.session.deadline
            answer = min((answer[0] for answer in self.answers), default=float("inf"))
            moment = min(answer, due.at if due is not None else float("inf"))
            if moment > end:
                break
            self.now = max(self.now, moment)
            if answer <= moment:
                first = min(self.answers, key=lambda each: each[0])
                self.answers.remove(first)
                self.take(self.session.receive(Answered(first[1], first[2]), self.now))
            else:
                self.take(self.session.expire(self.now))
        self.now = end

    def take(self, effects: tuple[Effect, ...]) -> None:
        for effect in effects:
            self.effects.append(effect)
            self.moments.append(self.now)
            match effect:
                case SendFrame():
                    assert effect.source == EVSE or effect.source == self.settings.evse_mac
                    self.sent.append((self.now, effect))
                case Ask(ticket, SetKey() as question):
                    self.keys.append((self.now, question.nmk))
                    assert question.nid == question.nmk.network_id
                    answer = self.key_answer()
                    if answer is not None:
                        self.answers.append((self.now + self.key_delay, ticket, answer))
                case Ask(ticket, CheckLink()):
                    self.polls.append(self.now)
                    if not self.silent_link:
                        self.answers.append((self.now + 0.002, ticket, LinkReported(self.link, self.link_error)))
                case Abandon(ticket):
                    self.answers = [answer for answer in self.answers if answer[1] != ticket]
                case End():
                    self.ended = effect
                case _:
                    pass

    # What happens

    def say(self, event: object) -> None:
        self.take(self.session.receive(event, self.now))

    def pilot(self, state: Any) -> None:
        self.session.levels = Levels(pilot=state)
        self.say(pilot_changed(state, self.now))

    def frame(self, message: Message, source: bytes = EV, destination: bytes | None = None) -> None:
        """A frame arrives. Without a destination: where the standard sends this message."""
        if destination is None:
            to_all = isinstance(message, SlacParmReq | StartAttenCharInd | MnbcSoundInd | AttenProfileInd)
            destination = BROADCAST if to_all else self.settings.evse_mac
        self.say(FrameReceived(mme.build(destination, source, message)))

    # What a car does

    def parm(self, ev: bytes = EV, run: bytes = RUN, *, application: int = 0, security: int = 0) -> None:
        self.frame(SlacParmReq(application, security, run), ev)

    def start(self, ev: bytes = EV, run: bytes = RUN, **changed: Any) -> None:
        values = {
            "application_type": 0,
            "security_type": 0,
            "num_sounds": 10,
            "time_out": 6,
            "resp_type": 1,
            "forwarding_sta": ev,
            "run_id": run,
        }
        self.frame(StartAttenCharInd(**{**values, **changed}), ev)

    def sound(self, count: int, ev: bytes = EV, run: bytes = RUN, groups: tuple[int, ...] | None = PROFILE) -> None:
        """One sound, and the profile that our modem makes of it (None: it makes none)."""
        self.frame(MnbcSoundInd(0, 0, NO_ID, count, run), ev)
        if groups is not None:
            self.profile(groups, ev)

    def profile(self, groups: tuple[int, ...], ev: bytes = EV, source: bytes = MODEM) -> None:
        self.frame(AttenProfileInd(ev, groups), source)

    def sounds(
        self, number: int = 10, ev: bytes = EV, run: bytes = RUN, groups: tuple[int, ...] | None = PROFILE
    ) -> None:
        for count in reversed(range(10 - number, 10)):
            self.wait(0.02)
            self.sound(count, ev, run, groups)

    def rsp(self, ev: bytes = EV, run: bytes = RUN, **changed: Any) -> None:
        values = {
            "application_type": 0,
            "security_type": 0,
            "source_address": ev,
            "run_id": run,
            "source_id": NO_ID,
            "resp_id": NO_ID,
            "result": 0,
        }
        self.frame(AttenCharRsp(**{**values, **changed}), ev)

    def match(self, ev: bytes = EV, run: bytes = RUN, **changed: Any) -> None:
        values = {
            "application_type": 0,
            "security_type": 0,
            "mvf_length": 0x3E,
            "pev_id": NO_ID,
            "pev_mac": ev,
            "evse_id": NO_ID,
            "evse_mac": self.settings.evse_mac,
            "run_id": run,
        }
        self.frame(SlacMatchReq(**{**values, **changed}), ev)

    # Ways that are gone often

    def to_sounding(self, ev: bytes = EV, run: bytes = RUN) -> None:
        self.parm(ev, run)
        self.wait(0.06)
        for _ in range(3):
            self.start(ev, run)
            self.wait(0.02)

    def to_atten_char(self, ev: bytes = EV, run: bytes = RUN) -> None:
        self.to_sounding(ev, run)
        self.sounds(ev=ev, run=run)

    def to_wait(self, ev: bytes = EV, run: bytes = RUN) -> None:
        self.to_atten_char(ev, run)
        self.wait(0.005)
        self.rsp(ev, run)
        self.wait(0.005)

    def to_match(self, ev: bytes = EV, run: bytes = RUN) -> None:
        self.to_wait(ev, run)
        self.match(ev, run)

    def to_link(self, ev: bytes = EV, run: bytes = RUN) -> None:
        self.to_match(ev, run)
        self.wait(1.0)
        self.link = True
        self.wait(0.5)

    # What was said

    def heard(self, kind: type[Message], ev: bytes | None = None) -> list[Any]:
        """Messages of this kind that went out (to this car), oldest first."""
        return [
            effect.message
            for _, effect in self.sent
            if isinstance(effect.message, kind) and ev in (None, effect.destination)
        ]

    def times(self, kind: type[Message]) -> list[float]:
        return [at for at, effect in self.sent if isinstance(effect.message, kind)]

    def reported(self, kind: type[Any]) -> list[Any]:
        return [effect for effect in self.effects if isinstance(effect, kind)]

    def at(self, kind: type[Any]) -> list[float]:
        """When effects of this kind came."""
        return [at for at, effect in zip(self.moments, self.effects, strict=True) if isinstance(effect, kind)]

    @property
    def codes(self) -> list[str]:
        """Tolerances that have fired."""
        return [effect.code for effect in self.reported(Announce) if effect.code]

    @property
    def invited(self) -> list[SlacParmCnf]:
        return self.heard(SlacParmCnf)

    @property
    def characterised(self) -> list[AttenCharInd]:
        return self.heard(AttenCharInd)

    @property
    def confirmed(self) -> list[SlacMatchCnf]:
        return self.heard(SlacMatchCnf)

    @property
    def failures(self) -> list[str]:
        return [effect.cause for effect in self.reported(ReportMatchingFailed)]

    @property
    def links(self) -> list[bool]:
        return [effect.established for effect in self.reported(IndicateDlinkReady)]

    @property
    def matched(self) -> list[bytes]:
        return [effect.ev_mac for effect in self.reported(ReportMatched)]
