"""Captures of our own making: simulated sessions in the form in which sessions with other stations are recorded."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby

from secc.trace.recorder import Recorder
from tests.pair import BEGAN
from tools.recording import Recorded, read_trace
from tools.replay.trace import recorded_in

KEPT = 2
"""Messages of a loop that ``thinned`` keeps at its beginning and at its end, in exchanges."""
LOOPS = {
    "CableCheckReq",
    "PreChargeReq",
    "CurrentDemandReq",
    "ChargingStatusReq",
    "AuthorizationReq",
    "ChargeParameterDiscoveryReq",
}


def recorder() -> Recorder:
    """For a session that becomes a capture."""
    return Recorder(BEGAN, ring_octets=8_000_000, keep_personal=True)


def captured(*sessions: Recorder) -> list[Recorded]:
    """The messages of sessions that were recorded, one after another at one plug."""
    return [
        replace(record, session=number)
        for number, session in enumerate(sessions)
        for record in recorded_in(read_trace(session.take()))
    ]


def written(records: Iterable[Recorded]) -> list[str]:
    """The lines of a capture, without the trees of the messages."""
    return [
        json.dumps(
            {
                "session": record.session,
                "index": record.index,
                "t": record.t or 0,
                "dir": "ev" if record.ev else "evse",
                "payload_type": record.payload_type,
                "schema": record.schema,
                "exi": record.octets.hex(),
            }
        )
        for record in records
    ]


def thinned(records: Sequence[Recorded], names: Sequence[str], kept: int = KEPT) -> list[Recorded]:
    """The capture with the first and the last exchanges of each loop; ``names``: of the requests, in order."""
    exchanges = [records[place : place + 2] for place in range(0, len(records), 2)]
    assert len(exchanges) == len(names)
    found: list[Recorded] = []
    for name, group in groupby(zip(names, exchanges, strict=True), key=lambda pair: pair[0]):
        loop = [exchange for _, exchange in group]
        short = name not in LOOPS or len(loop) <= 2 * kept
        for exchange in loop if short else loop[:kept] + loop[-kept:]:
            found += exchange
    return found


def untimed(records: Iterable[Recorded]) -> list[Recorded]:
    """As those of TLS are recorded."""
    return [replace(record, t=None) for record in records]
