"""Requests to a running session from outside: an end, another limit, another schedule, a card; in a
lab, Ongoing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import StrEnum

from secc.conversation import Deadline, Party, TimedOut, Timeout
from secc.session.events import EimDecided, LimitChanged, OngoingForced, RenegotiationRequested, StopRequested
from secc.session.offer import Offer


class Held(StrEnum):
    """A phase that a lab may hold in Ongoing."""

    AUTHORIZATION = "Authorization"
    SCHEDULE = "ChargeParameterDiscovery"
    CABLE_CHECK = "CableCheck"


class Wishes:
    """Heard wherever the session waits; the phases read the fields."""

    def __init__(self, offer: Offer) -> None:
        self.stop: Deadline | None = None
        """When the car has to have stopped; None while no end is wanted."""
        self.renegotiation = False
        """True while operator, backend or car asks for another schedule."""
        self.outdated = False
        """True while the schedule does not hold with the limit of now."""
        self.watts_limit = offer.watts_limit
        """The limit now, all phases together; None: that of the hardware."""
        self.eim_accepted = offer.eim_authorized or offer.free
        self._forced = set(offer.ongoing)

    def hear(self, secc: Party, patience: Timeout, *, renegotiates: Callable[[], bool]) -> None:
        """Register the handlers in ``secc``.

        ``patience`` runs from the request to stop. When it is over TimedOut is raised where the
        session waits (the timeout is ``answered``). ``renegotiates``: whether the limit of now
        needs a new schedule.
        """
        self._patience = patience

        def stop(event: StopRequested) -> None:
            self.end(secc)

        def limit(event: LimitChanged) -> None:
            watts = event.watts
            self.watts_limit = None if watts is None or math.isnan(watts) else watts
            # Announced once power flows, also if the limit changed between the schedule and the
            # start; not any more if the earlier limit is back.
            self.outdated = renegotiates()

        def stopped_in_time() -> None:
            if self.stop is not None and secc.now >= self.stop.at:
                raise TimedOut(self.stop)

        secc.hear(StopRequested, by=stop)
        secc.hear(LimitChanged, by=limit)
        secc.hear(RenegotiationRequested, by=self._renegotiate)
        secc.hear(OngoingForced, by=self._force)
        secc.hear(EimDecided, by=self._decide)
        secc.look(stopped_in_time, lambda: self.stop)

    def end(self, secc: Party) -> None:
        """Have the car told to stop, unless it is told already."""
        self.stop = self.stop or secc.limit(self._patience)

    def negotiated(self) -> None:
        """The car negotiates again, or has a new schedule."""
        self.renegotiation = self.outdated = False

    def settle(self) -> None:
        """The car has stopped, or has power switched off to do so."""
        self.stop = None
        self.negotiated()

    def forces(self, phase: Held) -> bool:
        """Whether a lab holds this phase in Ongoing."""
        return phase in self._forced

    def _renegotiate(self, event: RenegotiationRequested) -> None:
        self.renegotiation = True

    def _force(self, event: OngoingForced) -> None:
        (self._forced.add if event.on else self._forced.discard)(event.phase)

    def _decide(self, event: EimDecided) -> None:
        # A refused card changes nothing: another may be accepted. [V2G2-854]
        self.eim_accepted = self.eim_accepted or event.accepted
