"""The schedules of a recorded station of ISO 15118-2, as its backend gave them: signed tariffs as
the octets that came.
"""

from __future__ import annotations

from typing import Final

from secc.errors import DecodeError, EncodeError
from secc.iso2 import messages as m
from secc.iso2.messages import SCHEMA
from secc.iso2.planned import KINDS
from secc.session.schedules import (
    ChargingSchedule,
    ChargingSchedules,
    ConsumptionCost,
    Cost,
    PowerSpan,
    Tariff,
    TariffEntry,
)

from .exchanges import Exchange
from .values import quantity

_COSTS: Final = {wire: kind for kind, wire in KINDS.items()}


def meter_info(exchange: Exchange) -> m.MeterInfo | None:
    info = getattr(exchange.body, "meter_info", None)
    return info if isinstance(info, m.MeterInfo) else None


def recorded_schedules(exchange: Exchange) -> ChargingSchedules | None:
    """Returns the schedules in the recorded answer; None without any."""
    tuples = _tuples(exchange)
    if not tuples or exchange.answer is None:
        return None
    octets, signature = exchange.answer.octets, exchange.header.signature
    return ChargingSchedules(
        tuple(ChargingSchedule(one.sa_schedule_tuple_id, _spans(one), _tariff(one, octets)) for one in tuples),
        b"" if signature is None else _fragment(signature, "Signature"),
    )


def planned(exchange: Exchange) -> bool:
    """Whether the recorded answer offers more than one power under the id of a station without a
    backend.
    """
    tuples = _tuples(exchange)
    if not tuples:
        return False
    one = tuples[0]
    return (
        len(tuples) > 1
        or one.sa_schedule_tuple_id != 1
        or one.sales_tariff is not None
        or len({span.watts for span in _spans(one)}) > 1
    )


def p_max(exchange: Exchange) -> float | None:
    """Returns the most of the first schedule that the recorded answer offers, in watts; None
    without one.
    """
    tuples = _tuples(exchange)
    return max(span.watts for span in _spans(tuples[0])) if tuples else None


def _tuples(exchange: Exchange) -> tuple[m.SAScheduleTuple, ...]:
    schedules = getattr(exchange.body, "sa_schedules", None)
    return () if schedules is None else tuple(schedules.sa_schedule_tuple)


def _spans(one: m.SAScheduleTuple) -> tuple[PowerSpan, ...]:
    entries = one.p_max_schedule.p_max_schedule_entry
    return tuple(PowerSpan(entry.time_interval.start, quantity(entry.p_max) or 0.0) for entry in entries)


def _tariff(one: m.SAScheduleTuple, octets: bytes) -> Tariff | bytes | None:
    """Returns a tariff with an Id as it came, because its digest is over these octets."""
    tariff = one.sales_tariff
    if tariff is None:
        return None
    if tariff.id is not None:
        try:
            return SCHEMA.fragment_of(octets, "SalesTariff", tariff.id)
        except DecodeError:
            # Two of one Id: today's station has to judge them.
            return _fragment(tariff, "SalesTariff")
    return Tariff(
        tariff.sales_tariff_id,
        tuple(
            TariffEntry(entry.time_interval.start, entry.e_price_level, tuple(map(_costs, entry.consumption_cost)))
            for entry in tariff.sales_tariff_entry
        ),
        tariff.sales_tariff_description or "",
        tariff.num_e_price_levels,
    )


def _fragment(element: object, name: str) -> bytes:
    """Returns the octets of an element; none for one that today's encoder does not make."""
    try:
        return SCHEMA.fragment(element, name)
    except EncodeError:
        return b""


def _costs(block: m.ConsumptionCost) -> ConsumptionCost:
    costs = (Cost(_COSTS[cost.cost_kind], cost.amount * 10.0 ** (cost.amount_multiplier or 0)) for cost in block.cost)
    return ConsumptionCost(quantity(block.start_value) or 0.0, tuple(costs))
