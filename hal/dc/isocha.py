"""Bender isoCHA425HV insulation monitor, on Modbus (RTU by factory: 19200 8E1, unit 3).

Every channel has four holding registers: a float32, then alarm, test, validity and unit, then its
description.
"""

from __future__ import annotations

import asyncio
import enum
import logging
import math
from collections.abc import Sequence

from frozen import dataclass
from hal.address import Address
from hal.drivers_kit import within
from hal.errors import HalError, HalLost, HalRejected, HalTimeout
from hal.events import InsulationMeasured
from hal.faults import Trouble
from hal.meters.modbus import LINE_OPTIONS, Lines, ModbusLine, ModbusPart, Rtu, line
from hal.meters.registers import float32, text
from hal.readings import ImdReading, Severity

log = logging.getLogger(__name__)

MEASURING_SECONDS = 1.0
IDLE_SECONDS = 5.0
"""At rest the poll only checks that the monitor answers: an outlet that cannot check a cable
accepts no car.
"""

LOST_SECONDS = 3.0
LOST_AT_REST_SECONDS = 8.0
"""At rest a single request without an answer does not make the monitor lost."""

SELF_TEST_SECONDS = 30.0
TESTING_SECONDS = 0.25
BREATH_SECONDS = 0.02
"""The monitor slows down when requests follow each other without a pause."""

BROKEN = Trouble("imd-device-error", Severity.STOP, "the insulation monitor reports a device error")
FACTORY = Rtu("", 19200, "E", 1)
OPTIONS = sorted(LINE_OPTIONS | {"unit"})

_RESISTANCE = 1000
_AUTOMATIC_TEST, _DEVICE_ON, _START_TEST = 3021, 3026, 8005
_NAME, _VERSION = 9800, 9821
_TEST_WORD = 0x5445  # "TE"
_FAST_CABLE_CHECK = 3
_FAST_SINCE = 500  # firmware 5.00
_OHM = 2


class SelfTest(enum.Enum):
    """The test that runs. Measurements during a test do not describe the cable."""

    NONE = 0
    INTERNAL = 1
    EXTERNAL = 2


@dataclass(frozen=True, slots=True)
class Channel:
    """One measured value of the monitor. ``ohms`` is None if it has none."""

    ohms: float | None
    test: SelfTest
    device_error: bool


def channel(registers: Sequence[int]) -> Channel:
    """Parse four registers of the insulation channel. Raises HalRejected for a value that is not an
    insulation resistance.
    """
    ohms = float32(registers, 0)
    state, kind = registers[2] >> 8, registers[2] & 0xFF
    try:
        test = SelfTest(state >> 6)
    except ValueError:
        raise HalRejected(f"the insulation monitor reports an unknown test ({state:#04x})") from None
    device_error = test is SelfTest.NONE and state & 0x07 == 2
    validity = kind >> 6
    if validity == 3 or device_error:
        return Channel(None, test, device_error)
    if kind & 0x1F != _OHM or not math.isfinite(ohms) or ohms < 0.0:
        raise HalRejected(f"the insulation monitor reports {ohms:g} in unit {kind & 0x1F}, which is not a resistance")
    # 1: the true value is below the measuring range, so the insulation cannot be taken as good.
    return Channel(0.0 if validity == 1 else ohms, test, device_error)


class IsoCha(ModbusPart):
    """The monitor as a part of a board."""

    LOST = "imd-lost"

    def __init__(self, modbus: ModbusLine, unit: int) -> None:
        super().__init__(modbus, unit, period=IDLE_SECONDS, patience=LOST_AT_REST_SECONDS)
        self.reading: ImdReading | None = None
        self._measuring = False
        self._prepared = False

    async def close(self) -> None:
        self._measuring = False
        await super().close()

    async def self_test(self) -> bool:
        """Run the monitor's own test. Raises HalTimeout if it does not begin, or does not end,
        within 30 s.
        """
        async with within(
            SELF_TEST_SECONDS, f"{self._line.where}: the self-test has not ended after {SELF_TEST_SECONDS:g} s"
        ):
            return await self._test()

    async def start(self) -> None:
        """Measure once a second. Raises HalLost while the monitor does not answer."""
        if not self._poller.running or self.LOST in self.faults:
            raise HalLost(f"{self._line.where}: the insulation monitor does not answer")
        self.reading = None
        self._measuring = True
        self._poller.period, self._poller.patience = MEASURING_SECONDS, LOST_SECONDS
        self._poller.wake()

    async def stop(self) -> None:
        self._measuring = False
        self._poller.period, self._poller.patience = IDLE_SECONDS, LOST_AT_REST_SECONDS

    async def _test(self) -> bool:
        before = await self._channel()
        if before.test is not SelfTest.EXTERNAL:  # else a test was started before
            await self._line.write(self._unit, _START_TEST, [_TEST_WORD])
        begun = before.test is SelfTest.EXTERNAL
        misses = 0
        while True:
            await asyncio.sleep(TESTING_SECONDS)
            try:
                now = await self._channel()
            except HalTimeout:
                # The monitor may not answer for a moment during its test.
                misses += 1
                if misses > 3:
                    raise
                continue
            misses = 0
            if now.test is SelfTest.EXTERNAL:
                begun = True
            elif begun:
                return not now.device_error

    async def _poll(self) -> None:
        if not self._prepared:
            await self._prepare()
        since, asked_at = self._measuring, asyncio.get_running_loop().time()
        found = await self._channel()
        if found.device_error or found.test is SelfTest.NONE:
            self.faults.report(BROKEN, found.device_error)
        if since and self._measuring and found.test is SelfTest.NONE and found.ohms is not None:
            # The value was measured before its answer came: a caller that wants a measurement from
            # now on must not get an older one.
            self.reading = ImdReading(found.ohms, asked_at)
            self.faults.tell(InsulationMeasured(self.reading))

    async def _prepare(self) -> None:
        """Prepare the monitor. Settings are written only if they differ, because writing wears its
        memory out.
        """
        name = text(await self._line.read_holding(self._unit, _NAME, 10))
        await asyncio.sleep(BREATH_SECONDS)
        version = (await self._line.read_holding(self._unit, _VERSION, 1))[0]
        log.info("insulation monitor: %s, firmware %d.%02d", name or "without a name", version // 100, version % 100)
        await self._set(_DEVICE_ON, 1)
        # The long self-test of older firmware exceeds some cars' time limits; newer firmware has a
        # short one for the cable check.
        if version > _FAST_SINCE:
            await self._set(_AUTOMATIC_TEST, _FAST_CABLE_CHECK)
        self._prepared = True

    async def _set(self, register: int, value: int) -> None:
        await asyncio.sleep(BREATH_SECONDS)
        if await self._line.read_holding(self._unit, register, 1) != (value,):
            await asyncio.sleep(BREATH_SECONDS)
            await self._line.write(self._unit, register, [value])

    async def _channel(self) -> Channel:
        return channel(await self._line.read_holding(self._unit, _RESISTANCE, 4))

    def _lost(self, error: HalError) -> None:
        self._prepared = False  # the next one may be another device, or have factory settings
        super()._lost(error)


def insulation_monitor(where: str, lines: Lines) -> IsoCha:
    """Returns the monitor of ``isocha:rtu:DEVICE?unit=3`` or ``isocha:tcp:HOST:PORT``. Raises
    HalRejected for any other address.

    Options: unit (3), baud (19200), parity (E), stop_bits (1).
    """
    address = Address(where, OPTIONS)
    unit = address.integer("unit", 1, 247, 3)
    return IsoCha(lines.at(line(address, FACTORY)), unit)
