"""Who may charge: card, app or the car's contract, as pure rules on a frozen state.

The plug-in (``secc.outlet``) keeps the state of its outlet. Every method returns the next state;
nothing here waits, asks or remembers anything else. ``docs/decisions/identification.md`` has the
rules and their reasons:

* External identification first: Contract is not offered, the car sees ExternalPayment only and is
  authorised already.
* Cable first: both are offered; Contract only where the connection can carry it (TLS) and the
  station can check it.
* A contract counts once it is accepted and the car has proved it; until then it is pending.
* While a contract is pending a card still counts; whichever is accepted first decides, and a driver
  is identified only once.
* After a failed contract the car that reconnects sees Contract once more, then ExternalPayment
  only, until it is unplugged.
* An accepted card belongs to one plug-in. Shown before the cable it waits for ``token_seconds``.

A refused card, or one without an answer of the backend, ends nothing: the driver may show another.
A contract that is not accepted, for any reason, ends its V2G session (the protocol refuses with the
code of its table) and costs the car a chance.
"""

from __future__ import annotations

from dataclasses import field, replace
from enum import StrEnum
from typing import Literal, TypeAlias

from frozen import dataclass
from secc.conversation import Question
from secc.session.effects import Decision, Verdict
from secc.session.offer import Payment
from secc.session.proof import ProvedContract

By: TypeAlias = Literal["rfid", "app", "free", "operator"]
"""How a driver was identified from outside the car; ``free``: no identification needed."""

TOKEN_SECONDS = 60.0
"""Seconds that a card shown first waits for the cable; the default of OCPP's EVConnectionTimeOut."""


@dataclass(frozen=True, slots=True)
class AuthorizeToken(Question[Verdict]):
    """May the owner of this card charge here and now? The value is personal and stays out of every
    ``repr``.
    """

    kind: str
    value: str = field(repr=False)


class ContractState(StrEnum):
    """State of the contract of the running V2G session."""

    NONE = "none"
    PENDING = "pending"
    ACCEPTED = "accepted"


@dataclass(frozen=True, slots=True)
class External:
    """An external identification that was accepted; ``expires_at`` is set while it still waits for
    its cable (monotonic seconds).
    """

    by: By
    expires_at: float | None = None


@dataclass(frozen=True, slots=True)
class Identification:
    """Who has been identified at this outlet, and how the next car may be identified.

    ``free`` and ``token_seconds`` are settings; the rest is cleared at the unplugging.
    """

    free: bool = False
    token_seconds: float = TOKEN_SECONDS
    plugged_in: bool = False
    external: External | None = None
    contract: ContractState = ContractState.NONE
    failed_contracts: int = 0
    shown_since_failure: bool = False

    # Queries

    def authorized(self, now: float) -> bool:
        """Whether an identification from outside the car holds; at a free station every driver
        counts as identified.
        """
        if self.external is not None:
            return self.external.expires_at is None or now < self.external.expires_at
        return self.free and self.plugged_in

    def identified(self, now: float) -> bool:
        """Whether no question is left: accepted from outside, or by the contract of the running
        session.
        """
        return self.authorized(now) or self.contract is ContractState.ACCEPTED

    def wants_token(self, now: float) -> bool:
        """Whether to ask about a card shown now. Not once a driver is identified: one plug-in, one
        identity.
        """
        return not self.free and not self.identified(now)

    def payments(self, now: float, *, contract: bool) -> tuple[Payment, ...]:
        """Returns the payments to offer the next connection. ``contract``: Plug & Charge is
        possible on it.

        A free station has identified no driver, so a contract may still say whose car it is.
        """
        identified_outside = self.external is not None and self.authorized(now)
        chance = self.failed_contracts == 0 or not self.shown_since_failure
        if contract and chance and not identified_outside:
            return (Payment.CONTRACT, Payment.EXTERNAL)
        return (Payment.EXTERNAL,)

    # Changes

    def plugged(self, now: float) -> Identification:
        """The cable is in: a card that was shown in time now belongs to this plug-in; an older one
        is dropped.
        """
        external = None
        if self.external is not None and self.authorized(now):
            external = replace(self.external, expires_at=None)
        return replace(self, plugged_in=True, external=external)

    def unplugged(self) -> Identification:
        """The cable is out: forget failed contracts and cards of this car."""
        return Identification(free=self.free, token_seconds=self.token_seconds)

    def token_decided(self, verdict: Verdict, by: By, now: float) -> Identification:
        """A card or an app was decided on. Only the first acceptance counts; a refusal changes
        nothing.
        """
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
        """When to call ``expired``; None if no card waits."""
        return self.external.expires_at if self.external is not None else None

    def offered(self, payments: tuple[Payment, ...]) -> Identification:
        """A V2G session began with this offer: a car whose contract failed has now seen Contract
        once more.
        """
        if self.failed_contracts and Payment.CONTRACT in payments:
            return replace(self, shown_since_failure=True)
        return self

    def contract_presented(self) -> Identification:
        """The car chose Contract and sent its chain; the check runs."""
        if self.contract is ContractState.NONE and self.plugged_in:
            return replace(self, contract=ContractState.PENDING)
        return self

    def contract_rejected(self) -> Identification:
        """The presented chain is not valid. This needs no proof: it costs the car a chance, and
        says nothing about a contract.
        """
        return self._failed() if self.contract is ContractState.PENDING else self

    def contract_decided(self, contract: ProvedContract, verdict: Verdict, now: float) -> Identification:
        """The final decision about the contract that the car of the running session has proved.

        A contract that was not presented in this session is ignored. One that a resumed session went
        on with may be refused later.
        """
        if self.contract is ContractState.ACCEPTED and not verdict.accepted:
            return self if verdict.decision is Decision.NO_ANSWER else self._failed()
        if self.contract is not ContractState.PENDING:
            return self
        if not verdict.accepted:
            return self._failed()
        # A card was accepted first: the session is charged to the card, not to the contract.
        outside = self.external is not None and self.authorized(now)
        return replace(self, contract=ContractState.NONE if outside else ContractState.ACCEPTED)

    def session_ended(self, *, refused: bool) -> Identification:
        """The V2G session is over. The next one needs a new proof of the contract; an
        identification from outside stays.

        ``refused``: the station sent a FAILED. With a contract pending the contract has then
        failed: wrong or missing signature, wrong challenge.
        """
        if self.contract is ContractState.PENDING and refused:
            return self._failed()
        return replace(self, contract=ContractState.NONE)

    def spent(self) -> Identification:
        """Charging was ended on purpose: drop the identification."""
        return replace(self, external=None, contract=ContractState.NONE)

    def _failed(self) -> Identification:
        return replace(self, contract=ContractState.NONE, failed_contracts=self.failed_contracts + 1)
