"""What :mod:`tools.bench.slac` measures with: stations whose steps are timed, and cars, on simulated modems in virtual time."""

from __future__ import annotations

import time
from collections.abc import Sequence

from hal.events import PilotChanged
from hal.readings import PilotReading, PilotState
from hal.sim.clock import Call, VirtualClock
from hal.sim.modem import Medium, SimModem
from secc.conversation import Answered, Ask, Effect, Levels, Session
from secc.link.slac.dlink import (
    ArmMatching,
    IndicateDlinkReady,
)
from secc.link.slac.effects import CheckLink, SendFrame, SetKey
from secc.link.slac.events import FrameReceived, KeySet, LinkReported
from secc.link.slac.matching import SlacSession
from secc.link.slac.mme import Message, SlacParmReq
from secc.link.slac.settings import SlacSettings

from ..slac_car import ev_slac

NEAR, FAR = 12, 40
"""dB through the own cable, and to somebody else's."""


class Plug(SimModem):
    """A station's modem, which hears the car on its own cable better than the others."""

    cable: SimModem | None = None

    def hear(self, frame: bytes, sender: SimModem) -> None:
        self.medium.attenuation = NEAR if sender is self.cable else FAR
        super().hear(frame, sender)


class Talker:
    """A session on a simulated modem. What the modem has to do it does at once, and answers 2 ms later."""

    def __init__(self, clock: VirtualClock, modem: SimModem, session: Session) -> None:
        self.clock, self.modem, self.session = clock, modem, session
        self._timer: Call | None = None
        self._due: float | None = None
        modem.on_frame = lambda at, octets: self.step(FrameReceived(octets))

    def step(self, event: object) -> None:
        """One step of the session; None when its time has come."""
        self.perform(self.advance(event))

    def advance(self, event: object) -> tuple[Effect, ...]:
        now = self.clock.now()
        return self.session.expire(now) if event is None else self.session.receive(event, now)

    def perform(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            match effect:
                case SendFrame():
                    self.modem.say(effect.octets)
                case Ask(ticket, SetKey(nid, nmk)):
                    self.modem.join(nid, nmk.octets)
                    self._later(Answered(ticket, KeySet(True, self.modem.address)))
                case Ask(ticket, CheckLink()):
                    self._later(Answered(ticket, LinkReported(self.modem.linked())))
                case _:
                    pass
        deadline = self.session.deadline
        self._arm(None if deadline is None else deadline.at)

    def _later(self, event: object) -> None:
        self.clock.call_at(self.clock.now() + 0.002, lambda: self.step(event))

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


class Outlet(Talker):
    """One station. Every step is timed; ``steps`` keeps those that said one kind of message (wall, CPU; seconds)."""

    session: SlacSession

    def __init__(self, clock: VirtualClock, modem: SimModem, kept: type[Message] | None = None) -> None:
        super().__init__(clock, modem, SlacSession(SlacSettings(modem.mac), now=clock.now()))
        self.kept = kept
        self.cpu = 0.0
        self.steps: list[tuple[float, float]] = []
        self.linked = False
        self.perform(self.session.begin(clock.now()))
        clock.advance(0.1)

    def plug(self, *, connected: bool = True) -> None:
        """A car is there, or it is not."""
        state, now = PilotState.B if connected else PilotState.A, self.clock.now()
        self.session.levels = Levels(pilot=state.value)
        self.step(PilotChanged(PilotReading(state, now, now)))
        if connected:
            self.step(ArmMatching())

    def advance(self, event: object) -> tuple[Effect, ...]:
        wall, cpu = time.perf_counter(), time.thread_time()
        effects = super().advance(event)
        said = [(effect.message, effect.octets) for effect in effects if isinstance(effect, SendFrame)]
        cpu, wall = time.thread_time() - cpu, time.perf_counter() - wall
        self.cpu += cpu
        if self.kept is not None and any(isinstance(message, self.kept) for message, _ in said):
            self.steps.append((wall, cpu))
        for effect in effects:
            if isinstance(effect, IndicateDlinkReady):
                self.linked = effect.established
        return effects


class Car(Talker):
    """A car that takes the station that heard it best, and tries again until it has one."""

    def __init__(self, clock: VirtualClock, modem: SimModem) -> None:
        super().__init__(clock, modem, self._attempt(clock, modem))
        self.attempt = self.asked = 0
        """The present attempt, and how many CM_SLAC_PARM.REQ it has taken."""
        self.gone = False

    @staticmethod
    def _attempt(clock: VirtualClock, modem: SimModem) -> Session:
        return ev_slac(modem.mac, now=clock.now(), compares=True)

    @property
    def station(self) -> bytes | None:
        """Who gave us the key, once we are in the network."""
        found: bytes | None = self.session.result
        return found

    def begin(self) -> None:
        self.attempt, self.asked = self.attempt + 1, 0
        self.session = self._attempt(self.clock, self.modem)
        self.perform(self.session.begin(self.clock.now()))

    def step(self, event: object) -> None:
        if self.gone or not self.attempt:
            return
        super().step(event)
        if self.session.ended is not None and self.station is None:
            self.begin()

    def perform(self, effects: Sequence[Effect]) -> None:
        self.asked += sum(
            isinstance(effect, SendFrame) and isinstance(effect.message, SlacParmReq) for effect in effects
        )
        super().perform(effects)


def pair(clock: VirtualClock, medium: Medium, number: int, kept: type[Message] | None = None) -> tuple[Outlet, Car]:
    """A station, and a car on its cable."""
    plug = Plug(medium, bytes.fromhex("025ecc0000") + bytes([number]), bytes.fromhex("00b052bb00") + bytes([number]))
    car = SimModem(medium, bytes.fromhex("02ee000000") + bytes([number]), bytes(6), measures=False)
    plug.cable = car
    return Outlet(clock, plug, kept), Car(clock, car)
