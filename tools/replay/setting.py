"""How recordings are replayed, and what each protocol adds to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from secc.session.effects import NoContract, ProvisionContract, ProvisioningRefused
from secc.session.offer import Offer
from secc.session.protocol import V2gProtocol

from .exchanges import Exchange
from .recorded import Sayings

Provision = Callable[[ProvisionContract, bytes], bytes | ProvisioningRefused]
"""The provisioning service: gets the recorded answer, and returns its own."""


def recorded_answer(question: ProvisionContract, recorded: bytes) -> bytes | ProvisioningRefused:
    """The provisioning service of the recording."""
    return recorded or ProvisioningRefused(NoContract.FAILED, "the recording has no answer")


@dataclass(frozen=True, slots=True)
class Setting:
    """How to replay. ``quick``: the driver's card, the backend and the power path take no time,
    where those of the recording did. ``at``: the date, None for that of the recording. ``change``
    gets the offer that the answers tell, and returns the one to replay with. ``provision`` is the
    provisioning service. ``spoken``: the keys of the protocols of today's station, None for all.
    """

    strict: bool = False
    quick: bool = False
    at: datetime | None = None
    change: Callable[[Offer], Offer] = lambda offer: offer
    provision: Provision = recorded_answer
    spoken: Sequence[str] | None = None

    def offering(self, offer: Offer | None) -> Setting:
        """Returns the same with this offer in the place of the one that the answers tell."""
        if offer is None:
            return self
        return replace(self, change=lambda told: self.change(replace(offer, strict=told.strict)))


class RecordedOffer(Protocol):
    """Returns the offer of one recorded session. What its answers do not say stays as in ``Offer``."""

    def __call__(self, exchanges: Sequence[Exchange], *, tls: bool, strict: bool, paused: object | None) -> Offer: ...


@dataclass(frozen=True, slots=True)
class Replayable:
    """A protocol whose recordings are replayed."""

    protocol: Callable[[], V2gProtocol]
    secure: Callable[[Iterable[Sequence[Exchange]]], bool]
    """Whether the connections of these sessions of a plug-in were TLS."""
    offer: RecordedOffer
    sayings: Callable[[Sequence[Exchange], Offer, Setting], Sayings]
