"""Events of the plug-in's own. It also hears the board's events (``hal.events``), matching
(``secc.link.slac.dlink``), ``ReportFault`` of the power path, and failed port commands.

Pilot, contactor, lock and cable are levels (``Session.levels``), set before every step.
"""

from __future__ import annotations

from dataclasses import field
from typing import Literal

from frozen import dataclass
from secc.conversation import Event, Reason
from secc.session.effects import Verdict
from secc.session.offer import Payment
from secc.session.proof import ProvedContract

# --- From connections and the V2G session -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ConnectionAccepted(Event):
    """A car opened a TCP connection."""


@dataclass(frozen=True, slots=True)
class ConnectionGone(Event):
    """The connection that was accepted last is closed, by the car or by the station."""


@dataclass(frozen=True, slots=True)
class SessionBegan(Event):
    """A protocol was agreed on and a V2G session opened, with these payments in its ``Offer``."""

    payments: tuple[Payment, ...]


@dataclass(frozen=True, slots=True)
class SessionSetUp(Event):
    """The V2G session's SessionSetupReq was answered: the setup clock stops. [V2G2-723]"""


@dataclass(frozen=True, slots=True)
class SessionPaused(Event):
    """The V2G session said ``KeepForResume``: the value goes into the offers of this plug-in, until
    a session is set up.
    """

    value: object = field(repr=False)


@dataclass(frozen=True, slots=True)
class SessionResumed(Event):
    """The V2G session said ``Resume``: the car has joined the session that it paused."""


@dataclass(frozen=True, slots=True)
class ContractPresented(Event):
    """The car chose Contract and its chain is being checked (``ValidateContract`` went out)."""


@dataclass(frozen=True, slots=True)
class ContractRejected(Event):
    """``ValidateContract`` was answered with a refusal."""


@dataclass(frozen=True, slots=True)
class ContractDecided(Event):
    """The session said ``Identify``: the car has proved this contract, and the verdict says whether
    it may charge.
    """

    contract: ProvedContract = field(repr=False)
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class ChargingBegan(Event):
    """``StartPower`` was answered with done."""


@dataclass(frozen=True, slots=True)
class ChargingEnded(Event):
    """``StopPower`` was asked, or the session said ``OpenContactor``."""


@dataclass(frozen=True, slots=True)
class SessionEnded(Event):
    """The V2G session said ``End``, or the connection broke before a session began."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class BookChanged(Event):
    """Deliveries can be booked again (``problem`` is empty), or cannot: then no charging begins.
    (A-RES-06)
    """

    problem: str


# --- From operator and backend ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WakeOrdered(Event):
    """Operator, backend or lab wants a car that has paused to come back."""


@dataclass(frozen=True, slots=True)
class StartOrdered(Event):
    """An app, the operator or the backend lets the driver charge here; it counts like an accepted
    card.
    """

    by: Literal["app", "operator"]


@dataclass(frozen=True, slots=True)
class StopOrdered(Event):
    """Operator, backend or a shutdown of the station wants an orderly end, not the driver."""

    by: Literal["operator", "backend", "shutdown"]
