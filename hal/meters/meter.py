"""An energy meter on Modbus as a part of a board: read every second, judged, missed when it is gone."""

from __future__ import annotations

import asyncio
import contextlib

from hal.drivers_kit import Poller, Standing, Tell, parse
from hal.errors import HalError, HalRejected, HalTimeout
from hal.meters.modbus import COMMAND_SECONDS, LINE_OPTIONS, Lines, ModbusLine, Rtu, line
from hal.meters.models import MeterModel, model
from hal.meters.plausibility import Bounds, Plausibility
from hal.readings import MeterReading, Severity

PERIOD_SECONDS = 1.0
LOST_SECONDS = 3.0
"""Without a reading for this long the meter is lost: what it counts is what the driver pays, so charging ends in good order."""

IMPLAUSIBLE_READINGS = 3
"""So many in a row are a fault. One alone is a disturbance on the line, and is not used."""

LOST, IMPLAUSIBLE = "meter-lost", "meter-implausible"
FACTORY = Rtu("", 9600, "N", 1)
OPTIONS = LINE_OPTIONS | {"model", "unit", "identity", "max_volts", "max_amperes"}


class Implausible(HalRejected):
    """The meter answers, and what it says cannot be true."""


class ModbusMeter:
    """A meter. ``identity`` is what the meter says of itself; a configured one goes before it."""

    def __init__(
        self, modbus: ModbusLine, kind: MeterModel, unit: int, *, identity: str, fallback: str, bounds: Bounds
    ) -> None:
        self._line = modbus
        self._model = kind
        self._unit = unit
        self._configured = identity
        self._identity = identity or fallback
        self._asked_for_identity = bool(identity)
        self._plausibility = Plausibility(bounds)
        self._implausible = 0
        self._reading: MeterReading | None = None
        self._standing: Standing | None = None
        self._poller: Poller | None = None

    @property
    def identity(self) -> str:
        return self._identity

    @property
    def reading(self) -> MeterReading | None:
        return self._reading

    async def open(self, tell: Tell) -> None:
        """Begin to read. A meter that does not answer is a fault, and is found when it comes."""
        self._line.check()
        self._standing = Standing(tell)
        self._poller = Poller(
            self._poll, period=PERIOD_SECONDS, patience=LOST_SECONDS, lost=self._lost, found=self._found
        )
        await self._poller.start()

    async def close(self) -> None:
        if self._poller is not None:
            await self._poller.stop()
        self._line.close()

    def clear(self, code: str) -> None:
        """After ``meter-implausible`` the counter is taken as it stands: somebody has looked at the meter."""
        if self._standing is None or code not in self._standing:
            return
        if code == LOST:
            raise HalRejected("the meter does not answer")
        self._plausibility.forget()
        self._implausible = 0
        self._standing.passed(code, unlatch=True)

    async def read(self) -> MeterReading:
        """A fresh reading. HalTimeout or HalLost without an answer, HalRejected for one that cannot be true."""
        try:
            async with asyncio.timeout(COMMAND_SECONDS):
                return await self._measure()
        except TimeoutError:
            raise HalTimeout(f"{self._line.where}: no reading in {COMMAND_SECONDS:g} s") from None

    async def _poll(self) -> None:
        if not self._asked_for_identity:
            number = await self._model.serial_number(self._line, self._unit)
            self._asked_for_identity = True
            self._identity = number[:32] or self._identity
        with contextlib.suppress(Implausible):  # it is there; what it says is a fault of another name
            await self._measure()

    async def _measure(self) -> MeterReading:
        measured = await self._model.measure(self._line, self._unit)
        now = asyncio.get_running_loop().time()
        flaw = self._plausibility.flaw(measured, now)
        if flaw is not None:
            self._implausible += 1
            if self._implausible >= IMPLAUSIBLE_READINGS and self._standing is not None:
                self._standing.raised(IMPLAUSIBLE, Severity.STOP, flaw.text, latched=flaw.standing)
            raise Implausible(f"{self._line.where}: {flaw.text}")
        self._implausible = 0
        if self._standing is not None:
            self._standing.passed(IMPLAUSIBLE)
        self._reading = MeterReading(
            watt_hours_import=measured.watt_hours_import,
            volts=measured.volts,
            amperes=measured.amperes,
            watts=measured.watts,
            at=now,
        )
        return self._reading

    async def begin(self, transaction: str) -> bytes | None:
        """These meters sign nothing. Errors as :meth:`read`."""
        await self.read()
        return None

    async def end(self, transaction: str) -> bytes | None:
        await self.read()
        return None

    def _lost(self, error: HalError) -> None:
        assert self._standing is not None
        self._standing.raised(LOST, Severity.STOP, str(error))

    def _found(self) -> None:
        assert self._standing is not None
        self._standing.passed(LOST)


def meter(where: str, lines: Lines) -> ModbusMeter:
    """The meter of ``modbus:tcp:HOST:PORT?model=sdm630&unit=1`` or ``modbus:rtu:DEVICE?...``. HalRejected for what is not understood.

    Options: model (sdm630), unit (1), identity, max_volts (520), max_amperes (500); baud (9600), parity (N), stop_bits (1).
    """
    address = parse(where, OPTIONS)
    name = address.text("model", "sdm630")
    unit = address.integer("unit", 1, 1, 247)
    identity = address.text("identity", "")
    if len(identity) > 32:
        raise HalRejected(f"{address}: an identity has at most 32 characters")
    bounds = Bounds(
        address.quantity("max_volts", 520.0, 1.0, 2000.0), address.quantity("max_amperes", 500.0, 1.0, 5000.0)
    )
    found = lines.at(line(address, FACTORY))
    return ModbusMeter(found, model(name), unit, identity=identity, fallback=f"{name}-{unit}", bounds=bounds)
