"""What the power path hears beside the board's own events, its guard's, and what V2G sessions say."""

from __future__ import annotations

from secc.conversation import Event
from secc.exi.frozen import dataclass


@dataclass(frozen=True, slots=True)
class ContactorOpeningTold(Event):
    """The board has been told to open the contactor, and has confirmed that; whether it is open stands in the levels."""
