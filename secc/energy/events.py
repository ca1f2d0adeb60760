"""What the power path hears. The pilot, the contactor and the measurements themselves are levels (``Session.levels``), which the driver sets
before every step; the events about them only wake the conversation."""

from __future__ import annotations

from hal.readings import DcPhase, Severity
from secc.conversation import Event
from secc.exi.frozen import dataclass


@dataclass(frozen=True, slots=True)
class OutputSet(Event):
    """The V2G session said ``SetOutput``: the car's newest target."""

    volts: float
    amperes: float
    phase: DcPhase


@dataclass(frozen=True, slots=True)
class ContactorOpeningOrdered(Event):
    """The V2G session said ``OpenContactor``: it has ended, somehow."""


@dataclass(frozen=True, slots=True)
class PilotChanged(Event):
    """The pilot has another state; which one stands in the levels."""


@dataclass(frozen=True, slots=True)
class ContactorReported(Event):
    """The contactor's feedback has changed; how it is stands in the levels."""


@dataclass(frozen=True, slots=True)
class ContactorOpeningTold(Event):
    """The board has been told to open the contactor, and has confirmed that; whether it is open stands in the levels."""


@dataclass(frozen=True, slots=True)
class IsolationReported(Event):
    """One measurement of the insulation monitor. ``at`` is when it was taken, monotonic seconds."""

    ohms: float
    at: float


@dataclass(frozen=True, slots=True)
class FaultReported(Event):
    """The board raised a fault (the emergency stop is one, ``emergency-stop``); the V2G session hears of it elsewhere."""

    code: str
    severity: Severity
    text: str = ""


@dataclass(frozen=True, slots=True)
class ConsentLost(Event):
    """The interlock said no to ``SeekConsent``, or took back what it had granted."""

    reasons: str


@dataclass(frozen=True, slots=True)
class CommandFailed(Event):
    """A port raised ``HalError`` on what we said; ``command`` is the name of the effect."""

    command: str
    text: str = ""
