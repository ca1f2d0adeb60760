"""Everything that a board says on its own, in one stream.

Readings in an event are as old as the event; ``at`` is monotonic seconds on the clock of the event loop.
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
    """The stop button: the driver wants a normal end, as opposed to the emergency stop."""

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
    """The board does not answer any more. What it last said is of no use; its own watchdog has to have opened."""

    text: str
    at: float


@dataclass(frozen=True, slots=True)
class BoardRecovered:
    """The board answers again, from its safe state: every setting has to be given anew."""

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
