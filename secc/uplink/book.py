"""What ``standalone`` keeps on the disk: contracts that failed, and the charging sessions. Neither holds contract data.

Both know people by a keyed hash. The key is the station's own and never leaves it, so that who finds the files elsewhere cannot try the EMAIDs
of a provider through; who has the whole board can.
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
"""How long a failed contract is remembered: longer than the short-lived contract certificates of today live on."""

VERSION = 3
"""Of the file of failed contracts. The one before had all of them in its heading."""
MOST_LINES = 2 * MAX_FAILED

MAX_WAITING = 1000
"""Lines of charging sessions that are kept in memory while the disk does not take them: some 400 kB."""

POWER_LOST = "severed.power-lost"
"""The reason of a session whose end was not recorded: the station was switched off in the middle."""

log = logging.getLogger(__name__)

_Remembered = tuple[Decision, datetime]
"""Why a contract failed, and until when that is remembered."""


class Pseudonyms:
    """Keyed hashes of identities, the key made on first use. Raises :class:`StorageFailed`."""

    def __init__(self, path: Path, disk: Disk) -> None:
        key = disk.read(path)
        if key is None or len(key) != KEY_OCTETS:
            key = secrets.token_bytes(KEY_OCTETS)
            disk.make_directory(path.parent)
            write_whole(disk, path, key)
        self._key = key

    def of(self, text: str) -> str:
        """The pseudonym of a normal text (``secc.uplink.lists.normal``): 32 hex digits."""
        return hmac.digest(self._key, text.encode(), hashlib.sha256).hex()[:32]


class FailedContracts:
    """Contracts with a good chain that turned out bad: at most 2000, each for half a year; the one remembered longest goes first.

    The file has a heading, then a JSON line for each contract that failed and for each that was accepted after that. It is written anew
    when it has ``MOST_LINES``. Blocking, and safe for one thread at a time.
    """

    def __init__(self, path: Path, disk: Disk) -> None:
        self._path, self._disk = path, disk
        self.problem = ""
        """What was wrong with the file, if anything."""
        self.unsaved = ""
        """Why the newest failure is known in memory only; empty if it is on the disk."""
        self._until: dict[str, _Remembered] = {}
        self._lines = 0
        """Lines of the file; 0: the next change writes the file anew."""
        octets = disk.read(path)
        if octets is not None:
            try:
                self._read(octets)
            except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
                # Better a station that has forgotten than one that does not start; the file stays for who wants to look.
                aside = path.with_name(path.name + ".broken")
                disk.replace(path, aside)
                self._until, self._lines = {}, 0
                self.problem = f"{path} was broken and is now {aside.name}: failed contracts are forgotten"
                log.error("%s", self.problem)

    def _read(self, octets: bytes) -> None:
        # A power cut may leave a part of a line behind the last one. The earlier version wrote no line ends.
        heading, *lines = octets.split(b"\n")[:-1] or [octets]
        head = json.loads(heading)
        for who, decision, until in head["failed"]:
            self._note(str(who), _remembered(decision, until))
        if head.get("version") not in (VERSION, VERSION - 1):
            # Its entries have no ground: one may be a customer who was only on no list.
            log.info("%s is of an earlier version: failed contracts are forgotten", self._path)
            self._until = {}
            return
        for line in lines:
            who, *what = json.loads(line)
            self._note(str(who), _remembered(*what) if what else None)
        self._lines = 1 + len(lines) if octets.endswith(b"\n") else 0

    def remember(self, pseudonym: str, decision: Decision, wall: Wall) -> None:
        """On the disk when this returns. Raises :class:`StorageFailed`; in memory it is remembered in any case."""
        self._change(pseudonym, (decision, wall.time + REMEMBERED))

    def forget(self, pseudonym: str) -> None:
        """It was accepted. On the disk when this returns, which is at once if the contract was not remembered. Raises :class:`StorageFailed`."""
        if pseudonym in self._until:
            self._change(pseudonym, None)

    def catch_up(self) -> None:
        """Store what could not be stored. Raises :class:`StorageFailed`."""
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
            self.unsaved = f"failed contracts cannot be written down: {error}"
            raise
        self.unsaved = ""

    def entry(self, pseudonym: str, wall: Wall) -> Entry | None:
        """What is remembered, for the decision table. Without a calendar nothing is forgotten."""
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

    A line that cannot be stored waits in memory, in order, and is stored when the disk is back: then the method that brought it has raised
    :class:`StorageFailed`. After a failure a line may stand in the file twice. Blocking, and safe for one thread at a time.
    """

    def __init__(self, journal: Journal, pseudonyms: Pseudonyms) -> None:
        self._journal, self._pseudonyms = journal, pseudonyms
        self.problem = ""
        """Why the next session could not be booked; empty if it could."""
        self.dropped = 0
        """Lines that were lost because the queue in memory was full too."""
        self._waiting: deque[tuple[bool, str, bytes]] = deque()
        """Whether the line says that a session began, the session, and the line."""
        self._open: set[str] = set()
        """Sessions that have begun, and not ended, by what the file says."""
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
        """Store what waits, and look whether the next line could be stored. Raises :class:`StorageFailed`; ``problem`` says the same.

        The first time this ends the sessions that a power cut left open; their last meter value is not known.
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
        """Lines that wait."""
        return len(self._waiting)

    def _close_open(self, wall: Wall) -> None:
        """What waits is of this run; what stands open in the file is of an earlier one."""
        begun = _left_open(self._journal)
        self._open = set(begun)
        for session, outlet in begun.items():
            self._store(False, session, _line("ended", session, outlet, wall, reason=POWER_LOST))
        self._looked = True
        if begun:
            log.warning("%d charging sessions were open when the power went; they are closed now", len(begun))

    def _store(self, begins: bool, session: str, line: bytes) -> None:
        """Append a line, with the number of sessions that are open after it, where that is known."""
        after = self._open | {session} if begins else self._open - {session}
        # A line that was dropped may still stand in the file, so the count is not known: everything is to be read.
        count = b"" if self.dropped else b', "open": %d' % len(after)
        self._journal.append(b"%b%b}" % (line.removesuffix(b"}"), count))
        self._open = after

    def _write(self, what: str, session: str, outlet: str, at: Wall, **more: Any) -> None:
        if len(self._waiting) >= MAX_WAITING:
            self._waiting.popleft()
            self.dropped += 1
            log.error("a line of a charging session is lost: %d others wait for the disk already", MAX_WAITING)
        self._waiting.append((what == "started", session, _line(what, session, outlet, at, **more)))
        self.catch_up(at)


def _left_open(journal: Journal) -> dict[str, str]:
    """Sessions without an end, the oldest first, each with its outlet.

    The last line says how many there are, so that no more of the file is read than it takes to find them. One of an earlier version does not.
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
            continue  # a line that a person edited; it is not repaired
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
