"""The ways to charge: AC or DC, by contract or not, with TLS or without; each makes a :class:`tests.pair.Pair`."""

from __future__ import annotations

from dataclasses import dataclass, replace

from secc.session.offer import AcLimits, DcLimits, Offer, Payment, Transfer
from secc.trace.recorder import Recorder
from tests.lab_trust import LAB, anchors
from tests.pair import Outlet, Pair
from tools.evcc.behaviour import Behaviour, Current
from tools.evcc.behaviour import Payment as Paid
from tools.evcc.wallet import Wallet

DC_OFFER = Offer(
    evse_id="DE*PNX*E12345",
    meter_id="METER-1",
    transfers=(Transfer.DC,),
    dc=DcLimits(),
    free=True,
    renegotiates_dc=True,
)
AC_OFFER = Offer(
    evse_id="DE*PNX*E12345", meter_id="METER-1", transfers=(Transfer.AC_THREE_PHASE,), ac=AcLimits(), dc=None, free=True
)
BOTH = (Payment.CONTRACT, Payment.EXTERNAL)


WALLET = Wallet("DE8AACA2B3C4D5L", tuple(LAB.contract.ders), LAB.contract.leaf.key)  # type: ignore[arg-type]  # P-256 in this edition
ANCHORS = anchors()


@dataclass(frozen=True)
class Way:
    """One way to charge."""

    current: Current
    payment: Paid
    tls: bool

    def __str__(self) -> str:
        return f"{self.current}-{self.payment}-{'tls' if self.tls else 'tcp'}"

    def pair(
        self,
        behaviour: Behaviour | None = None,
        outlet: Outlet | None = None,
        recorder: Recorder | None = None,
        **offer: object,
    ) -> Pair:
        base = DC_OFFER if self.current is Current.DC else AC_OFFER
        contract = self.payment is Paid.CONTRACT
        base = replace(base, tls=self.tls, payments=BOTH if self.tls else (Payment.EXTERNAL,), free=not contract)
        base = replace(base, **offer)  # type: ignore[arg-type]  # names and values of Offer
        behaviour = behaviour if behaviour is not None else Behaviour(loops=20)
        behaviour = replace(behaviour, current=self.current, payment=self.payment)
        outlet = outlet if outlet is not None else Outlet()
        outlet.dc = self.current is Current.DC
        outlet.anchors = ANCHORS
        return Pair(behaviour, base, wallet=WALLET if contract else None, outlet=outlet, recorder=recorder)


WAYS = [
    Way(current, payment, tls)
    for current in Current
    for payment in Paid
    for tls in (True, False)
    if tls or payment is not Paid.CONTRACT
]
DC_EIM = Way(Current.DC, Paid.EXTERNAL, tls=False)
AC_EIM = Way(Current.AC, Paid.EXTERNAL, tls=False)
DC_PNC = Way(Current.DC, Paid.CONTRACT, tls=True)
AC_PNC = Way(Current.AC, Paid.CONTRACT, tls=True)
EVERY_KIND = [DC_EIM, AC_EIM, DC_PNC, AC_PNC]
