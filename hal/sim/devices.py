"""The simulated board's supply, insulation monitor, meter, card reader and display.

The last measurement is an attribute; the board sets it when the firmware reports.
"""

from __future__ import annotations

from typing import Any, Protocol

from hal.boards.levels import Levels
from hal.meters.unsigned import UnsignedMeter
from hal.readings import (
    ContactorReading,
    DcCapabilities,
    DcPhase,
    DcPresent,
    Fault,
    ImdReading,
    Indication,
    MeterReading,
    Token,
)
from hal.sim.firmware import Message

SELF_TEST_SECONDS = 30.0
OFF_SECONDS = 2.0


class Command(Protocol):
    """Send the firmware one command and wait for its reply, ``within`` seconds if the usual second
    is not enough. Raises HalError.
    """

    async def __call__(self, name: str, *, within: float = ..., **arguments: Any) -> Message: ...


class SimDcPower:
    def __init__(self, command: Command, levels: Levels, capabilities: DcCapabilities) -> None:
        self.capabilities = capabilities
        self.present = DcPresent(0.0, 0.0, 0.0)
        self._command = command
        self._levels = levels

    @property
    def contactor(self) -> ContactorReading:
        return self._levels.contactor

    async def set_target(self, volts: float, amperes: float, phase: DcPhase) -> None:
        await self._command("target", volts=volts, amperes=amperes, phase=phase.value)

    async def off(self) -> None:
        await self._command("off", within=OFF_SECONDS)

    async def set_contactor(self, closed: bool) -> None:
        await self._command("permit", on=closed)


class SimFaults:
    def __init__(self, command: Command, levels: Levels) -> None:
        self._command = command
        self._faults = levels.faults

    @property
    def active(self) -> tuple[Fault, ...]:
        return self._faults.active

    async def clear(self, code: str) -> None:
        await self._command("clear", code=code)


class SimImd:
    def __init__(self, command: Command) -> None:
        self.reading: ImdReading | None = None
        self._command = command

    async def self_test(self) -> bool:
        return (await self._command("imd_test", within=SELF_TEST_SECONDS))["passed"] is True

    async def start(self) -> None:
        self.reading = None
        await self._command("imd", on=True)

    async def stop(self) -> None:
        await self._command("imd", on=False)


class SimMeter(UnsignedMeter):
    identity = "SIM-METER-1"

    def __init__(self, command: Command) -> None:
        self.reading: MeterReading | None = None
        self._command = command

    def note(self, message: Message) -> MeterReading:
        """Take a reading from the firmware's message."""
        reading = self.reading = MeterReading(
            watt_hours_import=message["watt_hours_import"],
            volts=tuple(message["volts"]),
            amperes=tuple(message["amperes"]),
            watts=message["watts"],
            at=message["at"],
        )
        return reading

    async def read(self) -> MeterReading:
        return self.note((await self._command("meter"))["meter"])


class SimTokenReader:
    latest: Token | None = None


class SimIndicator:
    """Keeps the last indication for tests."""

    def __init__(self) -> None:
        self.shown: tuple[Indication, str] = (Indication.UNAVAILABLE, "")

    async def show(self, indication: Indication, text: str = "") -> None:
        self.shown = (indication, text)
