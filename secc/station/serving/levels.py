"""The readings of the board as levels of the core."""

from __future__ import annotations

from hal.ports import Board
from hal.readings import ContactorReading, ContactorState, LockState
from secc.conversation import Levels
from secc.station.serving.supplies import Path

_NEVER = float("-inf")


def levels_of(board: Board | None, path: Path | None) -> Levels:
    """Returns the levels of this moment, of the outlet's power path; unknown ones if the board does
    not answer.
    """
    if board is None:
        return Levels()
    if not board.healthy:
        return Levels(cable_amperes=None if board.proximity is None else 0.0)
    volts = amperes = watt_hours = 0.0
    record = None
    measured_at = metered_at = _NEVER
    reading = board.meter.reading if board.meter is not None else None
    if reading is not None:
        watt_hours, metered_at, record = reading.watt_hours_import, reading.at, reading.signed
    contactor = ContactorReading(ContactorState.UNKNOWN, _NEVER)
    if path is Path.DC and board.dc is not None:
        contactor = board.dc.contactor
        # Read once: the three values belong together.
        present = board.dc.present
        volts, amperes, measured_at = present.volts, present.amperes, present.at
    elif path is Path.AC and board.ac is not None:
        contactor = board.ac.contactor
        if reading is not None:
            volts = max(reading.volts, default=0.0)
            amperes = max(reading.amperes, default=0.0)
            measured_at = reading.at
    return Levels(
        # Read for every step of every conversation; ``value`` would cost two calls.
        pilot=board.pilot.reading.state._value_,
        contactor=contactor.state._value_,
        volts=volts,
        amperes=amperes,
        measured_at=measured_at,
        watt_hours=watt_hours,
        metered_at=metered_at,
        contactor_at=contactor.at,
        locked=board.lock is not None and board.lock.reading.state is LockState.LOCKED,
        cable_amperes=None if board.proximity is None else board.proximity.reading.amperes or 0.0,
        meter_record=record,
    )
