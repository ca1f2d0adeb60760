"""What :mod:`tools.bench.slac` measures with: stations whose steps are timed, and cars, on simulated modems in virtual time."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from hal.sim.clock import Call, VirtualClock
from hal.sim.medium import Medium
from hal.sim.modem import SimModem
from secc.conversation import Answered, Ask, Effect, Event, Levels, Ticket
from secc.link.slac import mme, timing
from secc.link.slac.effects import CheckLink, IndicateDlinkReady, SendFrame, SetKey
from secc.link.slac.events import FrameReceived, KeySet, LinkReported, MatchingArmed, PilotChanged
from secc.link.slac.matching import SlacSession
from secc.link.slac.mme import (
    BROADCAST,
    AttenCharInd,
    AttenCharRsp,
    Message,
    MnbcSoundInd,
    SlacMatchCnf,
    SlacMatchReq,
    SlacParmCnf,
    SlacParmReq,
    StartAttenCharInd,
)
from secc.link.slac.settings import SlacSettings

RESULTS_SECONDS = 1.2
"""TT_EV_atten_results: how long a car collects results."""
NEAR, FAR = 12, 40
"""dB through the own cable, and to somebody else's."""
_NO_ID = bytes(17)


class Plug(SimModem):
    """A station's modem, which hears the car on its own cable better than the others."""

    cable: SimModem | None = None

    def hear(self, frame: bytes, sender: SimModem) -> None:
        self.medium.attenuation = NEAR if sender is self.cable else FAR
        super().hear(frame, sender)


