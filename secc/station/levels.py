"""What the board says now, in the words of the core."""

from __future__ import annotations

from hal.ports import Board
from hal.values import ContactorState
from secc.conversation import Levels
from secc.session.offer import AcLimits, DcLimits

_NEVER = float("-inf")


def levels_of(board: Board | None) -> Levels:
    """The levels of this moment. A board that does not answer says nothing that may be built on."""
    if board is None or not board.healthy:
        return Levels()
    volts = amperes = watt_hours = 0.0
    measured_at = metered_at = _NEVER
    reading = board.meter.reading if board.meter is not None else None
    if reading is not None:
        watt_hours, metered_at = reading.watt_hours_import, reading.at
    if board.dc is not None:
        contactor = board.dc.contactor.state
        volts, amperes, measured_at = board.dc.present.volts, board.dc.present.amperes, board.dc.present.at
    else:
        contactor = board.ac.contactor.state if board.ac is not None else ContactorState.UNKNOWN
        if reading is not None:
            volts = max(reading.volts, default=0.0)
            amperes = max(reading.amperes, default=0.0)
            measured_at = reading.at
    return Levels(
        pilot=board.pilot.reading.state.value,
        contactor=contactor.value,
        volts=volts,
        amperes=amperes,
        measured_at=measured_at,
        watt_hours=watt_hours,
        metered_at=metered_at,
    )


def ac_limits(board: Board) -> AcLimits | None:
    """What the board's AC side can do; None without one. A cable that carries less counts."""
    if board.ac is None:
        return None
    able = board.ac.capabilities
    amperes = able.max_amperes
    if board.proximity is not None and board.proximity.reading.amperes is not None:
        amperes = min(amperes, board.proximity.reading.amperes)
    return AcLimits(volts=able.volts, maximum_amperes=amperes, minimum_amperes=able.min_amperes, phases=able.phases)


def dc_limits(board: Board) -> DcLimits | None:
    """What the board's DC side can do; None without one."""
    if board.dc is None:
        return None
    able = board.dc.capabilities
    return DcLimits(
        minimum_volts=able.min_volts,
        maximum_volts=able.max_volts,
        minimum_amperes=able.min_amperes,
        maximum_amperes=able.max_amperes,
        maximum_watts=able.max_watts,
        ripple_amperes=able.ripple_amperes,
    )
