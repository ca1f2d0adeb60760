"""A whole station with simulated outlets and our simulated cars, in one event loop: sockets and octets are real, time need not be.

Everything here works under ``hal.sim.clock.run_virtual``. Safety is judged by :class:`Watch`, which looks at the simulated world's own contactor and
at the guard's consent, never at what the station says of itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest import mock

from hal.ports import PlcModem
from hal.sim.board import SimBoard
from hal.sim.world import World
from secc.config import Config
from secc.conversation import Effect, Reason
from secc.iso2.messages import SCHEMA as ISO2
from secc.link.v2gtp import Frame
from secc.station.compose import compose
from secc.station.serving.outlet import OutletHost
from secc.station.serving.router import Seat
from secc.station.shared.notify import Notifier
from secc.station.shared.services import Services
from secc.station.station import Station
from secc.trace.reasons import MEANINGS
from tests.station_config import BOTH as BOTH
from tests.station_config import configured as configured
from tests.station_config import free_udp_port as free_udp_port
from tests.station_config import lab_pki as lab_pki
from tools.evcc.battery import Battery, Sensed
from tools.evcc.behaviour import Behaviour, Current
from tools.evcc.behaviour import Payment as Paid
from tools.evcc.driver import Stopped, Trip, travel
from tools.evcc.line import Line, LineLost
from tools.evcc.trust import Trust as CarTrust
from tools.evcc.vocabulary import MoveRelays, SetLoad, SetPilot
from tools.evcc.wallet import Wallet

OPEN_SECONDS = 0.1
"""Within this the contactor is open after a reason to be off, in simulated time."""
STEP = 0.005


def car_trust(car: str = "car") -> CarTrust:
    return CarTrust.load(lab_pki() / car)


def car_wallet(car: str = "car") -> Wallet:
    return Wallet.load(lab_pki() / car)


class WorldHands:
    """A car's hands in a world of this process."""

    def __init__(self, world: World, *, dead: bool = False, modem: PlcModem | None = None) -> None:
        self.world = world
        self._modem = modem
        self._stored: float | None = None
        self._dead = dead

    async def plug_in(self) -> None:
        self.world.plug_in()

    async def unplug(self) -> None:
        self.world.unplug()

    async def perform(self, effect: Effect) -> None:
        world = self.world
        if not world.car.plugged or self._dead:
            return
        match effect:
            case SetPilot(state=state):
                world.close_s2(state == "C")
            case MoveRelays(closed=closed):
                world.close_relay(closed)
            case SetLoad(amperes=amperes):
                world.draw_ac(amperes, 3)

    async def feel(self, battery: Battery) -> None:
        truth = self.world.truth()
        if self._stored is None:
            self._stored = truth["stored_watt_hours"]
        battery.sensed = Sensed(truth["battery_volts"], truth["stored_watt_hours"] - self._stored)
        battery.capacity_watt_hours = truth["capacity_watt_hours"]
        battery.state_of_charge = truth["soc"]
        battery.full_volts = truth["battery_max_volts"]
        battery.maximum_amperes = truth["battery_max_amperes"]

    async def modem(self) -> PlcModem | None:
        return self._modem

    async def duty(self) -> float | None:
        return 0.0 if self.world.duty is None else self.world.duty

    def close(self) -> None:
        return


@dataclass
class Drive:
    """One trip of a car: what it told, how it ended, and its connection for those who want to break it."""

    told: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    reason: Reason | None = None
    failed: Exception | None = None
    lines: list[Line] = field(default_factory=list)
    sent: bytes = b""
    """The car's last message, as it went out."""
    octets: list[bytes] = field(default_factory=list)
    """Every message of the station after the negotiation, oldest first."""
    task: asyncio.Task[None] | None = None

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.told]

    @property
    def outcome(self) -> str:
        return self.reason.code if self.reason is not None else f"{type(self.failed).__name__}: {self.failed}"

    @property
    def line(self) -> Line:
        return self.lines[-1]

    def facts(self, name: str) -> dict[str, Any]:
        return next(facts for told, facts in self.told if told == name)

    async def done(self) -> Drive:
        assert self.task is not None
        await self.task
        return self

    @property
    def answers(self) -> list[Any]:
        """The bodies of the station's messages."""
        return [ISO2.decode(octets).body for octets in self.octets]

    @property
    def meter_readings(self) -> list[int]:
        """What the charging loop's answers said, watt hours."""
        infos = [getattr(answer, "meter_info", None) for answer in self.answers]
        return [info.meter_reading for info in infos if info is not None and info.meter_reading is not None]

    def hush(self) -> None:
        """From now on this car says nothing, and keeps its connection open."""

        async def nothing(octets: bytes, name: str) -> None:
            return

        self.line.send = nothing  # type: ignore[method-assign]  # a car that has lost its voice

    def reset(self) -> None:
        """End the connection by RST."""
        transport = self.line._writer.transport
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()


