"""The SAScheduleList of the station, and the check of a charging profile against it.

The station offers one power for the whole time (``Schedule``) unless the backend gives schedules
(``Stepped``).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import ClassVar, Final, TypeAlias

from frozen import dataclass
from secc.errors import Refusal
from secc.exi.xmldsig import Signature
from secc.iso2.messages import (
    ChargingProfile,
    PMaxSchedule,
    PMaxScheduleEntry,
    RelativeTimeInterval,
    ResponseCode,
    SalesTariff,
    SAScheduleList,
    SAScheduleTuple,
    UnitSymbol,
)
from secc.iso2.units import limit, watts

TUPLE_ID: Final = 1
"""The id of the station's own schedule, in 1..255. [V2G2-773]"""

DAY: Final = 86_400
"""Seconds: the longest duration that an entry may have, and the shortest time that a schedule
covers. [V2G2-304]
"""

LATEST_START: Final = 16_777_214

MOST_ENTRIES: Final = 12
"""Entries of a schedule or a tariff that public codecs can hold."""

KEPT_SPANS: Final = 24
"""Spans of a schedule of the backend that are kept; further ones are joined."""

TOLERANCE: Final = 1.01
"""A profile may exceed PMax by this factor, because cars round. (D6)"""

Spans: TypeAlias = tuple[tuple[int, float], ...]
"""Each is a start, in seconds, and the watts from then on; the first start is 0."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """One power for the whole time: ``watts`` until ``seconds`` from now."""

    watts: float
    seconds: int
    entries: int = 1
    tuple_id: ClassVar[int] = TUPLE_ID

    @classmethod
    def covering(cls, watts: float, departure: int | None, most_entries: int | None) -> Schedule:
        """A schedule until the car leaves, or for a day if the car gives no time. [V2G2-303]
        [V2G2-304]

        DepartureTime 0 counts as not given (Q-48). More than a day takes two entries; a car that
        accepts one entry only gets a day.
        """
        seconds = covered(departure, most_entries)
        return cls(watts, seconds, 2 if seconds > DAY else 1)

    @property
    def spans(self) -> Spans:
        return ((0, self.watts),)

    def holds(self, watts: float) -> bool:
        """Whether this is the schedule for a limit of ``watts``."""
        return watts == self.watts

    def within(self, watts: float) -> Schedule:
        return replace(self, watts=min(self.watts, watts))

    def after(self, elapsed: int, departure: int | None, most_entries: int | None) -> Schedule | None:
        """Returns what is left of it, or until an earlier departure; None if it gives no power."""
        left = self.seconds - elapsed
        if self.watts <= 0.0:
            return None
        return Schedule.covering(self.watts, min(left, departure or left), most_entries)

    def as_tuple(self) -> SAScheduleTuple:
        return sa_schedule_tuple(self.tuple_id, self.spans, self.seconds)


@dataclass(frozen=True, slots=True)
class Stepped:
    """A schedule of the backend: power in steps until ``seconds`` from now, perhaps with a tariff.

    The tariff is sent as it is if it is ``signed``. One of values has starts only, and holds until
    the end.
    """

    tuple_id: int
    whole: Spans
    """The power that the backend gives, whenever the car leaves and whatever the limit of the
    station.
    """
    given: Spans
    """What of it is told to the car."""
    seconds: int
    joined: int | None = None
    """Where spans begin that were joined because the car does not take so many; None: none were."""
    tariff: SalesTariff | None = None
    signed: bool = False
    most: float = math.inf
    """The limit of the station when it was offered, in watts."""

    @classmethod
    def covering(
        cls,
        tuple_id: int,
        spans: Spans,
        departure: int | None,
        most_entries: int | None,
        tariff: SalesTariff | None = None,
        *,
        signed: bool = False,
    ) -> Stepped:
        """As ``Schedule.covering``; spans that the car does not take are joined to one with the
        least power of them, and a tariff with more entries than it takes is left out.
        """
        most = max(1, min(MOST_ENTRIES, MOST_ENTRIES if most_entries is None else most_entries))
        seconds = covered(departure, most)
        whole, cut = _fitted(spans, LATEST_START + DAY, KEPT_SPANS)
        given, joined = _fitted(spans, seconds, most)
        if tariff is not None and len(_said(tariff, seconds, signed=signed).sales_tariff_entry) > most:
            tariff = None
        first = min((start for start in (cut, joined) if start is not None), default=None)
        return cls(tuple_id, whole, given, seconds, first, tariff, signed and tariff is not None)

    @property
    def spans(self) -> Spans:
        """The power on offer."""
        return tuple((start, min(power, self.most)) for start, power in self.given)

    @property
    def watts(self) -> float:
        """The most at any time."""
        return min(self._wanted, self.most)

    @property
    def _wanted(self) -> float:
        return max(power for _, power in self.given)

    @property
    def steps(self) -> Spans:
        """The power that may flow, beside the limit of each moment: what is told, and after its end
        what the backend gives then. A car that tells an early departure and stays gets no more by it.
        """
        behind = [(start, power) for start, power in self.whole if start > self.seconds]
        return tuple(_merged((*self.given, (self.seconds, _at(self.whole, self.seconds)), *behind)))

    def watts_at(self, elapsed: float) -> float:
        """Returns the watts of the steps this many seconds after its begin."""
        return _at(self.given if elapsed < self.seconds else self.whole, elapsed)

    @property
    def renews(self) -> int:
        """Seconds until the car is asked to negotiate again: at the end, or where joined spans
        begin.
        """
        return self.seconds if self.joined is None else min(self.joined, self.seconds)

    def again(self, departure: int | None, most_entries: int | None) -> Stepped:
        """Returns it for another request of the car."""
        again = Stepped.covering(self.tuple_id, self.whole, departure, most_entries, self.tariff, signed=self.signed)
        joined = [start for start in (self.joined, again.joined) if start is not None]
        return replace(again, joined=min(joined, default=None), most=self.most)

    def holds(self, watts: float) -> bool:
        """As ``Schedule.holds``."""
        return min(self._wanted, watts) == self.watts

    def within(self, watts: float) -> Stepped:
        return replace(self, most=min(self.most, watts))

    def after(self, elapsed: int, departure: int | None, most_entries: int | None) -> Stepped | None:
        """As ``Schedule.after``. A signed tariff counts from its begin, and cannot be told again."""
        left = self.seconds - elapsed
        if not any(power > 0.0 for _, power in _shifted(self.given, elapsed)):
            return None
        tariff = None if self.tariff is None or self.signed else _later(self.tariff, elapsed)
        joined = None if self.joined is None else max(1, self.joined - elapsed)
        whole = tuple(_shifted(self.steps, elapsed))
        later = replace(self, whole=whole, joined=joined, tariff=tariff, signed=False)
        return later.again(min(left, departure or left), most_entries)

    def without_tariff(self) -> Stepped:
        return replace(self, tariff=None, signed=False)

    def as_tuple(self) -> SAScheduleTuple:
        tariff = None if self.tariff is None else _said(self.tariff, self.seconds, signed=self.signed)
        return sa_schedule_tuple(self.tuple_id, self.spans, self.seconds, tariff)


AnySchedule: TypeAlias = Schedule | Stepped


@dataclass(frozen=True, slots=True)
class Offered:
    """What a car may choose from, and the signature over the signed tariffs."""

    schedules: tuple[AnySchedule, ...]
    signature: Signature | None = None

    def as_list(self) -> SAScheduleList:
        return SAScheduleList(sa_schedule_tuple=tuple(schedule.as_tuple() for schedule in self.schedules))

    @property
    def tariffs(self) -> int:
        """How many of them have a tariff."""
        return sum(isinstance(schedule, Stepped) and schedule.tariff is not None for schedule in self.schedules)

    def chosen(self, tuple_id: int) -> AnySchedule:
        """Returns the schedule with this id. Raises Refusal if none was offered. [V2G2-479]"""
        for schedule in self.schedules:
            if schedule.tuple_id == tuple_id:
                return schedule
        raise Refusal(ResponseCode.FAILED_TARIFF_SELECTION_INVALID, "[V2G2-479]", f"tuple {tuple_id}")


def covered(departure: int | None, most_entries: int | None) -> int:
    """Returns the seconds that a schedule covers. [V2G2-303] [V2G2-304]"""
    seconds = departure or DAY
    if most_entries is not None and most_entries < 2:
        return min(seconds, DAY)
    return min(seconds, LATEST_START + DAY)


def sa_schedule_tuple(tuple_id: int, spans: Spans, seconds: int, tariff: SalesTariff | None = None) -> SAScheduleTuple:
    """Returns the message element: PMax as near to the power as it can be said, never above it; a
    duration in the last entry.
    """
    intervals = _intervals([start for start, _ in spans], seconds)
    powers = [watts for _, watts in spans]
    # A last span of more than a day takes two entries.
    powers += powers[-1:] * (len(intervals) - len(powers))
    entries = tuple(
        PMaxScheduleEntry(time_interval=interval, p_max=limit(power, UnitSymbol.W))
        for interval, power in zip(intervals, powers, strict=True)
    )
    return SAScheduleTuple(
        sa_schedule_tuple_id=tuple_id,
        p_max_schedule=PMaxSchedule(p_max_schedule_entry=entries),
        sales_tariff=tariff,
    )


def check_profile(profile: ChargingProfile, schedule: AnySchedule, *, strict: bool = False) -> None:
    """Raises Refusal for a profile that exceeds PMax at any time, or the end of the schedule.
    [V2G2-225] [V2G2-478] [V2G2-761]

    An entry of 0 W at or after the end means that the car has finished; it is accepted.
    """
    entries, spans, seconds = profile.profile_entry, schedule.spans, schedule.seconds
    ends = [entry.charging_profile_entry_start for entry in entries[1:]] + [seconds]
    before = -1
    for entry, end in zip(entries, ends, strict=True):
        start = entry.charging_profile_entry_start
        power = watts(entry.charging_profile_entry_max_power, code=ResponseCode.FAILED_CHARGING_PROFILE_INVALID)
        if start <= before:
            raise _invalid("entries that do not follow one another")
        offered = _least(spans, start, end)
        if power < 0.0 or power > (offered if strict else offered * TOLERANCE):
            raise _invalid(f"{power:g} W where {offered:g} W are offered")
        if start >= seconds and power > 0.0:
            raise _invalid(f"power at {start} s, behind the end of the schedule")
        before = start


def _least(spans: Spans, start: int, end: int) -> float:
    """Returns the least watts at any time from ``start`` until ``end``."""
    return min(_at(spans, start), *(power for begin, power in spans if start < begin < end), math.inf)


def _at(spans: Spans, elapsed: float) -> float:
    """Returns the watts this many seconds after the begin."""
    return next(power for start, power in reversed(spans) if start <= max(0.0, elapsed))


def _invalid(detail: str) -> Refusal:
    return Refusal(ResponseCode.FAILED_CHARGING_PROFILE_INVALID, "[V2G2-478]", detail)


# --- times ----------------------------------------------------------------------------------------------------------------


def _fitted(spans: Spans, seconds: int, most: int) -> tuple[Spans, int | None]:
    """Returns at most so many spans until ``seconds``, never with more power than before, and when
    a joined one begins.
    """
    kept = _merged((start, power) for start, power in spans if start < seconds)
    joined = None
    # A last span of more than a day takes two entries.
    while len(kept) + (seconds - kept[-1][0] > DAY) > most:
        (start, power), (_, later) = kept[-2:]
        kept[-2:] = [(start, min(power, later))]
        # A car that takes one entry would be asked again at once.
        joined = start or None
    return tuple(kept), joined


def _merged(spans: Iterable[tuple[int, float]]) -> list[tuple[int, float]]:
    """Returns the spans without those that change nothing."""
    kept: list[tuple[int, float]] = []
    for start, power in spans:
        if not kept or power != kept[-1][1]:
            kept.append((start, power))
    return kept


def _shifted(spans: Iterable[tuple[int, float]], elapsed: int) -> Iterator[tuple[int, float]]:
    """Yields the spans as they are ``elapsed`` seconds later."""
    current: tuple[int, float] | None = None
    for start, power in spans:
        if start <= elapsed:
            current = 0, power
            continue
        if current is not None:
            yield current
            current = None
        yield start - elapsed, power
    if current is not None:
        yield current


def _intervals(starts: Sequence[int], seconds: int) -> list[RelativeTimeInterval]:
    """Returns intervals that follow one another, the last with a duration of a day at most."""
    found = [RelativeTimeInterval(start=start) for start in starts]
    last = starts[-1]
    if seconds - last > DAY:
        return [*found, RelativeTimeInterval(start=seconds - DAY, duration=DAY)]
    return [*found[:-1], RelativeTimeInterval(start=last, duration=seconds - last)]


def _later(tariff: SalesTariff, elapsed: int) -> SalesTariff:
    """Returns a tariff of values as it is ``elapsed`` seconds later."""
    entries = tariff.sales_tariff_entry
    begun = max(index for index, entry in enumerate(entries) if entry.time_interval.start <= elapsed)
    later = tuple(
        replace(entry, time_interval=RelativeTimeInterval(start=max(0, entry.time_interval.start - elapsed)))
        for entry in entries[begun:]
    )
    return replace(tariff, sales_tariff_entry=later)


def _said(tariff: SalesTariff, seconds: int, *, signed: bool) -> SalesTariff:
    """Returns the element of a message: a tariff of values gets its end."""
    if signed:
        return tariff
    entries = tuple(entry for entry in tariff.sales_tariff_entry if entry.time_interval.start < seconds)
    intervals = _intervals([entry.time_interval.start for entry in entries], seconds)
    entries += entries[-1:] * (len(intervals) - len(entries))
    said = tuple(replace(entry, time_interval=interval) for entry, interval in zip(entries, intervals, strict=True))
    return replace(tariff, sales_tariff_entry=said)
