"""Schedules: what they cover, and what a profile may do."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secc.errors import Refusal
from secc.iso2.messages import (
    SCHEMA,
    ChargingProfile,
    ProfileEntry,
    RelativeTimeInterval,
    SalesTariff,
    SalesTariffEntry,
    SAScheduleTuple,
    UnitSymbol,
)
from secc.iso2.schedule import (
    DAY,
    LATEST_START,
    MOST_ENTRIES,
    TUPLE_ID,
    Offered,
    Schedule,
    Spans,
    Stepped,
    check_profile,
)
from secc.iso2.units import physical


@given(st.floats(1.0, 1e6), st.none() | st.integers(0, 2**32 - 1), st.none() | st.integers(0, 65_535))
def test_what_is_offered_covers_the_time_without_a_gap(watts: float, departure: int | None, most: int | None) -> None:
    schedule = Schedule.covering(watts, departure, most)
    one = schedule.as_tuple()
    entries = one.p_max_schedule.p_max_schedule_entry
    intervals = [entry.time_interval for entry in entries]
    assert intervals[0].start == 0
    assert len(entries) <= 2
    assert most is None or len(entries) <= max(1, most)
    assert intervals[-1].duration is not None
    covered = intervals[-1].start + intervals[-1].duration
    assert covered == schedule.seconds
    if departure and departure <= DAY:
        assert covered == departure
    elif departure and (most is None or most >= 2):
        assert covered == min(departure, LATEST_START + DAY)
    else:
        assert covered == DAY
    assert SCHEMA.fragment(one, "SAScheduleTuple")


@given(st.floats(0.001, 4e7))
def test_p_max_is_never_above_the_limit(watts: float) -> None:
    one = Schedule.covering(watts, 100_000, None).as_tuple()
    for entry in one.p_max_schedule.p_max_schedule_entry:
        assert 0.0 < entry.p_max.value * 10.0**entry.p_max.multiplier <= watts * (1 + 1e-11)


@given(
    st.floats(1000.0, 30_000.0),
    st.lists(st.tuples(st.integers(0, 2 * DAY), st.floats(-1000.0, 40_000.0)), min_size=1, max_size=24),
)
def test_a_profile_that_is_accepted_never_goes_beyond(limit: float, entries: list[tuple[int, float]]) -> None:
    schedule = Schedule.covering(limit, None, None)
    profile = ChargingProfile(
        profile_entry=tuple(
            ProfileEntry(
                charging_profile_entry_start=start, charging_profile_entry_max_power=physical(watts, UnitSymbol.W)
            )
            for start, watts in entries
        )
    )
    try:
        check_profile(profile, schedule)
    except Refusal as refusal:
        assert refusal.code == "FAILED_ChargingProfileInvalid"
        return
    starts = [start for start, _ in entries]
    assert starts == sorted(set(starts))
    for start, watts in entries:
        assert -0.1 <= watts <= limit * 1.01 + 1.0
        assert start < DAY or watts < 0.1


@pytest.mark.case("I2-PD-21")
@pytest.mark.parametrize("tuple_id", [-1, 0, 2, 255])
def test_only_the_tuple_on_offer_can_be_chosen(tuple_id: int) -> None:
    offered = Offered((Schedule(1000.0, DAY),))
    assert offered.chosen(TUPLE_ID) == Schedule(1000.0, DAY)
    with pytest.raises(Refusal) as refusal:
        offered.chosen(tuple_id)
    assert refusal.value.code == "FAILED_TariffSelectionInvalid"


# --- schedules of a backend -----------------------------------------------------------------------------------------------------


def spans_of(one: SAScheduleTuple) -> list[tuple[int, int | None, float]]:
    return [
        (entry.time_interval.start, entry.time_interval.duration, entry.p_max.value * 10.0**entry.p_max.multiplier)
        for entry in one.p_max_schedule.p_max_schedule_entry
    ]


def allowed(spans: Spans, second: float) -> float:
    return [watts for start, watts in spans if start <= second][-1]


STARTS = st.lists(st.integers(1, 300_000), max_size=40, unique=True).map(sorted)
POWER = st.floats(0.0, 50_000.0)


@given(
    STARTS.flatmap(lambda starts: st.tuples(st.just([0, *starts]), st.lists(POWER, min_size=41, max_size=41))),
    st.none() | st.integers(0, 400_000),
    st.none() | st.integers(0, 65_535),
    st.none() | st.floats(1.0, 60_000.0),
)
def test_steps_are_covered_never_exceeded_and_never_more_than_the_car_takes(
    drawn: tuple[list[int], list[float]], departure: int | None, most: int | None, limit: float | None
) -> None:
    given_spans = tuple(zip(drawn[0], drawn[1], strict=False))
    schedule = Stepped.covering(7, given_spans, departure, most)
    if limit is not None:
        schedule = schedule.within(limit)
    one = schedule.as_tuple()
    said = spans_of(one)
    assert one.sa_schedule_tuple_id == 7
    assert 1 <= len(said) <= max(1, min(MOST_ENTRIES, MOST_ENTRIES if most is None else most))
    assert said[0][0] == 0
    assert all(before[0] < after[0] for before, after in pairwise(said))
    assert said[-1][1] is not None
    assert said[-1][0] + said[-1][1] == schedule.seconds
    short = most is not None and most < 2
    assert schedule.seconds == (min(departure or DAY, DAY) if short else departure or DAY)
    for second in {0, *(start for start, _, _ in said), *(start for start, _ in given_spans)}:
        if second < schedule.seconds:
            now = [watts for start, _, watts in said if start <= second][-1]
            assert now <= allowed(given_spans, second) + 1e-6
            assert limit is None or now <= limit + 1e-6
            assert schedule.watts_at(second) >= now - 1e-6
    assert 0 < schedule.renews <= schedule.seconds
    assert SCHEMA.fragment(one, "SAScheduleTuple")


def test_what_a_car_does_not_take_is_joined_with_the_least_power_and_renewed() -> None:
    spans = ((0, 11_000.0), (600, 7_000.0), (1200, 9_000.0), (1800, 5_000.0), (2400, 8_000.0))
    whole = Stepped.covering(1, spans, 3600, None)
    assert spans_of(whole.as_tuple())[-1] == (2400, 1200, 8_000.0)
    assert whole.renews == 3600
    three = Stepped.covering(1, spans, 3600, 3)
    assert spans_of(three.as_tuple()) == [(0, None, 11_000.0), (600, None, 7_000.0), (1200, 2400, 5_000.0)]
    assert three.renews == 1200
    one = Stepped.covering(1, spans, 3600, 1)
    assert spans_of(one.as_tuple()) == [(0, 3600, 5_000.0)]
    # A car that takes one entry would otherwise be asked again at once.
    assert one.renews == 3600


def test_a_last_span_of_more_than_a_day_takes_two_entries_of_those_that_the_car_takes() -> None:
    spans = ((0, 11_000.0), (600, 7_000.0))
    assert spans_of(Stepped.covering(1, spans, 100_000, None).as_tuple()) == [
        (0, None, 11_000.0),
        (600, None, 7_000.0),
        (13_600, 86_400, 7_000.0),
    ]
    assert spans_of(Stepped.covering(1, spans, 100_000, 2).as_tuple()) == [
        (0, None, 7_000.0),
        (13_600, 86_400, 7_000.0),
    ]


def test_power_on_the_wire_is_that_of_the_limit_where_the_backend_gives_more() -> None:
    spans = ((0, 22_080.0), (3600, 4_000.0))
    schedule = Stepped.covering(1, spans, None, None).within(11_040.0)
    assert [watts for _, _, watts in spans_of(schedule.as_tuple())] == [11_040.0, 4_000.0]
    assert schedule.watts == 11_040.0
    assert schedule.holds(11_040.0)
    # A higher limit changes what is on offer, and so does a lower one.
    assert not schedule.holds(22_080.0)
    assert not schedule.holds(7_360.0)
    # Where the backend gives less than the limit, a higher limit changes nothing.
    low = Stepped.covering(1, ((0, 4_000.0),), None, None).within(11_040.0)
    assert low.holds(22_080.0)
    assert low.holds(11_040.0)
    assert not low.holds(3_000.0)


def test_what_is_left_of_a_schedule_keeps_its_steps() -> None:
    spans = ((0, 11_000.0), (600, 7_000.0), (1200, 9_000.0))
    schedule = Stepped.covering(3, spans, 3600, None).within(10_000.0)
    for elapsed, left in (
        (0, [(0, None, 10_000.0), (600, None, 7_000.0), (1200, 2400, 9_000.0)]),
        (599, [(0, None, 10_000.0), (1, None, 7_000.0), (601, 2400, 9_000.0)]),
        (600, [(0, None, 7_000.0), (600, 2400, 9_000.0)]),
        (2000, [(0, 1600, 9_000.0)]),
    ):
        again = schedule.after(elapsed, None, None)
        assert again is not None
        assert spans_of(again.as_tuple()) == left
        assert again.tuple_id == 3
    sooner = schedule.after(600, 900, None)
    assert sooner is not None
    assert spans_of(sooner.as_tuple()) == [(0, None, 7_000.0), (600, 300, 9_000.0)]


def test_a_schedule_without_power_left_asked_for_the_pause() -> None:
    assert Stepped.covering(1, ((0, 0.0),), None, None).after(60, None, None) is None
    later = Stepped.covering(1, ((0, 0.0), (3600, 5_000.0)), None, None).after(60, None, None)
    assert later is not None
    assert spans_of(later.as_tuple()) == [(0, None, 0.0), (3540, 82_800, 5_000.0)]


def values(*starts: int) -> SalesTariff:
    return SalesTariff(
        sales_tariff_id=1,
        sales_tariff_entry=tuple(
            SalesTariffEntry(time_interval=RelativeTimeInterval(start=start), e_price_level=number)
            for number, start in enumerate(starts, 1)
        ),
    )


def prices(schedule: Stepped) -> list[tuple[int, int | None, int | None]] | None:
    tariff = schedule.as_tuple().sales_tariff
    if tariff is None:
        return None
    return [
        (entry.time_interval.start, entry.time_interval.duration, entry.e_price_level)
        for entry in tariff.sales_tariff_entry
    ]


def test_a_tariff_of_values_holds_as_long_as_its_schedule() -> None:
    def priced(departure: int | None, most: int | None = None, tariff: SalesTariff = values(0, 3600)) -> Stepped:  # noqa: B008
        return Stepped.covering(1, ((0, 1e4),), departure, most, tariff)

    assert prices(priced(None)) == [(0, None, 1), (3600, 82_800, 2)]
    assert prices(priced(1800)) == [(0, 1800, 1)]
    assert prices(priced(100_000)) == [(0, None, 1), (3600, None, 2), (13_600, 86_400, 2)]
    # With more entries than the car takes it is left out: a price may not be made up.
    assert prices(priced(None, 1)) is None
    assert prices(priced(100_000, 2)) is None
    again = priced(None).after(1800, None, None)
    assert again is not None
    assert prices(again) == [(0, None, 1), (1800, 82_800, 2)]
    again = again.after(5400, None, None)
    assert again is not None
    assert prices(again) == [(0, 79_200, 2)]


def test_a_signed_tariff_is_not_told_again_after_a_pause() -> None:
    schedule = Stepped.covering(1, ((0, 1e4),), None, None, values(0, 3600), signed=True)
    assert prices(schedule) == [(0, None, 1), (3600, None, 2)], "as it came"
    again = schedule.after(60, None, None)
    assert again is not None
    assert not again.signed
    assert prices(again) is None


def test_one_of_the_schedules_on_offer_is_chosen() -> None:
    night, day = Stepped.covering(5, ((0, 1e3),), None, None), Stepped.covering(200, ((0, 2e3),), None, None)
    offered = Offered((night, day))
    assert offered.chosen(200) is day
    with pytest.raises(Refusal):
        offered.chosen(TUPLE_ID)


STEPS = Stepped.covering(1, ((0, 11_000.0), (600, 7_000.0), (1200, 9_000.0)), 3600, None)


def planned(*entries: tuple[int, float]) -> ChargingProfile:
    return ChargingProfile(
        profile_entry=tuple(
            ProfileEntry(
                charging_profile_entry_start=start, charging_profile_entry_max_power=physical(watts, UnitSymbol.W)
            )
            for start, watts in entries
        )
    )


@pytest.mark.parametrize(
    ("profile", "good"),
    [
        (planned((0, 11_000.0), (600, 7_000.0), (1200, 9_000.0)), True),
        (planned((0, 7_000.0)), True),
        (planned((0, 11_000.0), (300, 7_000.0), (1200, 9_000.0), (3600, 0.0)), True),
        (planned((0, 7_070.0)), True),
        (planned((0, 7_080.0)), False),
        # An entry holds until the next one: this is above PMax from 600 s on.
        (planned((0, 11_000.0), (601, 7_000.0)), False),
        (planned((0, 11_000.0)), False),
        (planned((0, 7_000.0), (1199, 9_000.0)), False),
        (planned((0, 7_000.0), (1200, 9_100.0)), False),
        (planned((0, 7_000.0), (3600, 1_000.0)), False),
    ],
)
def test_a_profile_is_judged_entry_by_entry(profile: ChargingProfile, good: bool) -> None:
    if good:
        check_profile(profile, STEPS)
    else:
        with pytest.raises(Refusal) as refusal:
            check_profile(profile, STEPS)
        assert refusal.value.code == "FAILED_ChargingProfileInvalid"


def test_by_the_letter_a_profile_has_no_tolerance() -> None:
    check_profile(planned((0, 7_000.0)), STEPS, strict=True)
    with pytest.raises(Refusal):
        check_profile(planned((0, 7_001.0)), STEPS, strict=True)


@pytest.mark.case("A-PWR-04")
def test_a_car_that_tells_an_early_departure_and_stays_gets_no_more_by_it() -> None:
    spans = ((0, 22_000.0), (600, 4_000.0), (7200, 11_000.0))
    schedule = Stepped.covering(1, spans, 1, None)
    assert spans_of(schedule.as_tuple()) == [(0, 1, 22_000.0)]
    assert schedule.steps == spans
    assert [schedule.watts_at(at) for at in (0.5, 599.0, 600.0, 7199.0, 1e6)] == [2.2e4, 2.2e4, 4e3, 4e3, 1.1e4]
    # Told later when it leaves, or after a pause, it is offered what the backend has given.
    assert schedule.again(None, None).spans == spans
    later = Stepped.covering(1, spans, 700, None).after(300, None, None)
    assert later is not None
    assert later.steps == ((0, 22_000.0), (300, 4_000.0), (6900, 11_000.0))


def test_what_is_told_with_less_power_holds_until_the_end_of_what_is_told() -> None:
    spans = ((0, 11_000.0), (600, 7_000.0), (1200, 9_000.0))
    schedule = Stepped.covering(1, spans, 3600, 1)
    assert schedule.steps == ((0, 7_000.0), (3600, 9_000.0))
    assert schedule.watts_at(1300.0) == 7_000.0


def test_of_a_plan_with_many_steps_the_first_are_kept_and_the_car_is_asked_again() -> None:
    spans = tuple((quarter * 900, 1_000.0 + quarter) for quarter in range(96))
    schedule = Stepped.covering(1, spans, 900, None)
    # The last entry of so long a time takes two of the 24.
    assert len(schedule.whole) == 23
    assert schedule.steps[:23] == spans[:23]
    assert schedule.again(None, None).renews == 11 * 900
