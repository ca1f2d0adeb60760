"""A capture through today's station, one session after another: those of one plug-in."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from secc import iso2
from secc.session import supported_app_protocol as sap
from secc.session.offer import Offer

from ..recording import Recorded, sessions
from .exchanges import Exchange, Read, exchanges
from .iso2 import Iso2Sayings, Provision, recorded_answer
from .iso2_offer import offered_contract, recorded_offer
from .recorded import RecordedSession, SessionOutcome

BEGAN: Final = 1000.0
"""The station's clock at the beginning, in seconds. Our choice."""


@dataclass(frozen=True, slots=True)
class Setting:
    """How to replay. ``quick``: the driver's card, the backend and the power path take no time,
    where those of the recording did. ``at``: the date, None for that of the recording. ``change``
    gets the offer that the answers tell, and returns the one to replay with. ``provision`` is the
    provisioning service.
    """

    strict: bool = False
    quick: bool = False
    at: datetime | None = None
    change: Callable[[Offer], Offer] = lambda offer: offer
    provision: Provision = recorded_answer

    def offering(self, offer: Offer | None) -> Setting:
        """Returns the same with this offer in the place of the one that the answers tell."""
        if offer is None:
            return self
        return replace(self, change=lambda told: self.change(replace(offer, strict=told.strict)))


def replay_capture(records: Iterable[Recorded], setting: Setting | None = None) -> list[SessionOutcome]:
    """Replay every session of a capture. Raises NotReplayable for a session that cannot be: of a
    protocol without a reader, or without a request.
    """
    setting = setting or Setting()
    protocol = iso2.protocol()
    readers: dict[str, Read] = {"sap": _negotiated, "iso2": protocol.load().read}
    recorded = [exchanges(each, readers) for each in sessions(records)]
    tls = offered_contract(recorded)
    found: list[SessionOutcome] = []
    now, tickets, kept = BEGAN, itertools.count(1), None
    for number, each in enumerate(recorded):
        now += 0.0 if number == 0 else _between(recorded[number - 1], each)
        offer = setting.change(recorded_offer(each, tls=tls, strict=setting.strict, paused=kept))
        sayings = Iso2Sayings(each, offer, at=setting.at, provision=setting.provision)
        session = RecordedSession(each, sayings, protocol, readers, now=now, tickets=tickets, quick=setting.quick)
        found.append(session.run())
        now, kept = session.now, found[-1].kept
    return found


def _negotiated(payload_type: int, octets: bytes) -> tuple[Any, Any]:
    return sap.SCHEMA.decode(octets), None


def _between(before: list[Exchange], after: list[Exchange]) -> float:
    """Returns the seconds between two sessions, by the recording if it has them."""
    ended, began = before[-1].request.t, after[0].request.t
    return 1.0 if ended is None or began is None else max(0.0, began - ended)