class Watch:
    """Looks at the true contactor every few milliseconds of simulated time."""

    def __init__(self, outlet: OutletHost, world: World, step: float = STEP) -> None:
        self._step = step
        self._outlet = outlet
        self._world = world
        self.closed_seconds = 0.0
        self.against_seconds = 0.0
        """The longest time for which the contactor was closed without the interlock's consent."""
        self.closings = 0
        self.closings_against = 0
        """Closings that the interlock had not agreed to."""
        self._against = 0.0
        self._before = False
        self._loop = asyncio.get_running_loop()
        self._next = self._loop.call_soon(self._look)

    def _look(self) -> None:
        # A timer and no task: most of what a scene takes of the processor is how often this is called.
        self._next = self._loop.call_later(self._step, self._look)
        if not self._world.contactor.closed:
            self._before, self._against = False, 0.0
            return
        guard = self._outlet.hardware.guard
        consent = guard is not None and bool(guard.consent)
        self.closings += not self._before
        self.closings_against += not self._before and not consent
        self._before = True
        self.closed_seconds += self._step
        self._against = 0.0 if consent else self._against + self._step
        self.against_seconds = max(self.against_seconds, self._against)

    def stop(self) -> None:
        self._next.cancel()


@dataclass
class Scene:
    """A running station."""

    config: Config
    station: Station
    services: Services
    published: list[dict[str, Any]]
    watches: list[Watch]

    @property
    def state(self) -> Path:
        return self.config.station.state_directory

    def outlet(self, number: int = 0) -> OutletHost:
        return self.station.outlets[number]

    def seat(self, name: str) -> Seat:
        """The conversation of this name at the first outlet."""
        (found,) = [seat for seat in self.outlet().router.seats if seat.name.endswith(name)]
        return found

    def world(self, number: int = 0) -> World:
        board = self.outlet(number).hardware.board
        assert isinstance(board, SimBoard)
        assert board.world is not None
        return board.world

    def board(self, number: int = 0) -> SimBoard:
        board = self.outlet(number).hardware.board
        assert isinstance(board, SimBoard)
        return board

    def drive(
        self,
        behaviour: Behaviour | None = None,
        *,
        number: int = 0,
        tls: bool = False,
        wallet: Wallet | None = None,
        trust: CarTrust | None = None,
        hands: WorldHands | None = None,
        stay: bool = False,
        sleep: float | None = None,
        resume_flaw: str | None = None,
        other_wallet: Wallet | None = None,
        stop_after: float | None = None,
    ) -> Drive:
        """Send a car to an outlet. It unplugs when it is done, unless it is to ``stay``."""
        drive = Drive()
        behaviour = behaviour or Behaviour()
        if tls and behaviour.payment is Paid.CONTRACT and wallet is None:
            wallet = car_wallet()
        trip = Trip(
            interface="lo",
            sdp_port=self.config.outlets[number].sdp_port,
            trust=(trust or car_trust()) if tls else None,
            wallet=wallet,
            sleep_seconds=sleep,
            resume_flaw=resume_flaw,
            other_wallet=other_wallet,
        )
        stopped = None if stop_after is None else lambda: asyncio.sleep(stop_after)
        line = self.board(number).line
        hands = hands or WorldHands(self.world(number), modem=line.car if line is not None else None)

        async def go() -> None:
            try:
                drive.reason = await travel(
                    trip,
                    behaviour,
                    hands,
                    lambda name, text, facts: drive.told.append((name, dict(facts))),
                    stopped=stopped,
                )
            except (Stopped, OSError, LineLost, Exception) as error:
                drive.failed = error
            if not stay:
                await hands.unplug()

        _DRIVES.set(drive)
        drive.task = asyncio.create_task(go())
        return drive

    async def until(self, condition: Callable[[], Any], seconds: float = 30.0, what: str = "") -> float:
        """Wait until it is so, at most so long; the seconds that it took."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while not condition():
            assert loop.time() < began + seconds, f"not within {seconds} s: {what or condition}"
            await asyncio.sleep(STEP)
        return loop.time() - began

    async def charging(self, drive: Drive, number: int = 0, seconds: float = 60.0) -> Drive:
        """Wait until energy flows into this car."""
        world = self.world(number)

        def flows() -> bool:
            assert drive.task is not None
            assert not drive.task.done(), drive.outcome
            return world.contactor.closed and world.present()[1] > 3.0 and "charging" in drive.names

        await self.until(flows, seconds, "charging")
        return drive

    async def opened(self, number: int = 0, seconds: float = OPEN_SECONDS) -> float:
        """Wait until the true contactor is open; how long it took."""
        return await self.until(lambda: not self.world(number).contactor.closed, seconds, "contactor open")

    async def ended(self, count: int = 1, seconds: float = 90.0) -> list[str]:
        """Wait until so many sessions have ended; their codes."""
        await self.until(lambda: len(self.codes()) >= count, seconds, f"{count} sessions ended, so far {self.codes()}")
        return self.codes()

    def codes(self, outlet: str | None = None) -> list[str]:
        return [
            event["code"]
            for event in self.published
            if event["event"] == "session ended" and outlet in (None, event["outlet"])
        ]

    async def charges(self, number: int = 0, **how: Any) -> Drive:
        """The next car charges: the proof that an outlet is well."""
        drive = await self.drive(replace(QUICK, **how), number=number).done()
        assert drive.outcome == "completed.full", drive.outcome
        return drive


QUICK = Behaviour(loops=5, current=Current.DC)
LONG = Behaviour(watt_hours=20_000.0, target_state_of_charge=0.95)

_DRIVES: ContextVar[Drive] = ContextVar("drive")


class _Caught(Line):
    """A connection that its drive knows of."""

    @classmethod
    async def open(cls, *arguments: Any) -> Line:
        line, drive = await Line.open(*arguments), _DRIVES.get(None)
        if drive is None:
            return line
        drive.lines.append(line)
        frames, heard = line.frames, itertools.count()

        async def kept() -> list[Frame] | None:
            found = await frames()
            drive.octets += [one.payload for one in found or () if next(heard)]
            return found

        send = line.send

        async def noted(octets: bytes, name: str) -> None:
            drive.sent = octets
            await send(octets, name)

        line.send = noted  # type: ignore[method-assign]  # reads along
        line.frames = kept  # type: ignore[method-assign]  # reads along
        return line


@contextlib.asynccontextmanager
async def station(config: Config, *, watch: bool = True) -> AsyncIterator[Scene]:
    """Bring it up, and down again; nothing that it started is left."""
    services = compose(config, Notifier({}))
    host = Station(services)
    published: list[dict[str, Any]] = []
    publish = services.publish

    def hear(event: Any) -> None:
        published.append(dict(event))
        publish(event)

    services.publish = hear
    scene = Scene(config, host, services, published, [])
    with mock.patch("tools.evcc.driver.Line", _Caught):
        await host.open()
        try:
            if watch:
                # Many eyes look less often: a look costs more than what it sees.
                step = STEP if len(host.outlets) < 4 else 4 * STEP
                scene.watches += [
                    Watch(host.outlets[number], scene.world(number), step) for number in range(len(host.outlets))
                ]
            yield scene
        finally:
            for one in scene.watches:
                one.stop()
            worlds = [
                outlet.hardware.board.world for outlet in host.outlets if isinstance(outlet.hardware.board, SimBoard)
            ]
            await host.close()
            for world in worlds:
                assert world is None or not world.contactor.closed, "a station that has gone down left power on"
    assert unknown(scene) == [], "codes without a row in docs/reasons.md"


def unknown(scene: Scene) -> list[str]:
    """What sessions and transactions have ended with, and the flaws behind, that no row explains. Any exception may be a bug."""
    ends = [event for event in scene.published if event["event"] == "session ended"]
    told = {event["code"] for event in ends} | {event["flaw"] for event in ends if event["flaw"]}
    with contextlib.suppress(OSError):
        lines = (scene.state / "sessions.jsonl").read_text().splitlines()
        told |= {row["reason"] for row in map(json.loads, lines) if "reason" in row}
    return sorted(code for code in told if code not in MEANINGS and not code.startswith("bug."))


def judged(scene: Scene) -> None:
    """What must hold in every scene."""
    for one in scene.watches:
        assert one.closings_against == 0
        assert one.against_seconds <= OPEN_SECONDS, one.against_seconds