class Outlet:
    """One station: our session on its modem. Every step is timed; ``steps`` keeps those that said one kind of message (wall, CPU; seconds)."""

    def __init__(self, clock: VirtualClock, modem: SimModem, kept: type[Message] | None = None) -> None:
        self.clock, self.modem, self.kept = clock, modem, kept
        self.cpu = 0.0
        self.steps: list[tuple[float, float]] = []
        self.linked = False
        self.session = SlacSession(SlacSettings(modem.mac), now=clock.now())
        self._timer: Call | None = None
        self._due: float | None = None
        modem.on_frame = lambda at, octets: self.step(FrameReceived(octets))
        self._perform(self.session.begin(clock.now()))
        clock.advance(0.1)

    def plug(self, *, connected: bool = True) -> None:
        """A car is there, or it is not."""
        self.session.levels = Levels(pilot="B" if connected else "A")
        self.step(PilotChanged())
        if connected:
            self.step(MatchingArmed())

    def step(self, event: Event | None) -> None:
        """One step of the session; None when its time has come."""
        now = self.clock.now()
        wall, cpu = time.perf_counter(), time.thread_time()
        effects = self.session.expire(now) if event is None else self.session.receive(event, now)
        said = [(effect.message, effect.octets) for effect in effects if isinstance(effect, SendFrame)]
        due = self.session.deadline
        cpu, wall = time.thread_time() - cpu, time.perf_counter() - wall
        self.cpu += cpu
        if self.kept is not None and any(isinstance(message, self.kept) for message, _ in said):
            self.steps.append((wall, cpu))
        for _, octets in said:
            self.modem.say(octets)
        self._perform(effects)
        self._arm(due.at if due is not None else None)

    def _perform(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            match effect:
                case Ask(ticket, SetKey(nid, nmk)):
                    self.modem.join(nid, nmk.octets)
                    self._answer(ticket, KeySet(True, self.modem.address))
                case Ask(ticket, CheckLink()):
                    self._answer(ticket, LinkReported(self.modem.linked()))
                case IndicateDlinkReady(established):
                    self.linked = established
                case _:
                    pass

    def _answer(self, ticket: Ticket[Any], answer: KeySet | LinkReported) -> None:
        self.clock.call_at(self.clock.now() + 0.002, lambda: self.step(Answered(ticket, answer)))

    def _arm(self, due: float | None) -> None:
        if due == self._due and self._timer is not None:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._due, self._timer = due, None
        if due is not None:
            self._timer = self.clock.call_at(due, self._expire)

    def _expire(self) -> None:
        self._timer = None
        self.step(None)


class Car:
    """A car as the standard draws it: asks up to three times, sounds, and takes the station that heard it best; then it tries again."""

    def __init__(self, clock: VirtualClock, modem: SimModem) -> None:
        self.clock, self.modem = clock, modem
        self.attempt = self.asked = 0
        """The present attempt, and how many CM_SLAC_PARM.REQ it has taken."""
        self.station: bytes | None = None
        """Who gave us the key."""
        self.run_id = b""
        self.gone = False
        self._invited = False
        self._results: dict[bytes, float] = {}
        modem.on_frame = lambda at, octets: self._hear(octets)

    def begin(self) -> None:
        self.attempt, self.asked = self.attempt + 1, 0
        self.run_id, self._invited, self._results = os.urandom(8), False, {}
        self.ask()

    def ask(self) -> None:
        if self._invited:
            return
        if self.asked > timing.C_EV_MATCH_RETRY:
            self.begin()
            return
        self.asked += 1
        self.say(SlacParmReq(0, 0, self.run_id))
        self._later(timing.TT_MATCH_RESPONSE.seconds, self.ask)

    def sound(self) -> None:
        """Three announcements, ten sounds, 30 ms apart; and at its time the choice."""
        start = StartAttenCharInd(0, 0, timing.C_EV_MATCH_MNBC, timing.TIME_OUT, 1, self.modem.mac, self.run_id)
        sounds = [MnbcSoundInd(0, 0, _NO_ID, count, self.run_id) for count in reversed(range(timing.C_EV_MATCH_MNBC))]
        for number, message in enumerate([start, start, start, *sounds]):
            self._later(0.03 * (number + 1), partial(self.say, message))
        self._later(RESULTS_SECONDS, self.choose)

    def choose(self) -> None:
        if not self._results:
            self.begin()
            return
        best = min(self._results, key=lambda station: self._results[station])
        self.say(SlacMatchReq(0, 0, 0x3E, _NO_ID, self.modem.mac, _NO_ID, best, self.run_id), best)
        self._later(3 * timing.TT_MATCH_RESPONSE.seconds, lambda: None if self.station else self.begin())

    def say(self, message: Message, destination: bytes = BROADCAST) -> None:
        self.modem.say(mme.build(destination, self.modem.mac, message))

    def _later(self, seconds: float, call: Callable[[], None]) -> None:
        self.clock.call_at(self.clock.now() + seconds, lambda: None if self.gone else call())

    def _hear(self, octets: bytes) -> None:
        frame = mme.parse(octets)
        match frame.message:
            case SlacParmCnf(run_id=self.run_id) if not self._invited:
                self._invited = True
                self.sound()
            case AttenCharInd(run_id=self.run_id, groups=groups):
                self._results[frame.source] = sum(groups) / len(groups)
                rsp = AttenCharRsp(0, 0, self.modem.mac, self.run_id, _NO_ID, _NO_ID, 0)
                self.say(rsp, frame.source)
            case SlacMatchCnf(run_id=self.run_id, nid=nid, nmk=nmk):
                self.station = frame.source
                self.modem.join(nid, nmk.octets)
            case _:
                pass


def pair(clock: VirtualClock, medium: Medium, number: int, kept: type[Message] | None = None) -> tuple[Outlet, Car]:
    """A station, and a car on its cable."""
    plug = Plug(medium, bytes.fromhex("025ecc0000") + bytes([number]), bytes.fromhex("00b052bb00") + bytes([number]))
    car = SimModem(medium, bytes.fromhex("02ee000000") + bytes([number]), bytes(6), measures=False)
    plug.cable = car
    return Outlet(clock, plug, kept), Car(clock, car)
