"""For tests: tells the follower of a simulated outlet what the car says, so that it moves the pilot
for a car without one.

There is a follower only if the address of the simulated hardware names one and
``lab.danger_follower`` allows it.
"""

from __future__ import annotations

from typing import Any

from hal.ports import Board
from secc.conversation import End, Received


def tell_follower(board: Board | None, event: object) -> None:
    """Pass a message or the end of a session on to the board's follower, if it has one."""
    follower = getattr(board, "follower", None)
    if follower is None:
        return
    if isinstance(event, Received):
        message = event.message
        follower.observe(_named(message), _volts(getattr(message, "ev_target_voltage", None)))
    elif isinstance(event, End):
        # Also for a session that the station ended: its car goes back to B in any case.
        follower.observe("SessionEnded", None)


def _named(message: Any) -> str:
    """Returns the name of a message, with what it asks for in the words of ISO 15118-2."""
    name = type(message).__name__
    how = getattr(message, "charge_progress", None) or getattr(message, "charging_session", None)
    if how is not None:
        return f"{name}({how.value})"
    ready = getattr(message, "ready_to_charge_state", None)
    return name if ready is None else f"{name}({'Start' if ready else 'Stop'})"


def _volts(target: Any) -> float | None:
    return None if target is None else float(target.value) * 10.0**target.multiplier
