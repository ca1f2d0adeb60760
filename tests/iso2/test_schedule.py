"""Schedules: what they cover, and what a profile may do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secc.errors import Refusal
from secc.iso2.messages import SCHEMA, ChargingProfile, ProfileEntry, UnitSymbol
from secc.iso2.schedule import DAY, LATEST_START, TUPLE_ID, Schedule
from secc.iso2.units import physical


@given(st.floats(1.0, 1e6), st.none() | st.integers(0, 2**32 - 1), st.none() | st.integers(0, 65_535))
def test_what_is_offered_covers_the_time_without_a_gap(watts: float, departure: int | None, most: int | None) -> None:
    schedule = Schedule.covering(watts, departure, most)
    (one,) = schedule.as_list().sa_schedule_tuple
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
    (one,) = Schedule.covering(watts, 100_000, None).as_list().sa_schedule_tuple
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
        schedule.check(profile)
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
    schedule = Schedule(1000.0, DAY)
    schedule.admits(TUPLE_ID)
    with pytest.raises(Refusal) as refusal:
        schedule.admits(tuple_id)
    assert refusal.value.code == "FAILED_TariffSelectionInvalid"
