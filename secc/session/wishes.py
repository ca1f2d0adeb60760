"""What is asked of a session from outside while it runs: an end, another limit, another schedule, a card that counts; in a lab, Ongoing."""

from __future__ import annotations

import math
from collections.abc import Callable

from secc.conversation import Deadline, Party, TimedOut, Timeout
from secc.session.events import EimDecided, LimitChanged, OngoingForced, RenegotiationRequested, StopRequested
from secc.session.offer import Offer


class Wishes:
    """Heard wherever the session waits; its phases go by what stands here."""

    def __init__(self, offer: Offer) -> None:
        self.stop: Deadline | None = None
        """By when the car has to have stopped, once somebody wants that."""
        self.renegotiation = False
        """True while the car is to be asked to negotiate again."""
        self.watts_limit = offer.watts_limit
        """The limit of the moment, all phases together; None: what the hardware can."""
        self.eim_accepted = offer.eim_authorized or offer.free
        self._forced: set[str] = set()

    def hear(self, secc: Party, patience: Timeout, *, renegotiates: Callable[[], bool]) -> None:
        """From now on, in every wait of ``secc``.

        ``patience`` runs from the wish for a stop. When it is over TimedOut is raised where the session waits: a timeout that is ``answered``.
        ``renegotiates`` says whether the car learns a new limit by a new schedule only.
        """

        def stop(event: StopRequested) -> None:
            self.stop = self.stop or secc.limit(patience)

        def limit(event: LimitChanged) -> None:
            watts = event.watts
            self.watts_limit = None if watts is None or math.isnan(watts) else watts
            # Told once power flows, also when the limit changed between the schedule and the start.
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
        """The car has stopped, or has power switched off to do so: it has done what was asked of it."""
        self.stop, self.renegotiation = None, False

    def forces(self, phase: str) -> bool:
        """Whether a lab holds this phase in Ongoing."""
        return phase in self._forced

    def _renegotiate(self, event: RenegotiationRequested) -> None:
        self.renegotiation = True

    def _force(self, event: OngoingForced) -> None:
        (self._forced.add if event.on else self._forced.discard)(event.phase)

    def _decide(self, event: EimDecided) -> None:
        # A card that is refused changes nothing: another one may come. [V2G2-854]
        self.eim_accepted = self.eim_accepted or event.accepted
