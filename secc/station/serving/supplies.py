"""What an outlet can deliver, from its settings and the ports of its board.

Plug-in, power path, levels and offer all use this.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from enum import Enum

from frozen import dataclass
from hal.ports import Board
from secc.config import OutletSettings
from secc.session.offer import AcLimits, DcLimits, Transfer


class Path(Enum):
    """A power path."""

    AC = "ac"
    DC = "dc"


def path_of(transfers: Iterable[Transfer], board: Board) -> Path | None:
    """Returns the one power path of an outlet: of its first way of charging for which the board has
    a port; None without such a port.

    The path exists before a car says how it charges, so the order in the settings decides between
    AC and DC.
    """
    for transfer in transfers:
        if transfer.is_dc and board.dc is not None:
            return Path.DC
        if not transfer.is_dc and board.ac is not None:
            return Path.AC
    return None


@dataclass(frozen=True, slots=True)
class Supplies:
    """The limits of the outlet's path (None for the other one), and the configured ways of charging
    that use it.
    """

    transfers: tuple[Transfer, ...] = ()
    ac: AcLimits | None = None
    dc: DcLimits | None = None


def supplies(settings: OutletSettings, board: Board, *, any_cable: bool = False) -> Supplies:
    """Returns what the hardware can deliver within the settings. A weaker cable limits it, but not
    with ``any_cable``.
    """
    path = path_of(settings.transfers, board)
    if path is None:
        return Supplies()
    transfers = tuple(transfer for transfer in settings.transfers if transfer.is_dc is (path is Path.DC))
    if path is Path.DC:
        return Supplies(transfers, dc=settings.dc.within(_dc(board)))
    ac = _ac(board)
    cable = board.proximity.reading.amperes if board.proximity is not None else None
    if cable is not None and not any_cable:
        ac = replace(ac, maximum_amperes=min(ac.maximum_amperes, cable))
    return Supplies(transfers, ac=settings.ac.within(ac))


def _ac(board: Board) -> AcLimits:
    assert board.ac is not None
    able = board.ac.capabilities
    return AcLimits(
        volts=able.volts, maximum_amperes=able.max_amperes, minimum_amperes=able.min_amperes, phases=able.phases
    )


def _dc(board: Board) -> DcLimits:
    assert board.dc is not None
    able = board.dc.capabilities
    return DcLimits(
        minimum_volts=able.min_volts,
        maximum_volts=able.max_volts,
        minimum_amperes=able.min_amperes,
        maximum_amperes=able.max_amperes,
        maximum_watts=able.max_watts,
        ripple_amperes=able.ripple_amperes,
    )
