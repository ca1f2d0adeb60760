"""The electrical part of the simulated car: pilot resistor, diode, inlet relay, battery. No
protocol.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from hal.pilot import STEADY_HIGH, amperes_of_duty

# Relative open-circuit voltage over state of charge: steep at both ends, flat in between, as of
# lithium cells.
_CURVE = ((0.0, 0.0), (0.1, 0.35), (0.9, 0.80), (1.0, 1.0))

SOURCE_OHMS = 1000.0
DIODE_VOLTS = 0.7
B_OHMS = 2740.0
C_OHMS = 882.0
D_OHMS = 246.0


@dataclass(slots=True)
class Battery:
    """``soc`` 0..1. Power is measured at the terminals; the loss in ``resistance_ohms`` does not
    raise the charge.
    """

    capacity_watt_hours: float = 60_000.0
    soc: float = 0.2
    empty_volts: float = 330.0
    full_volts: float = 410.0
    resistance_ohms: float = 0.08
    max_volts: float = 425.0
    max_amperes: float = 200.0

    @property
    def open_volts(self) -> float:
        """Open-circuit voltage at the present charge."""
        for (low, below), (high, above) in pairwise(_CURVE):
            if self.soc <= high:
                part = below + (above - below) * (max(self.soc, 0.0) - low) / (high - low)
                return self.empty_volts + part * (self.full_volts - self.empty_volts)
        return self.full_volts

    @property
    def full(self) -> bool:
        return self.soc >= 1.0

    def store(self, watt_hours: float) -> None:
        """Put energy into the cells."""
        self.soc = min(1.0, self.soc + watt_hours / self.capacity_watt_hours)


@dataclass(slots=True, eq=False)
class Car:
    """A car at the outlet, or beside it while ``plugged`` is False.

    ``ready`` closes S2 (pilot C; D with ``ventilation``). ``relay_closed`` is the inlet's own DC
    relay. ``ac_amperes`` is its current on each phase as agreed by digital communication (5 %
    duty); a nominal duty limits it as well.
    """

    plugged: bool = False
    ready: bool = False
    ventilation: bool = False
    relay_closed: bool = False
    ac_amperes: float = 16.0
    ac_phases: int = 3
    ac_efficiency: float = 0.93
    inlet_ohms: float = 1.0e6
    battery: Battery = field(default_factory=Battery)

    @property
    def pilot_ohms(self) -> float:
        if not self.ready:
            return B_OHMS
        return D_OHMS if self.ventilation else C_OHMS

    def ac_draw(self, duty: float | None, phases: int) -> tuple[float, int]:
        """Amperes a phase, and phases, drawn from a live AC outlet under this pilot duty."""
        if not (self.plugged and self.ready) or self.battery.full or duty is None or duty <= 0.0 or duty >= STEADY_HIGH:
            return 0.0, 0
        offered = amperes_of_duty(duty)
        amperes = min(self.ac_amperes, offered) if duty >= 0.08 else self.ac_amperes
        return (amperes, min(phases, self.ac_phases)) if amperes > 0.0 else (0.0, 0)


def pilot_volts(car: Car, duty: float | None, *, diode: bool = True, short: bool = False) -> tuple[float, float]:
    """High and low peak at the pilot contact, in volts, at this driven duty (None: the pilot is
    pulled to 0 V).
    """
    if duty is None or short:
        return 0.0, 0.0
    high = 12.0
    low = -12.0
    if car.plugged:
        ohms = car.pilot_ohms
        if diode:
            high = 12.0 - (12.0 - DIODE_VOLTS) * SOURCE_OHMS / (SOURCE_OHMS + ohms)
        else:
            high = 12.0 * ohms / (SOURCE_OHMS + ohms)
            low = -high
    if duty >= STEADY_HIGH:
        return high, high
    if duty <= 0.0:
        return low, low
    return high, low
