"""The state that the phases of one session share. It ends with the session."""

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
"""The energy transfer mode of each transfer: a CCS outlet has its DC on the extended pins."""

_OPTIONS: Final = {Payment.CONTRACT: PaymentOption.CONTRACT, Payment.EXTERNAL: PaymentOption.EXTERNAL_PAYMENT}


class Stopped(PeerError):
    """The car sent SessionStopReq in a setup state, where it always may."""


class SessionState:
    """The offer, what was agreed, and what was asked of the session from outside."""

    def __init__(self, offer: Offer) -> None:
        self.offer = offer
        self.wishes = Wishes(offer)
        self.terms = Terms(offer, self.wishes)
        """The transfer in them is fixed by the first ChargeParameterDiscovery. (A-SES-06)"""
        self.pace = Pace(timing.PACE)
        self.session_id = NO_SESSION
        """Chosen in SessionSetup; the header of every response carries it."""
        self.payment: PaymentOption | None = None
        self.isolation: IsolationLevel | None = None
        """The result of the last cable check."""
        self.live = False
        """True once the power path was asked for anything; then it is asked to stop, too."""
        self.powered = False
        """True once PowerDelivery(Start) was accepted in this session."""
        self.announced_soc: int | None = None
        """The state of charge that was last reported."""

    def hear(self, secc: Party) -> None:
        """Register the handlers of events from outside."""
        self.wishes.hear(secc, timing.NOTIFICATION_MAX_DELAY, renegotiates=self._renegotiates)

    def _renegotiates(self) -> bool:
        """Whether a new limit needs a new schedule: ChargingStatusRes has EVSEMaxCurrent with
        external payment only.
        """
        return self.terms.transfer is not None and not self.terms.is_dc and self.payment is PaymentOption.CONTRACT

    # What is on offer

    @property
    def established(self) -> bool:
        return self.session_id != NO_SESSION

    @property
    def payment_options(self) -> tuple[PaymentOption, ...]:
        """Contract is offered only over TLS."""
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
    """Wait for the next request of a setup state. Raises :class:`Stopped` on SessionStopReq. (Q-34,
    Q-37)
    """
    heard = yield from secc.receive(kind, SessionStopReq, *others, within=timing.SEQUENCE)
    if isinstance(heard, SessionStopReq):
        raise Stopped("SessionStopReq")
    return heard


def remark(secc: Party, quirk: str, text: str) -> None:
    """Say that a tolerance was used, under its code, for log and trace."""
    secc.do(Remark(quirk, text))
