"""Register maps of meters."""

from __future__ import annotations

import math
from typing import Protocol

from frozen import dataclass
from hal.errors import HalError, HalRejected
from hal.meters.modbus import ModbusLine
from hal.meters.registers import float32, int16, text, uint32
from hal.readings import MeterReading


class MeterModel(Protocol):
    """How one kind of meter is read."""

    async def serial_number(self, line: ModbusLine, unit: int) -> str:
        """Returns the meter's serial number; empty if it has none."""

    async def measure(self, line: ModbusLine, unit: int) -> MeterReading:
        """Returns one reading, not yet checked: any value may be NaN, and ``at`` is zero."""


# --- Eastron: input registers (function 4), each value a float32 ---

_VOLTS, _AMPERES, _WATTS, _TOTAL_WATTS, _IMPORT_KWH = 0x0000, 0x0006, 0x000C, 0x0034, 0x0048
_SERIAL_NUMBER = 0xFC00


@dataclass(frozen=True, slots=True)
class Eastron:
    """An SDM meter. ``blocks``: (first register, count), without registers that the model does not
    have.
    """

    phases: int
    blocks: tuple[tuple[int, int], ...]

    async def serial_number(self, line: ModbusLine, unit: int) -> str:
        try:
            number = uint32(await line.read_holding(unit, _SERIAL_NUMBER, 2), 0)
        except HalRejected:
            return ""  # older firmware has no such register
        return str(number) if number not in (0, 0xFFFFFFFF) else ""

    async def measure(self, line: ModbusLine, unit: int) -> MeterReading:
        registers: dict[int, int] = {}
        for first, count in self.blocks:
            registers.update(enumerate(await line.read_input(unit, first, count), first))

        def value(address: int) -> float:
            return float32((registers[address], registers[address + 1]), 0)

        phases = range(self.phases)
        return MeterReading(
            at=0.0,
            watt_hours_import=value(_IMPORT_KWH) * 1000.0,
            volts=tuple(value(_VOLTS + 2 * phase) for phase in phases),
            amperes=tuple(value(_AMPERES + 2 * phase) for phase in phases),
            watts=value(_TOTAL_WATTS if self.phases > 1 else _WATTS),
        )


# The three-phase meters have no gap up to the import register, and send up to 80 registers at once.
_THREE_PHASE = Eastron(3, ((0x0000, 0x004A),))
_ONE_PHASE = Eastron(1, ((_VOLTS, 2), (_AMPERES, 2), (_WATTS, 2), (_IMPORT_KWH, 2)))

# --- SunSpec: holding registers, a chain of models, each with its number and length ---

_BASES = (40000, 50000, 0)
_MAGIC = (0x5375, 0x6E53)
_COMMON, _END = 1, 0xFFFF
_LONGEST_CHAIN = 32
_COMMON_SERIAL = slice(50, 66)
_PHASES = {1: 1, 2: 2, 3: 3, 4: 3}


class SunSpec:
    """A meter of models 201 to 204 (integers with scale factors) or 211 to 214 (floats). Offsets
    count from the model's number.
    """

    def __init__(self) -> None:
        self._model = 0
        self._at: int | None = None
        self._common: int | None = None

    async def serial_number(self, line: ModbusLine, unit: int) -> str:
        await self._find(line, unit)
        if self._common is None:
            return ""
        return text((await line.read_holding(unit, self._common, 66))[_COMMON_SERIAL])

    async def measure(self, line: ModbusLine, unit: int) -> MeterReading:
        at = await self._find(line, unit)
        try:
            registers = await line.read_holding(unit, at, 72 if self._model > 210 else 55)
            if registers[0] != self._model:
                raise HalRejected(f"model {registers[0]} where {self._model} was: the register map has changed")
        except HalError:
            self._at = None  # another firmware may have its models elsewhere
            raise
        return _floats(registers) if self._model > 210 else _integers(registers)

    async def _find(self, line: ModbusLine, unit: int) -> int:
        if self._at is not None:
            return self._at
        at = await _base(line, unit) + 2
        self._common = None
        for _ in range(_LONGEST_CHAIN):
            model, length = await line.read_holding(unit, at, 2)
            if model == _COMMON and length >= 65:
                self._common = at
            elif model // 10 in (20, 21) and model % 10 in _PHASES:
                self._model, self._at = model, at
                return at
            if model == _END or at + 2 + length > 0xFFFD:
                break
            at += 2 + length
        raise HalRejected(f"{line.where}: unit {unit} has SunSpec, but not a meter model (201-204, 211-214)")


async def _base(line: ModbusLine, unit: int) -> int:
    for base in _BASES:
        try:
            if await line.read_holding(unit, base, 2) == _MAGIC:
                return base
        except HalRejected:
            continue  # no such register: not this base
    raise HalRejected(f"{line.where}: unit {unit} does not speak SunSpec")


def _scaled(registers: tuple[int, ...], at: int, scale: int) -> float:
    exponent = int16(registers, scale)
    if not -10.0 <= exponent <= 10.0:
        return math.nan
    return float(int16(registers, at) * 10.0**exponent)


def _integers(registers: tuple[int, ...]) -> MeterReading:
    phases = _PHASES[registers[0] % 10]
    volts = tuple(_scaled(registers, 8 + phase, 15) for phase in range(phases))
    if any(math.isnan(value) for value in volts) and phases == 3:
        volts = tuple(_scaled(registers, 12 + phase, 15) for phase in range(3))  # delta: between phases
    exponent = int16(registers, 54)
    energy = uint32(registers, 46)
    return MeterReading(
        at=0.0,
        watt_hours_import=energy * 10.0**exponent if -10.0 <= exponent <= 10.0 else math.nan,
        volts=volts,
        amperes=tuple(_scaled(registers, 3 + phase, 6) for phase in range(phases)),
        watts=_scaled(registers, 18, 22),
    )


def _floats(registers: tuple[int, ...]) -> MeterReading:
    phases = _PHASES[registers[0] % 10]
    volts = tuple(float32(registers, 12 + 2 * phase) for phase in range(phases))
    if any(math.isnan(value) for value in volts) and phases == 3:
        volts = tuple(float32(registers, 20 + 2 * phase) for phase in range(3))
    return MeterReading(
        at=0.0,
        watt_hours_import=float32(registers, 68),
        volts=volts,
        amperes=tuple(float32(registers, 4 + 2 * phase) for phase in range(phases)),
        watts=float32(registers, 28),
    )


def model(name: str) -> MeterModel:
    """Returns the map of this name. Raises HalRejected for an unknown one."""
    match name:
        case "sdm630" | "sdm72":
            return _THREE_PHASE
        case "sdm230" | "sdm120":
            return _ONE_PHASE
        case "sunspec":
            return SunSpec()
        case _:
            raise HalRejected(f"no meter model {name!r}; there are: {', '.join(NAMES)}")


NAMES = ("sdm120", "sdm230", "sdm630", "sdm72", "sunspec")
