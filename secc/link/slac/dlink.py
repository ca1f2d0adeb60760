"""What the plug-in and matching say to each other: the D-LINK services of ISO 15118-3, and how matching goes.

Each is an effect of the one, and the other hears it as it is. Addresses of cars show themselves in no ``repr``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from secc.conversation import Effect

# --- The plug-in to matching ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ArmMatching(Effect):
    """Answer cars that ask to be matched from now on, while the pilot says B, C or D; said before the duty is set. (Q-01)

    ``limited``: TT_EVSE_SLAC_init runs. Without it (nominal duty) a car may come as late as it likes.
    """

    limited: bool = True


class DLink(StrEnum):
    """What becomes of the link when a V2G session is over."""

    TERMINATE = "D-LINK_TERMINATE"
    """The session is over: leave the network."""
    ERROR = "D-LINK_ERROR"
    """The layers above cannot go on: leave the network."""
    PAUSE = "D-LINK_PAUSE"
    """Stay matched, and do not mind a modem that sleeps."""


@dataclass(frozen=True, slots=True)
class ReleaseLink(Effect):
    """How the session ended. A wired interface has nothing to do for it."""

    outcome: DLink


@dataclass(frozen=True, slots=True)
class ResumeLink(Effect):
    """The car was woken, or woke us: the link has to be there again within T_conn_resume."""


# --- Matching to the plug-in ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ReportModem(Effect):
    """Whether the modem takes keys. Without one that does, no car is answered. Said when it changes, and once at the start."""

    ready: bool
    text: str = ""


@dataclass(frozen=True, slots=True)
class ReportMatchingBegun(Effect):
    """A car asked, and was answered. Which car it is nobody knows yet: it may be a neighbour's. (Q-11)"""


@dataclass(frozen=True, slots=True)
class ReportMatchingFailed(Effect):
    """No run is left and none has matched. ``cause``: the timer or count that ended it.

    ``armed``: a car that asks again is answered; otherwise none is before ``ArmMatching``.
    """

    cause: str
    armed: bool


@dataclass(frozen=True, slots=True)
class ReportMatched(Effect):
    """This car chose us, and CM_SLAC_MATCH.CNF follows: SDP has to listen now, cars ask 0.4 to 7 s later."""

    ev_mac: bytes = field(repr=False)
    run_id: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class IndicateDlinkReady(Effect):
    """D-LINK_READY.indication. Once with ``established`` when the link is up (``watched``: the modem can tell), and, whatever happened
    before, exactly once without it when the network of a matched car is left; ``cause`` says why.

    The first begins the setup clock of the plug-in. [V2G2-723]
    """

    established: bool
    cause: str = ""
    watched: bool = True
