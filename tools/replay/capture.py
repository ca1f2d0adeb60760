"""A capture through today's station, one session after another: those of one plug-in."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any, Final

from secc.protocols import protocols
from secc.session import supported_app_protocol as sap

from ..recording import Recorded, sessions
from .exchanges import Exchange, Read, exchanges
from .protocols import REPLAYED
from .recorded import RecordedSession, SessionOutcome
from .setting import Setting

BEGAN: Final = 1000.0
"""The station's clock at the beginning, in seconds. Our choice."""


def replay_capture(records: Iterable[Recorded], setting: Setting | None = None) -> list[SessionOutcome]:
    """Replay every session of a capture. Raises NotReplayable for a session that cannot be: of a
    protocol without a reader, or without a request.
    """
    setting = setting or Setting()
    readers: dict[str, Read] = {"sap": _negotiated}
    readers |= {schema: known.protocol().load().read for schema, known in REPLAYED.items()}
    recorded = [exchanges(each, readers) for each in sessions(records)]
    spoken = [each for each in protocols() if setting.spoken is None or each.key in setting.spoken]
    tls = any(known.secure(recorded) for known in REPLAYED.values())
    found: list[SessionOutcome] = []
    now, tickets, kept = BEGAN, itertools.count(1), None
    for number, each in enumerate(recorded):
        now += 0.0 if number == 0 else _between(recorded[number - 1], each)
        schema = next((exchange.request.schema for exchange in each if exchange.request.schema in REPLAYED), None)
        known = REPLAYED[schema or next(iter(REPLAYED))]
        offer = setting.change(known.offer(each, tls=tls, strict=setting.strict, paused=kept))
        session = RecordedSession(
            each,
            known.sayings(each, offer, setting),
            None if schema is None else known.protocol(),
            readers,
            spoken=spoken,
            now=now,
            tickets=tickets,
            quick=setting.quick,
        )
        found.append(session.run())
        now, kept = session.now, found[-1].kept
    return found


def _negotiated(payload_type: int, octets: bytes) -> tuple[Any, Any]:
    return sap.SCHEMA.decode(octets), None


def _between(before: list[Exchange], after: list[Exchange]) -> float:
    """Returns the seconds between two sessions, by the recording if it has them."""
    ended, began = before[-1].request.t, after[0].request.t
    return 1.0 if ended is None or began is None else max(0.0, began - ended)
