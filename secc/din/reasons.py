"""Meanings of the end reasons that DIN SPEC 70121 has alone."""

from __future__ import annotations

from typing import Final

from secc.trace.meanings import RETRY, Meaning

REASONS: Final[tuple[Meaning, ...]] = (
    Meaning(
        "refused.FAILED_EVSEPresentVoltageToLow",
        "The car asked for power, and for 1.4 s there was no voltage at the outlet: less than 60 V.",
        RETRY,
        "Compare the target in the last PreChargeReq with the measured voltage: does the supply follow, is the contactor closed, is the meter "
        "right? Or the car did not wait for the voltage.",
    ),
    Meaning(
        "refused.FAILED_WrongEnergyTransferType",
        "The car asks for AC, or for DC on other pins than those of a CCS outlet.",
        RETRY,
        "The detail says what it asked for. DIN SPEC 70121 has DC only at this station: if other cars charge here, the car is wrong.",
    ),
)
