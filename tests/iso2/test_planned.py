"""Schedules and tariffs of a backend: what can be offered of them, and every way in which they are wrong."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from secc.exi.xmldsig import Signature
from secc.iso2.messages import (
    SCHEMA,
    ConsumptionCost,
    Cost,
    CostKind,
    MeterInfo,
    PhysicalValue,
    RelativeTimeInterval,
    SalesTariff,
    SalesTariffEntry,
    UnitSymbol,
)
from secc.iso2.planned import TARIFF_OCTETS, accepted, fitted
from secc.iso2.schedule import Offered, Stepped
from secc.session import schedules as si
from secc.session.offer import Transfer
from secc.session.schedules import (
    ChargingNeeds,
    ChargingSchedule,
    ChargingSchedules,
    PowerSpan,
    Tariff,
    TariffEntry,
)
from secc.session.signature import P256_SHA256, sign_elements
from tests.lab_trust import LAB
from tools.tariffs import signed

EXTERNAL = ChargingNeeds(Transfer.AC_THREE_PHASE, contract=False)
CONTRACT = replace(EXTERNAL, contract=True)
assert isinstance(LAB.contract.sub2.key, ec.EllipticCurvePrivateKey)
KEY: ec.EllipticCurvePrivateKey = LAB.contract.sub2.key
POWER = (PowerSpan(0, 11_040.0), PowerSpan(3600, 4_000.0))


def element(number: int, *times: tuple[int, int | None], id: str | None = None) -> SalesTariff:
    return SalesTariff(
        id=id or f"id{number}",
        sales_tariff_id=number,
        num_e_price_levels=2,
        sales_tariff_entry=tuple(
            SalesTariffEntry(time_interval=RelativeTimeInterval(start=start, duration=duration), e_price_level=1)
            for start, duration in times or ((0, 3600), (3600, 82_800))
        ),
    )


def relayed(*elements: SalesTariff) -> ChargingSchedules:
    """Schedules whose tariffs the operator has signed."""
    octets, signature = signed(elements, KEY)
    return ChargingSchedules(
        tuple(ChargingSchedule(number, POWER, one) for number, one in enumerate(octets, 1)), signature
    )


def priced(*entries: TariffEntry, **changes: Any) -> ChargingSchedules:
    tariff = replace(Tariff(1, entries or (TariffEntry(0, 1), TariffEntry(3600, 2)), "night", 2), **changes)
    return ChargingSchedules((ChargingSchedule(1, POWER, tariff),))


def offered(needs: ChargingNeeds, found: ChargingSchedules) -> tuple[Stepped, ...]:
    planned = accepted(needs, found)
    assert isinstance(planned.schedules, Offered), planned
    steps = []
    for one in planned.schedules.schedules:
        assert isinstance(one, Stepped)
        assert SCHEMA.fragment(one.as_tuple(), "SAScheduleTuple"), "what is offered can be sent"
        steps.append(one)
    assert (planned.schedules.signature is not None) == any(one.signed for one in steps)
    return tuple(steps)


# --- what is good -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 3])
def test_signed_tariffs_are_the_octets_that_came(count: int) -> None:
    found = relayed(*map(element, range(1, count + 1)))
    steps = offered(CONTRACT, found)
    assert [one.tuple_id for one in steps] == list(range(1, count + 1))
    for one, schedule in zip(steps, found.schedules, strict=True):
        assert one.signed
        assert SCHEMA.fragment(one.as_tuple().sales_tariff) == schedule.tariff


def test_values_become_a_tariff_without_a_signature() -> None:
    costs = (
        si.ConsumptionCost(
            5_000.0, (si.Cost(si.CostKind.RELATIVE_PRICE, 87.5), si.Cost(si.CostKind.CARBON_DIOXIDE, 300.0))
        ),
    )
    (one,) = offered(EXTERNAL, priced(TariffEntry(0, 1, costs), TariffEntry(3600, 2)))
    said = one.as_tuple().sales_tariff
    assert said is not None
    assert said.id is None
    assert (said.sales_tariff_id, said.sales_tariff_description, said.num_e_price_levels) == (1, "night", 2)
    first, second = said.sales_tariff_entry
    assert (first.e_price_level, second.e_price_level) == (1, 2)
    assert first.consumption_cost == (
        ConsumptionCost(
            start_value=PhysicalValue(multiplier=0, unit=UnitSymbol.W, value=5_000),
            cost=(
                Cost(cost_kind=CostKind.RELATIVE_PRICE_PERCENTAGE, amount=875, amount_multiplier=-1),
                Cost(cost_kind=CostKind.CARBON_DIOXIDE_EMISSION, amount=300, amount_multiplier=0),
            ),
        ),
    )
    assert (second.time_interval.start, second.time_interval.duration) == (3600, 82_800)


def test_a_schedule_needs_no_tariff() -> None:
    found = ChargingSchedules((ChargingSchedule(255, POWER),))
    (one,) = offered(CONTRACT, found)
    assert one.as_tuple().sales_tariff is None
    assert one.spans == ((0, 11_040.0), (3600, 4_000.0))


def test_one_of_three_schedules_may_be_without_a_tariff() -> None:
    found = relayed(element(1), element(2))
    found = replace(found, schedules=(*found.schedules, ChargingSchedule(9, POWER)))
    assert [one.signed for one in offered(CONTRACT, found)] == [True, True, False]


def test_with_more_entries_than_the_car_takes_all_signed_tariffs_go() -> None:
    """One signature covers them: it does not hold for the shorter ones alone."""
    found = relayed(element(1, (0, 3600), (3600, 3600), (7200, 79_200)), element(2, (0, 86_400)))
    assert [one.signed for one in offered(CONTRACT, found)] == [True, True]
    planned = accepted(replace(CONTRACT, entries=2), found)
    assert isinstance(planned.schedules, Offered)
    assert planned.schedules.signature is None
    assert planned.schedules.tariffs == 0
    assert "schedule 1: tariff-entries: more than the car takes" in planned.rejected
    # A later request may take fewer entries than the first.
    whole = accepted(CONTRACT, found).schedules
    assert isinstance(whole, Offered)
    assert fitted(whole, None, 2, 1e6).tariffs == 0
    again = fitted(whole, 7200, 12, 5_000.0)
    assert (again.tariffs, again.signature) == (2, whole.signature)
    assert {one.watts for one in again.schedules} == {5_000.0}
    assert {one.seconds for one in again.schedules} == {7200}


def test_after_a_pause_only_the_schedule_chosen_before_counts() -> None:
    again = replace(CONTRACT, chosen=2)
    octets, signature = signed([element(2)], KEY)
    found = ChargingSchedules((ChargingSchedule(2, POWER, octets[0]),), signature)
    assert offered(again, found)[0].signed
    assert accepted(again, relayed(element(1))).schedules is None


# --- power that is wrong: nothing of it is offered ------------------------------------------------------------------------------

WRONG_POWER: dict[str, tuple[str, Any]] = {
    "nothing": ("schedule-type", None),
    "a text": ("schedule-type", "schedules"),
    "a list": ("schedule-type", ChargingSchedules([ChargingSchedule(1, POWER)])),  # type: ignore[arg-type]
    "a number for a schedule": ("schedule-type", ChargingSchedules((5,))),  # type: ignore[arg-type]
    "numbers for spans": ("schedule-type", ChargingSchedules((ChargingSchedule(1, (1, 2)),))),  # type: ignore[arg-type]
    "a number for a tariff": ("schedule-type", ChargingSchedules((ChargingSchedule(1, POWER, 5),))),  # type: ignore[arg-type]
    "a text for a signature": ("schedule-type", replace(relayed(element(1)), signature="x")),
    "none": ("schedule-count", ChargingSchedules(())),
    "four": ("schedule-count", ChargingSchedules(tuple(ChargingSchedule(id, POWER) for id in (1, 2, 3, 4)))),
    "id 0": ("schedule-id", ChargingSchedules((ChargingSchedule(0, POWER),))),
    "id 256": ("schedule-id", ChargingSchedules((ChargingSchedule(256, POWER),))),
    "one id twice": ("schedule-id", ChargingSchedules((ChargingSchedule(1, POWER),) * 2)),
    "no spans": ("schedule-spans", ChargingSchedules((ChargingSchedule(1, ()),))),
    "1025 spans": (
        "schedule-spans",
        ChargingSchedules((ChargingSchedule(1, tuple(PowerSpan(start, 1e3) for start in range(1025))),)),
    ),
    "from later on": ("schedule-spans", ChargingSchedules((ChargingSchedule(1, (PowerSpan(1, 1e3),)),))),
    "backwards": (
        "schedule-spans",
        ChargingSchedules((ChargingSchedule(1, (*POWER, PowerSpan(60, 1e3))),)),
    ),
    "twice at once": ("schedule-spans", ChargingSchedules((ChargingSchedule(1, (*POWER, POWER[-1])),))),
    "a start beyond": (
        "schedule-spans",
        ChargingSchedules((ChargingSchedule(1, (*POWER, PowerSpan(16_777_215, 1e3))),)),
    ),
    "half a second": (
        "schedule-spans",
        ChargingSchedules((ChargingSchedule(1, (POWER[0], PowerSpan(1.5, 1e3))),)),  # type: ignore[arg-type]
    ),
    **{
        f"{watts} W": ("schedule-watts", ChargingSchedules((ChargingSchedule(1, (PowerSpan(0, watts),)),)))
        for watts in (-1.0, math.nan, math.inf, -math.inf, 10**400, "11000", None)
    },
}


@pytest.mark.case("A-OCPP-03")
@pytest.mark.parametrize("name", WRONG_POWER)
def test_power_that_is_wrong_is_told_and_nothing_of_it_is_offered(name: str) -> None:
    flaw, found = WRONG_POWER[name]
    planned = accepted(EXTERNAL, found)
    assert planned.schedules is None
    (why,) = planned.rejected
    assert why.startswith(flaw)


# --- tariffs that are wrong: the schedules are offered without -----------------------------------------------------------------


def tampered(found: ChargingSchedules, tariff: Callable[[bytes], bytes]) -> ChargingSchedules:
    first = found.schedules[0]
    assert isinstance(first.tariff, bytes)
    return replace(found, schedules=(replace(first, tariff=tariff(first.tariff)), *found.schedules[1:]))


def other(octets: bytes) -> ChargingSchedules:
    """This in place of an element, and a signature that is good by itself."""
    return tampered(relayed(element(1)), lambda _: octets)


def resigned(tariffs: tuple[SalesTariff, ...], change: Callable[[Signature], Signature]) -> ChargingSchedules:
    signature = sign_elements({"SalesTariff": tariffs}, KEY, SCHEMA, P256_SHA256)
    return replace(relayed(*tariffs), signature=SCHEMA.fragment(change(signature), "Signature"))


def with_references(signature: Signature, count: int) -> Signature:
    info = signature.signed_info
    return replace(signature, signed_info=replace(info, reference=(info.reference * 4)[:count]))


def long_tariff(count: int) -> SalesTariff:
    return element(1, *((start, 1) for start in range(count)))


GOOD = SCHEMA.fragment(element(1))


def in_other_octets() -> ChargingSchedules:
    """A tariff that was encoded otherwise than the station does, and signed as it is."""
    octets = GOOD[:-1] + bytes((GOOD[-1] | 1,))
    assert SCHEMA.fragment_decode(octets) == SCHEMA.fragment_decode(GOOD), "only its padding differs"

    def over_them(signature: Signature) -> Signature:
        info = signature.signed_info
        reference = replace(info.reference[0], digest_value=P256_SHA256.digest(octets))
        return replace(signature, signed_info=replace(info, reference=(reference,)))

    return tampered(resigned((element(1),), over_them), lambda _: octets)


ANOTHER = SCHEMA.fragment(MeterInfo(meter_id="M"), "MeterInfo")
WRONG_TARIFFS: dict[str, tuple[str, ChargingSchedules]] = {
    "no EXI": ("tariff-exi", other(b"no EXI at all")),
    "empty": ("tariff-exi", other(b"")),
    "one octet": ("tariff-exi", other(b"\x80")),
    "cut short": ("tariff-exi", other(GOOD[:-3])),
    "octets behind": ("tariff-exi", other(GOOD + b"\x00")),
    "1 MiB": ("tariff-length", other(bytes(2**20))),
    "1 MiB behind a tariff": ("tariff-length", other(GOOD + bytes(2**20))),
    "1024 entries": ("tariff-length", relayed(long_tariff(1024))),
    "13 entries": ("tariff-entries", relayed(long_tariff(13))),
    "other octets": ("tariff-exi", in_other_octets()),
    "another element": ("tariff-element", other(ANOTHER)),
    "no Id": ("tariff-id", other(SCHEMA.fragment(replace(element(1), id=None)))),
    "another Id": ("tariff-signature", other(SCHEMA.fragment(element(1, id="another")))),
    "another price": ("tariff-signature", other(SCHEMA.fragment(replace(element(1), num_e_price_levels=3)))),
    "no duration at the end": ("tariff-times", relayed(element(1, (0, None)))),
    "0 seconds": ("tariff-times", relayed(element(1, (0, 0), (3600, 3600)))),
    "0 seconds at the end": ("tariff-times", relayed(element(1, (0, 3600), (3600, 0)))),
    "overlapping": ("tariff-times", relayed(element(1, (0, 7200), (3600, 3600)))),
    "a gap": ("tariff-times", relayed(element(1, (0, 1800), (3600, 3600)))),
    "backwards": ("tariff-times", relayed(element(1, (3600, 3600), (0, 3600)))),
    "from later on": ("tariff-times", relayed(element(1, (60, 3600)))),
    "no signature": ("tariff-unsigned", replace(relayed(element(1)), signature=b"")),
    "1 MiB of signature": ("tariff-signature", replace(relayed(element(1)), signature=bytes(2**20))),
    "no EXI for a signature": ("tariff-signature", replace(relayed(element(1)), signature=b"\x80\x01\x02")),
    "a tariff for a signature": ("tariff-element", replace(relayed(element(1)), signature=GOOD)),
    "a signature over another": (
        "tariff-signature",
        replace(relayed(element(1)), signature=relayed(element(2)).signature),
    ),
    "a signature over two": (
        "tariff-signature",
        replace(relayed(element(1)), signature=relayed(element(1), element(2)).signature),
    ),
    "four references": ("tariff-signature", resigned((element(1),), lambda one: with_references(one, 4))),
    "two of one Id": ("tariff-signature", relayed(element(1, id="one"), element(2, id="one"))),
    "two of one SalesTariffID": ("tariff-id", relayed(element(1, id="one"), element(1, id="two"))),
    "one of two is wrong": ("tariff-exi", tampered(relayed(element(1), element(2)), lambda octets: octets[:-4])),
}


@pytest.mark.case("A-PNC-12")
@pytest.mark.parametrize("name", WRONG_TARIFFS)
def test_signed_tariffs_that_are_wrong_are_told_and_all_of_them_left_out(name: str) -> None:
    flaw, found = WRONG_TARIFFS[name]
    steps = offered(CONTRACT, found)
    assert len(steps) == len(found.schedules)
    assert not any(one.signed or one.as_tuple().sales_tariff for one in steps)
    rejected = accepted(CONTRACT, found).rejected
    assert any(flaw in why for why in rejected), rejected


WRONG_VALUES: dict[str, tuple[str, ChargingSchedules]] = {
    "no entries": ("tariff-entries", priced(entries=())),
    "1024 entries": ("tariff-entries", priced(*(TariffEntry(start, 1) for start in range(1024)))),
    "a number for entries": ("tariff-entries: entries of another type", priced(entries=5)),
    "a text for an entry": ("tariff-entries: entries of another type", priced(entries=("x",))),
    "from later on": ("tariff-times", priced(TariffEntry(1, 1))),
    "twice at once": ("tariff-times", priced(TariffEntry(0, 1), TariffEntry(0, 2))),
    "id 0": ("tariff-values", priced(id=0)),
    "id 256": ("tariff-values", priced(id=256)),
    "id of a text": ("tariff-values", priced(id="1")),
    "33 characters": ("tariff-values", priced(description="x" * 33)),
    "level 256": ("tariff-values", priced(TariffEntry(0, 256))),
    "level -1": ("tariff-values", priced(TariffEntry(0, -1))),
    "a cost of nothing": (
        "tariff-values",
        priced(TariffEntry(0, 1, (si.ConsumptionCost(0.0, ()),))),
    ),
    "a number for costs": ("tariff-values", priced(TariffEntry(0, 1, 5))),  # type: ignore[arg-type]
    "four costs": (
        "tariff-values: more than 3 costs",
        priced(TariffEntry(0, 1, (si.ConsumptionCost(0.0, (si.Cost(si.CostKind.RELATIVE_PRICE, 1.0),) * 4),))),
    ),
    "four blocks": (
        "tariff-values: more than 3 costs",
        priced(TariffEntry(0, 1, (si.ConsumptionCost(0.0, (si.Cost(si.CostKind.RELATIVE_PRICE, 1.0),)),) * 4)),
    ),
    **{
        f"a price of {amount}": (
            "tariff-values",
            priced(TariffEntry(0, 1, (si.ConsumptionCost(0.0, (si.Cost(si.CostKind.RELATIVE_PRICE, amount),)),))),
        )
        for amount in (-1.0, math.nan, math.inf, "cheap")
    },
    "from NaN watts": (
        "tariff-values",
        priced(TariffEntry(0, 1, (si.ConsumptionCost(math.nan, (si.Cost(si.CostKind.RELATIVE_PRICE, 1.0),)),))),
    ),
}


@pytest.mark.parametrize("name", WRONG_VALUES)
def test_values_that_are_wrong_are_told_and_left_out(name: str) -> None:
    flaw, found = WRONG_VALUES[name]
    (one,) = offered(EXTERNAL, found)
    assert one.as_tuple().sales_tariff is None
    (why,) = accepted(EXTERNAL, found).rejected
    assert why.startswith(f"schedule 1: {flaw}"), why


def test_a_car_with_a_contract_gets_no_tariff_that_nobody_signed() -> None:
    (one,) = offered(CONTRACT, priced())
    assert one.as_tuple().sales_tariff is None
    assert accepted(CONTRACT, priced()).rejected == (
        "schedule 1: tariff-unsigned: a car with a contract wants it signed",
    )


@given(st.binary(max_size=TARIFF_OCTETS + 8), st.binary(max_size=400))
def test_any_octets_are_told_or_offered_as_they_came(tariff: bytes, signature: bytes) -> None:
    accepted(CONTRACT, ChargingSchedules((ChargingSchedule(1, POWER, tariff),), signature))


@given(st.integers(0, 8 * len(GOOD) - 1), st.booleans())
def test_a_bit_that_is_changed_leaves_the_tariffs_out(bit: int, of_signature: bool) -> None:
    """The digests do not hold any more, or the references; a changed signature value is the car's to see."""
    found = relayed(element(1))
    octets = bytearray(found.signature if of_signature else GOOD)
    octets[bit // 8 % len(octets)] ^= 0x80 >> bit % 8
    if of_signature:
        found = replace(found, signature=bytes(octets))
    else:
        found = tampered(found, lambda _: bytes(octets))
    for one in offered(CONTRACT, found):
        if one.signed:
            assert of_signature
            assert SCHEMA.fragment(one.as_tuple().sales_tariff) == GOOD
