"""The car's matching: as many attempts as a car makes, until a station has it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from hal.ports import PlcModem
from secc.errors import SeccError

from ..slac_car import ev_slac
from ..slac_modem import OnModem

TT_MATCHING_RATE: Final = 0.4
C_CONN_MAX_MATCH: Final = 3
DUTY_SECONDS: Final = 20.0
"""How long a car waits for 5 % on the pilot before it gives the station up. Our choice."""
SDP_AFTER_SECONDS: Final = 0.5
"""From the link to the first SDP request: the quickest of cars take this long."""
DUTY_STEP_SECONDS: Final = 0.02


class NotMatched(SeccError):
    """No station matched this car, or no link came up."""


async def be_matched(modem: PlcModem, tell: Callable[[str, str, dict[str, Any]], None]) -> None:
    """Until the link is up; NotMatched where it does not come, after so many attempts as a car makes."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    for number in range(C_CONN_MAX_MATCH):
        ended = await OnModem(modem, ev_slac(modem.mac, now=loop.time())).run()
        if ended.well:
            seconds = loop.time() - began
            await asyncio.sleep(SDP_AFTER_SECONDS)
            tell("matched", f"matched by SLAC, link up after {seconds:.1f} s", {"seconds": seconds, "runs": number + 1})
            return
        await asyncio.sleep(TT_MATCHING_RATE)
    raise NotMatched(f"no station matched this car: {ended.code}")
