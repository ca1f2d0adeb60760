"""Events of a board, in one stream.

Readings in an event are as old as the event; ``at`` is monotonic seconds on the clock of the event
loop.
"""

from __future__ import annotations

from frozen import dataclass
from hal.readings import CableReading, ContactorReading, Fault, ImdReading, LockReading, PilotReading, Token


@dataclass(frozen=True, slots=True)
class PilotChanged:
    reading: PilotReading


@dataclass(frozen=True, slots=True)
class CableChanged:
    reading: CableReading


@dataclass(frozen=True, slots=True)
class ContactorChanged:
    reading: ContactorReading


@dataclass(frozen=True, slots=True)
class LockChanged:
    reading: LockReading


@dataclass(frozen=True, slots=True)
class InsulationMeasured:
    reading: ImdReading


@dataclass(frozen=True, slots=True)
class FaultRaised:
    fault: Fault


@dataclass(frozen=True, slots=True)
class FaultCleared:
    fault: Fault


@dataclass(frozen=True, slots=True)
class TokenPresented:
    token: Token


@dataclass(frozen=True, slots=True)
class StopPressed:
    """The driver pressed the stop button and wants a normal end, unlike with the emergency stop."""

    at: float


@dataclass(frozen=True, slots=True)
class EmergencyStopChanged:
    stopped: bool
    at: float


@dataclass(frozen=True, slots=True)
class DoorChanged:
    open: bool
    at: float


@dataclass(frozen=True, slots=True)
class BoardLost:
    """The board no longer answers. Its last readings do not count; its own watchdog has to open."""

    text: str
    at: float


@dataclass(frozen=True, slots=True)
class BoardRecovered:
    """The board answers again, from its safe state: give every setting anew."""

    at: float


BoardEvent = (
    PilotChanged
    | CableChanged
    | ContactorChanged
    | LockChanged
    | InsulationMeasured
    | FaultRaised
    | FaultCleared
    | TokenPresented
    | StopPressed
    | EmergencyStopChanged
    | DoorChanged
    | BoardLost
    | BoardRecovered
)
