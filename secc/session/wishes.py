"""Requests to a running session from outside: an end, another limit, another schedule, a card; in a
lab, Ongoing.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from secc.conversation import Deadline, Party, TimedOut, Timeout
from secc.session.events import EimDecided, LimitChanged, OngoingForced, RenegotiationRequested, StopRequested
from secc.session.offer import Offer


class Wishes:
    """Heard wherever the session waits; the phases read the fields."""

    def __init__(self, offer: Offer) -> None:
        self.stop: Deadline | None = None
        """When the car has to have stopped; None while no end is wanted."""
        self.renegotiation = False
        """True while the car has to be asked to renegotiate."""
        self.watts_limit = offer.watts_limit
        """The limit now, all phases together; None: that of the hardware."""
        self.eim_accepted = offer.eim_authorized or offer.free
        self._forced: set[str] = set()

    def hear(self, secc: Party, patience: Timeout, *, renegotiates: Callable[[], bool]) -> None:
        """Register the handlers in ``secc``.

        ``patience`` runs from the request to stop. When it is over TimedOut is raised where the
        session waits (the timeout is ``answered``). ``renegotiates``: whether a new limit needs a
        new schedule.
        """

        def stop(event: StopRequested) -> None:
            self.stop = self.stop or secc.limit(patience)

        def limit(event: LimitChanged) -> None:
            watts = event.watts
            self.watts_limit = None if watts is None or math.isnan(watts) else watts
            # Announced once power flows, also if the limit changed between the schedule and the
            # start.
            self.renegotiation = self.renegotiation or renegotiates()

        def stopped_in_time() -> None:
            if self.stop is not None and secc.now >= self.stop.at:
                raise TimedOut(self.stop)

        secc.hear(StopRequested, by=stop)
        secc.hear(LimitChanged, by=limit)
        secc.hear(RenegotiationRequested, by=self._renegotiate)
        secc.hear(OngoingForced, by=self._force)
        secc.hear(EimDecided, by=self._decide)
        secc.look(stopped_in_time, lambda: self.stop)

    def settle(self) -> None:
        """The car has stopped, or has power switched off to do so."""
        self.stop, self.renegotiation = None, False

    def forces(self, phase: str) -> bool:
        """Whether a lab holds this phase in Ongoing."""
        return phase in self._forced

    def _renegotiate(self, event: RenegotiationRequested) -> None:
        self.renegotiation = True

    def _force(self, event: OngoingForced) -> None:
        (self._forced.add if event.on else self._forced.discard)(event.phase)

    def _decide(self, event: EimDecided) -> None:
        # A refused card changes nothing: another may be accepted. [V2G2-854]
        self.eim_accepted = self.eim_accepted or event.accepted
