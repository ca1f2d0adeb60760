"""Meters without signatures: a transaction begins and ends with a reading."""

from __future__ import annotations

import abc

from hal.readings import MeterReading


class UnsignedMeter(abc.ABC):
    """The part of ``hal.ports.Meter`` about transactions."""

    @abc.abstractmethod
    async def read(self) -> MeterReading:
        """A fresh reading."""

    async def begin(self, transaction: str) -> bytes | None:
        """Returns None. Raises as :meth:`read` does."""
        await self.read()
        return None

    async def end(self, transaction: str) -> bytes | None:
        await self.read()
        return None
