"""The clocks of a Linux board. Each reading is one call, so that a test can replace it."""

from __future__ import annotations

import contextlib
import ctypes
import time
from datetime import UTC, datetime
from pathlib import Path

_TIME_ERROR = 5
"""Result of ntp_adjtime(3) while no source keeps the clock right."""

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_RTC = Path("/sys/class/rtc")


class _Timex(ctypes.Structure):
    """Large enough for ``struct timex`` of every architecture; ``modes`` 0 reads only."""

    _fields_ = (("modes", ctypes.c_uint), ("rest", ctypes.c_char * 508))


def kernel_synchronised() -> bool:
    """Returns whether the kernel says that an NTP or PTP source keeps the clock right."""
    try:
        adjtimex = ctypes.CDLL(None, use_errno=True).adjtimex
    except (OSError, AttributeError):
        return False
    state = adjtimex(ctypes.byref(_Timex()))
    return bool(0 <= state < _TIME_ERROR)


class Clocks:
    """The clocks of this board."""

    def now(self) -> datetime:
        """Returns the system clock, UTC."""
        return datetime.now(UTC)

    def synchronised(self) -> bool:
        """Returns whether a source on the network keeps the system clock right."""
        return kernel_synchronised()

    def uptime(self) -> float:
        """Returns the seconds since the board booted, including sleep. This clock cannot be set."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def boot(self) -> str:
        """Returns what tells one boot from another; empty if the kernel does not say."""
        with contextlib.suppress(OSError, UnicodeDecodeError):
            return _BOOT.read_text().strip()
        return ""

    def rtc(self) -> datetime | None:
        """Returns the hardware clock, taken as UTC; None without one. The kernel copies the system
        clock into it while that is synchronised.
        """
        for clock in ("rtc0", "rtc1"):
            with contextlib.suppress(OSError, ValueError, OverflowError):
                return datetime.fromtimestamp(int((_RTC / clock / "since_epoch").read_text()), UTC)
        return None
