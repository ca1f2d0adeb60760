"""The state of one session: what its phases share beside the talk itself. It dies with the session."""

from __future__ import annotations

from typing import Any, Final, TypeVar, overload

from secc.conversation import Conversation, Party
from secc.errors import PeerError
from secc.iso2 import timing
from secc.iso2.messages import Body, EnergyTransferMode, IsolationLevel, PaymentOption, SessionStopReq
from secc.session.effects import Remark
from secc.session.offer import Offer, Payment, Transfer
from secc.session.session_id import NO_SESSION
from secc.session.terms import Terms
from secc.session.waiting import Pace
from secc.session.wishes import Wishes

A = TypeVar("A", bound=Body)
B = TypeVar("B", bound=Body)

MODES: Final = {
    Transfer.AC_SINGLE_PHASE: EnergyTransferMode.AC_SINGLE_PHASE_CORE,
    Transfer.AC_THREE_PHASE: EnergyTransferMode.AC_THREE_PHASE_CORE,
    Transfer.DC: EnergyTransferMode.DC_EXTENDED,
}
"""The one mode by which each way of charging goes: CCS has its DC on the extended pins."""

_OPTIONS: Final = {Payment.CONTRACT: PaymentOption.CONTRACT, Payment.EXTERNAL: PaymentOption.EXTERNAL_PAYMENT}


class Stopped(PeerError):
    """The car said SessionStopReq where the diagram goes on: it may, in every setup state."""


class SessionState:
    """One session as its phases know it: the offer, what was agreed, and what has been asked of us meanwhile."""

    def __init__(self, offer: Offer) -> None:
        self.offer = offer
        self.wishes = Wishes(offer)
        self.terms = Terms(offer, self.wishes)
        """The way of charging in them is frozen by the first ChargeParameterDiscovery. (A-SES-06)"""
        self.pace = Pace(timing.PACE)
        self.session_id = NO_SESSION
        """Ours, once SessionSetup has chosen it. It stands in the header of every response."""
        self.payment: PaymentOption | None = None
        self.isolation: IsolationLevel | None = None
        """What the last cable check found."""
        self.live = False
        """True once the power path has been asked for anything; then it is asked to stop, too."""
        self.powered = False
        """True once PowerDelivery(Start) has been agreed to in this session."""
        self.announced_soc: int | None = None
        """The state of charge that people were told last."""

    def hear(self, secc: Party) -> None:
        """Hear what is asked of the session, from now on."""
        self.wishes.hear(secc, timing.NOTIFICATION_MAX_DELAY, renegotiates=self._renegotiates)

    def _renegotiates(self) -> bool:
        """ChargingStatusRes says EVSEMaxCurrent with external payment only: a contract needs a new schedule."""
        return self.terms.transfer is not None and not self.terms.is_dc and self.payment is PaymentOption.CONTRACT

    # What is on offer

    @property
    def established(self) -> bool:
        return self.session_id != NO_SESSION

    @property
    def payment_options(self) -> tuple[PaymentOption, ...]:
        """Contract only over TLS."""
        allowed = tuple(_OPTIONS[p] for p in self.offer.payments if p is not Payment.CONTRACT or self.offer.tls)
        return allowed or (PaymentOption.EXTERNAL_PAYMENT,)

    @property
    def modes(self) -> tuple[EnergyTransferMode, ...]:
        return tuple(MODES[transfer] for transfer in self.offer.transfers)


@overload
def next_request(secc: Party, kind: type[A], /) -> Conversation[A]: ...
@overload
def next_request(secc: Party, kind: type[A], other: type[B], /) -> Conversation[A | B]: ...
def next_request(secc: Party, kind: type[Any], *others: type[Any]) -> Conversation[Any]:
    """The next request of a setup state, where SessionStopReq is always welcome: then :class:`Stopped` is raised. (Q-34, Q-37)"""
    heard = yield from secc.receive(kind, SessionStopReq, *others, within=timing.SEQUENCE)
    if isinstance(heard, SessionStopReq):
        raise Stopped("SessionStopReq")
    return heard


def remark(secc: Party, quirk: str, text: str) -> None:
    """A tolerance has fired: into log and trace, under its stable code."""
    secc.do(Remark(quirk, text))
