"""Schedules and tariffs of a backend, checked, as the elements of a SAScheduleList.

A tariff that the mobility operator has signed leaves bit for bit as it came: it is decoded here, and
is only offered if encoding it gives the same octets. One signature stands for all of them; its
references and digests are checked, its value is the car's to check, since the standard gives that
key to the mobility operator. [V2G2-905] (A-PNC-12)
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Final

from frozen import dataclass
from secc.errors import DecodeError, EncodeError, SignatureRejected
from secc.exi.xmldsig import Signature
from secc.iso2 import messages as m
from secc.iso2.messages import SCHEMA, UnitSymbol
from secc.iso2.schedule import LATEST_START, MOST_ENTRIES, AnySchedule, Offered, Spans, Stepped
from secc.iso2.units import physical
from secc.session.schedules import (
    MOST_SCHEDULES,
    MOST_SPANS,
    ChargingNeeds,
    ChargingSchedule,
    ChargingSchedules,
    Cost,
    CostKind,
    Planned,
    PowerSpan,
    ScheduleFlaw,
    ScheduleRejected,
    Tariff,
    TariffEntry,
)
from secc.session.signature import P256_SHA256, verify_references

TARIFF_OCTETS: Final = 4096
"""The longest element of a tariff. Twelve entries with every cost have 615."""
SIGNATURE_OCTETS: Final = 2048
"""The longest signature. Three references take some 600."""
MOST_COSTS: Final = 3
"""ConsumptionCost of an entry, and Cost of each."""

KINDS: Final = {
    CostKind.RELATIVE_PRICE: m.CostKind.RELATIVE_PRICE_PERCENTAGE,
    CostKind.RENEWABLE_GENERATION: m.CostKind.RENEWABLE_GENERATION_PERCENTAGE,
    CostKind.CARBON_DIOXIDE: m.CostKind.CARBON_DIOXIDE_EMISSION,
}


@dataclass(frozen=True, slots=True)
class _Signed:
    """A tariff with the octets that it came in."""

    element: m.SalesTariff
    octets: bytes


def accepted(needs: ChargingNeeds, found: ChargingSchedules) -> Planned:
    """Returns what of the backend's schedules can be offered: without a tariff that is wrong, and
    nothing at all if the power of one is wrong. Takes milliseconds.
    """
    try:
        spans = _checked(needs, found)
    except ScheduleRejected as wrong:
        return Planned(None, (str(wrong),))
    rejected: list[str] = []
    signed: dict[int, _Signed] = {}
    values: dict[int, m.SalesTariff] = {}
    for schedule in found.schedules:
        try:
            match schedule.tariff:
                case bytes(octets):
                    signed[schedule.id] = _read(octets)
                case Tariff() as tariff:
                    values[schedule.id] = _made(tariff, needs)
        except ScheduleRejected as wrong:
            rejected.append(f"schedule {schedule.id}: {wrong}")
    given = sum(isinstance(schedule.tariff, bytes) for schedule in found.schedules)
    signature = None
    try:
        if given:
            # The signature is over all of them: it does not hold for some.
            signature = _signature(found.signature, list(signed.values()), given)
    except ScheduleRejected as wrong:
        rejected.append(str(wrong))
        signed = {}
    elements = values | {id: one.element for id, one in signed.items()}
    try:
        _distinct(list(elements.values()))
    except ScheduleRejected as wrong:
        rejected.append(str(wrong))
        elements, signed, signature = {}, {}, None
    schedules = tuple(
        Stepped.covering(id, power, needs.departure, needs.entries, elements.get(id), signed=id in signed)
        for id, power in spans.items()
    )
    offered = _whole(Offered(schedules, signature))
    rejected += [
        f"schedule {one.tuple_id}: {ScheduleFlaw.TARIFF_ENTRIES.value}: more than the car takes"
        for one in offered.schedules
        if isinstance(one, Stepped) and one.tariff is None and one.tuple_id in elements
    ]
    return Planned(offered, tuple(rejected))


def fitted(offered: Offered, departure: int | None, most_entries: int | None, most_watts: float) -> Offered:
    """Returns the offer for the last request of a car, within the limit of now."""
    schedules: list[AnySchedule] = []
    for one in offered.schedules:
        assert isinstance(one, Stepped)
        schedules.append(one.again(departure, most_entries).within(most_watts))
    return _whole(Offered(tuple(schedules), offered.signature))


def _whole(offered: Offered) -> Offered:
    """Returns the offer with every signed tariff, or with none of them: one signature covers all."""
    steps = [one for one in offered.schedules if isinstance(one, Stepped)]
    signed = [one for one in steps if one.signed]
    if offered.signature is None or len(signed) == len(offered.signature.signed_info.reference):
        return offered
    return Offered(tuple(one.without_tariff() if one.signed else one for one in steps))


# --- power ----------------------------------------------------------------------------------------------------------------


def _checked(needs: ChargingNeeds, found: ChargingSchedules) -> dict[int, Spans]:
    """Returns the power of each schedule, by its id. Raises ScheduleRejected."""
    if not _typed(found):
        raise ScheduleRejected(ScheduleFlaw.TYPE, "an answer of another type")
    schedules = found.schedules
    if not 1 <= len(schedules) <= MOST_SCHEDULES:
        raise ScheduleRejected(ScheduleFlaw.COUNT, f"{len(schedules)} schedules")
    ids = [schedule.id for schedule in schedules]
    if len(set(ids)) != len(ids) or not all(isinstance(id, int) and 1 <= id <= 255 for id in ids):
        raise ScheduleRejected(ScheduleFlaw.ID, f"{ids}")
    if needs.chosen is not None and ids != [needs.chosen]:
        raise ScheduleRejected(ScheduleFlaw.ID, f"{ids}, and the car has chosen {needs.chosen} before its pause")
    return {schedule.id: _power(schedule) for schedule in schedules}


def _typed(found: object) -> bool:
    """Whether this is what the port has, and not what a backend has made of an odd answer."""
    return (
        isinstance(found, ChargingSchedules)
        and isinstance(found.schedules, tuple)
        and isinstance(found.signature, bytes)
        and all(
            isinstance(schedule, ChargingSchedule)
            and isinstance(schedule.spans, tuple)
            and all(isinstance(span, PowerSpan) for span in schedule.spans)
            and isinstance(schedule.tariff, Tariff | bytes | None)
            for schedule in found.schedules
        )
    )


def _power(schedule: ChargingSchedule) -> Spans:
    name = f"schedule {schedule.id}"
    if not 1 <= len(schedule.spans) <= MOST_SPANS:
        raise ScheduleRejected(ScheduleFlaw.SPANS, f"{name}: {len(schedule.spans)} spans")
    _follow([span.start for span in schedule.spans], ScheduleFlaw.SPANS, name)
    for span in schedule.spans:
        # 0 W are offered where the backend means a pause.
        if not (_number(span.watts) and span.watts >= 0.0):
            raise ScheduleRejected(ScheduleFlaw.WATTS, f"{name}: {span.watts!r} W")
    return tuple((span.start, float(span.watts)) for span in schedule.spans)


def _follow(starts: list[Any], flaw: ScheduleFlaw, name: str) -> None:
    """Raises ScheduleRejected unless the starts begin at 0 and follow one another."""
    whole = all(isinstance(start, int) and start <= LATEST_START for start in starts)
    if not whole or starts[0] != 0 or any(later <= start for start, later in pairwise(starts)):
        raise ScheduleRejected(flaw, f"{name}: starts that do not follow one another from 0")


def _number(value: object) -> bool:
    try:
        return isinstance(value, int | float) and math.isfinite(value)
    except OverflowError:
        return False


# --- tariffs --------------------------------------------------------------------------------------------------------------


def _read(octets: bytes) -> _Signed:
    """Returns the tariff in these octets. Raises ScheduleRejected."""
    if len(octets) > TARIFF_OCTETS:
        raise ScheduleRejected(ScheduleFlaw.TARIFF_LENGTH, f"{len(octets)} octets")
    element = _element(octets, m.SalesTariff, ScheduleFlaw.TARIFF_EXI)
    if not element.id:
        raise ScheduleRejected(ScheduleFlaw.TARIFF_ID, "an element without an Id cannot be signed")
    if len(element.sales_tariff_entry) > MOST_ENTRIES:
        raise ScheduleRejected(ScheduleFlaw.TARIFF_ENTRIES, f"{len(element.sales_tariff_entry)} entries")
    intervals = [entry.time_interval for entry in element.sales_tariff_entry]
    _follow([interval.start for interval in intervals], ScheduleFlaw.TARIFF_TIMES, "the tariff")
    for interval, later in zip(intervals, [*intervals[1:], None], strict=True):
        if interval.duration is None and later is not None:
            continue
        if not interval.duration:
            raise ScheduleRejected(ScheduleFlaw.TARIFF_TIMES, f"the entry at {interval.start} s has no duration")
        if later is not None and interval.start + interval.duration != later.start:
            raise ScheduleRejected(
                ScheduleFlaw.TARIFF_TIMES, f"the entry at {interval.start} s does not end at the next"
            )
    return _Signed(element, octets)


def _element(octets: bytes, kind: type[Any], flaw: ScheduleFlaw) -> Any:
    """Returns the element of a fragment that leaves as it came. Raises ScheduleRejected."""
    try:
        _, element = SCHEMA.fragment_decode(octets)
        if not isinstance(element, kind):
            raise ScheduleRejected(ScheduleFlaw.TARIFF_ELEMENT, type(element).__name__)
        if SCHEMA.fragment(element) != octets:
            raise ScheduleRejected(flaw, "octets that the station would encode otherwise")
    except (DecodeError, EncodeError) as error:
        raise ScheduleRejected(flaw, str(error)) from error
    return element


def _signature(octets: bytes, signed: list[_Signed], given: int) -> Signature:
    """Returns the signature over these tariffs, which are all that the backend has given. Raises
    ScheduleRejected.
    """
    if len(signed) != given:
        raise ScheduleRejected(ScheduleFlaw.TARIFF_SIGNATURE, "it is also over a tariff that is not offered")
    if not octets:
        raise ScheduleRejected(ScheduleFlaw.TARIFF_UNSIGNED, "an element without a signature")
    if len(octets) > SIGNATURE_OCTETS:
        raise ScheduleRejected(ScheduleFlaw.TARIFF_SIGNATURE, f"{len(octets)} octets")
    signature: Signature = _element(octets, Signature, ScheduleFlaw.TARIFF_SIGNATURE)
    ids = tuple(str(one.element.id) for one in signed)
    fragments = {id: one.octets for id, one in zip(ids, signed, strict=True)}
    try:
        verify_references(signature, {"SalesTariff": ids}, lambda _, id: fragments[id], P256_SHA256)
    except SignatureRejected as rejected:
        raise ScheduleRejected(ScheduleFlaw.TARIFF_SIGNATURE, str(rejected)) from rejected
    return signature


def _distinct(tariffs: list[m.SalesTariff]) -> None:
    """Raises ScheduleRejected for two tariffs with one id."""
    for ids in ([one.sales_tariff_id for one in tariffs], [one.id for one in tariffs if one.id is not None]):
        if len(set(ids)) != len(ids):
            raise ScheduleRejected(ScheduleFlaw.TARIFF_ID, f"{ids}")


def _made(tariff: Tariff, needs: ChargingNeeds) -> m.SalesTariff:
    """Returns a tariff of values as an element; its end comes with the schedule. Raises
    ScheduleRejected.
    """
    if needs.contract:
        raise ScheduleRejected(ScheduleFlaw.TARIFF_UNSIGNED, "a car with a contract wants it signed")
    if not isinstance(tariff.entries, tuple) or not all(isinstance(entry, TariffEntry) for entry in tariff.entries):
        raise ScheduleRejected(ScheduleFlaw.TARIFF_ENTRIES, "entries of another type")
    if not 1 <= len(tariff.entries) <= MOST_ENTRIES:
        raise ScheduleRejected(ScheduleFlaw.TARIFF_ENTRIES, f"{len(tariff.entries)} entries")
    _follow([entry.start for entry in tariff.entries], ScheduleFlaw.TARIFF_TIMES, "the tariff")
    try:
        # Before they become elements: the encoder counts them behind that.
        if any(len(costs) > MOST_COSTS for entry in tariff.entries for costs in _costs(entry)):
            raise ScheduleRejected(ScheduleFlaw.TARIFF_VALUES, f"more than {MOST_COSTS} costs at once")
        element = m.SalesTariff(
            sales_tariff_id=tariff.id,
            sales_tariff_description=tariff.description or None,
            num_e_price_levels=tariff.levels,
            sales_tariff_entry=tuple(
                m.SalesTariffEntry(
                    time_interval=m.RelativeTimeInterval(start=entry.start),
                    e_price_level=entry.level,
                    consumption_cost=tuple(
                        m.ConsumptionCost(
                            start_value=physical(block.from_watts, UnitSymbol.W),
                            cost=tuple(map(_cost, block.costs)),
                        )
                        for block in entry.costs
                    ),
                )
                for entry in tariff.entries
            ),
        )
        # The encoder knows every facet.
        SCHEMA.fragment(element)
    except (EncodeError, ValueError, TypeError, OverflowError, AttributeError, KeyError) as error:
        raise ScheduleRejected(ScheduleFlaw.TARIFF_VALUES, f"{error}") from error
    return element


def _costs(entry: TariffEntry) -> Iterator[tuple[object, ...]]:
    """Yields the lists of an entry."""
    yield entry.costs
    for block in entry.costs:
        yield block.costs


def _cost(cost: Cost) -> m.Cost:
    amount, multiplier = round(cost.amount * 1000.0), -3
    while multiplier < 0 and amount % 10 == 0:
        amount //= 10
        multiplier += 1
    return m.Cost(cost_kind=KINDS[cost.kind], amount=amount, amount_multiplier=multiplier)
