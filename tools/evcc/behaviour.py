"""Behaviour of a simulated car: its wishes, payment, patience, and flaw."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from secc.conversation import Timeout
from secc.session.effects import Provisioning

FIRST: Final = "first"
CHEAPEST: Final = "cheapest"


@dataclass(frozen=True, slots=True)
class Remembered:
    """What the car knows of the session that it paused."""

    session_id: bytes
    tuple_id: int
    """The SAScheduleTupleID that it chose."""
    departs_at: float | None = None
    """When the car leaves, on the conversation's clock."""


class Current(StrEnum):
    """The kind of current that the car wants."""

    AC = "ac"
    DC = "dc"


class Payment(StrEnum):
    """How the car identifies its driver: by contract (Plug & Charge), or not at all (EIM)."""

    CONTRACT = "pnc"
    EXTERNAL = "eim"


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Behaviour of one car. Times are seconds of the conversation's clock, unless said otherwise."""

    protocols: tuple[str, ...] = ("iso2",)
    """Names of its protocols, from ``tools.evcc.protocols``, the preferred one first."""
    current: Current = Current.DC
    payment: Payment = Payment.EXTERNAL
    evcc_id: bytes = bytes.fromhex("02A1B2C3D4E5")
    phases: int = 3
    """AC: phases of the on-board charger."""
    ac_amperes: float = 16.0
    target_state_of_charge: float = 0.8
    watt_hours: float | None = None
    """Stop after this energy; None: at the target state of charge."""
    loops: int | None = None
    """Stop after this many answers of the charging loop; None: do not count."""
    loop_seconds: float = 0.1
    """Pause between an answer of the charging loop and the next request."""
    poll_seconds: float = 0.2
    """Pause before the car asks again after Ongoing."""
    speed: float = 1.0
    """Battery seconds in one second of the conversation's clock."""
    patience: float = 1.0
    """Factor on every timeout of the car, for slow machines or to wait until the station gives up."""
    eim_seconds: float = 300.0
    """Seconds for the driver to show a card."""
    stop_before: str | None = None
    """Name of the request (without ``Req``) in place of which the car sends SessionStopReq."""
    renegotiate_after: int | None = None
    """Ask for a renegotiation, once, after this many answers of the charging loop."""
    ignore_renegotiation: bool = False
    """Go on charging when the station asks for a renegotiation, as a car may. [V2G2-680]"""
    ignore_receipts: bool = False
    """Go on charging without the receipt that the station demands, as some cars do. (Q-66)"""
    keep_relays: bool = False
    """DC: leave the battery on the inlet during a renegotiation, as some cars do."""
    ask_detail: bool = False
    """Ask for the details of every service on offer."""
    services: tuple[tuple[int, int | None], ...] = ()
    """Services beside charging to select, each with a parameter set or None; the car asks for their
    details first.
    """
    provision: Provisioning | None = None
    """Ask for a contract first, and charge with that one."""
    pre_charge_at_least: int = 1
    """The least number of PreChargeReq to send."""
    departure_seconds: float | None = None
    """When the car leaves, from its first request for a schedule; None: it does not say."""
    most_entries: int | None = None
    """MaxEntriesSAScheduleTuple; None: it does not say."""
    schedule: str = FIRST
    """The schedule that the car chooses: the first, the cheapest by its price levels, or an id."""
    pauses: int = 0
    """So many sessions end by SessionStop(Pause), and the car comes back."""
    remembered: Remembered | None = None
    """The paused session to join again; None: begin a new one."""
    flaw: str | None = None
    """Name of the car's flaw (``secc evcc --list-flaws``)."""

    def patient(self, timeout: Timeout) -> Timeout:
        """Returns the timeout times this car's patience."""
        return Timeout(timeout.name, timeout.seconds * self.patience, timeout.clause)
