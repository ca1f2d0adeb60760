"""What a station asks and tells its backend, whichever that is.

The V2G session never sees this: it asks ``AuthorizeContract`` (``secc.session.effects``), the plug-in asks ``AuthorizeToken``
(``secc.session.identification``), and the station brings both here. A backend may only be stricter than the station: a contract comes here
after its chain has been checked. It may be asked about before the car has proved it, and its answer is believed only after that.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import field
from typing import Literal, Protocol, TypeAlias

from certs.contract import Contract
from certs.emaid import EMAID, EmaidMalformed
from frozen import dataclass
from secc.conversation import Wall
from secc.session.effects import Verdict
from secc.session.identification import AuthorizeToken
from secc.session.proof import ProvedContract
from secc.uplink.policy import Policy


@dataclass(frozen=True, slots=True)
class Identity:
    """Who charges: ``kind`` is ``emaid``, the kind of a card, ``free``, ``operator``... The value is personal and in no ``repr``."""

    kind: str
    value: str = field(default="", repr=False)

    @property
    def masked(self) -> str:
        """For the log: an EMAID's country and provider, of anything else the kind and the last two characters."""
        if self.kind == "emaid":
            try:
                return EMAID.parse(self.value).masked
            except EmaidMalformed:
                return "no EMAID"
        return f"{self.kind} …{self.value[-2:]}" if len(self.value) > 4 else self.kind


@dataclass(frozen=True, slots=True)
class SessionStarted:
    """Energy may flow. ``session`` never repeats; ``watt_hours`` is what the meter stands at, None where it could not be read."""

    session: str
    outlet: str
    evse_id: str
    identity: Identity
    at: Wall
    watt_hours: float | None = None
    meter_id: str = ""


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """No energy flows any more. ``reason`` is the stable code (``docs/reasons.md``); ``signed`` what the meter signed, if it signs."""

    session: str
    outlet: str
    reason: str
    at: Wall
    watt_hours: float | None = None
    signed: bytes | None = None


@dataclass(frozen=True, slots=True)
class StopOrdered:
    """The backend wants this outlet's session to end, in order."""

    outlet: str


@dataclass(frozen=True, slots=True)
class LimitOrdered:
    """The outlet may deliver this much and no more; None: what its hardware can."""

    outlet: str
    watts: float | None


BackendEvent: TypeAlias = StopOrdered | LimitOrdered


@dataclass(frozen=True, slots=True)
class Status:
    """For ``secc status``: how the backend is, with what is wrong, a line each."""

    kind: str
    state: Literal["ready", "offline", "degraded"]
    problems: tuple[str, ...] = ()


class Backend(Protocol):
    """A backend. Every method may be cancelled at any time; none raises anything but :class:`~secc.errors.UplinkError`."""

    @property
    def policy(self) -> Policy:
        """The settings by which it decides; ``secc.uplink.policy.offers_contract`` takes them."""

    @property
    def online(self) -> bool:
        """Whether it can be asked right now. What decides on the station alone is always offline."""

    def status(self) -> Status: ...

    async def open(self) -> None:
        """Begin. Raises :class:`~secc.errors.ConfigError` where files that it was given are wrong."""

    async def close(self) -> None:
        """End; ``events`` end with it."""

    async def reload(self) -> None:
        """Read again what the operator may have changed. Raises ConfigError, and then goes on with what it had."""

    async def authorize_token(self, question: AuthorizeToken, *, outlet: str, decide: float) -> Verdict:
        """May the owner of this card charge? An answer within ``decide`` seconds, NO_ANSWER if need be."""

    async def authorize_contract(self, contract: Contract, *, outlet: str, decide: float) -> Verdict:
        """May this contract charge? An answer within ``decide`` seconds, NO_ANSWER if need be."""

    async def contract_decided(self, contract: ProvedContract, verdict: Verdict) -> None:
        """The verdict on a contract that a car has proved. What is to be remembered of it is stored durably when this returns."""

    @property
    def unbooked(self) -> str:
        """Why what is delivered from now on could not be stored; empty where it could, or where nothing is to be. (A-RES-06)"""

    async def catch_up(self) -> None:
        """Store what could not be stored, and see whether ``unbooked`` still holds. To be called every few seconds."""

    async def session_started(self, report: SessionStarted) -> None:
        """Stored durably when this returns. What cannot be stored now waits in memory for ``catch_up``, and UplinkError says so."""

    async def session_ended(self, report: SessionEnded) -> None:
        """As ``session_started``."""

    def events(self) -> AsyncIterator[BackendEvent]:
        """What the backend wants, until ``close``. Nothing in it is believed: each order is judged by the outlet that it names."""

    def answered(self, order: BackendEvent, refused: str) -> None:
        """The result of an order from ``events``: ``refused`` says why nothing was done, and is empty where it was. Once for each."""
