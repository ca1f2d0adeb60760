"""Events of the power path's own, beside those of the board, its guard and V2G sessions."""

from __future__ import annotations

from frozen import dataclass
from secc.conversation import Event


@dataclass(frozen=True, slots=True)
class ContactorOpeningTold(Event):
    """The board has confirmed the order to open the contactor; the levels say whether it is open."""


@dataclass(frozen=True, slots=True)
class Ticked(Event):
    """A tenth of a second has passed: check the levels. Ramps, measurements and their age have no
    event of their own.
    """


@dataclass(frozen=True, slots=True)
class InsulationTestProlonged(Event):
    """A lab wants insulation tests of at least so many seconds from now on."""

    seconds: float
