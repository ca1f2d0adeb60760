"""A charging car without power to offer: it ends by itself after a while, and some then cannot
charge again. It is told to stop before. (Q-62)
"""

from __future__ import annotations

from secc.conversation import Party
from secc.session.remarks import remark
from secc.session.wishes import Wishes


class NoPower:
    """How long a charging car has been offered nothing."""

    def __init__(self, wishes: Wishes) -> None:
        self._wishes = wishes
        self.since: float | None = None
        """When a request of the charging loop first found no power to offer."""

    def look(self, secc: Party, offered: float, seconds: float) -> None:
        """Look at what is offered now; after ``seconds`` without power have the car told to stop."""
        if offered > 0:
            self.since = None
            return
        if self.since is None:
            self.since = secc.now
        if self._wishes.stop is None and secc.now - self.since >= seconds:
            self._wishes.end(secc)
            remark(secc, "Q-62", f"no power to offer for {secc.now - self.since:.0f} s: the car is told to stop")
