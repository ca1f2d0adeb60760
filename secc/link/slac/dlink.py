"""Effects between plug-in and matching: the D-LINK services of ISO 15118-3, and the progress of
matching.

Each is an effect of one side, which the other hears. Addresses of cars are not shown in ``repr``.
"""

from __future__ import annotations

from dataclasses import field
from enum import StrEnum

from frozen import dataclass
from secc.conversation import Effect

# --- The plug-in to matching ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ArmMatching(Effect):
    """Answer cars that ask to be matched, while the pilot is B, C or D; said before the duty is
    set. (Q-01)

    ``limited``: TT_EVSE_SLAC_init runs. Without it (nominal duty) a car may ask at any time.
    """

    limited: bool = True


class DLink(StrEnum):
    """How the link ends, or stays, after a V2G session."""

    TERMINATE = "D-LINK_TERMINATE"
    """The session has ended: leave the network."""
    ERROR = "D-LINK_ERROR"
    """The layers above cannot go on: leave the network."""
    PAUSE = "D-LINK_PAUSE"
    """Stay matched, and accept that the modem sleeps."""


@dataclass(frozen=True, slots=True)
class ReleaseLink(Effect):
    """How the session ended. Without effect on a wired interface."""

    outcome: DLink


@dataclass(frozen=True, slots=True)
class ResumeLink(Effect):
    """Car or station woke the other: the link has to be up again within T_conn_resume."""


# --- Matching to the plug-in ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ReportModem(Effect):
    """Whether the modem takes keys; otherwise no car is answered. Said once at the start and at
    each change.
    """

    ready: bool
    text: str = ""


@dataclass(frozen=True, slots=True)
class ReportMatchingBegun(Effect):
    """A car asked, and was answered. It may be a neighbour's: the car is not known yet. (Q-11)"""


@dataclass(frozen=True, slots=True)
class ReportMatchingFailed(Effect):
    """All runs have ended without a match. ``cause``: the timer or count that ended the last one.

    ``armed``: a car that asks again is answered; otherwise only after ``ArmMatching``.
    """

    cause: str
    armed: bool


@dataclass(frozen=True, slots=True)
class ReportMatched(Effect):
    """The car has chosen this station, and CM_SLAC_MATCH.CNF follows: open SDP now, cars ask 0.4 to
    7 s later.
    """

    ev_mac: bytes = field(repr=False)
    run_id: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class IndicateDlinkReady(Effect):
    """D-LINK_READY.indication. Said once with ``established`` when the link is up (``watched``: the
    modem can tell), and exactly once without it when the network of a matched car is left, in any
    case; ``cause`` says why.

    The first begins the setup clock of the plug-in. [V2G2-723]
    """

    established: bool
    cause: str = ""
    watched: bool = True
