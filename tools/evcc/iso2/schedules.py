"""The car's choice out of the schedules on offer, and its checks of them and of their tariffs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from certs.certificates import Edition, parse_certificate
from certs.errors import TrustError
from secc.errors import SignatureRejected
from secc.iso2 import messages as iso2
from secc.session.signature import P256_SHA256, verify

from ..behaviour import CHEAPEST, FIRST, Payment
from ..vocabulary import StationWrong
from .exchange import Exchange

DAY: Final = 86_400
MOST_ENTRIES: Final = 12
"""The car's codec holds no more, as those of most cars."""

Interval = iso2.RelativeTimeInterval


def choose(car: Exchange, heard: iso2.ChargeParameterDiscoveryRes) -> iso2.SAScheduleTuple:
    """Returns the schedule that the car chooses; after a pause the one from before. Raises
    StationWrong for schedules or tariffs that break the standard.
    """
    if heard.sa_schedules is None:
        raise StationWrong("no-schedule", "[V2G2-565]", "Finished without SAScheduleList")
    offered = heard.sa_schedules.sa_schedule_tuple
    remembered = car.behaviour.remembered if car.joined and not car.renegotiated else None
    _check_schedules(car, offered, whole=remembered is None)
    _check_tariffs(car, [one.sales_tariff for one in offered if one.sales_tariff is not None])
    if remembered is not None:
        return _with_id(offered, remembered.tuple_id, "chosen-schedule-not-offered-again", "[V2G2-741]")
    wanted = car.behaviour.schedule
    if wanted == FIRST:
        return offered[0]
    if wanted == CHEAPEST:
        return min(offered, key=mean_level)
    return _with_id(offered, int(wanted), "wanted-schedule-not-offered", "the car's choice")


def mean_level(schedule: iso2.SAScheduleTuple) -> float:
    """Returns the mean price level over the time of the tariff; infinite without one."""
    if schedule.sales_tariff is None:
        return math.inf
    entries = [entry for entry in schedule.sales_tariff.sales_tariff_entry if entry.e_price_level is not None]
    spans = _spans([entry.time_interval for entry in entries])
    total = sum(end - start for start, end in spans)
    if total <= 0:
        return math.inf
    weighed = ((end - start) * (entry.e_price_level or 0) for (start, end), entry in zip(spans, entries, strict=True))
    return sum(weighed) / total


def _with_id(offered: Sequence[iso2.SAScheduleTuple], tuple_id: int, wrong: str, clause: str) -> iso2.SAScheduleTuple:
    for schedule in offered:
        if schedule.sa_schedule_tuple_id == tuple_id:
            return schedule
    raise StationWrong(wrong, clause, f"{tuple_id}")


def _check_schedules(car: Exchange, offered: Sequence[iso2.SAScheduleTuple], *, whole: bool) -> None:
    """``whole``: they cover the time until the departure, or a day."""
    ids = [one.sa_schedule_tuple_id for one in offered]
    if len(set(ids)) != len(ids):
        raise StationWrong("schedule-ids-repeat", "[V2G2-773]")
    if not all(1 <= id <= 255 for id in ids):
        raise StationWrong("schedule-id-out-of-range", "[V2G2-773]", f"{ids}")
    for one in offered:
        intervals = [entry.time_interval for entry in one.p_max_schedule.p_max_schedule_entry]
        _check_times(car, intervals, "schedule")
        covered = _spans(intervals)[-1][1]
        if whole and car.behaviour.most_entries is None and covered < (car.asked_departure or DAY):
            raise StationWrong("schedule-too-short", "[V2G2-303]", f"{covered} s")


def _check_tariffs(car: Exchange, tariffs: Sequence[iso2.SalesTariff]) -> None:
    for tariff in tariffs:
        _check_times(car, [entry.time_interval for entry in tariff.sales_tariff_entry], "tariff")
        levels = [entry.e_price_level for entry in tariff.sales_tariff_entry if entry.e_price_level is not None]
        if tariff.num_e_price_levels is not None and any(level > tariff.num_e_price_levels for level in levels):
            raise StationWrong("tariff-level", "reference: SalesTariff", f"{max(levels)}")
    if len({tariff.sales_tariff_id for tariff in tariffs}) != len(tariffs):
        raise StationWrong("tariff-ids-repeat", "reference: SalesTariff")
    if car.behaviour.payment is Payment.CONTRACT and tariffs:
        _check_signature(car, tariffs)


def _check_times(car: Exchange, intervals: Sequence[Interval], what: str) -> None:
    """Entries follow one another from 0 on, the last has a duration, and there are not too many."""
    most = car.behaviour.most_entries or MOST_ENTRIES
    if len(intervals) > min(most, MOST_ENTRIES):
        raise StationWrong(f"{what}-entries", "MaxEntriesSAScheduleTuple", f"{len(intervals)}")
    if intervals[0].start != 0 or not intervals[-1].duration:
        raise StationWrong(f"{what}-times", "reference: SAScheduleList", "no begin, or no end")
    for before, after in pairwise(intervals):
        if after.start <= before.start or before.duration not in (None, after.start - before.start):
            raise StationWrong(f"{what}-times", "reference: SAScheduleList", f"{before.start} s, {after.start} s")


def _check_signature(car: Exchange, tariffs: Sequence[iso2.SalesTariff]) -> None:
    """The mobility operator has signed every tariff, with the key that has signed the contract.
    [V2G2-905]
    """
    request, wallet = car.party.request, car.wallet
    assert request is not None
    assert wallet is not None
    try:
        key = parse_certificate(wallet.chain[1], Edition.ISO2, "issuer").public_key
        ids = {"SalesTariff": tuple(tariff.id or "" for tariff in tariffs)}
        verify(request.header.signature, ids, request.octets, key, iso2.SCHEMA, P256_SHA256)
    except (SignatureRejected, TrustError) as error:
        raise StationWrong("tariff-signature", "[V2G2-905]", str(error)) from None
    car.announce("tariffs", f"{len(tariffs)} tariffs, signed by the mobility operator", {"tariffs": len(tariffs)})


def _spans(intervals: Sequence[Interval]) -> list[tuple[int, int]]:
    """Returns begin and end of each."""
    if not intervals:
        return []
    last = intervals[-1]
    ends = [after.start for after in intervals[1:]] + [last.start + (last.duration or 0)]
    return [(interval.start, end) for interval, end in zip(intervals, ends, strict=True)]
