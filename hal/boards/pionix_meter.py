"""The meter on a Yeti: not a legal one; it sends readings by itself."""

from __future__ import annotations

import asyncio
import math
from typing import Final

from hal.boards.pionix_wire import Fields
from hal.drivers_kit import within
from hal.errors import HalLost
from hal.meters.unsigned import UnsignedMeter
from hal.readings import MeterReading

READ_SECONDS: Final = 1.0
FRESH_SECONDS: Final = 0.5


class PowerMeter(UnsignedMeter):
    """``identity``: the operator's name for it (MeterID); the protocol has no serial number."""

    def __init__(self, identity: str, loop: asyncio.AbstractEventLoop) -> None:
        self.identity = identity[:32]
        self.reading: MeterReading | None = None
        self._loop = loop
        self._waiting: list[asyncio.Future[MeterReading]] = []

    async def read(self) -> MeterReading:
        now = self._loop.time()
        if self.reading is not None and now - self.reading.at <= FRESH_SECONDS:
            return self.reading
        future: asyncio.Future[MeterReading] = self._loop.create_future()
        self._waiting.append(future)
        async with within(READ_SECONDS, "the controller sends no meter readings"):
            return await future

    def take(self, fields: Fields) -> None:
        """Take a reading. One with NaN is dropped, so that the last one ages."""
        reading = MeterReading(
            watt_hours_import=fields.real(12),
            volts=tuple(fields.real(number) for number in (2, 3, 4)),
            amperes=tuple(fields.real(number) for number in (5, 6, 7)),
            watts=sum(fields.real(number) for number in (17, 18, 19)),
            at=self._loop.time(),
        )
        if not all(map(math.isfinite, (reading.watt_hours_import, reading.watts, *reading.volts, *reading.amperes))):
            return
        self.reading = reading
        for future in self._waiting:
            if not future.done():
                future.set_result(reading)
        self._waiting.clear()

    def lose(self, text: str) -> None:
        for future in self._waiting:
            if not future.done():
                future.set_exception(HalLost(text))
        self._waiting.clear()
