"""What the plug-in hears beside the board's own events (``hal.events``), what matching reports (``secc.link.slac.dlink``), ``ReportFault`` of the
power path, and ports that fail.

Pilot, contactor, lock and cable are levels (``Session.levels``), set before every step.
"""

from __future__ import annotations

from dataclasses import field
from typing import Literal

from secc.conversation import Event, Reason
from secc.exi.frozen import dataclass
from secc.session.effects import Verdict
from secc.session.offer import Payment
from secc.session.proof import ProvedContract

# --- From connections and the V2G session -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ConnectionAccepted(Event):
    """A car opened a TCP connection."""


@dataclass(frozen=True, slots=True)
class SessionBegan(Event):
    """A protocol was agreed on and a V2G session opened, with these payments in its ``Offer``."""

    payments: tuple[Payment, ...]


@dataclass(frozen=True, slots=True)
class SessionSetUp(Event):
    """The V2G session's SessionSetupReq was answered: the setup clock has done its duty. [V2G2-723]"""


@dataclass(frozen=True, slots=True)
class ContractPresented(Event):
    """The car chose Contract and its chain is being checked (``ValidateContract`` went out)."""


@dataclass(frozen=True, slots=True)
class ContractRejected(Event):
    """The chain does not hold: ``ValidateContract`` was answered with a refusal."""


@dataclass(frozen=True, slots=True)
class ContractDecided(Event):
    """The session said ``Identify``: the car has proved this contract, and it may charge, or not."""

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
    """The V2G session said ``End``; also where a connection broke before one had begun."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class BookChanged(Event):
    """What is delivered can be booked again (``problem`` is empty), or cannot: then nothing new begins. (A-RES-06)"""

    problem: str


# --- From operator and backend ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StartOrdered(Event):
    """An app, the operator or the backend lets somebody charge here: as good as an accepted card."""

    by: Literal["app", "operator"]


@dataclass(frozen=True, slots=True)
class StopOrdered(Event):
    """Somebody other than the driver at the button wants an end in good order."""

    by: Literal["operator", "backend", "shutdown"]
