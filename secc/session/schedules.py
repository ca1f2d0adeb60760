"""Charging schedules and tariffs from a backend, in the station's terms (SI units, no protocol).

A backend may give a car one to three schedules to choose from. A schedule says how much power there
is and, with a tariff, what energy costs. Limits of the grid or the operator hold beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from enum import StrEnum
from typing import Final

from frozen import dataclass
from secc.conversation import Effect, Question
from secc.errors import UplinkError
from secc.session.offer import Transfer

MOST_SCHEDULES: Final = 3
MOST_SPANS: Final = 1024
"""Spans of power in a schedule of a backend."""


class ScheduleFlaw(StrEnum):
    """Flaws of schedules and tariffs: stable names, in the log."""

    TYPE = "schedule-type"
    COUNT = "schedule-count"
    ID = "schedule-id"
    SPANS = "schedule-spans"
    WATTS = "schedule-watts"
    TARIFF_LENGTH = "tariff-length"
    TARIFF_EXI = "tariff-exi"
    TARIFF_ELEMENT = "tariff-element"
    TARIFF_ID = "tariff-id"
    TARIFF_ENTRIES = "tariff-entries"
    TARIFF_TIMES = "tariff-times"
    TARIFF_VALUES = "tariff-values"
    TARIFF_UNSIGNED = "tariff-unsigned"
    TARIFF_SIGNATURE = "tariff-signature"


class ScheduleRejected(UplinkError):
    """A schedule or a tariff of the backend cannot be offered; ``flaw`` names why."""

    def __init__(self, flaw: ScheduleFlaw, detail: str = "") -> None:
        super().__init__(flaw.value + (f": {detail}" if detail else ""))
        self.flaw = flaw


class CostKind(StrEnum):
    """What an amount counts: percent of the price, percent of renewable energy, grams of CO2 for a
    kWh.
    """

    RELATIVE_PRICE = "relative-price"
    RENEWABLE_GENERATION = "renewable-generation"
    CARBON_DIOXIDE = "carbon-dioxide"


@dataclass(frozen=True, slots=True)
class Cost:
    """One kind of cost, to three decimals."""

    kind: CostKind
    amount: float


@dataclass(frozen=True, slots=True)
class ConsumptionCost:
    """The costs from this power on."""

    from_watts: float
    costs: tuple[Cost, ...]


@dataclass(frozen=True, slots=True)
class TariffEntry:
    """The price level from ``start`` (seconds from now) until the next entry; ``level`` 1 is the
    cheapest.
    """

    start: int
    level: int | None = None
    costs: tuple[ConsumptionCost, ...] = ()


@dataclass(frozen=True, slots=True)
class Tariff:
    """A tariff as values, without a signature. The last entry holds as long as its schedule."""

    id: int
    entries: tuple[TariffEntry, ...]
    description: str = ""
    levels: int | None = None


@dataclass(frozen=True, slots=True)
class PowerSpan:
    """At most these watts from ``start`` (seconds from now) until the next span."""

    start: int
    watts: float


@dataclass(frozen=True, slots=True)
class ChargingSchedule:
    """A schedule that a car may choose by its id (1 to 255). The last span holds until the car
    leaves.

    ``tariff``: values, or the octets of an element that the mobility operator has signed, as the
    protocol has it.
    """

    id: int
    spans: tuple[PowerSpan, ...]
    tariff: Tariff | bytes | None = None


@dataclass(frozen=True, slots=True)
class ChargingSchedules:
    """One to three schedules. ``signature``: the octets of the one signature over all elements in
    them, as the protocol has it; empty if no tariff is signed.
    """

    schedules: tuple[ChargingSchedule, ...]
    signature: bytes = b""


@dataclass(frozen=True, slots=True)
class ChargingNeeds:
    """What a car has told of its needs. No personal data: the backend knows the transaction."""

    transfer: Transfer
    contract: bool
    """The car pays by contract: a tariff has to be signed."""
    departure: int | None = None
    """Seconds until the car leaves; None: not told."""
    watt_hours: float | None = None
    amperes: float | None = None
    """The most a phase, or of a DC car."""
    volts: float | None = None
    watts: float | None = None
    entries: int | None = None
    """The most entries of a schedule and of a tariff that the car takes; None: not told."""
    chosen: int | None = None
    """After a pause: the id of the schedule that the car chose before. Its power stays; its tariff
    is asked for, and no other schedule.
    """


@dataclass(frozen=True, slots=True)
class Planned:
    """The backend's schedules, checked, as the protocol offers them; None: there are none that can
    be offered. ``rejected`` tells what was left out, and why.
    """

    schedules: object | None
    rejected: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PlanCharging(Question[Planned]):
    """Ask the backend for schedules. The answer comes within ``seconds``.

    ``accept`` checks them, and takes a millisecond or more: not for the event loop.
    """

    needs: ChargingNeeds
    seconds: float
    accept: Callable[[ChargingSchedules], Planned] = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class KeepSchedule(Effect):
    """From now on the power path delivers at most what these steps allow, beside every other limit:
    each is a moment (monotonic seconds) and the watts from then on. No steps: no schedule.
    """

    steps: tuple[tuple[float, float], ...]
