"""Processor time of a metering receipt: from the car's request to the answer that it has read, with all that the
station does for it: decode, compare, verify, store durably, answer.

Station and car are in this process (:mod:`tools.bench.inside`), so the figure holds both ends of TLS, and what falls
due meanwhile; the car has signed before.
"""

from __future__ import annotations

import logging
import time
from typing import Any
from unittest import mock

from tools.evcc.behaviour import Behaviour, Payment
from tools.evcc.line import Line

from .figures import Section, quantile, spread
from .inside import charge, run, station
from .stations import BenchFailed, Ground

RECEIPT_MS = 2.0
EVERY_SECONDS = 5.0
LOOPS = 60
QUARTER = 0.25
RECEIPT, LOOP = "MeteringReceiptReq", "CurrentDemandReq"


def exchanges(ground: Ground, loops: int) -> dict[str, list[float]]:
    """Returns the milliseconds of each exchange of a DC session by contract, by request. A first session compiles
    and caches.
    """
    own: dict[str, Any] = {"RequestMeteringReceipt": True, "receipts": str(ground.directory / "receipts.jsonl")}
    configuration, (place,) = ground.configure(1, timing={"receipt_seconds": EVERY_SECONDS}, **own)
    found: dict[str, list[float]] = {}
    send, frames = Line.send, Line.frames
    sent: tuple[str, float] | None = None

    async def sends(line: Line, octets: bytes, name: str = "") -> None:
        nonlocal sent
        sent = name, time.process_time()
        await send(line, octets, name)

    async def hears(line: Line) -> object:
        nonlocal sent
        heard = await frames(line)
        if sent is not None:
            name, began = sent
            found.setdefault(name, []).append(1000.0 * (time.process_time() - began))
            sent = None
        return heard

    async def sessions() -> None:
        async with station(configuration):
            for count in (2, loops):
                found.clear()
                await charge(
                    ground, place, Behaviour(payment=Payment.CONTRACT, loop_seconds=EVERY_SECONDS, loops=count)
                )

    logging.getLogger().setLevel(logging.INFO)
    with mock.patch.object(Line, "send", sends), mock.patch.object(Line, "frames", hears):
        run(sessions())
    if len(found.get(RECEIPT, ())) < loops - 1:
        raise BenchFailed(f"only {len(found.get(RECEIPT, ()))} receipts were given")
    return found


def measure(ground: Ground, *, quick: bool) -> Section:
    """Returns the row of a receipt."""
    section = Section("receipts", "A metering receipt: processor time", ground.factor)
    section.facts = exchanges(ground, 5 if quick else LOOPS)
    # Other load of the machine only adds to processor time.
    taken, loop = section.facts[RECEIPT], quantile(section.facts[LOOP], QUARTER)
    note = f"the lower quartile of {len(taken)}; {LOOP} takes {loop:.2f} ms in the same way"
    what = "MeteringReceiptReq until the car has its answer, both ends of TLS and the disk included"
    section.judge(what, quantile(taken, QUARTER), "ms", RECEIPT_MS, shown=f"{spread(taken, 2)} ms", note=note)
    return section
