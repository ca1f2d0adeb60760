"""An energy meter on Modbus as a part of a board: read every second, checked, reported when it does
not answer.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace

from hal.address import Address
from hal.drivers_kit import within
from hal.errors import HalRejected
from hal.faults import ActiveFaults, Trouble
from hal.meters.modbus import COMMAND_SECONDS, LINE_OPTIONS, Lines, ModbusLine, ModbusPart, Rtu, line
from hal.meters.models import MeterModel, model
from hal.meters.plausibility import Bounds, Plausibility
from hal.meters.unsigned import UnsignedMeter
from hal.readings import MeterReading, Severity

PERIOD_SECONDS = 1.0
LOST_SECONDS = 3.0
"""Without a reading for this long the meter is lost, and charging ends in order, because the driver
pays by the meter.
"""

IMPLAUSIBLE_READINGS = 3
"""This many in a row are a fault. A single one is taken for a disturbance on the line, and dropped.
"""

IMPLAUSIBLE = "meter-implausible"
FACTORY = Rtu("", 9600, "N", 1)
OPTIONS = sorted(LINE_OPTIONS | {"model", "unit", "identity", "max_volts", "max_amperes"})


class Implausible(HalRejected):
    """The meter answers with values that cannot be true."""


class MeterFaults(ActiveFaults):
    """``believe`` is called when a person clears ``meter-implausible``, which is never refused."""

    def __init__(self, believe: Callable[[], None]) -> None:
        super().__init__()
        self._believe = believe

    async def clear(self, code: str) -> None:
        if code == IMPLAUSIBLE and code in self:
            self._believe()
            self.forget(code)
        await super().clear(code)


class ModbusMeter(ModbusPart, UnsignedMeter):
    """A meter. ``identity``: the configured one, else the meter's serial number."""

    LOST = "meter-lost"

    def __init__(
        self, modbus: ModbusLine, kind: MeterModel, unit: int, *, identity: str, fallback: str, bounds: Bounds
    ) -> None:
        super().__init__(modbus, unit, period=PERIOD_SECONDS, patience=LOST_SECONDS)
        self.identity = identity or fallback
        self.reading: MeterReading | None = None
        self._model = kind
        self._asked_for_identity = bool(identity)
        self._plausibility = Plausibility(bounds)
        self._implausible = 0
        self.faults = MeterFaults(self._believe)

    def _believe(self) -> None:
        """Accept the counter as it is: the operator has checked the meter."""
        self._plausibility.forget()
        self._implausible = 0

    async def read(self) -> MeterReading:
        """Returns a fresh reading. Raises HalTimeout or HalLost without an answer, HalRejected for
        values that cannot be true.
        """
        async with within(COMMAND_SECONDS, f"{self._line.where}: no reading in {COMMAND_SECONDS:g} s"):
            return await self._measure()

    async def _poll(self) -> None:
        if not self._asked_for_identity:
            number = await self._model.serial_number(self._line, self._unit)
            self._asked_for_identity = True
            self.identity = number[:32] or self.identity
        with contextlib.suppress(Implausible):  # the meter answers; its values are another fault
            await self._measure()

    async def _measure(self) -> MeterReading:
        measured = await self._model.measure(self._line, self._unit)
        now = asyncio.get_running_loop().time()
        flaw = self._plausibility.flaw(measured, now)
        if flaw is not None:
            self._implausible += 1
            if self._implausible >= IMPLAUSIBLE_READINGS:
                self.faults.begin(Trouble(IMPLAUSIBLE, Severity.STOP, flaw.text, latched=flaw.standing))
            raise Implausible(f"{self._line.where}: {flaw.text}")
        self._implausible = 0
        self.faults.end(IMPLAUSIBLE)
        self.reading = replace(measured, at=now)
        return self.reading


def meter(where: str, lines: Lines) -> ModbusMeter:
    """Returns the meter of ``modbus:tcp:HOST:PORT?model=sdm630&unit=1`` or
    ``modbus:rtu:DEVICE?...``. Raises HalRejected for any other address.

    Options: model (sdm630), unit (1), identity, max_volts (520), max_amperes (500); baud (9600),
    parity (N), stop_bits (1).
    """
    address = Address(where, OPTIONS)
    name = address.text("model", "sdm630")
    unit = address.integer("unit", 1, 247, 1)
    identity = address.text("identity", "")
    if len(identity) > 32:
        raise HalRejected(f"{address}: an identity has at most 32 characters")
    bounds = Bounds(address.number("max_volts", 1.0, 2000.0, 520.0), address.number("max_amperes", 1.0, 5000.0, 500.0))
    found = lines.at(line(address, FACTORY))
    return ModbusMeter(found, model(name), unit, identity=identity, fallback=f"{name}-{unit}", bounds=bounds)
