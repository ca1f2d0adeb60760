"""Values of the ports: readings with their time, and capabilities. The events of a board are in
:mod:`hal.events`.

Quantities are SI floats named by their unit. ``at`` is when the driver measured, in monotonic
seconds of the event loop (``loop.time()``), so ``now - at`` is the age of the reading.
"""

from __future__ import annotations

import enum
from dataclasses import field
from typing import Final

from frozen import dataclass


class PilotState(enum.StrEnum):
    """Control pilot states of IEC 61851-1 Annex A, debounced. UNKNOWN: voltages that belong to no
    state; power is then off.
    """

    A = "A"
    B = "B"
    C = "C"
    D = "D"
    E = "E"
    F = "F"
    UNKNOWN = "?"

    @property
    def connected(self) -> bool:
        """Whether a car is seen on the cable. E and F hide it: False."""
        return self in (PilotState.B, PilotState.C, PilotState.D)

    @property
    def ready(self) -> bool:
        """Whether the car asks for power (S2 closed). Contactors may be closed in these states
        only.
        """
        return self in (PilotState.C, PilotState.D)


@dataclass(frozen=True, slots=True)
class PilotReading:
    """The pilot as last measured.

    ``since`` is when the state began, ``at`` when it was last confirmed. ``duty`` is what the
    station drives: 0..1, where 1.0 is steady +12 V (x1), 0.0 steady -12 V (F), None: pilot pulled
    to 0 V (E) or not known. Peak volts are None if the board does not report them.
    """

    state: PilotState
    since: float
    at: float
    duty: float | None = None
    high_volts: float | None = None
    low_volts: float | None = None


class ContactorState(enum.StrEnum):
    """State by the feedback, not by the command. WELDED: commanded open, and still closed."""

    OPEN = "open"
    CLOSED = "closed"
    WELDED = "welded"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ContactorReading:
    """The state, and when it was last confirmed: by a change, or by any later message of the board."""

    state: ContactorState
    at: float


@dataclass(frozen=True, slots=True)
class CableReading:
    """Proximity pilot: the current that the cable may carry. None: no plug in the socket."""

    amperes: float | None
    at: float


@dataclass(frozen=True, slots=True)
class DcPresent:
    """Voltage at the outlet's DC pins and current through them, measured. Positive amperes flow
    into the car.
    """

    volts: float
    amperes: float
    at: float


SAFE_AMPERES: Final = 1.0
"""A contactor may open below this current."""


class DcPhase(enum.StrEnum):
    """What a DC target is for; supplies limit current and ramp by it (2 A in the first two)."""

    CABLE_CHECK = "cable_check"
    PRECHARGE = "precharge"
    CHARGE = "charge"


@dataclass(frozen=True, slots=True)
class MeterReading:
    """One reading of the meter. ``volts`` and ``amperes`` by conductor: one entry for DC, one a
    phase for AC.
    """

    watt_hours_import: float
    volts: tuple[float, ...]
    amperes: tuple[float, ...]
    watts: float
    at: float
    signed: bytes | None = field(default=None, repr=False)
    """The meter's own signed record of this reading, in the meter's form; None if it does not sign."""


@dataclass(frozen=True, slots=True)
class ImdReading:
    """Insulation resistance between the DC conductors and earth."""

    ohms: float
    at: float


class LockState(enum.StrEnum):
    LOCKED = "locked"
    UNLOCKED = "unlocked"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class LockReading:
    state: LockState
    at: float


class Severity(enum.IntEnum):
    """WARNING: for the log. STOP: end charging in order. EMERGENCY: the board is off already, or
    has to be off at once.
    """

    WARNING = 1
    STOP = 2
    EMERGENCY = 3


@dataclass(frozen=True, slots=True)
class Fault:
    """A named fault. A latched one stays active after its cause has ended, until
    ``Faults.clear(code)``.
    """

    code: str
    severity: Severity
    text: str
    latched: bool
    at: float


@dataclass(frozen=True, slots=True)
class Token:
    """An identification medium shown to the reader. The value is personal and not in ``repr``."""

    kind: str
    value: str = field(repr=False)
    at: float


class Indication(enum.StrEnum):
    """What the outlet shows the driver of the car."""

    AVAILABLE = "available"
    PREPARING = "preparing"
    AUTHORIZED = "authorized"
    REFUSED = "refused"
    CHARGING = "charging"
    PAUSED = "paused"
    FINISHED = "finished"
    FAULTED = "faulted"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class InputsReading:
    """Emergency stop and door as levels. A board without such an input reports not stopped, not
    open.
    """

    emergency_stopped: bool
    door_open: bool
    at: float


@dataclass(frozen=True, slots=True)
class ModemInfo:
    vendor: str
    version: str


# --- capabilities, known once the board is open ---


@dataclass(frozen=True, slots=True)
class PilotCapabilities:
    supports_e: bool


@dataclass(frozen=True, slots=True)
class AcCapabilities:
    phases: int
    volts: float
    min_amperes: float
    max_amperes: float
    switches_phases: bool = False


@dataclass(frozen=True, slots=True)
class DcCapabilities:
    min_volts: float
    max_volts: float
    min_amperes: float
    max_amperes: float
    max_watts: float
    regulation_amperes: float
    ripple_amperes: float
    bidirectional: bool = False


@dataclass(frozen=True, slots=True)
class BoardCapabilities:
    """``opens_itself``: the board opens its contactors without the station when pilot, emergency
    stop or heartbeat require it.

    ``heartbeat_seconds``: it opens after this time without :meth:`Board.beat`. A board that does
    not needs a hardware interlock.
    """

    opens_itself: bool
    heartbeat_seconds: float
