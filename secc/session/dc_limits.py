"""The clamps from a DC car's request to the supply's target. (A-PWR-01, A-PWR-02, A-PWR-05)

A V2G session clamps to what it announced; the power path clamps again with the same functions,
because it trusts no session.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

from frozen import dataclass
from hal.readings import DcPhase
from secc.session.effects import SetOutput
from secc.session.offer import DcLimits

PRECHARGE_AMPERES: Final = 2.0
"""The most that may flow into the car's capacitors, whatever it asks for. (Q-51)"""

BREAKABLE_AMPERES: Final = 5.0
"""The most current that the contactor can break."""

SAFE_VOLTS: Final = 60.0
"""An output counts as without voltage below this. IEC 61851-23"""


def clamp_volts(volts: float, highest: float, lowest: float = 0.0) -> float:
    """Returns a voltage from ``lowest`` to ``highest`` (``highest`` wins if both cannot hold),
    never negative; 0 for NaN.
    """
    asked = volts if math.isfinite(volts) else 0.0
    return max(0.0, min(max(asked, lowest), highest))


def clamp_amperes(amperes: float, highest: float, watts: float | None, volts: float) -> float:
    """Returns a current up to ``highest`` and, at ``volts``, within ``watts`` (None: no such
    limit), never negative; 0 for NaN.
    """
    if not math.isfinite(amperes):
        return 0.0
    allowed = min(amperes, highest)
    if watts is not None and volts > 0.0:
        allowed = min(allowed, watts / volts)
    return max(0.0, allowed)


def power_volts(target_volts: float, measured_volts: float) -> float:
    """Returns the voltage at which a limit in watts counts: the measured one, or the target if the
    measurement is not a number or below half of the target (the outlet's voltage still rises, or
    the meter does not work).
    """
    believable = math.isfinite(measured_volts) and measured_volts >= 0.5 * target_volts
    return measured_volts if believable else target_volts


@dataclass(frozen=True, slots=True)
class CarLimits:
    """Limits of a DC car: volts, amperes, watts (None: not given)."""

    volts: float
    amperes: float
    watts: float | None = None

    def lowered(self, volts: float | None, amperes: float | None, watts: float | None) -> CarLimits:
        """Returns the limits with those of a request (None: not given). A car may lower what was
        agreed, and never raises it.
        """
        return CarLimits(
            self.volts if volts is None else min(self.volts, volts),
            self.amperes if amperes is None else min(self.amperes, amperes),
            self.watts if watts is None or (self.watts is not None and self.watts < watts) else watts,
        )

    def completed(self, watts: float | None) -> CarLimits:
        """Returns the limits with a power that the car names only while it charges; it then counts
        as agreed. None: not known yet.
        """
        return replace(self, watts=watts) if self.watts is None and watts is not None and watts > 0.0 else self


def unfit(car: CarLimits, station: DcLimits) -> str:
    """Returns why the limits of a car do not fit the station; empty if they do."""
    if car.amperes <= max(0.0, station.minimum_amperes):
        return f"EVMaximumCurrentLimit {car.amperes:g} A"
    if car.volts <= max(0.0, station.minimum_volts):
        return f"EVMaximumVoltageLimit {car.volts:g} V"
    if car.watts is not None and car.watts < 0.0:
        return f"EVMaximumPowerLimit {car.watts:g} W"
    return ""


@dataclass(frozen=True, slots=True)
class Demand:
    """The output to set, and which limits lowered it: those of the station, or the car's own."""

    output: SetOutput
    voltage_limited: bool
    current_limited: bool
    power_limited: bool


def demand(
    volts: float,
    amperes: float,
    station: DcLimits,
    station_watts: float,
    car: CarLimits,
    present_volts: float,
    lowest_volts: float = 0.0,
    *,
    whole_amperes: bool = False,
) -> Demand:
    """Returns what was asked, within every limit. (Q-55)

    ``station_watts`` is the station's limit now. It counts at ``present_volts``, the voltage at the
    outlet, or at the target before there is one. ``lowest_volts``: raise a lower target to this
    minimum, within the car's limits. ``whole_amperes``: a car that asks for whole amperes less than
    one below the offer gets the offer (Q-56).
    """
    highest_volts = min(station.maximum_volts, car.volts)
    served_volts = clamp_volts(volts, highest_volts, lowest_volts)
    # One volt at least, so that a limit in watts also applies to the first volts.
    at = max(power_volts(served_volts, present_volts), 1.0)
    watts = station_watts if car.watts is None else min(station_watts, car.watts)
    highest = min(station.maximum_amperes, car.amperes)
    served_amperes = clamp_amperes(amperes, highest, watts, at)
    if whole_amperes and amperes >= 1.0 and amperes.is_integer():
        offered = clamp_amperes(highest, highest, watts, at)
        served_amperes = offered if amperes < offered < amperes + 1.0 else served_amperes
    return Demand(
        SetOutput(served_volts, served_amperes if served_volts > 0.0 else 0.0, DcPhase.CHARGE),
        voltage_limited=volts > highest_volts,
        current_limited=amperes > highest,
        power_limited=amperes > max(0.0, watts) / at,
    )


def precharge(volts: float, amperes: float, station: DcLimits, car: CarLimits, lowest_volts: float = 0.0) -> SetOutput:
    """Returns at most 2 A, also for a car that asks for 0 A or less: it would never be charged
    otherwise. (Q-51) ``lowest_volts`` as in ``demand``.
    """
    served = clamp_volts(volts, min(station.maximum_volts, car.volts), lowest_volts)
    return SetOutput(served, min(amperes, PRECHARGE_AMPERES) if amperes > 0.0 else PRECHARGE_AMPERES, DcPhase.PRECHARGE)
