"""The simulated board: the ports of :mod:`hal.ports` over a link to firmware in a simulated world."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from hal.boards import ports
from hal.boards.levels import LevelBoard
from hal.errors import HalError, HalLost, HalUnsupported
from hal.events import InsulationMeasured, StopPressed, TokenPresented
from hal.readings import (
    AcCapabilities,
    BoardCapabilities,
    ContactorState,
    DcPresent,
    Fault,
    ImdReading,
    LockState,
    PilotReading,
    PilotState,
    Severity,
    Token,
)
from hal.sim.devices import SimDcPower, SimFaults, SimImd, SimIndicator, SimMeter, SimTokenReader
from hal.sim.firmware import Message
from hal.sim.follower import Observer
from hal.sim.link import Link, NoReply
from hal.sim.powerline import PowerLine
from hal.sim.world import Outlet, World

COMMAND_SECONDS = 1.0
SILENT_SECONDS = 0.95
"""The board is lost after this time without a report, before its measurements are too old."""


class SimBoard(LevelBoard):
    """One simulated outlet.

    ``world`` is the board's world if it is in this process, ``follower`` moves the pilot for a
    foreign car (only with the ``follower`` option), ``line`` is its power line (``modem`` option).
    ``release`` is called at the end of :meth:`close`.
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
        super().__init__(name, BoardCapabilities(opens_itself=True, heartbeat_seconds=1.0))
        self.world = world
        self.line = line
        self.follower = follower
        self._link = link
        self._release = release
        self._cable_amperes = outlet.max_amperes
        link.on_event = self._hear
        link.on_lost = self.levels.lose
        self.pilot = ports.Pilot(self, supports_e=True)
        self.inputs = ports.BoardInputs(self)
        self.faults = SimFaults(self.command, self.levels)
        self.indicator = SimIndicator()
        self.proximity = ports.Proximity(self) if outlet.lock else None
        self.plc = line.station if line is not None else None
        able = AcCapabilities(outlet.phases, outlet.volts, 6.0, outlet.max_amperes)
        self.ac = None if outlet.dc else ports.Ac(self, able)
        self.dc = SimDcPower(self.command, self.levels, outlet.limits) if outlet.dc else None
        self.imd = SimImd(self.command) if outlet.dc else None
        self.meter = SimMeter(self.command)
        self.lock = ports.PlugLock(self) if outlet.lock else None
        self.tokens = SimTokenReader()

    async def open(self) -> None:
        """Connect to the firmware. Raises HalLost after a :meth:`close`, which ends the world; make
        a new board.
        """
        self._usable()
        reply = await self.command("open", anyhow=True)
        self.levels.confirm(self._loop.time())
        self._settle(reply["events"])

    def _settle(self, said: list[Message]) -> None:
        """Take all levels anew, which replaces events that were missed."""
        for code in {fault.code for fault in self.levels.faults.active} - {level.get("code") for level in said}:
            self.levels.faults.forget(code)
        for level in said:
            self._take(level)
        self.levels.recover()

    async def close(self) -> None:
        if self.closed:
            return
        self.closed = True
        # A board that does not answer opens by its own watchdog.
        with contextlib.suppress(HalError):
            await self._link.send({"do": "close"}, COMMAND_SECONDS)
        self._fall_silent()
        if self.line is not None:
            self.line.close()
        await self._link.close()
        if self._release is not None:
            await self._release()

    def beat(self) -> None:
        self._usable()
        self._link.beat()
        self._check_silence()
        if not self.healthy:
            raise HalLost("the board does not answer")

    def _check_silence(self) -> None:
        silence = self._loop.time() - self.levels.heard
        if silence > SILENT_SECONDS:
            self.levels.lose(f"no report from the safety controller for {silence:.1f} s")

    # --- commands ---

    async def command(
        self, name: str, *, within: float = COMMAND_SECONDS, anyhow: bool = False, **arguments: Any
    ) -> Message:
        """Send the firmware one command. Raises HalLost while the board does not answer, unless
        ``anyhow``.
        """
        if not anyhow:
            self.demand()
        try:
            return await self._link.send({"do": name, **arguments}, within)
        except NoReply:
            self._check_silence()
            raise

    async def drive(self, duty: float | None) -> None:
        await (self.command("e") if duty is None else self.command("duty", duty=duty))

    async def permit(self, on: bool, reason: str) -> None:
        await self.command("permit", on=on, reason=reason)

    async def limit(self, amperes: float) -> None:
        await self.command("overcurrent", amperes=amperes)

    async def switch_phases(self, phases: int) -> None:
        raise HalUnsupported("this outlet does not switch phases")

    async def test_residual_current(self) -> bool:
        return (await self.command("residual_current"))["passed"] is True

    async def move_lock(self, locked: bool) -> None:
        await self.command("lock" if locked else "unlock")

    # --- messages of the firmware ---

    def _hear(self, event: Message) -> None:
        self.levels.confirm(self._loop.time())
        if event["event"] != "levels":
            self._take(event)
        elif not self.closed:
            # Also after a silence too short to be noticed, in which events were missed.
            self._settle(event["events"])

    def _take(self, event: Message) -> None:
        """Note one event."""
        levels = self.levels
        match event["event"]:
            case "measured":
                self._take_measured(event)
            case "pilot":
                self._take_pilot(event)
            case "contactor":
                levels.note_contactor(ContactorState(event["state"]), event["at"])
            case "inputs":
                stopped, opened = event["emergency_stopped"], event["door_open"]
                levels.note_inputs(emergency_stopped=stopped, door_open=opened, at=event["at"])
            case "lock":
                levels.note_lock(LockState(event["state"]), event["at"])
            case "imd" if self.imd is not None:
                self.imd.reading = ImdReading(event["ohms"], event["at"])
                levels.events.publish(InsulationMeasured(self.imd.reading))
            case "fault":
                severity = Severity(event["severity"])
                levels.faults.note(Fault(event["code"], severity, event["text"], event["latched"], event["at"]))
            case "cleared":
                levels.faults.forget(event["code"])
            case "token":
                self.tokens.latest = Token(event["kind"], event["value"], event["at"])
                levels.events.publish(TokenPresented(self.tokens.latest))
            case "stop":
                levels.events.publish(StopPressed(event["at"]))

    def _take_measured(self, event: Message) -> None:
        if "present" in event and self.dc is not None:
            self.dc.present = DcPresent(**event["present"])
        if "meter" in event:
            self.meter.note(event["meter"])

    def _take_pilot(self, event: Message) -> None:
        state, at = PilotState(event["state"]), event["at"]
        self.levels.note_pilot(PilotReading(state, at, at, event["duty"], event["high_volts"], event["low_volts"]))
        if self.proximity is not None:
            # The cable has the outlet's rating once it is plugged in.
            self.levels.note_cable(self._cable_amperes if state.connected else None)
