"""Values in Modbus registers: big-endian numbers, text, and the values that mean "not implemented"."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence


def float32(registers: Sequence[int], at: int) -> float:
    """An IEEE 754 float in two registers, high one first. May be NaN or infinite."""
    value: float = struct.unpack(">f", struct.pack(">HH", registers[at], registers[at + 1]))[0]
    return value


def int16(registers: Sequence[int], at: int) -> float:
    """A signed number; NaN for 0x8000, which SunSpec calls not implemented."""
    raw = registers[at]
    return math.nan if raw == 0x8000 else float(raw - 0x10000 if raw & 0x8000 else raw)


def uint32(registers: Sequence[int], at: int) -> int:
    return registers[at] << 16 | registers[at + 1]


def text(registers: Sequence[int]) -> str:
    """Returns printable ASCII, two characters a register, up to the first NUL."""
    octets = struct.pack(f">{len(registers)}H", *registers).split(b"\0")[0]
    return "".join(chr(octet) for octet in octets if 0x20 <= octet < 0x7F).strip()
