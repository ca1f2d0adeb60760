"""How much slower this machine is than the one that the goals are set for: the factor on every goal in seconds.

Goals in seconds are those of a machine that decodes the CurrentDemandReq of :mod:`tools.bench.messages` with the codec of commit 71b7290 in
4.0 us. That codec is not here any more, so a small piece of code stands for it: the same shifts, masks, tables and objects, written out by hand.
It never changes, unlike the codec. ``python -m tools.bench.reference CHECKOUT`` measures it beside the codec of a checkout of that
commit, by turns in one process: that is how :data:`DECODES` was found.
"""

from __future__ import annotations

import importlib
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any, Final

GOAL_US: Final = 4.0
"""The decode of that commit, on the machine of the goals."""
DECODES: Final = 0.665
"""How long the reference takes, in decodes of that commit: the median of five runs, which lay from 0.658 to 0.667."""
SECONDS: Final = 0.3
OCTETS: Final = bytes.fromhex("809a0201fe69d3f815b62f24a0c8d0a02f006098305a0c201e0c0604b00c20282002b00a04d002")
UNITS: Final = ("h", "m", "s", "A", "V", "W", "Wh")


class Value:
    __slots__ = ("multiplier", "unit", "value")
    multiplier: int
    unit: str
    value: int


class Demand:
    __slots__ = ("code", "limits", "ready", "session", "soc")
    code: int
    limits: tuple[Value, ...]
    ready: bool
    session: bytes
    soc: int


def read_value(n: int, r: int) -> tuple[Value, int]:
    draft = Value()
    r -= 3
    draft.multiplier = ((n >> r) & 7) - 3
    r -= 4
    head = (n >> r) & 15
    if head & 8 and not head & 7:
        head |= 1
    draft.unit = UNITS[(head & 7) % 7]
    sign = (n >> (r - 1)) & 1
    r -= 9
    octet = (n >> r) & 255
    value = octet & 127
    if octet & 128:
        r -= 8
        value |= ((n >> r) & 127) << 7
    draft.value = -value - 1 if sign else value
    return draft, r


def read_demand(n: int, r: int) -> Demand:
    draft = Demand()
    r -= 16
    if (n >> r) & 0xFF00 != 0x8000:
        raise ValueError
    r -= 64
    draft.session = ((n >> r) & 0xFFFFFFFFFFFFFFFF).to_bytes(8, "big")
    r -= 13
    word = (n >> r) & 8191
    draft.ready, draft.code, draft.soc = bool(word & 4096), (word >> 8) & 15, word & 127
    limits = []
    for _ in range(6):
        value, r = read_value(n, r)
        limits.append(value)
    draft.limits = tuple(limits)
    return draft


def decode() -> Demand:
    """The work that stands for that commit's decode of a CurrentDemandReq."""
    return read_demand(int.from_bytes(OCTETS, "big"), 8 * len(OCTETS))


def timed(call: Callable[[], Any], seconds: float) -> float:
    """Microseconds a call: the best of slices of a millisecond or so, because what interrupts can only add."""
    call()
    begin = time.perf_counter()
    for _ in range(20):
        call()
    count = max(20, int(0.001 / max((time.perf_counter() - begin) / 20, 1e-7)))
    best = float("inf")
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        begin = time.perf_counter()
        for _ in range(count):
            call()
        best = min(best, (time.perf_counter() - begin) / count)
    return best * 1e6


def factor(seconds: float = SECONDS) -> float:
    """How many times the seconds of a goal this machine may take, now."""
    return timed(decode, seconds) / DECODES / GOAL_US


def main() -> int:
    sys.path.insert(0, sys.argv[1])
    messages: Any = importlib.import_module("tools.bench.messages")
    octets = messages.SCHEMA.encode(
        messages.V2G_Message(
            header=messages.MessageHeader(session_id=bytes.fromhex("3DA7F02B6C5E9141")),
            body=messages._current_demand_req(),
        )
    )
    turns = [(timed(decode, SECONDS), timed(lambda: messages.SCHEMA.decode(octets), SECONDS)) for _ in range(5)]
    ratio = statistics.median(own / theirs for own, theirs in turns)
    print(
        f"{messages.__file__}: decode {min(theirs for _, theirs in turns):.2f} us, the reference takes {ratio:.3f} of it"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
