"""Files of ``standalone``: contracts that failed, and the charging sessions. Neither has contract
data.

Both identify people by a keyed hash. The key never leaves the station, so that a copy of the files
alone does not allow trying all EMAIDs of a provider; with the whole board that is possible.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import secrets
from collections import deque
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from certs.emaid import EmaidMalformed
from certs.files import write_whole
from secc.conversation import Wall
from secc.session.durable import Disk, Journal, StorageFailed
from secc.session.effects import Decision
from secc.uplink.lists import normal
from secc.uplink.policy import Entry, TokenStatus
from secc.uplink.port import Identity, SessionEnded, SessionStarted

KEY_OCTETS = 32
MAX_FAILED = 2000
REMEMBERED = timedelta(days=180)
"""How long a failed contract is remembered: longer than the validity of today's short-lived
contract certificates.
"""

VERSION = 3
"""Version of the file of failed contracts. The previous version had all contracts in its heading.
"""
MOST_LINES = 2 * MAX_FAILED

MAX_WAITING = 1000
"""Lines of charging sessions that are kept in memory while the disk does not accept them: some 400
kB.
"""

POWER_LOST = "severed.power-lost"
"""The reason of a session without a recorded end: the station lost its power."""

log = logging.getLogger(__name__)

_Remembered = tuple[Decision, datetime]
"""Why a contract failed, and until when that is remembered."""


class Pseudonyms:
    """Keyed hashes of identities; the key is made on first use. Raises :class:`StorageFailed`."""

    def __init__(self, path: Path, disk: Disk) -> None:
        key = disk.read(path)
        self.problem = ""
        """Set if the key was damaged: what was stored by the earlier one is not found any more."""
        if key is not None and len(key) != KEY_OCTETS:
            broken = path.with_name(f"{path.name}.broken")
            self.problem = (
                f"{path} was damaged and is now {broken.name}: contracts that failed before are not recognised"
            )
            log.error("%s", self.problem)
            disk.replace(path, broken)
            key = None
        if key is None:
            key = secrets.token_bytes(KEY_OCTETS)
            disk.make_directory(path.parent)
            write_whole(disk, path, key)
        self._key = key

    def of(self, text: str) -> str:
        """Returns the pseudonym of a normal text (``secc.uplink.lists.normal``): 32 hex digits."""
        return hmac.digest(self._key, text.encode(), hashlib.sha256).hex()[:32]


class FailedContracts:
    """Contracts with a valid chain that were refused: at most 2000, each for half a year; the
    oldest is removed first.

    The file has a heading, then a JSON line for each contract that failed and for each that was
    accepted later. It is written anew when it has ``MOST_LINES``. Blocking; for one thread at a
    time.
    """

    def __init__(self, path: Path, disk: Disk) -> None:
        self._path, self._disk = path, disk
        self.problem = ""
        """The error of the file, or empty."""
        self.unsaved = ""
        """Why the newest failure is in memory only; empty if it is on the disk."""
        self._until: dict[str, _Remembered] = {}
        self._lines = 0
        """Lines of the file; 0: the next change writes the file anew."""
        octets = disk.read(path)
        if octets is not None:
            try:
                self._read(octets)
            except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
                # The station starts without the failed contracts; the file is kept for a person to
                # examine.
                aside = path.with_name(path.name + ".broken")
                disk.replace(path, aside)
                self._until, self._lines = {}, 0
                self.problem = f"{path} was broken and is now {aside.name}: failed contracts are forgotten"
                log.error("%s", self.problem)

    def _read(self, octets: bytes) -> None:
        # A power cut may leave a part of a line at the end. The previous version wrote no line
        # ends.
        heading, *lines = octets.split(b"\n")[:-1] or [octets]
        head = json.loads(heading)
        for who, decision, until in head["failed"]:
            self._note(str(who), _remembered(decision, until))
        if head.get("version") not in (VERSION, VERSION - 1):
            # Its entries do not have a ground: one may be a customer who was only not on a list.
            log.info("%s is of an earlier version: failed contracts are forgotten", self._path)
            self._until = {}
            return
        for line in lines:
            who, *what = json.loads(line)
            self._note(str(who), _remembered(*what) if what else None)
        self._lines = 1 + len(lines) if octets.endswith(b"\n") else 0

    def remember(self, pseudonym: str, decision: Decision, wall: Wall) -> None:
        """Remember a contract; it is on the disk when this returns. Raises :class:`StorageFailed`,
        and remembers it in memory.
        """
        self._change(pseudonym, (decision, wall.time + REMEMBERED))

    def forget(self, pseudonym: str) -> None:
        """Forget a contract that was accepted; done on the disk when this returns. Does nothing if
        it was not remembered. Raises :class:`StorageFailed`.
        """
        if pseudonym in self._until:
            self._change(pseudonym, None)

    def catch_up(self) -> None:
        """Store what could not be stored before. Raises :class:`StorageFailed`."""
        if self.unsaved:
            self._save(None)

    def _change(self, who: str, entry: _Remembered | None) -> None:
        self._note(who, entry)
        self._save([who, *_row(entry)] if entry else [who])

    def _note(self, who: str, entry: _Remembered | None) -> None:
        self._until.pop(who, None)
        if entry is not None:
            self._until[who] = entry
        while len(self._until) > MAX_FAILED:
            del self._until[next(iter(self._until))]

    def _save(self, line: list[str] | None) -> None:
        appended, self._lines = self._lines, 0
        try:
            if line is not None and 0 < appended < MOST_LINES:
                self._disk.append(self._path, json.dumps(line).encode() + b"\n")
                self._disk.sync(self._path)
                self._lines = appended + 1
            else:
                rows = [[who, *_row(entry)] for who, entry in self._until.items()]
                octets = "".join(json.dumps(one) + "\n" for one in ({"version": VERSION, "failed": []}, *rows)).encode()
                write_whole(self._disk, self._path, octets)
                self._lines = 1 + len(rows)
        except StorageFailed as error:
            self.unsaved = f"failed contracts cannot be stored: {error}"
            raise
        self.unsaved = ""

    def entry(self, pseudonym: str, wall: Wall) -> Entry | None:
        """Returns the remembered entry, for the decision table. Without a calendar entries do not
        end.
        """
        _, until = self._until.get(pseudonym, (None, None))
        if until is None or (wall.trusted and until <= wall.time):
            return None
        return Entry(TokenStatus.INVALID)

    def __len__(self) -> int:
        return len(self._until)


def _remembered(decision: str, until: str) -> _Remembered:
    moment = datetime.fromisoformat(until)
    return Decision(decision), moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _row(entry: _Remembered) -> tuple[str, str]:
    decision, until = entry
    return decision.value, until.isoformat()


def _text(identity: Identity) -> str:
    try:
        return normal(identity.kind, identity.value)
    except EmaidMalformed:
        return f"{identity.kind}:{identity.value}"


class SessionBook:
    """Charging sessions as JSON lines, ``started`` and ``ended``.

    A line that cannot be stored waits in memory, in order, until the disk accepts it; the method
    that brought it raises :class:`StorageFailed`. After a failure a line may be in the file twice.
    Blocking; for one thread at a time.
    """

    def __init__(self, journal: Journal, pseudonyms: Pseudonyms) -> None:
        self._journal, self._pseudonyms = journal, pseudonyms
        self.problem = ""
        """Why the next session could not be stored; empty if it could."""
        self.dropped = 0
        """Lines that were lost because the queue in memory was full as well."""
        self._waiting: deque[tuple[bool, str, bytes]] = deque()
        """Whether the line says that a session began, the session, and the line."""
        self._open: set[str] = set()
        """Sessions that have begun and not ended, by the file."""
        self._looked = False

    def started(self, report: SessionStarted) -> None:
        identity = report.identity
        self._write(
            "started",
            report.session,
            report.outlet,
            report.at,
            evse_id=report.evse_id,
            identity=identity.kind,
            masked=identity.masked,
            pseudonym=self._pseudonyms.of(_text(identity)) if identity.value else "",
            meter_id=report.meter_id,
            watt_hours=report.watt_hours,
            signed=report.signed.hex() if report.signed is not None else None,
        )

    def ended(self, report: SessionEnded) -> None:
        self._write(
            "ended",
            report.session,
            report.outlet,
            report.at,
            reason=report.reason,
            watt_hours=report.watt_hours,
            signed=report.signed.hex() if report.signed is not None else None,
        )

    def catch_up(self, wall: Wall) -> None:
        """Store waiting lines, and check that the next line could be stored. Raises
        :class:`StorageFailed`, also in ``problem``.

        The first call ends the sessions that a power cut left open; their last meter value is not
        known.
        """
        try:
            self._journal.require_room()
            if not self._looked:
                self._close_open(wall)
            while self._waiting:
                self._store(*self._waiting[0])
                self._waiting.popleft()
        except StorageFailed as error:
            waiting = f"; {len(self._waiting)} lines wait for the disk" if self._waiting else ""
            self.problem = f"charging sessions cannot be booked: {error}{waiting}"
            raise
        self.problem = ""

    def __len__(self) -> int:
        """Number of waiting lines."""
        return len(self._waiting)

    def _close_open(self, wall: Wall) -> None:
        """End the sessions that are open in the file: they are of an earlier run, while waiting
        lines are of this one.
        """
        begun = _left_open(self._journal)
        self._open = set(begun)
        for session, outlet in begun.items():
            self._store(False, session, _line("ended", session, outlet, wall, reason=POWER_LOST))
        self._looked = True
        if begun:
            log.warning("%d charging sessions were open when the power went; they are closed now", len(begun))

    def _store(self, begins: bool, session: str, line: bytes) -> None:
        """Append a line, with the number of open sessions after it, if that is known."""
        after = self._open | {session} if begins else self._open - {session}
        # After a dropped line the count is not known: without it the next start reads the whole
        # file.
        count = b"" if self.dropped else b', "open": %d' % len(after)
        self._journal.append(b"%b%b}" % (line.removesuffix(b"}"), count))
        self._open = after

    def _write(self, what: str, session: str, outlet: str, at: Wall, **more: Any) -> None:
        if len(self._waiting) >= MAX_WAITING:
            self._waiting.popleft()
            self.dropped += 1
            log.error("a line of a charging session is lost: %d others already wait for the disk", MAX_WAITING)
        self._waiting.append((what == "started", session, _line(what, session, outlet, at, **more)))
        self.catch_up(at)


def _left_open(journal: Journal) -> dict[str, str]:
    """Returns the sessions without an end, the oldest first, each with its outlet.

    The last line has their number, so that only the part of the file with them is read; a line of
    an earlier version does not have it.
    """
    found: dict[str, str] = {}
    known: set[str] = set()
    count: int | None = None
    for line in journal.newest_first():
        try:
            row = json.loads(line)
            session, begins = str(row["session"]), row["what"] == "started"
            outlet = str(row["outlet"]) if begins else ""
        except (ValueError, TypeError, KeyError, RecursionError):
            continue  # a line that a person edited; left as it is
        if not known:
            count = row.get("open")
        if begins and session not in known:
            found[session] = outlet
        known.add(session)
        if len(found) == count:
            break
    return dict(reversed(found.items()))


def _line(what: str, session: str, outlet: str, at: Wall, **more: Any) -> bytes:
    moment = at.time.astimezone(UTC).isoformat(timespec="milliseconds")
    row = {"what": what, "session": session, "outlet": outlet, "at": moment, "clock_trusted": at.trusted}
    row |= {key: value for key, value in more.items() if value not in (None, "")}
    return json.dumps(row).encode()
