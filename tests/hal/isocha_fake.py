"""A Bender isoCHA425HV as registers that live: a self-test takes its time, and measurements are not valid meanwhile."""

from __future__ import annotations

import asyncio
import struct

from tests.hal.modbus_fake import Device

OHM = 2
TRUE, SMALLER, BIGGER, INVALID = 0, 1, 2, 3


class FakeIsoCha(Device):
    """``ohms`` is what it measures; ``test_seconds`` how long its self-test takes; ``broken`` its own error."""

    def __init__(self, unit: int = 3, version: int = 521) -> None:
        super().__init__(unit)
        self.ohms = 1_000_000.0
        self.validity = TRUE
        self.unit_of_value = OHM
        self.broken = False
        self.breaks_in_test = False
        self.test_seconds = 2.0
        self.ignores_test = False
        self.validity_in_test = INVALID
        self._testing_until = 0.0
        name = b"isoCHA425HV\n".ljust(20, b"\0")
        self.words({9800: struct.unpack(">10H", name), 9820: (440, version, 2024, 5, 17, 100)})
        self.words({3021: (0,), 3026: (0,)})
        self.on_read = self._refresh
        self.on_write = self._ordered

    @property
    def testing(self) -> bool:
        return asyncio.get_running_loop().time() < self._testing_until

    def _ordered(self, address: int, values: list[int]) -> None:
        if (address, values) == (8005, [0x5445]) and not self.ignores_test:
            self._testing_until = asyncio.get_running_loop().time() + self.test_seconds
            self.broken = self.broken or self.breaks_in_test

    def _refresh(self, _address: int) -> None:
        state = 0x80 if self.testing else (0x02 if self.broken else 0x00)
        validity = self.validity_in_test if self.testing else self.validity
        high, low = struct.unpack(">HH", struct.pack(">f", self.ohms))
        self.words({1000: (high, low, state << 8 | validity << 6 | self.unit_of_value, 71)})
