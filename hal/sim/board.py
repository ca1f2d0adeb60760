"""The simulated board: the ports of :mod:`hal.ports` over a link to firmware that guards a simulated world."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

from hal.errors import HalError, HalLost
from hal.events import (
    BoardEvent,
    BoardLost,
    BoardRecovered,
    ContactorChanged,
    DoorChanged,
    EmergencyStopChanged,
    FaultCleared,
    FaultRaised,
    InsulationMeasured,
    LockChanged,
    PilotChanged,
    StopPressed,
    TokenPresented,
)
from hal.readings import (
    BoardCapabilities,
    CableReading,
    ContactorReading,
    ContactorState,
    DcPresent,
    Fault,
    ImdReading,
    InputsReading,
    LockReading,
    LockState,
    MeterReading,
    PilotReading,
    PilotState,
    Severity,
    Token,
)
from hal.sim import parts
from hal.sim.firmware import Message
from hal.sim.follower import Observer
from hal.sim.link import Link, NoReply
from hal.sim.powerline import PowerLine
from hal.sim.world import Outlet, World
from hal.stream import Broadcast

COMMAND_SECONDS = 1.0
SILENT_SECONDS = 1.0


class SimBoard:
    """One simulated outlet.

    ``world`` is the world behind it where that is in this process, ``follower`` what moves the pilot for a foreign car (only if
    the ``follower`` option was given), ``line`` its power line (``modem`` option). ``release`` is called at the end of :meth:`close`.
    """

    def __init__(
        self,
        name: str,
        link: Link,
        outlet: Outlet,
        *,
        world: World | None = None,
        line: PowerLine | None = None,
        follower: Observer | None = None,
        release: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.world = world
        self.line = line
        self.follower = follower
        self._name = name
        self._link = link
        self._release = release
        self._events: Broadcast[BoardEvent] = Broadcast()
        self._healthy = False
        self._lost = False
        self._closed = False
        self._heard = 0.0
        self._pilot = PilotReading(PilotState.UNKNOWN, 0.0, 0.0)
        self._faults: dict[str, Fault] = {}
        self._contactor = ContactorReading(ContactorState.UNKNOWN, 0.0)
        self.inputs_reading = InputsReading(False, False, 0.0)
        self.lock_reading = LockReading(LockState.UNKNOWN, 0.0)
        self.imd_reading: ImdReading | None = None
        self.latest_token: Token | None = None
        self._present = DcPresent(0.0, 0.0, 0.0)
        self._meter: MeterReading | None = None
        link.on_event = self._hear
        link.on_lost = self._lose
        self.pilot = parts.SimPilot(self)
        self.inputs = parts.SimInputs(self)
        self.faults = parts.SimFaults(self)
        self.indicator = parts.SimIndicator()
        self.proximity = parts.SimProximity(self, CableReading(outlet.max_amperes, 0.0)) if outlet.lock else None
        self.plc = line.station if line is not None else None
        self.ac = None if outlet.dc else parts.SimAcPower(self, outlet)
        self.dc = parts.SimDcPower(self, outlet) if outlet.dc else None
        self.imd = parts.SimImd(self) if outlet.dc else None
        self.meter = parts.SimMeter(self)
        self.lock = parts.SimLock(self) if outlet.lock else None
        self.tokens = parts.SimTokenReader(self)

    @property
    def name(self) -> str:
        return self._name

    @property
    def capabilities(self) -> BoardCapabilities:
        return BoardCapabilities(opens_itself=True, heartbeat_seconds=1.0)

    @property
    def healthy(self) -> bool:
        return self._healthy

    async def open(self) -> None:
        """Connect to the firmware. HalLost after a :meth:`close`: the world is gone then; open a new one."""
        if self._closed:
            raise HalLost("this simulated board has been closed")
        reply = await self.command("open", anyhow=True)
        self._heard = asyncio.get_running_loop().time()
        self._settle(reply["events"])

    def _settle(self, levels: list[Message]) -> None:
        """All levels anew: what was missed while the board was away no longer counts."""
        self._healthy = True
        for code in set(self._faults) - {level.get("code") for level in levels}:
            self._take({"event": "cleared", "code": code})
        for level in levels:
            self._take(level)

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        # A board that does not answer has nobody to tell: its own watchdog opens.
        with contextlib.suppress(HalError):
            await self._link.send({"do": "close"}, COMMAND_SECONDS)
        self._healthy = False
        self._events.close()
        if self.line is not None:
            self.line.close()
        await self._link.close()
        if self._release is not None:
            await self._release()

    def beat(self) -> None:
        if self._closed:
            raise HalLost("this board is closed")
        self._link.beat()
        self._check_silence()
        if not self._healthy:
            raise HalLost("the board does not answer")

    def _check_silence(self) -> None:
        silence = asyncio.get_running_loop().time() - self._heard
        if self._healthy and silence > SILENT_SECONDS:
            self._lose(f"nothing heard from the safety controller for {silence:.1f} s")

    def events(self) -> AsyncIterator[BoardEvent]:
        stream = self._events.stream()
        if self._closed:
            stream.close()
        return stream

    # --- for the parts ---

    async def command(
        self, name: str, *, within: float = COMMAND_SECONDS, anyhow: bool = False, **arguments: Any
    ) -> Message:
        """Give the firmware one command. HalLost while the board does not answer, unless ``anyhow``."""
        if not self._healthy and not anyhow:
            raise HalLost(f"board {self._name} is not open, or does not answer")
        try:
            return await self._link.send({"do": name, **arguments}, within)
        except NoReply:
            self._check_silence()
            raise

    @property
    def pilot_reading(self) -> PilotReading:
        """The last change, confirmed by whatever was heard since."""
        return replace(self._pilot, at=max(self._pilot.at, self._heard)) if self._healthy else self._pilot

    @property
    def contactor_reading(self) -> ContactorReading:
        """The same of the contactor."""
        return replace(self._contactor, at=max(self._contactor.at, self._heard)) if self._healthy else self._contactor

    @property
    def present(self) -> DcPresent:
        self._refresh()
        return self._present

    @property
    def meter_reading(self) -> MeterReading | None:
        self._refresh()
        return self._meter

    def read_meter(self, reply: Message) -> MeterReading:
        """Note the reading that came with this reply."""
        self._meter = meter_reading(reply["meter"])
        return self._meter

    @property
    def active_faults(self) -> tuple[Fault, ...]:
        return tuple(self._faults.values())

    def _refresh(self) -> None:
        if self._healthy:
            self._link.refresh()

    # --- what is heard ---

    def _lose(self, text: str) -> None:
        if self._healthy:
            self._healthy, self._lost = False, True
            self._events.publish(BoardLost(text, asyncio.get_running_loop().time()))

    def _hear(self, event: Message) -> None:
        now = asyncio.get_running_loop().time()
        self._heard = now
        if event["event"] != "levels":
            self._take(event)
        elif not self._closed:
            # Also after a silence too short to be noticed: what was said in it has not been heard.
            self._settle(event["events"])
            if self._lost:
                self._lost = False
                self._events.publish(BoardRecovered(now))

    def _take(self, event: Message) -> None:
        """Note one event; publish it where something has really changed."""
        match event["event"]:
            case "measured":
                self._take_measured(event)
            case "pilot":
                self._take_pilot(event)
            case "contactor":
                self._contactor = ContactorReading(ContactorState(event["state"]), event["at"])
                self._events.publish(ContactorChanged(self._contactor))
            case "inputs":
                self._take_inputs(event)
            case "lock":
                self.lock_reading = LockReading(LockState(event["state"]), event["at"])
                self._events.publish(LockChanged(self.lock_reading))
            case "imd":
                self.imd_reading = ImdReading(event["ohms"], event["at"])
                self._events.publish(InsulationMeasured(self.imd_reading))
            case "fault":
                severity = Severity(event["severity"])
                fault = Fault(event["code"], severity, event["text"], event["latched"], event["at"])
                if self._faults.get(fault.code) != fault:
                    self._faults[fault.code] = fault
                    self._events.publish(FaultRaised(fault))
            case "cleared":
                cleared = self._faults.pop(event["code"], None)
                if cleared is not None:
                    self._events.publish(FaultCleared(cleared))
            case "token":
                self.latest_token = Token(event["kind"], event["value"], event["at"])
                self._events.publish(TokenPresented(self.latest_token))
            case "stop":
                self._events.publish(StopPressed(event["at"]))

    def _take_measured(self, event: Message) -> None:
        if "present" in event:
            self._present = DcPresent(**event["present"])
        if "meter" in event:
            self._meter = meter_reading(event["meter"])

    def _take_pilot(self, event: Message) -> None:
        before = self._pilot.state
        state = PilotState(event["state"])
        volts = (event["high_volts"], event["low_volts"])
        self._pilot = PilotReading(state, event["since"], event["at"], event["duty"], *volts)
        if state is not before:
            self._events.publish(PilotChanged(self._pilot))

    def _take_inputs(self, event: Message) -> None:
        before, at = self.inputs_reading, event["at"]
        self.inputs_reading = InputsReading(event["emergency_stopped"], event["door_open"], at)
        if self.inputs_reading.emergency_stopped != before.emergency_stopped:
            self._events.publish(EmergencyStopChanged(self.inputs_reading.emergency_stopped, at))
        if self.inputs_reading.door_open != before.door_open:
            self._events.publish(DoorChanged(self.inputs_reading.door_open, at))


def meter_reading(message: Message) -> MeterReading:
    """A reading as the firmware tells it."""
    return MeterReading(
        watt_hours_import=message["watt_hours_import"],
        volts=tuple(message["volts"]),
        amperes=tuple(message["amperes"]),
        watts=message["watts"],
        at=message["at"],
    )
