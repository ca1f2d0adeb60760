"""The frames of chargebyte's safety controller (Charge SOM, Charge Control Y).

A frame is ``A5 COM DATA(8, big endian) CRC8 03``. Bit numbers are those of DATA as one 64 bit
number.
"""

from __future__ import annotations

import enum
from typing import Final

from frozen import dataclass
from hal.readings import PilotState

SOF: Final = 0xA5
EOF: Final = 0x03
FRAME_OCTETS: Final = 12


class Com(enum.IntEnum):
    """Type of a frame."""

    CHARGE_CONTROL = 0x06
    CHARGE_STATE = 0x07
    PT1000_STATE = 0x08
    FIRMWARE_VERSION = 0x0A
    ERROR_MESSAGE = 0x0E
    ACTION = 0xFE
    INQUIRY = 0xFF


RCM_SELF_TEST: Final = 1


class Residual(enum.IntEnum):
    """The residual-current monitor."""

    NOT_CONFIGURED = 0
    MONITORING = 1
    SELF_TEST = 2
    ERROR = 3


class Reason(enum.IntEnum):
    """Why the controller is in its safe state; the reasons of single sensors and inputs are in
    ``chargesom_faults``.
    """

    NONE = 0
    INTERNAL_ERROR = 1
    COM_TIMEOUT = 2
    PROXIMITY_MALFUNCTION = 11
    PILOT_MALFUNCTION = 12
    PILOT_SHORT = 13
    PILOT_DIODE = 14
    HV_SWITCH_MALFUNCTION = 15
    RCM_ERROR = 20
    RCM_SELF_TEST = 21


def _crc_table() -> tuple[int, ...]:
    table = []
    for index in range(256):
        value = index
        for _ in range(8):
            value = (value << 1) ^ 0x1D if value & 0x80 else value << 1
        table.append(value & 0xFF)
    return tuple(table)


_TABLE: Final = _crc_table()


def crc8(octets: bytes) -> int:
    """CRC-8/SAE-J1850."""
    crc = 0xFF
    for octet in octets:
        crc = _TABLE[crc ^ octet]
    return crc ^ 0xFF


def encode(com: int, data: int) -> bytes:
    body = bytes((com,)) + data.to_bytes(8, "big")
    return bytes((SOF,)) + body + bytes((crc8(body), EOF))


def charge_control(duty: float, contactors: int) -> bytes:
    """Returns the frame for this duty (1.0 steady high, 0.0 steady low: F) and these closed
    contactors (bit 0 the first).
    """
    tenths = round(duty * 1000)
    return encode(Com.CHARGE_CONTROL, 1 << 63 | tenths << 48 | (contactors & 0b111) << 40)


def inquiry(com: int, action: int = 0) -> bytes:
    """Returns the frame that asks for a frame of this type, or for an action (with ``Com.ACTION``)."""
    return encode(Com.INQUIRY, com << 56 | action << 48)


class Deframer:
    """Finds frames in received octets, and skips others."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.rejected = 0
        """Number of octets outside of frames."""

    def feed(self, octets: bytes) -> list[tuple[int, int]]:
        """Returns all whole frames, as type and data."""
        self._buffer += octets
        found: list[tuple[int, int]] = []
        while True:
            start = self._buffer.find(SOF)
            if start < 0:
                self._drop(len(self._buffer))
                return found
            self._drop(start)
            if len(self._buffer) < FRAME_OCTETS:
                return found
            body = bytes(self._buffer[1:10])
            if self._buffer[11] == EOF and self._buffer[10] == crc8(body):
                found.append((body[0], int.from_bytes(body[1:], "big")))
                del self._buffer[:FRAME_OCTETS]
            else:
                # Not the start of a frame; the real one may begin within these octets.
                self._drop(1)

    def _drop(self, count: int) -> None:
        self.rejected += count
        del self._buffer[:count]


_PILOT: Final = {1: PilotState.A, 2: PilotState.B, 3: PilotState.C, 4: PilotState.D, 5: PilotState.E, 6: PilotState.F}
_CABLE: Final = {1: 13.0, 2: 20.0, 3: 32.0, 4: 63.0}
CABLE_INVALID: Final = 7


@dataclass(frozen=True, slots=True)
class ChargeState:
    """The controller's report, ten times a second. ``contactors``: True closed, False open, None
    undefined; without unused ones.
    """

    duty: float | None
    safe_state: int
    """0 normal, 1 safe; others: the controller does not know yet."""
    reason: int
    pilot: PilotState
    pilot_short: bool
    pilot_diode: bool
    proximity: int
    contactors: tuple[bool | None, ...]
    emergency_stopped: bool
    residual: Residual

    @property
    def cable_amperes(self) -> float | None:
        return _CABLE.get(self.proximity)

    @property
    def normal(self) -> bool:
        return self.safe_state == 0


def charge_state(data: int) -> ChargeState:
    """Read a Charge State. Anything but an explicit good value counts as bad."""
    contactors = [data >> 24 + 2 * index & 3 for index in range(3)]
    stops = [data >> 16 + 2 * index & 3 for index in range(3)]
    return ChargeState(
        duty=(data >> 48 & 0x3FF) / 1000.0 if data >> 63 & 1 else None,
        safe_state=data >> 58 & 3,
        reason=data >> 8 & 0xFF,
        pilot=_PILOT.get(data >> 40 & 7, PilotState.UNKNOWN),
        pilot_short=bool(data >> 43 & 1),
        pilot_diode=bool(data >> 44 & 1),
        proximity=data >> 32 & 7,
        contactors=tuple({1: False, 2: True}.get(value) for value in contactors if value != 3),
        emergency_stopped=any(stop not in (0, 3) for stop in stops),
        residual=Residual(data >> 22 & 3),
    )


@dataclass(frozen=True, slots=True)
class Temperature:
    """One PT1000 channel."""

    celsius: float
    stopped: bool
    malfunction: bool


def temperatures(data: int) -> tuple[Temperature, ...]:
    """Returns the channels that are in use."""
    found = []
    for shift in (48, 32, 16, 0):
        word = data >> shift & 0xFFFF
        tenths = word >> 2
        if tenths == 0x1FFF:
            continue
        signed = tenths - 0x4000 if tenths & 0x2000 else tenths
        found.append(Temperature(signed / 10.0, bool(word & 1), bool(word & 2)))
    return tuple(found)
