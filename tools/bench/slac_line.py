"""Stations with timed steps, and cars, on simulated modems in virtual time: for :mod:`tools.bench.slac`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from hal.sim.modem import Medium, SimModem
from secc.conversation import Effect
from secc.link.slac.dlink import IndicateDlinkReady
from secc.link.slac.effects import SendFrame
from secc.link.slac.matching import SlacSession
from secc.link.slac.mme import Message
from secc.link.slac.settings import SlacSettings

from ..slac_bench import Station
from ..slac_car import ev_slac
from ..slac_modem import OnModem

NEAR, FAR = 12, 40
"""Attenuation in dB through a car's own cable, and to another station."""


class Plug(SimModem):
    """A station's modem: it hears the car on its own cable better than other cars."""

    cable: SimModem | None = None

    def hear(self, frame: bytes, sender: SimModem) -> None:
        self.medium.attenuation = NEAR if sender is self.cable else FAR
        super().hear(frame, sender)


class TimedSession(SlacSession):
    """Times each step; ``steps`` has wall and CPU seconds of those that sent a message of one kind."""

    kept: type[Message] | None = None

    def __init__(self, settings: SlacSettings, *, now: float = 0.0, **more: Any) -> None:
        super().__init__(settings, now=now, **more)
        self.cpu = 0.0
        self.steps: list[tuple[float, float]] = []

    def receive(self, event: object, now: float) -> tuple[Effect, ...]:
        return self._timed(super().receive, event, now)

    def expire(self, now: float) -> tuple[Effect, ...]:
        return self._timed(super().expire, now)

    def _timed(self, step: Callable[..., tuple[Effect, ...]], *arguments: Any) -> tuple[Effect, ...]:
        wall, cpu = time.perf_counter(), time.thread_time()
        effects = step(*arguments)
        said = [(effect.message, effect.octets) for effect in effects if isinstance(effect, SendFrame)]
        cpu, wall = time.thread_time() - cpu, time.perf_counter() - wall
        self.cpu += cpu
        if self.kept is not None and any(isinstance(message, self.kept) for message, _ in said):
            self.steps.append((wall, cpu))
        return effects


class Outlet(Station):
    """One station with its plug. It serves until its task is cancelled."""

    session: TimedSession

    def __init__(self, medium: Medium, number: int, kept: type[Message] | None = None) -> None:
        last = bytes([number])
        self.plug = Plug(medium, bytes.fromhex("025ecc0000") + last, bytes.fromhex("00b052bb00") + last)
        self.mac = self.plug.mac
        super().__init__(self.plug, SlacSettings(self.mac), self._heard, TimedSession)
        self.session.kept = kept
        self.linked = False
        self.task = asyncio.create_task(self.run())

    def _heard(self, effect: Effect) -> None:
        if isinstance(effect, IndicateDlinkReady):
            self.linked = effect.established

    def arrive(self, car_number: int = 1, *, compares: bool = True) -> Car:
        """Plug a car in; its matching begins at once."""
        mac = bytes.fromhex("02ee000000") + bytes([car_number])
        car = Car(SimModem(self.plug.medium, mac, bytes(6), measures=False), compares)
        self.plug.cable = car.modem
        self.plug_in()
        return car


class Car:
    """A car that tries until it is matched: with the station that heard it best, or, unless it
    ``compares``, with the first.
    """

    def __init__(self, modem: SimModem, compares: bool) -> None:
        self.modem = modem
        self.compares = compares
        self.attempt = 0
        self.station: bytes | None = None
        """Address of its station, once the car is in the network."""
        self.task = asyncio.create_task(self._match())

    async def _match(self) -> None:
        while self.station is None:
            self.attempt += 1
            session = ev_slac(self.modem.mac, now=asyncio.get_running_loop().time(), compares=self.compares)
            if (await OnModem(self.modem, session).run()).well:
                self.station = session.result

    async def go(self) -> None:
        """Drive away, matched or not."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        self.modem.close()
