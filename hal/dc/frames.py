"""Frames of Infypower charging modules (protocol V1.13): CAN 2.0B at 125 kbit/s, eight octets,
big-endian.

The identifier holds, from the top: 3 bits of error, 4 bits of device (0x0A one module, 0x0B a
group), 6 bits of command, 8 bits of destination, 8 bits of source. A read is a frame of zeros; the
answer swaps destination and source.
"""

from __future__ import annotations

import enum
import math
import struct

from frozen import dataclass
from hal.dc.can import Frame

MODULE = 0x0A
CONTROLLER = 0xF0

HIGHEST_VOLTS, HIGHEST_AMPERES = 2000.0, 1000.0
"""No module has more. A measurement beyond is dropped."""


class Command(enum.IntEnum):
    """The commands that this driver uses; others exist."""

    MEASUREMENT = 0x03
    STATUS = 0x04
    RATINGS = 0x0A
    EXTERNAL = 0x0C
    SWITCH = 0x1A
    SET = 0x1C


class Status(enum.IntFlag):
    """The three status octets; the frame's last octet is the lowest."""

    OUTPUT_SHORT = 1 << 0
    DISCHARGE_ABNORMAL = 1 << 5
    DC_OFF = 1 << 8
    FAULT = 1 << 9
    PROTECTION = 1 << 10
    FAN = 1 << 11
    OVER_TEMPERATURE = 1 << 12
    OUTPUT_OVER_VOLTAGE = 1 << 13
    WALK_IN = 1 << 14
    POWER_LIMITED = 1 << 16
    ADDRESS_REPEATED = 1 << 17
    LOAD_SHARING = 1 << 18
    INPUT_PHASE_LOST = 1 << 19
    INPUT_UNBALANCED = 1 << 20
    INPUT_LOW = 1 << 21
    INPUT_HIGH = 1 << 22


@dataclass(frozen=True, slots=True)
class Measurement:
    volts: float
    amperes: float


@dataclass(frozen=True, slots=True)
class External:
    """Voltage after the output diode, at the pins also while the module is off; and the current
    available.
    """

    volts: float
    available_amperes: float


@dataclass(frozen=True, slots=True)
class Ratings:
    max_volts: float
    min_volts: float
    max_amperes: float
    watts: float


Answer = Measurement | Status | External | Ratings


def identifier(command: int, destination: int, source: int, *, device: int = MODULE, error: int = 0) -> int:
    return error << 26 | device << 22 | command << 16 | destination << 8 | source


def question(command: Command, module: int, controller: int = CONTROLLER) -> Frame:
    """Ask one module."""
    return Frame(identifier(command, module, controller), bytes(8))


def switch(on: bool, module: int, controller: int = CONTROLLER) -> Frame:
    return Frame(identifier(Command.SWITCH, module, controller), bytes([0 if on else 1]) + bytes(7))


def setpoint(volts: float, amperes: float, module: int, controller: int = CONTROLLER) -> Frame:
    """In whole millivolts and milliamperes, rounded down: never more than asked for."""
    # 1e-6 corrects the binary fraction: 0.29 A are 290 mA.
    millivolts, milliamperes = math.floor(volts * 1000.0 + 1e-6), math.floor(amperes * 1000.0 + 1e-6)
    return Frame(identifier(Command.SET, module, controller), struct.pack(">II", millivolts, milliamperes))


def answer(frame: Frame, controller: int = CONTROLLER) -> tuple[int, Answer] | None:
    """Returns module and answer; None for a frame that is not a valid answer to the station."""
    source, destination = frame.identifier & 0xFF, frame.identifier >> 8 & 0xFF
    command, device, error = frame.identifier >> 16 & 0x3F, frame.identifier >> 22 & 0x0F, frame.identifier >> 26
    if destination != controller or device != MODULE or error or len(frame.data) != 8:
        return None
    match command:
        case Command.MEASUREMENT:
            volts, amperes = struct.unpack(">ff", frame.data)
            # NaN also compares false.
            if not (-50.0 <= volts <= HIGHEST_VOLTS and abs(amperes) <= HIGHEST_AMPERES):
                return None
            return source, Measurement(volts, amperes)
        case Command.STATUS:
            return source, Status(int.from_bytes(frame.data[5:8], "big") & _KNOWN)
        case Command.EXTERNAL:
            tenths = struct.unpack(">HH", frame.data[:4])
            return source, External(tenths[0] / 10.0, tenths[1] / 10.0)
        case Command.RATINGS:
            max_volts, min_volts, tenths_of_amperes, tens_of_watts = struct.unpack(">HHHH", frame.data)
            return source, Ratings(float(max_volts), float(min_volts), tenths_of_amperes / 10.0, tens_of_watts * 10.0)
    return None


_KNOWN = int(Status(sum(Status)))
