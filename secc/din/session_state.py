"""The state that the phases of one session share. It ends with the session."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final, TypeVar, overload

from secc.conversation import Conversation, Party
from secc.din import timing
from secc.din.messages import (
    Body,
    CableCheckReq,
    IsolationLevel,
    PreChargeReq,
    ServiceDiscoveryReq,
    SessionStopReq,
)
from secc.errors import PeerError
from secc.session.no_power import NoPower
from secc.session.offer import Offer, Transfer
from secc.session.remarks import Remarks, remark
from secc.session.session_id import NO_SESSION
from secc.session.terms import Terms
from secc.session.waiting import Pace
from secc.session.wishes import Wishes

A = TypeVar("A", bound=Body)
B = TypeVar("B", bound=Body)

EVSE_ID_OCTETS: Final = 32

CLAUSE: Final = "DIN SPEC 70121, ResponseCode"
"""Of refusals whose requirement is known by its text only."""

_STOPPED_IN: Final[dict[type[Body], str]] = {
    ServiceDiscoveryReq: "Q-34",
    CableCheckReq: "Q-37",
    PreChargeReq: "Q-37",
}
"""The quirk of a car that stops where this request is due."""


class Stopped(PeerError):
    """The car sent SessionStopReq in a setup state, where it always may."""


class SessionState:
    """The offer, what was agreed, and what was asked of the session from outside."""

    def __init__(self, offer: Offer) -> None:
        # What another protocol keeps for its paused session is not this one's.
        self.offer = replace(offer, paused=None)
        self.wishes = Wishes(offer)
        self.terms = Terms(offer, self.wishes)
        self.terms.transfer = Transfer.DC
        self.pace = Pace(timing.PACE)
        self.session_id = NO_SESSION
        """Chosen in SessionSetup; the header of every response carries it."""
        self.p_max = 0
        """Watts of the schedule that the car was offered."""
        self.precharge_volts = 0.0
        """The voltage that precharge aimed at last, and at least the lowest of the outlet."""
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


@overload
def next_request(secc: Party, kind: type[A], /) -> Conversation[A]: ...
@overload
def next_request(secc: Party, kind: type[A], other: type[B], /) -> Conversation[A | B]: ...
def next_request(secc: Party, kind: type[Any], *others: type[Any]) -> Conversation[Any]:
    """Wait for the next request of a setup state. Raises :class:`Stopped` on SessionStopReq. (Q-34,
    Q-37)
    """
    heard = yield from secc.receive(kind, SessionStopReq, *others, within=timing.SEQUENCE)
    if isinstance(heard, SessionStopReq):
        if quirk := _STOPPED_IN.get(kind):
            remark(secc, quirk, f"SessionStopReq where {kind.__name__} is due")
        raise Stopped("SessionStopReq")
    return heard
