"""The factor on every goal in seconds: the time of this machine over that of the machine of the goals.

Goals in seconds are those of a machine that decodes the CurrentDemandReq of
:mod:`tools.bench.messages` with the codec of commit 71b7290 in 4.0 us. This module has a small piece
of code that does the same shifts, masks, table look-ups and object creations, and that never
changes, unlike the codec. ``python tools/bench/reference.py CHECKOUT`` measures it beside the codec
of a checkout of that commit, by turns in one process; :data:`DECODES` is the result.
"""

from __future__ import annotations

import importlib
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any, Final

GOAL_US: Final = 4.0
"""A decode by the codec of that commit, on the machine of the goals."""
DECODES: Final = 0.665
"""Time of the reference over that of a decode of that commit: the median of five runs from 0.658 to 0.667."""
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
    """Returns microseconds a call, the least of slices of about a millisecond: interruptions only add time."""
    call()
    count = max(20, int(1000.0 / max(mean(call, 20), 0.1)))
    until = time.perf_counter() + seconds
    best = float("inf")
    while time.perf_counter() < until:
        best = min(best, mean(call, count))
    return best


def mean(call: Callable[[], Any], calls: int) -> float:
    """Returns microseconds a call, the mean of so many."""
    begin = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - begin) / calls * 1e6


def factor(seconds: float = SECONDS) -> float:
    """Returns the factor on goals in seconds, for the machine as it is now."""
    return timed(decode, seconds) / DECODES / GOAL_US


def main() -> int:
    sys.path.insert(0, sys.argv[1])
    messages: Any = importlib.import_module("tools.bench.messages")
    header = messages.MessageHeader(session_id=bytes.fromhex("3DA7F02B6C5E9141"))
    octets = messages.SCHEMA.encode(messages.V2G_Message(header=header, body=messages._current_demand_req()))
    turns = [(timed(decode, SECONDS), timed(lambda: messages.SCHEMA.decode(octets), SECONDS)) for _ in range(5)]
    ratio = statistics.median(own / theirs for own, theirs in turns)
    least = min(theirs for _, theirs in turns)
    print(f"{messages.__file__}: decode {least:.2f} us, the reference takes {ratio:.3f} of it")
    return 0


if __name__ == "__main__":
    sys.exit(main())
