"""Who may charge: card, app or the car's contract, as one pure policy on a frozen state.

The state belongs to one outlet and is kept by the plug-in (``secc.outlet``). Every method returns the next state; nothing here waits, asks or
remembers anything else. The rules, and why they are so, are in ``docs/decisions/identification.md``:

* External identification first: Contract is not offered any more, the car sees ExternalPayment only and is authorised already.
* Cable first: both are offered; Contract only where the connection can carry it (TLS) and the station can check it.
* A contract counts from the moment in which it is accepted and the car has proved it, whichever is later; until then it is pending.
* While a contract is pending a card still counts; whichever is accepted first decides, and a driver is identified only once.
* After a failed contract the car that reconnects sees Contract once more, then ExternalPayment only, until it is unplugged.
* An accepted card belongs to one plug-in. Shown before the cable it waits a while for it, then it is forgotten.

Which verdict ends what: a refused card, or one that the backend said nothing about, ends nothing, the driver shows another one. A contract that
is not accepted, for whatever reason, ends its V2G session (the protocol refuses with the code of its own table) and costs the car a chance.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Literal, TypeAlias

from secc.conversation import Question
from secc.session.effects import Verdict
from secc.session.offer import Payment
from secc.session.proof import ProvedContract

By: TypeAlias = Literal["rfid", "app", "free", "operator"]
"""How somebody was identified from outside the car; ``free`` where nobody has to be."""

TOKEN_SECONDS = 60.0
"""How long a card that was shown first waits for the cable; the default of OCPP's EVConnectionTimeOut."""


@dataclass(frozen=True, slots=True)
class AuthorizeToken(Question[Verdict]):
    """May the owner of this card charge here and now? The value is personal and stays out of every ``repr``."""

    kind: str
    value: str = field(repr=False)


class ContractState(StrEnum):
    """Where the contract of the running V2G session stands."""

    NONE = "none"
    PENDING = "pending"
    ACCEPTED = "accepted"


@dataclass(frozen=True, slots=True)
class External:
    """An external identification that was accepted; ``expires_at`` is set while it still waits for its cable (monotonic seconds)."""

    by: By
    expires_at: float | None = None


@dataclass(frozen=True, slots=True)
class Identification:
    """Who has been identified at this outlet, and how the next car may be.

    ``free`` and ``token_seconds`` are settings, the rest is history and dies with the unplugging.
    """

    free: bool = False
    token_seconds: float = TOKEN_SECONDS
    plugged_in: bool = False
    external: External | None = None
    contract: ContractState = ContractState.NONE
    failed_contracts: int = 0
    shown_since_failure: bool = False

    # What follows from it

    def authorized(self, now: float) -> bool:
        """True if somebody was identified from outside the car and that still holds; at a free station whoever plugs in is."""
        if self.external is not None:
            return self.external.expires_at is None or now < self.external.expires_at
        return self.free and self.plugged_in

    def identified(self, now: float) -> bool:
        """True if there is nothing left to ask: accepted from outside, or by the contract of the running session."""
        return self.authorized(now) or self.contract is ContractState.ACCEPTED

    def wants_token(self, now: float) -> bool:
        """True if a card that is shown now should be asked about. Not when somebody is identified: one plug-in, one identity."""
        return not self.free and not self.identified(now)

    def payments(self, now: float, *, contract: bool) -> tuple[Payment, ...]:
        """What the next connection is offered. ``contract``: this connection and this station can do Plug & Charge.

        A free station has identified nobody yet, so a contract may still say whose car it is.
        """
        identified_outside = self.external is not None and self.authorized(now)
        chance = self.failed_contracts == 0 or not self.shown_since_failure
        if contract and chance and not identified_outside:
            return (Payment.CONTRACT, Payment.EXTERNAL)
        return (Payment.EXTERNAL,)

    # What happens

    def plugged(self, now: float) -> Identification:
        """The cable is in: a card that was shown in time now belongs to this plug-in, an older one to nobody."""
        external = None
        if self.external is not None and self.authorized(now):
            external = replace(self.external, expires_at=None)
        return replace(self, plugged_in=True, external=external)

    def unplugged(self) -> Identification:
        """The cable is out: nothing of this car is left. A contract that failed does not follow it, nor does a card the next car."""
        return Identification(free=self.free, token_seconds=self.token_seconds)

    def token_decided(self, verdict: Verdict, by: By, now: float) -> Identification:
        """The answer about a card or an app. Only the first acceptance counts; a refusal changes nothing."""
        if not verdict.accepted or self.identified(now):
            return self
        return replace(self, external=External(by, None if self.plugged_in else now + self.token_seconds))

    def expired(self, now: float) -> Identification:
        """Forget a card that has waited too long for its cable."""
        if self.external is not None and not self.authorized(now):
            return replace(self, external=None)
        return self

    @property
    def expires_at(self) -> float | None:
        """When to call ``expired``; None if nothing waits."""
        return self.external.expires_at if self.external is not None else None

    def offered(self, payments: tuple[Payment, ...]) -> Identification:
        """A V2G session began with this offer: a car that has failed before has now seen Contract once more."""
        if self.failed_contracts and Payment.CONTRACT in payments:
            return replace(self, shown_since_failure=True)
        return self

    def contract_presented(self) -> Identification:
        """The car chose Contract and brought its chain; a check is under way."""
        if self.contract is ContractState.NONE and self.plugged_in:
            return replace(self, contract=ContractState.PENDING)
        return self

    def contract_rejected(self) -> Identification:
        """The chain that the car presented does not hold. That takes no proof: it costs this car a chance, and says nothing about a contract."""
        return self._failed() if self.contract is ContractState.PENDING else self

    def contract_decided(self, contract: ProvedContract, verdict: Verdict, now: float) -> Identification:
        """The last decision about the contract that the car of the running session has proved.

        One that was not presented in this session, or that comes late, counts for nothing.
        """
        if self.contract is not ContractState.PENDING:
            return self
        if not verdict.accepted:
            return self._failed()
        # A card was faster: the session runs on that, and the contract is not charged as well.
        outside = self.external is not None and self.authorized(now)
        return replace(self, contract=ContractState.NONE if outside else ContractState.ACCEPTED)

    def session_ended(self, *, refused: bool) -> Identification:
        """The V2G session is over. A contract has to be proved anew in the next; an outside identification stays with the plug-in.

        ``refused``: we sent a FAILED. With a contract pending that means it was the contract: a wrong signature, a wrong challenge, none at all.
        """
        if self.contract is ContractState.PENDING and refused:
            return self._failed()
        return replace(self, contract=ContractState.NONE)

    def spent(self) -> Identification:
        """Somebody ended charging on purpose: who wants to go on is to be identified again."""
        return replace(self, external=None, contract=ContractState.NONE)

    def _failed(self) -> Identification:
        return replace(self, contract=ContractState.NONE, failed_contracts=self.failed_contracts + 1)
