"""The calendar of a station that boots without a correct clock.

Until a source confirms the time (the kernel's NTP state, or a battery-backed clock that the
operator vouches for), the station knows a floor only: the newest of the build date and the last
time seen, which it writes down every hour. The trust room decides what may be accepted by such a
date.

The floor stays, so one wrong reading must not move it far. The time since the boot moves it in any
case. A confirmed clock moves it if it is at most a day ahead of that; a clock that is further ahead
moves it only if a second source agrees, if a backend on a verified TLS connection confirms it, or
if root does (``docs/decisions/clock.md``).
"""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Lock

from certs.errors import StoreError
from certs.files import read_file, write_atomically
from frozen import dataclass
from secc.conversation import Wall
from secc.ops.clocks import Clocks

log = logging.getLogger(__name__)

BUILT = datetime(2026, 11, 20, tzinfo=UTC)
"""The build date: the time is never earlier."""

FILE = "last-seen"
"""The file of the floor, in the state directory."""
PERSIST_SECONDS = 3600.0
BACKWARDS = timedelta(hours=2)
"""A clock that jumps back by more than this is not trusted, whatever set it (A-PKI-05)."""
SLACK = timedelta(days=1)
"""A single source that is further ahead than this does not move the floor (A-PKI-06)."""
AGREEMENT = timedelta(minutes=30)
"""Two sources agree if they differ by less. A hardware clock drifts by some minutes a year."""
RESET_SHOWN = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Reset:
    """A reset by root: the floor was ``before`` and became ``at``."""

    at: datetime
    before: datetime


@dataclass(frozen=True, slots=True)
class Seen:
    """The floor as stored. At ``base`` this boot, or the one before it, had been up for
    ``base_uptime`` seconds.
    """

    time: datetime = BUILT
    base: datetime = BUILT
    base_uptime: float = 0.0
    boot: str = ""
    rtc_set: bool = False
    """The hardware clock was set while the floor was far from it: it may hold the time of a single
    source, so it is not a second one.
    """
    reset: Reset | None = None


class Calendar:
    """UTC, and whether it is confirmed. ``vouched``: the operator vouches for the board's
    battery-backed clock.
    """

    def __init__(self, path: Path, *, vouched: bool, clocks: Clocks | None = None) -> None:
        self._path = path
        self._vouched = vouched
        self._clocks = clocks or Clocks()
        self._lock = Lock()
        self._warned = self._remarked = False
        self._end: datetime | None = None
        self._rtc, self._rtc_uptime = self._clocks.rtc(), self._clocks.uptime()
        self._seen = self._of_this_boot(read_seen(path))

    # The time

    def wall(self) -> Wall:
        """Returns the time, and whether a source confirms it. A time that is not confirmed is never
        before the floor.
        """
        now, floor = self._clocks.now(), self.floor
        if self._confirmed(now):
            self._warned = False
            return Wall(now, trusted=True)
        if not self._warned:
            self._warned = True
            log.warning("the calendar is not confirmed: %s", self.problem())
        return Wall(max(now, floor), trusted=False)

    def judging(self) -> Wall:
        """Returns the time for judging certificates: without confirmation the floor, because a
        later time has not certainly passed.
        """
        wall = self.wall()
        return wall if wall.trusted else Wall(self.floor, trusted=False)

    @property
    def floor(self) -> datetime:
        """The newest moment that has certainly passed."""
        seen = self._seen.time if self._end is None else min(self._seen.time, self._end)
        return max(BUILT, seen)

    @property
    def limit(self) -> datetime:
        """The latest time of a single source that moves the floor."""
        return self._certain + SLACK

    @property
    def _certain(self) -> datetime:
        """``base``, and the time that has passed since then."""
        seen = self._seen
        return max(BUILT, seen.base) + timedelta(seconds=max(0.0, self._clocks.uptime() - seen.base_uptime))

    def problem(self) -> str:
        """Returns why the clock is not trusted, and what to do; empty if it is trusted."""
        now, floor = self._clocks.now(), self.floor
        if self._confirmed(now):
            return ""
        if now < floor - BACKWARDS:
            return (
                f"the clock says {day(now)}, but this station has seen {day(floor)}: the clock is wrong now, or was wrong then; "
                "if it is right now, confirm it as root: secc clock reset"
            )
        return (
            f"no source confirms the clock, which says {day(now)}; synchronise it by NTP, "
            "or set trust.clock = 'rtc' if the board has a clock that runs on a battery"
        )

    def remark(self) -> str:
        """Returns a remark about a trusted clock; empty without one."""
        if (reset := self.reset) is not None:
            return _reset_by_root(reset)
        now = self._clocks.now()
        if self._confirmed(now) and now > self.limit and not self._agreed(now):
            return (
                f"the clock says {day(now)}; this station has seen {day(self.floor)}, and trusts a single source for one day more; "
                "if the clock is right, confirm it as root: secc clock reset"
            )
        return ""

    @property
    def reset(self) -> Reset | None:
        """The last reset by root, for a day."""
        reset = self._seen.reset
        return reset if reset is not None and abs(self._clocks.now() - reset.at) < RESET_SHOWN else None

    # Moves of the floor. These methods block and run on worker threads.

    def ends(self, end: datetime | None) -> None:
        """Set the latest end of the station's own chains. A floor beyond it is of no use to
        contracts.
        """
        self._end = end

    def remember(self) -> None:
        """Write down a confirmed time as the new floor. Called every ``PERSIST_SECONDS``."""
        with self._lock:
            self._adopt_reset()
            now = self._clocks.now()
            if self._confirmed(now):
                self._move(now, certain=self._agreed(now))

    def told(self, moment: datetime) -> None:
        """Move the floor to the time of a backend whose certificate was verified."""
        with self._lock:
            self._adopt_reset()
            self._move(moment, certain=True)

    def reread(self) -> None:
        """Read the file again, in case root has reset the floor."""
        with self._lock:
            self._adopt_reset()

    def _move(self, now: datetime, *, certain: bool) -> None:
        before, far = self._seen, not certain and now > self.limit
        wanted = min(now, self._certain) if far else now
        if self._end is not None:
            wanted = min(wanted, self._end)
        seen = replace(before, time=max(before.time, wanted.replace(microsecond=0)))
        if certain:
            seen = replace(seen, base=now, base_uptime=self._clocks.uptime())
        seen = replace(seen, rtc_set=self._rtc_in_doubt(seen))
        if seen == before:
            return
        try:
            write_seen(self._path, seen)
        except (StoreError, OSError) as error:
            log.error("the time cannot be stored: %s", error)
            return
        self._seen = seen
        if far and not self._remarked:
            self._remarked = True
            log.info("%s", self.remark())

    def _adopt_reset(self) -> None:
        found = read_seen(self._path)
        if found.reset is not None and found.reset != self._seen.reset:
            self._seen, self._warned = self._of_this_boot(found), False
            log.warning("%s", _reset_by_root(found.reset))

    def _of_this_boot(self, seen: Seen) -> Seen:
        """Returns ``seen`` for this boot. Of an earlier boot the end is known only: since then the
        board has been up for at least its present uptime.
        """
        boot = self._clocks.boot()
        if boot and seen.boot == boot:
            return seen
        return replace(seen, boot=boot, base=seen.time, base_uptime=0.0)

    # Sources

    def _confirmed(self, now: datetime) -> bool:
        return (self._vouched or self._clocks.synchronised()) and now >= self.floor - BACKWARDS

    def _agreed(self, now: datetime) -> bool:
        """Returns whether network and hardware clock agree, independently.

        The hardware clock counts with its time at the start and the uptime since, because the
        kernel copies the network's time into it.
        """
        witness = self._witness()
        if witness is None or self._seen.rtc_set or not self._clocks.synchronised():
            return False
        return abs(now - witness) <= AGREEMENT

    def _witness(self) -> datetime | None:
        return self._rtc and self._rtc + timedelta(seconds=self._clocks.uptime() - self._rtc_uptime)

    def _rtc_in_doubt(self, seen: Seen) -> bool:
        here, witness = self._clocks.rtc(), self._witness()
        if here is None or witness is None or here - seen.time <= SLACK:
            return False
        return seen.rtc_set or abs(here - witness) > AGREEMENT


