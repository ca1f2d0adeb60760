"""Field quirks of cars in DIN SPEC 70121 alone, and what this station does about each."""

from __future__ import annotations

from typing import Final

from secc.trace.quirks import Quirk, When

QUIRKS: Final[tuple[Quirk, ...]] = (
    Quirk(
        "Q-33",
        "Expect the EVSEID of DIN SPEC 70121 as octets of the text, or `00` where it is not known.",
        "The octets of `evse_id`; with `lab.tolerate`, and for an id of more than 32 characters, `00`.",
        When.ON_REQUEST,
    ),
    Quirk(
        "Q-61",
        "Take PMax of DIN SPEC 70121 for kilowatts, or for a signed number.",
        "It is in watts, never above the limit and at most 32767; EVSEMaximumPowerLimit has the whole power.",
    ),
)
