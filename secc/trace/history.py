"""The history of an outlet: a record of every session that began, and of every attempt at one. Bounded, in files of their own.

::

    STATE/history/OUTLET/00000042-3fa94c0011223344.json             a session: a protocol was agreed, or charging began by pilot and duty
    STATE/history/OUTLET/00000043-99999900aabbccdd-attempt.json     an attempt: it ended before that, in TLS as a rule

The number says the order; a clock may be wrong. Attempts have a bound of their own, so that a car that tries again for hours, or a scanner of
ports, pushes no session out.
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
"""Records that are kept of an outlet; the oldest go."""
WAITING: Final = 20
"""Records that are kept in memory while the disk does not take them; the oldest go."""
SHORTEST_ID: Final = 4
"""Characters of a session's id that are enough to ask for it."""

_NAME: Final = re.compile(r"(\d{8,})-([0-9a-f]+)(-attempt)?\.json")
_ID: Final = re.compile(f"[0-9a-f]{{{SHORTEST_ID},16}}")


def history_directory(state_directory: Path) -> Path:
    """Where the histories of all outlets lie, a directory each."""
    return state_directory / "history"


class History:
    """One outlet's, for writing: one call at a time. Blocking.

    A record that cannot be stored waits in memory, and is stored by the next call once the disk is back. Without that the beginning of a
    session would stay, and say that the power was lost in it.
    """

    def __init__(self, state_directory: Path, outlet: str, disk: Disk | None = None) -> None:
        self._directory = history_directory(state_directory) / outlet
        self._disk = disk or Disk()
        self._begun: dict[str, Path] = {}
        """Sessions whose beginning stands in the history."""
        self._waiting: dict[str, SessionRecord] = {}
        """The newest of each session that is not stored, the oldest session first."""
        self._swept = False

    @property
    def waits(self) -> bool:
        """Whether a record waits for the disk."""
        return bool(self._waiting)

    def write(self, record: SessionRecord) -> None:
        """Keep a record; one of a session that has ended takes the place of its beginning. Raises StorageFailed; then it waits."""
        self._waiting[record.session] = record
        while len(self._waiting) > WAITING:
            del self._waiting[next(iter(self._waiting))]
        self._catch_up()

    def try_again(self) -> None:
        """Store what waits, as far as the disk takes it now."""
        with suppress(StorageFailed):
            self._catch_up()

    def _catch_up(self) -> None:
        """Store what waits; one that cannot be stored keeps no other out. Raises StorageFailed."""
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
            self._make_room([file for _, file in sorted(known) if _is_attempt(file) == bool(attempt)], bool(attempt))
        write_whole(self._disk, path, record.to_json().encode())
        if record.ended:
            self._begun.pop(record.session, None)
        else:
            self._begun[record.session] = path

    def _make_room(self, kept: list[Path], attempt: bool) -> None:
        for file in kept[: max(0, len(kept) + 1 - (ATTEMPTS if attempt else SESSIONS))]:
            self._disk.remove(file)


def records(state_directory: Path, outlet: str | None = None, disk: Disk | None = None) -> Iterator[SessionRecord]:
    """The history of this outlet, or of all, oldest first in each. One that cannot be read hides no other."""
    for path in _files(state_directory, outlet):
        try:
            yield read_record(path, disk)
        except (RecordBroken, StorageFailed):
            continue


def record_of_session(state_directory: Path, session: str, disk: Disk | None = None) -> SessionRecord:
    """The record of the session with this id, or of the only one whose id begins so. Raises RecordBroken, StorageFailed."""
    session = session.lower()
    if not _ID.fullmatch(session):
        raise RecordBroken(f"{session}: neither a file nor the id of a session")
    found = [path for path in _files(state_directory, None) if _session(path).startswith(session)]
    if not found:
        raise RecordBroken(f"{session}: not in the history of {state_directory}; `secc explain --list` shows what is")
    if len(found) > 1:
        raise RecordBroken(f"{session}: more than one session id begins with this: {', '.join(map(_session, found))}")
    return read_record(found[0], disk)


def _files(state_directory: Path, outlet: str | None) -> list[Path]:
    place = history_directory(state_directory)
    found = place.glob("*/*.json") if outlet is None else (place / outlet).glob("*.json")
    return sorted((path for path in found if _number(path)), key=lambda path: (path.parent.name, _number(path)))


def _number(path: Path) -> int:
    """The place of a record in its history; 0 for a file that is not a record."""
    named = _NAME.fullmatch(path.name)
    return int(named[1]) if named else 0


def _session(path: Path) -> str:
    named = _NAME.fullmatch(path.name)
    return named[2] if named else ""


def _is_attempt(path: Path) -> bool:
    return path.stem.endswith("-attempt")
