"""The station's offer to a car.

The offer is fixed when a connection begins; later changes come as events (``LimitChanged``,
``EimDecided``...).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import field
from enum import StrEnum

from frozen import dataclass
from secc.conversation import Effect, Requests, Session, Talk, Wall
from secc.session.effects import Provisioning
from secc.session.services import Internet, VendorService


class Payment(StrEnum):
    """How a driver is identified: by the car's contract, or from outside the car (card, app,
    nothing).
    """

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


class MeterDetail(StrEnum):
    """What a charging car is told of the billing meter."""

    READING = "reading"
    """Its identity and its reading."""
    IDENTITY = "identity"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class AcLimits:
    """Limits of the AC side: volts phase to neutral, amperes a phase."""

    volts: float = 230.0
    maximum_amperes: float = 32.0
    minimum_amperes: float = 6.0
    phases: int = 3

    def watts(self, phases: int) -> float:
        """Returns the most on ``phases``. Never below volts x amperes x phases by rounding: a car
        may ask for exactly that (Q-47).
        """
        return self.volts * self.maximum_amperes * phases

    def amperes_within(self, watts: float, phases: int) -> float:
        """Returns the most amperes a phase, with at most ``watts`` on all of them."""
        return min(self.maximum_amperes, watts / (self.volts * phases))


@dataclass(frozen=True, slots=True)
class DcLimits:
    """Limits of the DC side."""

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
    dc: DcLimits | None = DcLimits()
    payments: tuple[Payment, ...] = (Payment.EXTERNAL,)
    eim_authorized: bool = False
    """True if a card or app was accepted for this plug-in before the connection began."""
    free: bool = False
    """True if charging is free: every driver is authorised."""
    watts_limit: float | None = None
    """Limit of grid or operator now, below that of the hardware; None: no such limit."""
    meter_id: str = ""
    eim_seconds: float = 300.0
    """Seconds for the driver to show a card."""
    no_power_seconds: float = 5.0
    """Seconds without power to offer until a charging car is told to stop."""
    renegotiates_dc: bool = False
    """Whether a DC car is asked for another schedule when the limit falls below that of its
    schedule; the limit counts at once either way.
    """
    tls: bool = False
    ask_before_proof: bool = True
    """Whether the backend may be asked about a contract before the car has proved it; the answer
    counts only after the proof.
    """
    announce_expiry: bool = False
    """Whether a contract that ends soon is announced as such: where certificate update is offered
    [V2G2-690], or where the operator asks for it always.
    """
    backend_lost_at: float | None = None
    """When the line to the backend was last lost, monotonic seconds; None: never."""
    paused: object | None = field(default=None, repr=False)
    """The value that a session of this plug-in gave with ``KeepForResume``; only its protocol
    reads it.
    """
    plans: bool = False
    """Whether the backend is asked for schedules."""
    plan_seconds: float = 10.0
    """Seconds for its answer; without one the station offers one schedule, up to its limit."""
    provisioning: tuple[Provisioning, ...] = ()
    """What a car may ask the provisioning service for; offered over TLS only."""
    internet: tuple[Internet, ...] = ()
    """Internet access; offered over TLS only."""
    services: tuple[VendorService, ...] = ()
    meter_detail: MeterDetail = MeterDetail.READING
    ongoing: frozenset[str] = frozenset()
    """The phases that a lab holds in Ongoing from the start (``secc.session.wishes.Held``)."""
    receipt_seconds: float | None = None
    """Seconds from one metering receipt of a car with a contract to the next one that is demanded;
    None: none is.
    """
    tolerances: frozenset[str] = frozenset()
    """Field quirks tolerated beyond the defaults (``Q-nn``)."""
    strict: bool = False
    """Switches every tolerance off, for conformance runs."""

    @property
    def is_dc(self) -> bool:
        """Whether all transfers on offer are DC."""
        return all(transfer.is_dc for transfer in self.transfers)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Time, random numbers and calendar for a session."""

    now: float
    entropy: Callable[[int], bytes]
    wall: Callable[[], Wall]
    tickets: Iterator[int] | None = None
    batch: int = 0
    """The batch of the last message before this session: further octets of it were sent too early."""

    def session(self, talk: Talk, requests: Requests, *, safe: tuple[Effect, ...] = ()) -> Session:
        """Returns a session with them, not begun yet."""
        return Session(
            talk,
            requests=requests,
            safe=safe,
            now=self.now,
            entropy=self.entropy,
            wall=self.wall,
            tickets=self.tickets,
        )
