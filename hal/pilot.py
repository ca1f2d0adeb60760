"""The arithmetic of the control pilot (IEC 61851-1 Annex A): volts to state, duty to amperes. Shared by all drivers."""

from __future__ import annotations

from frozen import dataclass
from hal.readings import PilotState

STEADY_HIGH = 1.0
STEADY_LOW = 0.0


@dataclass(frozen=True, slots=True)
class Measured:
    """What a pair of peak voltages means. ``flaw``: None, ``diode``, ``short`` or ``range``."""

    state: PilotState
    flaw: str | None = None


# Nominal bands by the high peak, and what lies between two bands: there the pilot keeps the higher state if it had it.
_BANDS = ((11.0, 13.0, PilotState.A), (8.0, 10.0, PilotState.B), (5.0, 7.0, PilotState.C), (2.0, 4.0, PilotState.D))


def classify(high_volts: float, low_volts: float, duty: float | None, before: PilotState) -> Measured:
    """The state that these peaks stand for.

    ``duty`` is what is driven (1.0 steady high, 0.0 steady low, None pulled to zero): E and F of our own making are
    reported as such. ``before`` is the last state, for the hysteresis between the bands.
    """
    if duty is None:
        return Measured(PilotState.E)
    if duty <= STEADY_LOW:
        return Measured(PilotState.F) if low_volts < -10.0 else Measured(PilotState.E, "short")
    oscillating = duty < STEADY_HIGH
    # Without its diode the car loads both half-waves: the low peak mirrors the high one.
    if oscillating and 2.0 < high_volts < 11.0 and abs(high_volts + low_volts) <= 1.2:
        return Measured(PilotState.UNKNOWN, "diode")
    if high_volts < 2.0:
        return Measured(PilotState.E, "short") if high_volts > -2.0 else Measured(PilotState.UNKNOWN, "range")
    if high_volts > 13.0 or (oscillating and low_volts > -10.0) or low_volts < -13.0:
        return Measured(PilotState.UNKNOWN, "range")
    for floor, ceiling, state in _BANDS:
        if high_volts > ceiling:
            above = _BANDS[_BANDS.index((floor, ceiling, state)) - 1][2]
            return Measured(above if before is above else state)
        if high_volts >= floor:
            return Measured(state)
    return Measured(PilotState.D)


def amperes_of_duty(duty: float) -> float:
    """The current that a duty allows without digital communication; 0 where it allows none (also at 5 %)."""
    percent = duty * 100.0
    if 8.0 <= percent < 10.0:
        return 6.0
    if 10.0 <= percent <= 85.0:
        return percent * 0.6
    if 85.0 < percent <= 96.0:
        return (percent - 64.0) * 2.5
    if 96.0 < percent <= 97.0:
        return 80.0
    return 0.0


def duty_of_amperes(amperes: float) -> float:
    """The duty that offers this current, 6 to 80 A; clamped to 80 A. ValueError below 6 A, which no duty can say."""
    if amperes < 6.0:
        raise ValueError(f"a pilot duty cannot offer {amperes} A: six is the least")
    if amperes <= 51.0:
        return amperes / 0.6 / 100.0
    # The two formulas overlap between 84.4 and 85 %: there the car would read the lower one's current.
    return min(max(amperes / 2.5 + 64.0, 85.0), 96.0) / 100.0
