"""What the board says now, in the words of the core."""

from __future__ import annotations

from dataclasses import replace

from hal.ports import Board
from hal.readings import ContactorReading, ContactorState, LockState
from secc.conversation import Levels
from secc.session.offer import AcLimits, DcLimits

_NEVER = float("-inf")


def levels_of(board: Board | None) -> Levels:
    """The levels of this moment. A board that does not answer says nothing that may be built on."""
    if board is None:
        return Levels()
    if not board.healthy:
        return Levels(cable_amperes=None if board.proximity is None else 0.0)
    volts = amperes = watt_hours = 0.0
    measured_at = metered_at = _NEVER
    reading = board.meter.reading if board.meter is not None else None
    if reading is not None:
        watt_hours, metered_at = reading.watt_hours_import, reading.at
    if board.dc is not None:
        contactor = board.dc.contactor
        # Taken once: the three belong together.
        present = board.dc.present
        volts, amperes, measured_at = present.volts, present.amperes, present.at
    else:
        contactor = board.ac.contactor if board.ac is not None else ContactorReading(ContactorState.UNKNOWN, _NEVER)
        if reading is not None:
            volts = max(reading.volts, default=0.0)
            amperes = max(reading.amperes, default=0.0)
            measured_at = reading.at
    return Levels(
        pilot=board.pilot.reading.state.value,
        contactor=contactor.state.value,
        volts=volts,
        amperes=amperes,
        measured_at=measured_at,
        watt_hours=watt_hours,
        metered_at=metered_at,
        contactor_at=contactor.at,
        locked=board.lock is not None and board.lock.reading.state is LockState.LOCKED,
        cable_amperes=None if board.proximity is None else board.proximity.reading.amperes or 0.0,
    )


def ac_limits(board: Board) -> AcLimits | None:
    """What the board's AC side can do; None without one. A cable that carries less counts."""
    able = ac_capabilities(board)
    if able is not None and board.proximity is not None and board.proximity.reading.amperes is not None:
        able = replace(able, maximum_amperes=min(able.maximum_amperes, board.proximity.reading.amperes))
    return able


def ac_capabilities(board: Board) -> AcLimits | None:
    """What the board's AC side could do with any cable; None without one."""
    if board.ac is None:
        return None
    able = board.ac.capabilities
    return AcLimits(
        volts=able.volts, maximum_amperes=able.max_amperes, minimum_amperes=able.min_amperes, phases=able.phases
    )


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
