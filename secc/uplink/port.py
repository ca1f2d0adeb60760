"""The interface of a station to its backend.

The V2G session does not use this: it asks ``AuthorizeContract`` (``secc.session.effects``), the
plug-in asks ``AuthorizeToken`` (``secc.session.identification``), and the station passes both to
the backend. A backend can only be stricter than the station, which checks a contract's chain first.
The station may ask about a contract before the car has proved it, and uses the answer only after
the proof.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import field
from typing import Literal, Protocol, TypeAlias

from certs.contract import Contract
from certs.emaid import EMAID, EmaidMalformed
from frozen import dataclass
from secc.conversation import Wall
from secc.session.effects import Provisioning, ProvisioningRefused, Verdict
from secc.session.identification import AuthorizeToken
from secc.session.proof import ProvedContract
from secc.session.schedules import ChargingNeeds, ChargingSchedules
from secc.uplink.policy import Policy


@dataclass(frozen=True, slots=True)
class Identity:
    """Who charges: ``kind`` is ``emaid``, the kind of a card, ``free``, ``operator``... The value
    is personal and not in ``repr``.
    """

    kind: str
    value: str = field(default="", repr=False)

    @property
    def masked(self) -> str:
        """For the log: an EMAID's country and provider; of other identities the kind and the last
        two characters.
        """
        if self.kind == "emaid":
            try:
                return EMAID.parse(self.value).masked
            except EmaidMalformed:
                return "no EMAID"
        return f"{self.kind} …{self.value[-2:]}" if len(self.value) > 4 else self.kind


@dataclass(frozen=True, slots=True)
class SessionStarted:
    """Energy may flow. ``session`` never repeats; ``watt_hours`` is the meter's counter, None if it
    could not be read.
    """

    session: str
    outlet: str
    evse_id: str
    identity: Identity
    at: Wall
    watt_hours: float | None = None
    meter_id: str = ""
    signed: bytes | None = None
    """The meter's signed start record, if it signs."""


@dataclass(frozen=True, slots=True)
class MeteringReceipt:
    """The car has signed, with its contract's key, the reading that it was told during this
    session's transaction.

    ``number`` counts the receipts of the session from 1: two reports with one number are the same
    receipt. ``watt_hours`` is the reading that was signed, None if the car was told none;
    ``schedule`` the id of the schedule that the car chose; ``octets`` the car's message as it came,
    with its signature; ``signed`` the meter's own record of that reading, if it signs, of any
    length.
    """

    session: str
    outlet: str
    number: int
    at: Wall
    meter_id: str
    watt_hours: int | None
    schedule: int
    octets: bytes = field(repr=False)
    signed: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """Energy no longer flows. ``reason`` is the stable code (``docs/reasons.md``); ``signed`` the
    meter's signed record, if it signs.
    """

    session: str
    outlet: str
    reason: str
    at: Wall
    watt_hours: float | None = None
    signed: bytes | None = None


@dataclass(frozen=True, slots=True)
class StopOrdered:
    """The backend orders this outlet's session to end in order."""

    outlet: str


@dataclass(frozen=True, slots=True)
class LimitOrdered:
    """The outlet may deliver at most this; None: the limit of its hardware."""

    outlet: str
    watts: float | None


@dataclass(frozen=True, slots=True)
class WakeOrdered:
    """The car that has paused at this outlet is to come back: there is a new schedule."""

    outlet: str


@dataclass(frozen=True, slots=True)
class RenegotiationOrdered:
    """The backend has other schedules for this outlet's session: the car is asked to negotiate
    again.
    """

    outlet: str


BackendEvent: TypeAlias = StopOrdered | LimitOrdered | WakeOrdered | RenegotiationOrdered


@dataclass(frozen=True, slots=True)
class Status:
    """State of the backend for ``secc status``, with a line for each problem."""

    kind: str
    state: Literal["ready", "offline", "degraded"]
    problems: tuple[str, ...] = ()


class Backend(Protocol):
    """A backend. Every method may be cancelled at any time, and raises only
    :class:`~secc.errors.UplinkError`.
    """

    @property
    def policy(self) -> Policy:
        """The settings of its decisions; for ``secc.uplink.policy.offers_contract``."""

    @property
    def lost_at(self) -> float | None:
        """When the line was last lost, monotonic seconds; None: never, or there is no line."""

    @property
    def online(self) -> bool:
        """Whether it can be asked now. A backend without a network is always offline."""

    def status(self) -> Status: ...

    async def open(self) -> None:
        """Begin. Raises :class:`~secc.errors.ConfigError` for invalid files."""

    async def close(self) -> None:
        """End, and end ``events``."""

    async def reload(self) -> None:
        """Read changed files of the operator again. Raises ConfigError, and then goes on with the
        earlier ones.
        """

    async def authorize_token(self, question: AuthorizeToken, *, outlet: str, decide: float) -> Verdict:
        """May the owner of this card charge? Returns within ``decide`` seconds, NO_ANSWER if not
        decided.
        """

    async def authorize_contract(self, contract: Contract, *, outlet: str, decide: float) -> Verdict:
        """May this contract charge? Returns within ``decide`` seconds, NO_ANSWER if not decided."""

    @property
    def provisions(self) -> bool:
        """Whether a provisioning service can be asked now."""

    async def provision_contract(
        self, kind: Provisioning, request: bytes, *, outlet: str, seconds: float
    ) -> bytes | ProvisioningRefused:
        """Pass a car's request for a contract to the provisioning service, as it came. Returns its
        answer as it came, at most ``PROVISIONED_OCTETS`` and one, within ``seconds``. The station
        checks it; neither is stored.
        """

    @property
    def plans(self) -> bool:
        """Whether it gives schedules now."""

    async def plan_charging(self, needs: ChargingNeeds, *, outlet: str, seconds: float) -> ChargingSchedules | None:
        """Returns one to three schedules for the car at this outlet, within ``seconds``; None: the
        limit of the outlet is the only one. The station checks them.
        """

    async def contract_decided(self, contract: ProvedContract, verdict: Verdict) -> None:
        """Take the verdict on a contract that a car has proved. What is remembered of it is stored
        durably when this returns.
        """

    @property
    def unbooked(self) -> str:
        """Why a session could not be stored now; empty if it could, or if the backend stores none.
        (A-RES-06)
        """

    async def catch_up(self) -> None:
        """Store what could not be stored, and update ``unbooked``. Called every few seconds."""

    async def session_started(self, report: SessionStarted) -> None:
        """Store the report durably. Raises UplinkError if that fails; the report then waits in
        memory for ``catch_up``.
        """

    async def session_ended(self, report: SessionEnded) -> None:
        """As ``session_started``."""

    @property
    def takes_receipts(self) -> bool:
        """Whether a metering receipt can be stored now; none is demanded otherwise."""

    async def metering_receipt(self, report: MeteringReceipt) -> None:
        """Store the receipt durably: the car hears that it is accepted after this. Raises UplinkError
        if that fails; the receipt then does not count, and nothing waits.
        """

    def events(self) -> AsyncIterator[BackendEvent]:
        """Yields the backend's orders, until ``close``. The outlet that an order names checks it."""

    def answered(self, order: BackendEvent, refused: str) -> None:
        """Report the result of an order from ``events``, once for each: ``refused`` is why it was
        refused, or empty.
        """
