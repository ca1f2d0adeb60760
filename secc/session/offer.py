"""What the station has to offer a car.

The offer is fixed when a connection begins; what changes later comes as events (``LimitChanged``, ``EimDecided``...).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from secc.conversation import Effect, Requests, Session, Talk, Wall


class Payment(StrEnum):
    """How a driver can be identified: by the car's contract, or by something else (card, app, nothing)."""

    CONTRACT = "contract"
    EXTERNAL = "external"


class Transfer(StrEnum):
    """How energy reaches the car."""

    AC_SINGLE_PHASE = "ac-single-phase"
    AC_THREE_PHASE = "ac-three-phase"
    DC = "dc"

    @property
    def is_dc(self) -> bool:
        return self is Transfer.DC


@dataclass(frozen=True, slots=True)
class AcLimits:
    """What the AC side can do: volts phase to neutral, amperes a phase."""

    volts: float = 230.0
    maximum_amperes: float = 32.0
    minimum_amperes: float = 6.0
    phases: int = 3

    def watts(self, phases: int) -> float:
        """The most on so many phases. Never rounded below volts x amperes x phases: a car that asks for just that must pass (Q-47)."""
        return self.volts * self.maximum_amperes * phases

    def amperes_within(self, watts: float, phases: int) -> float:
        """The most a phase, where no more than ``watts`` may flow on all of them."""
        return min(self.maximum_amperes, watts / (self.volts * phases))


@dataclass(frozen=True, slots=True)
class DcLimits:
    """What the DC side can do."""

    minimum_volts: float = 150.0
    maximum_volts: float = 1000.0
    minimum_amperes: float = 0.0
    maximum_amperes: float = 200.0
    maximum_watts: float = 150_000.0
    ripple_amperes: float = 1.0


@dataclass(frozen=True, slots=True)
class Offer:
    """One outlet's offer to one connection."""

    evse_id: str = "ZZ00000"
    transfers: tuple[Transfer, ...] = (Transfer.DC,)
    ac: AcLimits | None = None
    dc: DcLimits | None = field(default_factory=DcLimits)
    payments: tuple[Payment, ...] = (Payment.EXTERNAL,)
    eim_authorized: bool = False
    """True if a card or app was accepted for this plug-in before the connection began."""
    free: bool = False
    """True if nobody pays here: whoever plugs in is authorised."""
    watts_limit: float | None = None
    """What the grid or the operator allows now, below what the hardware can; None where there is no such limit."""
    meter_id: str = ""
    eim_seconds: float = 300.0
    """How long a driver may take to find the card."""
    tls: bool = False
    ask_before_proof: bool = True
    """Whether the backend may be asked about a contract before the car has proved it; nothing is believed before in either case."""
    tolerances: frozenset[str] = frozenset()
    """Field quirks tolerated beyond the defaults (``Q-nn``)."""
    strict: bool = False
    """Switches every tolerance off, for conformance runs."""

    @property
    def is_dc(self) -> bool:
        """Whether every way of charging on offer is DC."""
        return all(transfer.is_dc for transfer in self.transfers)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Time, chance and the calendar, as a session gets them by the door."""

    now: float
    entropy: Callable[[int], bytes]
    wall: Callable[[], Wall]
    tickets: Iterator[int] | None = None
    batch: int = 0
    """What was sent together with the last message before this session: more of it has not waited for an answer."""

    def session(self, talk: Talk, requests: Requests, *, safe: tuple[Effect, ...] = ()) -> Session:
        """A session among them, not begun yet."""
        return Session(
            talk,
            requests=requests,
            safe=safe,
            now=self.now,
            entropy=self.entropy,
            wall=self.wall,
            tickets=self.tickets,
        )
