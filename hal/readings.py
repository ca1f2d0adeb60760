"""What the ports speak in: readings with their time, and capabilities. The events of a board are in :mod:`hal.events`.

Quantities are SI floats named by their unit. ``at`` is monotonic seconds on the clock of the event loop (``loop.time()``):
the moment at which the driver took the reading, not the one at which it is read, so ``now - at`` is its age.
"""

from __future__ import annotations

import enum
from dataclasses import field
from typing import Final

from frozen import dataclass


class PilotState(enum.StrEnum):
    """Control pilot states of IEC 61851-1 Annex A, debounced. UNKNOWN: voltages of no state; a reason to be off."""

    A = "A"
    B = "B"
    C = "C"
    D = "D"
    E = "E"
    F = "F"
    UNKNOWN = "?"

    @property
    def connected(self) -> bool:
        """A car is seen on the cable. E and F hide it: there the answer is no."""
        return self in (PilotState.B, PilotState.C, PilotState.D)

    @property
    def ready(self) -> bool:
        """The car asks for power (S2 closed): the only states in which contactors may be closed."""
        return self in (PilotState.C, PilotState.D)


@dataclass(frozen=True, slots=True)
class PilotReading:
    """The pilot as last measured.

    ``since`` is when the state began, ``at`` when it was last confirmed. ``duty`` is what we drive: 0..1, where 1.0 is
    steady +12 V (x1), 0.0 steady -12 V (F), None: pilot pulled to 0 V (E) or not known. Peak volts are None where the
    board does not tell them.
    """

    state: PilotState
    since: float
    at: float
    duty: float | None = None
    high_volts: float | None = None
    low_volts: float | None = None


class ContactorState(enum.StrEnum):
    """What the feedback says, not what was commanded. WELDED: commanded open, and still closed."""

    OPEN = "open"
    CLOSED = "closed"
    WELDED = "welded"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ContactorReading:
    """The state, and when it was last confirmed: by a change, or by anything that was heard of the board since."""

    state: ContactorState
    at: float


@dataclass(frozen=True, slots=True)
class CableReading:
    """Proximity pilot: the current that the cable may carry. None: no plug in the socket."""

    amperes: float | None
    at: float


@dataclass(frozen=True, slots=True)
class DcPresent:
    """Voltage at the outlet's DC pins and current through them, measured. Positive amperes flow into the car."""

    volts: float
    amperes: float
    at: float


SAFE_AMPERES: Final = 1.0
"""Less than this a contactor may break."""


class DcPhase(enum.StrEnum):
    """What a DC target is for; supplies bound current and ramp by it (2 A in the first two)."""

    CABLE_CHECK = "cable_check"
    PRECHARGE = "precharge"
    CHARGE = "charge"


@dataclass(frozen=True, slots=True)
class MeterReading:
    """One reading of the meter. ``volts`` and ``amperes`` by conductor: one entry for DC, one a phase for AC."""

    watt_hours_import: float
    volts: tuple[float, ...]
    amperes: tuple[float, ...]
    watts: float
    at: float
    signed: bytes | None = None


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
    """WARNING: for the log. STOP: end charging in good order. EMERGENCY: the board is off already, or must be at once."""

    WARNING = 1
    STOP = 2
    EMERGENCY = 3


@dataclass(frozen=True, slots=True)
class Fault:
    """A named fault. A latched one stays after its cause has gone, until ``Faults.clear(code)``."""

    code: str
    severity: Severity
    text: str
    latched: bool
    at: float


@dataclass(frozen=True, slots=True)
class Token:
    """An identification medium shown to the reader. The value is personal: it stays out of every ``repr``."""

    kind: str
    value: str = field(repr=False)
    at: float


class Indication(enum.StrEnum):
    """What the driver of the car is shown."""

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
    """Emergency stop and door as levels. A board without one of them reports it as not stopped, not open."""

    emergency_stopped: bool
    door_open: bool
    at: float


@dataclass(frozen=True, slots=True)
class ModemInfo:
    vendor: str
    version: str


# --- capabilities: what a piece of hardware can do, known when the board has been opened ---


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
    """``opens_itself``: the board opens its contactors without us when pilot, emergency stop or heartbeat say so.

    ``heartbeat_seconds``: after this long without :meth:`Board.beat` it does. A board that cannot needs a hardware interlock.
    """

    opens_itself: bool
    heartbeat_seconds: float
