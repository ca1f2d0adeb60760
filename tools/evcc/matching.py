"""The car's matching: attempts until a station matches it."""

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
"""Seconds that a car waits for 5 % on the pilot. Our choice."""
SDP_AFTER_SECONDS: Final = 0.5
"""From the link to the first SDP request, as the fastest cars do it."""
DUTY_STEP_SECONDS: Final = 0.02


class NotMatched(SeccError):
    """No station matched this car, or no link came up."""


async def be_matched(modem: PlcModem, tell: Callable[[str, str, dict[str, Any]], None]) -> None:
    """Wait until the link is up. Raises NotMatched after a car's number of attempts."""
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
