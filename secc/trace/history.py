"""The history of an outlet: a record of every session, and of every attempt at one. Bounded, one
file for each.

::

    STATE/history/OUTLET/00000042-3fa94c0011223344.json             a session: with an agreed protocol, or charging by pilot and duty
    STATE/history/OUTLET/00000043-99999900aabbccdd-attempt.json     an attempt: it ended before that, usually in TLS

The number gives the order, because a clock may be wrong. Attempts have a separate limit, so that a
car that retries for hours, or a port scanner, does not displace sessions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from certs.files import remove_unfinished, write_whole
from secc.session.durable import Disk, StorageFailed
from secc.trace.explain import RecordBroken, SessionRecord, read_record

SESSIONS: Final = 100
ATTEMPTS: Final = 50
"""Most records of an outlet; the oldest are removed."""
WAITING: Final = 20
"""Most records that wait in memory for the disk; the oldest are dropped."""
SHORTEST_ID: Final = 4
"""Least characters of a session's id in a query."""

_NAME: Final = re.compile(r"(\d{8,})-([0-9a-f]+)(-attempt)?\.json")
_ID: Final = re.compile(f"[0-9a-f]{{{SHORTEST_ID},16}}")


def history_directory(state_directory: Path) -> Path:
    """Returns the directory with a directory for each outlet's history."""
    return state_directory / "history"


class History:
    """The history of one outlet, for writing: one call at a time. Blocking.

    A record that cannot be stored waits in memory, and the next call stores it once the disk
    accepts it. Otherwise the record of the session's beginning would stay, with the reason that the
    power was lost.
    """

    def __init__(self, state_directory: Path, outlet: str, disk: Disk | None = None) -> None:
        self._directory = history_directory(state_directory) / outlet
        self._disk = disk or Disk()
        self._begun: dict[str, Path] = {}
        """Sessions whose beginning is in the history."""
        self._waiting: dict[str, SessionRecord] = {}
        """The newest record of each session that is not stored, the oldest session first."""
        self._swept = False

    @property
    def waits(self) -> bool:
        """Whether a record waits for the disk."""
        return bool(self._waiting)

    def write(self, record: SessionRecord) -> None:
        """Store a record; that of an ended session replaces that of its beginning. Raises
        StorageFailed; the record then waits.
        """
        self._waiting[record.session] = record
        while len(self._waiting) > WAITING:
            del self._waiting[next(iter(self._waiting))]
        self._catch_up()

    def try_again(self) -> None:
        """Store waiting records, as far as the disk accepts them now."""
        with suppress(StorageFailed):
            self._catch_up()

    def _catch_up(self) -> None:
        """Store waiting records; one that cannot be stored does not block the others. Raises
        StorageFailed.
        """
        failed: StorageFailed | None = None
        for session, record in tuple(self._waiting.items()):
            try:
                self._store(record)
            except StorageFailed as error:
                failed = failed or error
            else:
                del self._waiting[session]
        if failed is not None:
            raise failed

    def _store(self, record: SessionRecord) -> None:
        path = self._begun.get(record.session)
        if path is None:
            self._disk.make_directory(self._directory)
            if not self._swept:
                remove_unfinished(self._disk, self._directory, ".json")
                self._swept = True
            known = [(number, file) for file in self._disk.files(self._directory, ".json") if (number := _number(file))]
            attempt = "" if record.protocol else "-attempt"
            path = self._directory / f"{max(known, default=(0, None))[0] + 1:08d}-{record.session}{attempt}.json"
            alike = [file for _, file in sorted(known) if file.stem.endswith("-attempt") == bool(attempt)]
            for file in alike[: max(0, len(alike) + 1 - (ATTEMPTS if attempt else SESSIONS))]:
                self._disk.remove(file)
        write_whole(self._disk, path, record.to_json().encode())
        if record.ended:
            self._begun.pop(record.session, None)
        else:
            self._begun[record.session] = path


def records(state_directory: Path, outlet: str | None = None, disk: Disk | None = None) -> Iterator[SessionRecord]:
    """Yields the records of this outlet, or of all, the oldest of each first. Skips records that
    cannot be read.
    """
    for path in _files(state_directory, outlet):
        try:
            yield read_record(path, disk)
        except (RecordBroken, StorageFailed):
            continue


def record_of_session(state_directory: Path, session: str, disk: Disk | None = None) -> SessionRecord:
    """Returns the record of the session with this id, or of the only one whose id begins so. Raises
    RecordBroken, StorageFailed.
    """
    session = session.lower()
    if not _ID.fullmatch(session):
        raise RecordBroken(f"{session}: neither a file nor the id of a session")
    found = [path for path in _files(state_directory, None) if _session(path).startswith(session)]
    if not found:
        raise RecordBroken(f"{session}: not in the history of {state_directory}; see `secc explain --list`")
    if len(found) > 1:
        raise RecordBroken(f"{session}: more than one session id begins with this: {', '.join(map(_session, found))}")
    return read_record(found[0], disk)


def _files(state_directory: Path, outlet: str | None) -> list[Path]:
    place = history_directory(state_directory)
    found = place.glob("*/*.json") if outlet is None else (place / outlet).glob("*.json")
    return sorted((path for path in found if _number(path)), key=lambda path: (path.parent.name, _number(path)))


def _number(path: Path) -> int:
    """Returns the number of a record in its history; 0 for another file."""
    named = _NAME.fullmatch(path.name)
    return int(named[1]) if named else 0


def _session(path: Path) -> str:
    named = _NAME.fullmatch(path.name)
    return named[2] if named else ""
