"""The SAScheduleList of the station, and the check of a charging profile against it."""

from __future__ import annotations

from typing import Final

from frozen import dataclass
from secc.errors import Refusal
from secc.iso2.messages import (
    ChargingProfile,
    PMaxSchedule,
    PMaxScheduleEntry,
    RelativeTimeInterval,
    ResponseCode,
    SAScheduleList,
    SAScheduleTuple,
    UnitSymbol,
)
from secc.iso2.units import limit, watts

TUPLE_ID: Final = 1
"""The id of the one schedule on offer, in 1..255. [V2G2-773]"""

DAY: Final = 86_400
"""Seconds: the longest duration that an entry may have, and the shortest time that a schedule
covers. [V2G2-304]
"""

LATEST_START: Final = 16_777_214

TOLERANCE: Final = 1.01
"""A profile may exceed PMax by this factor, because cars round. (D6)"""


@dataclass(frozen=True, slots=True)
class Schedule:
    """One power for the whole time: ``watts`` until ``seconds`` from now."""

    watts: float
    seconds: int
    entries: int = 1

    @classmethod
    def covering(cls, watts: float, departure: int | None, most_entries: int | None) -> Schedule:
        """A schedule until the car leaves, or for a day if the car gives no time. [V2G2-303]
        [V2G2-304]

        DepartureTime 0 counts as not given (Q-48). More than a day takes two entries; a car that
        accepts one entry only gets a day.
        """
        seconds = departure or DAY
        if seconds <= DAY:
            return cls(watts, seconds)
        if most_entries is not None and most_entries < 2:
            return cls(watts, DAY)
        return cls(watts, min(seconds, LATEST_START + DAY), 2)

    def as_list(self) -> SAScheduleList:
        """Returns the schedule as message elements: PMax as near to the limit as it can be
        said, never above it; a duration in the last entry.
        """
        p_max = limit(self.watts, UnitSymbol.W)
        intervals = [RelativeTimeInterval(start=0, duration=self.seconds)]
        if self.entries == 2:
            last = RelativeTimeInterval(start=self.seconds - DAY, duration=DAY)
            intervals = [RelativeTimeInterval(start=0), last]
        entries = tuple(PMaxScheduleEntry(time_interval=interval, p_max=p_max) for interval in intervals)
        schedule = PMaxSchedule(p_max_schedule_entry=entries)
        return SAScheduleList(
            sa_schedule_tuple=(SAScheduleTuple(sa_schedule_tuple_id=TUPLE_ID, p_max_schedule=schedule),)
        )

    def admits(self, tuple_id: int) -> None:
        """Raises Refusal for a tuple that was not offered. [V2G2-479]"""
        if tuple_id != TUPLE_ID:
            raise Refusal(ResponseCode.FAILED_TARIFF_SELECTION_INVALID, "[V2G2-479]", f"tuple {tuple_id}")

    def check(self, profile: ChargingProfile, *, strict: bool = False) -> None:
        """Raises Refusal for a profile that exceeds PMax or the end of the schedule. [V2G2-225]
        [V2G2-478] [V2G2-761]

        An entry of 0 W at or after the end means that the car has finished; it is accepted.
        """
        allowed = self.watts if strict else self.watts * TOLERANCE
        before = -1
        for entry in profile.profile_entry:
            start = entry.charging_profile_entry_start
            power = watts(entry.charging_profile_entry_max_power, code=ResponseCode.FAILED_CHARGING_PROFILE_INVALID)
            if start <= before:
                raise _invalid("entries that do not follow one another")
            if power < 0.0 or power > allowed:
                raise _invalid(f"{power:g} W where {self.watts:g} W are offered")
            if start >= self.seconds and power > 0.0:
                raise _invalid(f"power at {start} s, behind the end of the schedule")
            before = start


def _invalid(detail: str) -> Refusal:
    return Refusal(ResponseCode.FAILED_CHARGING_PROFILE_INVALID, "[V2G2-478]", detail)
