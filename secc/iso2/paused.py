"""What a paused session leaves for its resume: a value that only ISO 15118-2 reads. The plug-in keeps it."""

from __future__ import annotations

import hmac
from dataclasses import field
from typing import Final

from frozen import dataclass
from secc.exi.xmldsig import (
    CanonicalizationMethod,
    DigestMethod,
    Reference,
    Signature,
    SignatureMethod,
    SignatureValue,
    SignedInfo,
    Transform,
    Transforms,
)
from secc.iso2.messages import (
    ConsumptionCost,
    Cost,
    CostKind,
    PaymentOption,
    PhysicalValue,
    RelativeTimeInterval,
    SalesTariff,
    SalesTariffEntry,
    UnitSymbol,
)
from secc.iso2.schedule import AnySchedule, Offered, Schedule, Stepped
from secc.session.effects import Verdict
from secc.session.offer import Offer, Transfer

DECISION_HOLDS_SECONDS: Final = 3600.0
"""A decision about a contract that is older than this is asked for again in a resumed session. Our choice."""


@dataclass(frozen=True, slots=True)
class PausedContract:
    """The contract of a paused session: its EMAID and the decision about it, never its chain.

    ``verdict`` is None if a card was accepted, or the car paused, before the backend had decided;
    ``decided_at``: monotonic seconds.
    """

    emaid: str = field(repr=False)
    verdict: Verdict | None
    decided_at: float

    def holds(self, offer: Offer, now: float) -> bool:
        """Whether the decision counts without another question: it is not older than an hour, and
        the line to the backend was not lost since.
        """
        if self.verdict is None or now - self.decided_at > DECISION_HOLDS_SECONDS:
            return False
        return offer.backend_lost_at is None or offer.backend_lost_at < self.decided_at


@dataclass(frozen=True, slots=True)
class Chosen:
    """The schedule that the car chose; ``ends_at`` is its end in monotonic seconds, whole milliseconds
    as in traces.
    """

    schedule: AnySchedule
    ends_at: float

    @property
    def began_at(self) -> float:
        return self.ends_at - self.schedule.seconds

    def offered_again(self, now: float, departure: int | None, most_entries: int | None) -> AnySchedule | None:
        """Returns the schedule with the time that is left, or until an earlier departure. None if
        its time is over, or if it gave no power: such a schedule asked for the pause. [V2G2-741]
        """
        left = int(self.ends_at - now)
        if left <= 0:
            return None
        return self.schedule.after(self.schedule.seconds - left, departure, most_entries)


@dataclass(frozen=True, slots=True)
class Paused:
    """A paused session. No field with the car's identity is in ``repr``."""

    session_id: bytes = field(repr=False)
    evcc_id: bytes = field(repr=False)
    tls: bool
    payment: PaymentOption
    transfer: Transfer
    chosen: Chosen | None
    """None if the car stopped before it chose a schedule."""
    contract: PausedContract | None = None
    """None with external payment: a card belongs to the plug-in."""
    services: tuple[tuple[int, int | None], ...] = ()
    """What the car selected: services and their parameter sets."""

    def rejoined(self, session_id: bytes, evcc_id: bytes, offer: Offer) -> str:
        """Whether this car may join the session again: empty if so, otherwise why not.

        The binding to EVCCID and transport is our hardening, unverified against cars that choose
        another EVCCID for each session. (A-SES-02)
        """
        if not hmac.compare_digest(session_id, self.session_id):
            return "another SessionID"
        if not hmac.compare_digest(evcc_id, self.evcc_id):
            return "another EVCCID"
        if offer.tls is not self.tls:
            return "another kind of transport"
        return "" if self.transfer in offer.transfers else "its energy transfer is no longer offered"


KEPT: Final = (
    *(Paused, PausedContract, Chosen, Schedule, Stepped, Offered, PaymentOption),
    *(SalesTariff, SalesTariffEntry, RelativeTimeInterval, ConsumptionCost, Cost, CostKind),
    *(PhysicalValue, UnitSymbol, Signature, SignedInfo, SignatureValue, Reference, Transforms, Transform),
    *(CanonicalizationMethod, SignatureMethod, DigestMethod),
)
"""The types of a value for a resume, and of the schedules of a backend."""
