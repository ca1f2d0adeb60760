"""Processor time of a metering receipt: from its octets at the station's connection to those of the answer, with all
that the station does for it: decode, compare, verify, store durably, answer.

Station and car are in this process (:mod:`tools.bench.inside`). The figure holds the threads of the station, and what
falls due meanwhile; the car waits.
"""

from __future__ import annotations

import logging
import time
from typing import Any
from unittest import mock

from secc.conversation import Send
from secc.station.serving.connection import V2gConnection
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
    send, arrived, answered = Line.send, V2gConnection.data_received, V2gConnection._send
    name, began = "", 0.0

    async def sent(line: Line, octets: bytes, request: str = "") -> None:
        nonlocal name
        name = request
        await send(line, octets, request)

    def received(connection: V2gConnection, data: bytes) -> None:
        nonlocal began
        began = time.process_time()
        arrived(connection, data)

    def answers(connection: V2gConnection, answer: Send) -> None:
        answered(connection, answer)
        found.setdefault(name, []).append(1000.0 * (time.process_time() - began))

    async def sessions() -> None:
        async with station(configuration):
            for count in (2, loops):
                found.clear()
                await charge(
                    ground, place, Behaviour(payment=Payment.CONTRACT, loop_seconds=EVERY_SECONDS, loops=count)
                )

    logging.getLogger().setLevel(logging.INFO)
    connection = mock.patch.multiple(V2gConnection, data_received=received, _send=answers)
    with mock.patch.object(Line, "send", sent), connection:
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
    what = "MeteringReceiptReq until its answer goes out, TLS and the disk included"
    section.judge(what, quantile(taken, QUARTER), "ms", RECEIPT_MS, shown=f"{spread(taken, 2)} ms", note=note)
    return section
