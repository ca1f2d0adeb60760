"""Misfortunes of the demo's car while it charges, and their repair before the next one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hal.sim.panel import Hand

Acts = tuple[tuple[str, Mapping[str, Any]], ...]


@dataclass(frozen=True, slots=True)
class Misfortune:
    """``acts`` and ``mends`` are verbs of the world's panel; ``seconds`` is the limit for the
    contactor to open, ``pause`` the time before the next car: while the station drives F it cannot
    see a car leave.
    """

    text: str
    acts: Acts
    seconds: float
    mends: Acts = field(default=())
    pause: float = 2.0

    async def befall(self, hand: Hand) -> None:
        await _do(hand, self.acts)

    async def mend(self, hand: Hand) -> None:
        await _do(hand, self.mends)


async def _do(hand: Hand, acts: Acts) -> None:
    for verb, arguments in acts:
        await hand.act(verb, **arguments)


MISFORTUNES: dict[str, Misfortune] = {
    "unplug": Misfortune("the plug is pulled", (("unplug", {"force": True}),), 1.0),
    "emergency-stop": Misfortune(
        "the emergency stop is pressed",
        (("emergency_stop", {"pressed": True}),),
        1.0,
        (("emergency_stop", {"pressed": False}),),
        7.0,
    ),
    "link": Misfortune(
        "noise covers the power line",
        (("inject", {"name": "line_noise"}),),
        4.0,
        (("heal", {"name": "line_noise"}),),
        6.0,
    ),
    "modem": Misfortune(
        "the station's modem fails",
        (("inject", {"name": "modem_dead"}),),
        4.0,
        (("heal", {"name": "modem_dead"}),),
        6.0,
    ),
}
"""By the name in ``--misfortune``. The seconds leave room for a busy machine; tests in virtual time
check exact times.
"""
