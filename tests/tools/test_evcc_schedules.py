"""The simulated car and the schedules of a station: what it chooses, and what it does not let pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from secc.conversation import Received
from secc.exi.xmldsig import Signature
from secc.iso2.dialogue import STREAM
from secc.iso2.messages import (
    SCHEMA,
    ChargeParameterDiscoveryRes,
    MessageHeader,
    PMaxSchedule,
    PMaxScheduleEntry,
    RelativeTimeInterval,
    SalesTariff,
    SalesTariffEntry,
    SAScheduleList,
    SAScheduleTuple,
    V2G_Message,
)
from secc.session.signature import P256_SHA256, sign_elements
from tests.iso2.test_planned import KEY, element
from tests.lab_trust import LAB
from tests.tools.test_evcc import GOOD, Bench, bending
from tools.evcc.behaviour import CHEAPEST, Behaviour, Remembered
from tools.evcc.behaviour import Payment as Paid
from tools.evcc.iso2.quantities import real, watts
from tools.evcc.iso2.schedules import choose, mean_level
from tools.evcc.vocabulary import StationWrong
from tools.evcc.wallet import Wallet

Times = tuple[int, int | None]
EXTERNAL = Behaviour()
CONTRACT = Behaviour(payment=Paid.CONTRACT)


def schedule(id: int, *times: Times, tariff: SalesTariff | None = None) -> SAScheduleTuple:
    entries = tuple(
        PMaxScheduleEntry(time_interval=RelativeTimeInterval(start=start, duration=duration), p_max=watts(1e4))
        for start, duration in times or ((0, 86_400),)
    )
    return SAScheduleTuple(
        sa_schedule_tuple_id=id, p_max_schedule=PMaxSchedule(p_max_schedule_entry=entries), sales_tariff=tariff
    )


def priced(id: int, *entries: tuple[int, int | None, int | None], most: int | None = None) -> SalesTariff:
    """Start, duration and level of each entry."""
    return SalesTariff(
        sales_tariff_id=id,
        num_e_price_levels=most,
        sales_tariff_entry=tuple(
            SalesTariffEntry(time_interval=RelativeTimeInterval(start=start, duration=duration), e_price_level=level)
            for start, duration, level in entries
        ),
    )


def answer(*offered: SAScheduleTuple) -> ChargeParameterDiscoveryRes:
    body: ChargeParameterDiscoveryRes = replace(
        GOOD["ChargeParameterDiscovery"], sa_schedules=SAScheduleList(sa_schedule_tuple=offered)
    )
    return body


def chosen(
    behaviour: Behaviour,
    *offered: SAScheduleTuple,
    signature: Signature | None = None,
    departure: int | None = None,
    joined: bool = False,
) -> int:
    body = answer(*offered)
    octets = SCHEMA.encode(V2G_Message(header=MessageHeader(session_id=b"S", signature=signature), body=body))
    key = LAB.contract.leaf.key
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    car = SimpleNamespace(
        behaviour=behaviour,
        party=SimpleNamespace(request=Received(STREAM, body, SCHEMA.decode(octets).header, octets)),
        wallet=Wallet("", tuple(LAB.contract.ders), key),
        joined=joined,
        renegotiated=False,
        asked_departure=departure,
        announce=lambda *facts: None,
    )
    return choose(cast("Any", car), body).sa_schedule_tuple_id


# --- the choice -------------------------------------------------------------------------------------------------------------------

DEAR, CHEAP, MIXED = (
    schedule(1, tariff=priced(1, (0, 86_400, 3))),
    schedule(2, tariff=priced(2, (0, 86_400, 1))),
    schedule(3, tariff=priced(3, (0, 43_200, 3), (43_200, 43_200, 1))),
)


@pytest.mark.parametrize(("which", "id"), [("first", 1), ("cheapest", 2), ("3", 3)])
def test_it_chooses_the_first_the_cheapest_or_the_one_it_is_told(which: str, id: int) -> None:
    assert chosen(replace(EXTERNAL, schedule=which), DEAR, MIXED, CHEAP) == id
    assert [mean_level(one) for one in (DEAR, CHEAP, MIXED)] == [3.0, 1.0, 2.0]


def test_a_schedule_without_a_tariff_is_never_the_cheapest() -> None:
    assert chosen(replace(EXTERNAL, schedule=CHEAPEST), schedule(9), DEAR) == 1
    assert chosen(replace(EXTERNAL, schedule=CHEAPEST), schedule(9)) == 9


def test_after_a_pause_it_takes_the_one_from_before() -> None:
    again = replace(EXTERNAL, schedule="1", remembered=Remembered(b"S", 2))
    # The time that is left is less than a day.
    assert chosen(again, schedule(1), schedule(2, (0, 600)), joined=True) == 2
    assert chosen(again, schedule(1), joined=False) == 1


def test_the_profile_has_the_steps_of_the_chosen_schedule() -> None:
    steps = schedule(7, (0, None), (3600, 82_800))
    bench = Bench(
        Behaviour(loops=1, schedule="7"), bending("ChargeParameterDiscovery", answer(schedule(1), steps))
    ).run()
    assert bench.code == "completed.full"
    start = next(said for said in bench.said if getattr(said, "charging_profile", None) is not None)
    assert start.sa_schedule_tuple_id == 7
    entries = start.charging_profile.profile_entry
    assert [entry.charging_profile_entry_start for entry in entries] == [0, 3600]
    assert [real(entry.charging_profile_entry_max_power) for entry in entries] == [1e4, 1e4]


# --- what it does not let pass ------------------------------------------------------------------------------------------------------

WRONG: dict[str, tuple[str, tuple[SAScheduleTuple, ...]]] = {
    "one id twice": ("schedule-ids-repeat", (schedule(1), schedule(1))),
    "from later on": ("schedule-times", (schedule(1, (60, 86_400)),)),
    "no end": ("schedule-times", (schedule(1, (0, None)),)),
    "backwards": ("schedule-times", (schedule(1, (0, None), (7200, None), (3600, 82_800)),)),
    "a gap": ("schedule-times", (schedule(1, (0, 1800), (3600, 82_800)),)),
    "too short": ("schedule-too-short", (schedule(1, (0, 3600)),)),
    "13 entries": ("schedule-entries", (schedule(1, *((start, 86_400) for start in range(13))),)),
    "a tariff from later on": ("tariff-times", (schedule(1, tariff=priced(1, (60, 3600, 1))),)),
    "a tariff without end": ("tariff-times", (schedule(1, tariff=priced(1, (0, None, 1))),)),
    "an overlap": ("tariff-times", (schedule(1, tariff=priced(1, (0, 7200, 1), (3600, 3600, 1))),)),
    "13 prices": ("tariff-entries", (schedule(1, tariff=priced(1, *((at, 1, 1) for at in range(13)))),)),
    "a level beyond": ("tariff-level", (schedule(1, tariff=priced(1, (0, 86_400, 3), most=2)),)),
    "one tariff twice": (
        "tariff-ids-repeat",
        (schedule(1, tariff=priced(1, (0, 86_400, 1))), schedule(2, tariff=priced(1, (0, 86_400, 2)))),
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_it_leaves_a_station_with_schedules_that_break_the_standard(name: str) -> None:
    code, offered = WRONG[name]
    with pytest.raises(StationWrong) as wrong:
        chosen(EXTERNAL, *offered)
    assert wrong.value.code == code


@pytest.mark.parametrize(
    ("behaviour", "departure", "times"),
    [
        (EXTERNAL, 3600, ((0, 3600),)),
        (replace(EXTERNAL, most_entries=1), 100_000, ((0, 86_400),)),
        (replace(EXTERNAL, most_entries=2), None, ((0, None), (60, 86_340))),
    ],
)
def test_what_the_car_has_asked_for_is_enough(
    behaviour: Behaviour, departure: int | None, times: tuple[Times, ...]
) -> None:
    assert chosen(behaviour, schedule(1, *times), departure=departure) == 1


def test_more_entries_than_it_takes_are_too_many() -> None:
    for offered in (schedule(1, (0, None), (60, 86_340)), schedule(1, tariff=priced(1, (0, 60, 1), (60, 86_340, 1)))):
        with pytest.raises(StationWrong) as wrong:
            chosen(replace(EXTERNAL, most_entries=1), offered)
        assert wrong.value.code.endswith("-entries")


# --- the signature of the mobility operator ---------------------------------------------------------------------------------------

TARIFFS = (element(1), element(2), element(3))
OTHER = ec.derive_private_key(0xBADC0DE, ec.SECP256R1())


def offering(*tariffs: SalesTariff | None) -> tuple[SAScheduleTuple, ...]:
    return tuple(schedule(number, tariff=tariff) for number, tariff in enumerate(tariffs, 1))


def signed(*tariffs: SalesTariff, key: ec.EllipticCurvePrivateKey = KEY) -> Signature:
    return sign_elements({"SalesTariff": tariffs}, key, SCHEMA, P256_SHA256)


@pytest.mark.case("A-PNC-12")
@pytest.mark.parametrize("count", [1, 2, 3])
def test_tariffs_that_the_operator_has_signed_are_good(count: int) -> None:
    assert chosen(CONTRACT, *offering(*TARIFFS[:count]), signature=signed(*TARIFFS[:count])) == 1


def none() -> tuple[Signature | None, tuple[SAScheduleTuple, ...]]:
    """Nobody has signed."""
    return None, offering(*TARIFFS)


def by_another() -> tuple[Signature | None, tuple[SAScheduleTuple, ...]]:
    """The operator of the station has signed."""
    return signed(*TARIFFS, key=OTHER), offering(*TARIFFS)


def by_the_contract() -> tuple[Signature | None, tuple[SAScheduleTuple, ...]]:
    """The key of the contract itself has signed."""
    key = LAB.contract.leaf.key
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return signed(*TARIFFS, key=key), offering(*TARIFFS)


def another_price() -> tuple[Signature | None, tuple[SAScheduleTuple, ...]]:
    """A level was changed."""
    return signed(*TARIFFS), offering(*TARIFFS[:2], element(3, (0, 86_400)))


def one_left_out() -> tuple[Signature | None, tuple[SAScheduleTuple, ...]]:
    """A tariff that the operator signed is missing."""
    return signed(*TARIFFS), offering(*TARIFFS[:2])


def one_more() -> tuple[Signature | None, tuple[SAScheduleTuple, ...]]:
    """A tariff was added that the operator did not sign."""
    return signed(*TARIFFS[:2]), offering(*TARIFFS)


def one_without_an_id() -> tuple[Signature | None, tuple[SAScheduleTuple, ...]]:
    """A tariff stands beside the signed ones that no reference can name."""
    return signed(*TARIFFS[:2]), offering(*TARIFFS[:2], replace(TARIFFS[2], id=None))


FLAWS: tuple[Callable[[], tuple[Signature | None, tuple[SAScheduleTuple, ...]]], ...] = (
    none,
    by_another,
    by_the_contract,
    another_price,
    one_left_out,
    one_more,
    one_without_an_id,
)


@pytest.mark.case("A-PNC-12")
@pytest.mark.parametrize("flaw", FLAWS)
def test_a_car_with_a_contract_leaves_a_station_with_a_tariff_that_is_not_the_operators(flaw: Any) -> None:
    signature, offered = flaw()
    with pytest.raises(StationWrong) as wrong:
        chosen(CONTRACT, *offered, signature=signature)
    assert wrong.value.code == "tariff-signature"
    # Without a contract nothing is signed, and nothing is checked.
    assert chosen(EXTERNAL, *offered) == 1


def test_tariffs_may_be_left_out_altogether() -> None:
    assert chosen(CONTRACT, *offering(None, None)) == 1