# The file


def read_seen(path: Path) -> Seen:
    """Returns what is stored: the floor on the first line, the rest as JSON on the second. A file
    that cannot be read counts as nothing seen.
    """
    try:
        first, _, rest = read_file(path).decode().partition("\n")
        time = _moment(first.strip())
        more = json.loads(rest) if rest.strip() else {}
        reset = more.get("reset")
        return Seen(
            time=time,
            base=_moment(more.get("base", first.strip())),
            base_uptime=float(more.get("base_uptime", 0.0)),
            boot=str(more.get("boot", "")),
            rtc_set=bool(more.get("rtc_set", False)),
            reset=None if reset is None else Reset(_moment(reset["at"]), _moment(reset["before"])),
        )
    except (StoreError, OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
        return Seen()


def write_seen(path: Path, seen: Seen) -> None:
    """Raises StoreError."""
    reset = seen.reset and {"at": seen.reset.at.isoformat(), "before": seen.reset.before.isoformat()}
    more = {
        "base": seen.base.isoformat(),
        "base_uptime": round(seen.base_uptime, 1),
        "boot": seen.boot,
        "rtc_set": seen.rtc_set,
        "reset": reset,
    }
    write_atomically(path, f"{seen.time.isoformat(timespec='seconds')}\n{json.dumps(more)}\n".encode())


def reset_seen(path: Path, clocks: Clocks | None = None) -> Reset:
    """Set the floor to the system clock, which root confirms. Raises StoreError, and ValueError for
    a clock before the build date.
    """
    clocks = clocks or Clocks()
    now, before = clocks.now().replace(microsecond=0), read_seen(path)
    if now < BUILT:
        raise ValueError(f"the clock says {day(now)}, before this software was made ({day(BUILT)}): set it first")
    reset = Reset(at=now, before=max(BUILT, before.time))
    write_seen(path, Seen(now, base=now, base_uptime=clocks.uptime(), boot=clocks.boot(), reset=reset))
    return reset


def _reset_by_root(reset: Reset) -> str:
    return f"root has reset the last time seen, from {day(reset.before)} to {day(reset.at)}"


def day(moment: datetime) -> str:
    """Returns a moment as text for people."""
    return moment.strftime("%Y-%m-%d %H:%M UTC")


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a moment has a time zone")
    return moment
