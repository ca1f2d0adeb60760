"""The calendar of a station that boots without one.

Until a source confirms the time (the kernel's NTP state, or a battery-backed clock that the operator vouches for), what is known is a floor: the
newest of the build date and the last time seen, which is written down every hour. What may be accepted by such a date is a policy of the trust room.
"""

from __future__ import annotations

import ctypes
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

from certs import StoreError
from certs.files import read_file, write_atomically
from secc.conversation import Wall

log = logging.getLogger(__name__)

BUILT = datetime(2026, 11, 20, tzinfo=UTC)
"""No station runs this code before it was written."""

PERSIST_SECONDS = 3600.0
BACKWARDS = timedelta(hours=2)
"""A clock that jumps back by more than this is not believed, whoever set it (A-PKI-05)."""

_TIME_ERROR = 5
"""What ntp_adjtime(3) returns while no source keeps the clock right."""


class _Timex(ctypes.Structure):
    """Large enough for ``struct timex`` of every architecture; ``modes`` 0 only reads."""

    _fields_ = (("modes", ctypes.c_uint), ("rest", ctypes.c_char * 508))


def kernel_synchronised() -> bool:
    """True if the kernel says that an NTP or PTP source keeps the clock right."""
    try:
        adjtimex = ctypes.CDLL(None, use_errno=True).adjtimex
    except (OSError, AttributeError):
        return False
    state = adjtimex(ctypes.byref(_Timex()))
    return bool(0 <= state < _TIME_ERROR)


class Calendar:
    """UTC with an honest word about it. ``vouched``: the board's clock runs on a battery and is taken at its word."""

    def __init__(self, path: Path, *, vouched: bool) -> None:
        self._path = path
        self._vouched = vouched
        self._seen = self._read()
        self._warned = False

    def wall(self) -> Wall:
        """The time, and whether anything confirms it. A trusted time never lies before what has been seen already."""
        now = datetime.now(UTC)
        floor = max(BUILT, self._seen)
        confirmed = (self._vouched or kernel_synchronised()) and now >= floor - BACKWARDS
        if confirmed:
            self._warned = False
            return Wall(now, trusted=True)
        if not self._warned:
            self._warned = True
            log.warning("the calendar is not confirmed: the clock says %s, it is at least %s", _day(now), _day(floor))
        return Wall(max(now, floor), trusted=False)

    def remember(self) -> None:
        """Write down a confirmed time as the new floor. To be called every ``PERSIST_SECONDS``, on a worker thread."""
        wall = self.wall()
        if not wall.trusted or wall.time <= self._seen:
            return
        try:
            write_atomically(self._path, wall.time.isoformat(timespec="seconds").encode() + b"\n")
        except (StoreError, OSError) as error:
            log.error("the time cannot be written down: %s", error)
            return
        self._seen = wall.time

    def _read(self) -> datetime:
        try:
            seen = datetime.fromisoformat(read_file(self._path).decode().strip())
        except (StoreError, OSError, ValueError):
            return BUILT
        return seen if seen.tzinfo is not None else BUILT


def _day(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M UTC")
