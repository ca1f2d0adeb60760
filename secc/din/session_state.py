"""The state that the phases of one session share. It ends with the session."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from secc.din import timing
from secc.din.messages import (
    CableCheckReq,
    IsolationLevel,
    PreChargeReq,
    ServiceDiscoveryReq,
    SessionStopReq,
)
from secc.session.no_power import NoPower
from secc.session.offer import Offer, Transfer
from secc.session.remarks import Remarks
from secc.session.session_id import NO_SESSION
from secc.session.setup_states import SetupStates
from secc.session.terms import Terms
from secc.session.waiting import Pace
from secc.session.wishes import Wishes

EVSE_ID_OCTETS: Final = 32

CLAUSE: Final = "DIN SPEC 70121, ResponseCode"
"""Of refusals whose requirement is known by its text only."""

next_request: Final = SetupStates(
    SessionStopReq,
    timing.SEQUENCE,
    {
        ServiceDiscoveryReq: "Q-34",
        CableCheckReq: "Q-37",
        PreChargeReq: "Q-37",
    },
)
"""Waits for the next request of a setup state; cars that stop there have their quirks."""


class SessionState:
    """The offer, what was agreed, and what was asked of the session from outside."""

    def __init__(self, offer: Offer) -> None:
        # What another protocol keeps for its paused session is not this one's.
        self.offer = offer = replace(offer, paused=None)
        self.wishes = Wishes(offer)
        self.terms = Terms(offer, self.wishes)
        self.terms.transfer = Transfer.DC
        self.pace = Pace(timing.PACE)
        self.session_id = NO_SESSION
        """Chosen in SessionSetup; the header of every response carries it."""
        self.p_max = 0
        """Watts of the schedule that the car was offered."""
        self.isolation = IsolationLevel.INVALID
        """The result of the last cable check."""
        self.live = False
        """True once the power path was asked for anything; then it is asked to stop, too."""
        self.announced_soc: int | None = None
        """The state of charge that was last reported."""
        self.no_power = NoPower(self.wishes)
        self.remark = Remarks()

    @property
    def established(self) -> bool:
        return self.session_id != NO_SESSION

    @property
    def evse_id(self) -> bytes:
        """The configured EVSEID in octets; ``00`` for one that is too long, or on request. (Q-33)"""
        octets = self.offer.evse_id.encode()
        return b"\0" if self.terms.tolerates("Q-33") or len(octets) > EVSE_ID_OCTETS else octets
