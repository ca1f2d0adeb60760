"""Arithmetic of the control pilot (IEC 61851-1 Annex A): volts to state, duty to amperes. For all
drivers.
"""

from __future__ import annotations

from frozen import dataclass
from hal.readings import PilotState

STEADY_HIGH = 1.0
STEADY_LOW = 0.0


@dataclass(frozen=True, slots=True)
class Measured:
    """The state that two peak voltages stand for. ``flaw``: None, ``diode``, ``short`` or
    ``range``.
    """

    state: PilotState
    flaw: str | None = None


# Nominal bands of the high peak. Between two bands the pilot keeps the higher state if it was in
# it.
_BANDS = ((11.0, 13.0, PilotState.A), (8.0, 10.0, PilotState.B), (5.0, 7.0, PilotState.C), (2.0, 4.0, PilotState.D))


def classify(high_volts: float, low_volts: float, duty: float | None, before: PilotState) -> Measured:
    """Returns the state that these peaks stand for.

    ``duty`` is the driven one (1.0 steady high, 0.0 steady low, None pulled to 0 V): E and F that
    the station drives are reported as such. ``before`` is the last state, for the hysteresis.
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
    """Returns the current that a duty allows without digital communication; 0 if it allows none
    (also at 5 %).
    """
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
    """Returns the duty that offers this current, at most 80 A. Raises ValueError below 6 A, for
    which no duty is defined.
    """
    if amperes < 6.0:
        raise ValueError(f"a pilot duty cannot offer {amperes} A: at least 6 A")
    if amperes <= 51.0:
        return amperes / 0.6 / 100.0
    # The two formulas overlap between 84.4 and 85 %: a car would read a duty there as the lower
    # one's current.
    return min(max(amperes / 2.5 + 64.0, 85.0), 96.0) / 100.0
