"""The calendar of a station that boots without one.

Until a source confirms the time (the kernel's NTP state, or a battery-backed clock that the operator vouches for), what is known is a floor: the
newest of the build date and the last time seen, which is written down every hour. What may be accepted by such a date is a policy of the trust room.

The floor outlives every reading, so one wrong reading must not move it far. The time that passed since the boot moves it for certain. A
confirmed clock that is at most a day ahead of that moves it too; one that is further ahead does so only where a second source agrees,
where a backend on a verified TLS line says the same, or where root does (``docs/decisions/clock.md``).
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
"""No station runs this code before it was written."""

FILE = "last-seen"
"""Where the floor lies in the state directory."""
PERSIST_SECONDS = 3600.0
BACKWARDS = timedelta(hours=2)
"""A clock that jumps back by more than this is not believed, whatever set it (A-PKI-05)."""
SLACK = timedelta(days=1)
"""A single source that is further ahead of the time that passed does not move the floor (A-PKI-06)."""
AGREEMENT = timedelta(minutes=30)
"""Two sources that differ by less agree. A hardware clock drifts by some minutes a year."""
RESET_SHOWN = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Reset:
    """Root said what time it is: ``before`` stood there, ``at`` stands there now."""

    at: datetime
    before: datetime


@dataclass(frozen=True, slots=True)
class Seen:
    """The floor as it lies on the disk. At ``base`` this boot, or the one before it, had been up for ``base_uptime`` seconds."""

    time: datetime = BUILT
    base: datetime = BUILT
    base_uptime: float = 0.0
    boot: str = ""
    rtc_set: bool = False
    """The hardware clock was set while the floor was far from it: it may have what a single source said, and is not a second one."""
    reset: Reset | None = None


class Calendar:
    """UTC with an honest word about it. ``vouched``: the board's clock runs on a battery and is taken at its word."""

    def __init__(self, path: Path, *, vouched: bool, clocks: Clocks | None = None) -> None:
        self._path = path
        self._vouched = vouched
        self._clocks = clocks or Clocks()
        self._lock = Lock()
        self._warned = self._remarked = False
        self._end: datetime | None = None
        self._rtc, self._rtc_uptime = self._clocks.rtc(), self._clocks.uptime()
        self._seen = self._of_this_boot(read_seen(path))

    # What time is it?

    def wall(self) -> Wall:
        """The time, and whether anything confirms it. A trusted time never lies before what has been seen already."""
        now, floor = self._clocks.now(), self.floor
        if self._confirmed(now):
            self._warned = False
            return Wall(now, trusted=True)
        if not self._warned:
            self._warned = True
            log.warning("the calendar is not confirmed: %s", self.problem())
        return Wall(max(now, floor), trusted=False)

    def judging(self) -> Wall:
        """The time by which certificates are judged: what a clock says that nothing confirms has not certainly passed, and is left out."""
        wall = self.wall()
        return wall if wall.trusted else Wall(self.floor, trusted=False)

    @property
    def floor(self) -> datetime:
        """The newest moment that has certainly passed."""
        seen = self._seen.time if self._end is None else min(self._seen.time, self._end)
        return max(BUILT, seen)

    @property
    def limit(self) -> datetime:
        """How far a single source may be ahead at this moment and still move the floor."""
        return self._certain + SLACK

    @property
    def _certain(self) -> datetime:
        """Base, and the time that has passed since then."""
        seen = self._seen
        return max(BUILT, seen.base) + timedelta(seconds=max(0.0, self._clocks.uptime() - seen.base_uptime))

    def problem(self) -> str:
        """Why the clock is not believed, and what to do; empty if it is."""
        now, floor = self._clocks.now(), self.floor
        if self._confirmed(now):
            return ""
        if now < floor - BACKWARDS:
            return (
                f"the clock says {day(now)}, but this station has seen {day(floor)}: the clock is wrong now, or was wrong then; "
                "if it is right now, say so as root: secc clock reset"
            )
        return (
            f"no source confirms the clock, which says {day(now)}; synchronise it by NTP, "
            "or set trust.clock = 'rtc' if the board has a clock that runs on a battery"
        )

    def remark(self) -> str:
        """A remark about a clock that is believed; empty if there is none."""
        if (reset := self.reset) is not None:
            return _reset_by_root(reset)
        now = self._clocks.now()
        if self._confirmed(now) and now > self.limit and not self._agreed(now):
            return (
                f"the clock says {day(now)}; this station has seen {day(self.floor)}, and believes a single source for one day more; "
                "if the clock is right, say so as root: secc clock reset"
            )
        return ""

    @property
    def reset(self) -> Reset | None:
        """The last reset by root, for a day."""
        reset = self._seen.reset
        return reset if reset is not None and abs(self._clocks.now() - reset.at) < RESET_SHOWN else None

    # The floor moves. These block, and are called on worker threads.

    def ends(self, end: datetime | None) -> None:
        """The newest end of the station's own chains: a floor beyond it serves no contract."""
        self._end = end

    def remember(self) -> None:
        """Write down a confirmed time as the new floor. To be called every ``PERSIST_SECONDS``."""
        with self._lock:
            self._adopt_reset()
            now = self._clocks.now()
            if self._confirmed(now):
                self._move(now, certain=self._agreed(now))

    def told(self, moment: datetime) -> None:
        """A backend whose certificate was verified says what time it is: that is enough to move the floor as far as that."""
        with self._lock:
            self._adopt_reset()
            self._move(moment, certain=True)

    def reread(self) -> None:
        """Root may have reset the floor meanwhile."""
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
            log.error("the time cannot be written down: %s", error)
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
        """Of a boot before this one it is only known that it is over: since then the board has been up for as long as it is up now, at least."""
        boot = self._clocks.boot()
        if boot and seen.boot == boot:
            return seen
        return replace(seen, boot=boot, base=seen.time, base_uptime=0.0)

    # Sources

    def _confirmed(self, now: datetime) -> bool:
        return (self._vouched or self._clocks.synchronised()) and now >= self.floor - BACKWARDS

    def _agreed(self, now: datetime) -> bool:
        """Whether network and hardware clock say the same, each of its own knowledge.

        What the hardware clock said at the start counts, with the time that has passed since: the kernel copies the network's time into it.
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
    """What was written down: the floor on the first line, what else is known of it as JSON on the second. What cannot be read was never seen."""
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
    """Root says that the clock is right: the floor is what it says now. Raises StoreError, and ValueError for a clock that cannot be right."""
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
    """A moment for people."""
    return moment.strftime("%Y-%m-%d %H:%M UTC")


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a moment has a time zone")
    return moment
