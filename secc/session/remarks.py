"""Tolerances that were used, each under its code, for log and trace."""

from __future__ import annotations

from secc.conversation import Party
from secc.session.dc_limits import PRECHARGE_AMPERES, CarLimits
from secc.session.effects import Remark, SetOutput
from secc.session.terms import Terms

NEAR_VOLTS = 20.0
"""A precharge target that moves by more is another one; a car closes its relay within as many volts."""


def remark(secc: Party, quirk: str, text: str) -> None:
    """Say that a tolerance was used."""
    secc.do(Remark(quirk, text))


class Remarks:
    """The tolerances used in one session: each is remarked once, for what a car does over and over."""

    def __init__(self) -> None:
        self._codes: set[str] = set()

    def __call__(self, secc: Party, quirk: str, text: str) -> None:
        """As ``remark``, but once a session."""
        if quirk not in self._codes:
            self._codes.add(quirk)
            remark(secc, quirk, text)

    def precharge(self, secc: Party, terms: Terms, volts: float, amperes: float, first_volts: float) -> None:
        """Remark what a car asks for in precharge that a literal reading would refuse.
        ``first_volts``: its first target.
        """
        if abs(volts - first_volts) > NEAR_VOLTS:
            self(secc, "Q-49", f"{volts:g} V asked for, and {first_volts:g} V at first")
        if not 0.0 < amperes <= PRECHARGE_AMPERES:
            self(secc, "Q-51", f"{amperes:g} A asked for in precharge")
        if terms.lowest_volts > max(volts, 0.0):
            self(secc, "Q-50", f"{volts:g} V asked for, below {terms.lowest_volts:g} V")

    def demand(
        self, secc: Party, terms: Terms, car: CarLimits, volts: float, amperes: float, output: SetOutput
    ) -> None:
        """Remark what a charging car asks for that is not served as it stands."""
        dc, lowest = terms.dc, terms.lowest_volts
        if volts > min(dc.maximum_volts, car.volts) or amperes > min(dc.maximum_amperes, car.amperes):
            self(secc, "Q-55", f"{volts:g} V and {amperes:g} A asked for, above the limits")
        if lowest > max(volts, 0.0):
            self(secc, "Q-50", f"{volts:g} V asked for, below {lowest:g} V")
        if output.amperes > amperes >= 1.0:
            self(secc, "Q-56", f"{amperes:g} A asked for, {output.amperes:g} A delivered")
