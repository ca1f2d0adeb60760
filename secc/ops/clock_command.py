"""``secc clock show | reset``: what the station knows of the time, and root's confirmation that the
clock is right.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from certs.errors import StoreError
from secc.errors import SeccError
from secc.ops.calendar import BUILT, FILE, Calendar, day, reset_seen
from secc.ops.clocks import Clocks
from secc.ops.control import ControlError, ask


class ClockRefused(SeccError):
    """The clock cannot be shown or reset; nothing was changed."""


def show(state: Path, *, vouched: bool, clocks: Clocks | None = None) -> Iterator[str]:
    """Yields the time of each clock, whether the station trusts it, and what to do. Raises
    ClockRefused.
    """
    clocks = clocks or Clocks()
    if not os.access(state, os.R_OK | os.X_OK):
        raise ClockRefused(f"{state} cannot be read; is it the station's state directory, and may you read it?")
    calendar = Calendar(state / FILE, vouched=vouched, clocks=clocks)
    source = "a" if clocks.synchronised() else "no"
    hardware = clocks.rtc()
    yield f"clock      {day(clocks.now())}, {source} source on the network keeps it right"
    yield f"hardware   {day(hardware) if hardware is not None else 'none'}{', and the operator vouches for it' if vouched else ''}"
    yield f"last seen  {day(calendar.floor)} (build date: {day(BUILT)}); one source alone may move it to {day(calendar.limit)}"
    yield f"confirmed  {'yes' if calendar.wall().trusted else 'no'}"
    if problem := calendar.problem():
        yield f"problem    {problem}"
    if remark := calendar.remark():
        yield f"note       {remark}"


def reset(state: Path, socket: Path, clocks: Clocks | None = None) -> Iterator[str]:
    """Set the last time seen to the system clock, which root confirms. Raises ClockRefused."""
    if os.geteuid() != 0:
        raise ClockRefused("only root may say what time it is")
    if not state.is_dir():
        raise ClockRefused(f"there is no state directory {state}")
    try:
        done = reset_seen(state / FILE, clocks)
    except (StoreError, ValueError) as error:
        raise ClockRefused(str(error)) from error
    yield f"the last time seen was {day(done.before)} and is {day(done.at)} now"
    try:
        ask(socket, {"do": "reload"})
    except ControlError as error:
        yield f"no running station could be told ({error}); a station reads it when it starts"
    else:
        yield "the running station has been told"
