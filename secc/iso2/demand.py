"""From what a DC car asks to what the power path is told: pure arithmetic, and nothing absurd gets through. (A-PWR-01, A-PWR-02)"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from secc.session.effects import SetOutput
from secc.session.offer import DcLimits, Offer

PRECHARGE_AMPERES: Final = 2.0
"""The most that may flow into the car's capacitors, whatever it asks. (Q-51)"""


@dataclass(frozen=True, slots=True)
class Limits:
    """What may be delivered at most: the station's share, and the car's."""

    volts: float
    amperes: float
    watts: float
    ev_volts: float
    ev_amperes: float
    ev_watts: float

    @classmethod
    def of(cls, dc: DcLimits, watts: float, ev_volts: float, ev_amperes: float, ev_watts: float | None) -> Limits:
        return cls(
            dc.maximum_volts,
            dc.maximum_amperes,
            watts,
            max(0.0, ev_volts),
            max(0.0, ev_amperes),
            math.inf if ev_watts is None else max(0.0, ev_watts),
        )


@dataclass(frozen=True, slots=True)
class Demand:
    """The output to set, and which of our limits stood in the way of what was asked."""

    output: SetOutput
    voltage_limited: bool
    current_limited: bool
    power_limited: bool


def demand(volts: float, amperes: float, limits: Limits, present_volts: float, lowest_volts: float = 0.0) -> Demand:
    """Serve what is asked up to every limit. (Q-55)

    A negative target is none. The power limit counts at the voltage that stands at the outlet, or at the target where nothing does yet.
    ``lowest_volts`` is our minimum where a target below it is to be raised (Q-50), within what the car bears.
    """
    served_volts = min(max(volts, lowest_volts, 0.0), limits.volts, limits.ev_volts)
    basis = max(present_volts, 1.0) if present_volts >= 0.5 * served_volts else max(served_volts, 1.0)
    by_watts = limits.watts / basis
    served_amperes = min(max(amperes, 0.0), limits.amperes, limits.ev_amperes, by_watts, limits.ev_watts / basis)
    if served_volts <= 0.0:
        served_amperes = 0.0
    return Demand(
        SetOutput(served_volts, served_amperes, "charge"),
        voltage_limited=volts > limits.volts,
        current_limited=amperes > limits.amperes,
        power_limited=amperes > by_watts,
    )


def precharge(volts: float, amperes: float, offer: Offer, ev_maximum_volts: float) -> SetOutput:
    """At most 2 A; a car that asks for none, or for less than none, gets those, or it would never be charged. (Q-51)"""
    station_volts = offer.dc.maximum_volts if offer.dc is not None else 0.0
    served = min(max(volts, 0.0), station_volts, max(0.0, ev_maximum_volts))
    return SetOutput(served, min(amperes, PRECHARGE_AMPERES) if amperes > 0.0 else PRECHARGE_AMPERES, "precharge")
