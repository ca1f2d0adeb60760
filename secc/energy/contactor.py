"""The contactor of an outlet: what was commanded, and its feedback."""

from __future__ import annotations

from enum import StrEnum

from secc.conversation import Party, Timeout

RELEASE = Timeout(
    "contactor release",
    0.5,
    "IEC 61851-1: the board judges within 50 to 100 ms; this is the backstop. From when the board was told, to when the feedback was read",
)
FEEDBACK = Timeout("contactor feedback", 1.0, "our choice: release, and the delay of order and feedback")
LOOK_SECONDS = 0.09
"""A little less than a tick, so that one that comes early counts."""
UNCONFIRMED_LOOKS = 30
"""After this many looks at a closed contactor it counts as welded though no feedback is new enough:
a driver may report changes only.
"""


class Opening(StrEnum):
    """State of an order to open."""

    OVER = "over"
    """It is open, or no order was given."""
    UNDER_WAY = "under way"
    UNKNOWN = "unknown"
    """Its time is over, and the board does not know."""
    WELDED = "welded"


class Contactor:
    """One outlet's contactor in one plug-in, AC or DC. The caller commands the board and calls the
    methods here.
    """

    def __init__(self, board: Party) -> None:
        self.must_stay_closed = False
        """True from closing as commanded until an order to open."""
        self._board = board
        self.opening_since: float | None = None
        """When it was ordered to open; None once that is over."""
        self._told_at: float | None = None
        """When the board had the order, which may have waited in the port queue."""
        self._looks = 0
        self._looked_at = 0.0

    @property
    def feedback(self) -> str:
        return self._board.levels.contactor

    @property
    def closed(self) -> bool:
        return self._board.levels.contactor == "closed"

    @property
    def open(self) -> bool:
        return self._board.levels.contactor == "open"

    @property
    def opening(self) -> bool:
        """True from the order to open until it is obeyed, or until it cannot be known."""
        return self.opening_since is not None

    def close(self) -> None:
        """The contactor is commanded to close."""
        self.opening_since = None

    def expect_open(self) -> None:
        """The contactor is commanded to open: watch it until it has."""
        self.must_stay_closed = False
        self.opening_since, self._told_at = self._board.now, None
        self._looks, self._looked_at = 0, self._board.now

    def opening_told(self) -> None:
        """The board has the order to open."""
        self._told_at = self._board.now

    def give_up(self) -> None:
        """It cannot be known whether the contactor opens."""
        self.opening_since = None

    def look(self) -> Opening:
        """Returns the state of the opening.

        Order and feedback both wait in the queue of the event loop. So the contactor counts as
        welded only by a feedback that was read long enough after the board had the order.
        """
        feedback, now = self._board.levels.contactor, self._board.now
        if feedback == "welded":
            return Opening.WELDED
        if self.opening_since is None or feedback == "open":
            self.opening_since = None
            return Opening.OVER
        if feedback != "closed":
            return Opening.UNKNOWN if now >= self.opening_since + RELEASE.seconds else Opening.UNDER_WAY
        if self._told_at is not None and self._board.levels.contactor_at >= self._told_at + RELEASE.seconds:
            return Opening.WELDED
        if now >= self._looked_at + LOOK_SECONDS:
            self._looks, self._looked_at = self._looks + 1, now
        return Opening.WELDED if self._looks >= UNCONFIRMED_LOOKS else Opening.UNDER_WAY
