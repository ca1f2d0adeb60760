"""Pilot states from peak voltages: two equal samples make a state; a diode fault stays until the
car is unplugged.

A pure function of the samples. The bands and their hysteresis are those of :mod:`hal.pilot`.
"""

from __future__ import annotations

from frozen import dataclass
from hal.pilot import classify
from hal.readings import PilotState


@dataclass(frozen=True, slots=True)
class Settled:
    """The debounced pilot. ``diode`` and ``short``: whether these faults are present."""

    state: PilotState
    diode: bool = False
    short: bool = False


class Debounce:
    """Takes every sample; a single different one changes nothing."""

    def __init__(self) -> None:
        self.settled = Settled(PilotState.UNKNOWN)
        self._candidate: tuple[PilotState, str | None] | None = None
        self._diode = False

    def sample(self, high_volts: float, low_volts: float, duty: float | None) -> Settled:
        """``duty`` is the driven one: 1.0 steady high, 0.0 steady low, None pulled to 0 V."""
        measured = classify(high_volts, low_volts, duty, self.settled.state)
        seen = (measured.state, measured.flaw)
        if seen == self._candidate:
            self._settle(*seen)
        self._candidate = seen
        return self.settled

    def lost(self) -> Settled:
        """The pilot cannot be measured: the state is UNKNOWN at once."""
        self._candidate = None
        self.settled = Settled(PilotState.UNKNOWN, diode=self._diode)
        return self.settled

    def _settle(self, state: PilotState, flaw: str | None) -> None:
        if flaw == "diode":
            self._diode = True
        elif state is PilotState.A:
            self._diode = False
        self.settled = Settled(PilotState.UNKNOWN if self._diode else state, self._diode, flaw == "short")
