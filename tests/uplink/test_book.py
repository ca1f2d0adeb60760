"""The book of charging sessions on a disk that does not always take what it is given (A-RES-06)."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from pathlib import Path

import pytest

from secc.conversation import Wall
from secc.session.durable import Disk, Journal, StorageFailed
from secc.session.effects import Decision
from secc.uplink.book import MAX_WAITING, POWER_LOST, FailedContracts, Pseudonyms, SessionBook
from secc.uplink.port import Identity, SessionEnded, SessionStarted

WALL = Wall(datetime(2026, 11, 20, 12, 0, tzinfo=UTC), trusted=True)


class Moody(Disk):
    """A disk that is read-only for a while, or fails without having said so before."""

    read_only = broken = False

    def _put(self, path: Path, octets: bytes, how: int) -> None:
        if self.broken:
            raise StorageFailed(path, "Input/output error")
        if self.read_only:
            raise StorageFailed(path, "Read-only file system")
        super()._put(path, octets, how)

    def require_room(self, path: Path, octets: int) -> None:
        if self.read_only:
            raise StorageFailed(path, "Read-only file system")
        super().require_room(path, octets)

    def sync(self, path: Path) -> None:
        return


def book(directory: Path, disk: Disk) -> SessionBook:
    return SessionBook(Journal(directory / "book", 10_000_000, disk), Pseudonyms(directory / "key", Disk()))


def started(session: str) -> SessionStarted:
    return SessionStarted(session, "1", "DE*PNX*E1", Identity("rfid", "04A2B3C4"), WALL, 1000.0)


def ended(session: str) -> SessionEnded:
    return SessionEnded(session, "1", "completed.full", WALL, 2000.0)


def rows(directory: Path) -> list[str]:
    path = directory / "book"
    lines = path.read_text().splitlines() if path.exists() else []
    return [f"{row['what']} {row['session']}" + row.get("reason", "")[-10:] for row in map(json.loads, lines)]


def test_what_cannot_be_stored_waits_and_is_stored_in_order(tmp_path: Path) -> None:
    disk = Moody()
    kept = book(tmp_path, disk)
    kept.started(started("s1"))
    assert kept.problem == ""
    disk.read_only = True
    for report in (ended("s1"), ended("s2")):
        with pytest.raises(StorageFailed, match="Read-only"):
            kept.ended(report)
    assert kept.problem == (
        f"charging sessions cannot be booked: {tmp_path / 'book'}: Read-only file system; 2 lines wait for the disk"
    )
    with pytest.raises(StorageFailed):
        kept.catch_up(WALL)
    assert rows(tmp_path) == ["started s1"]
    disk.read_only = False
    kept.catch_up(WALL)
    assert (kept.problem, len(kept)) == ("", 0)
    assert rows(tmp_path) == ["started s1", "ended s1leted.full", "ended s2leted.full"]


def test_a_disk_that_fails_only_when_it_is_written_to_loses_nothing_either(tmp_path: Path) -> None:
    disk = Moody()
    kept = book(tmp_path, disk)
    kept.catch_up(WALL)
    disk.broken = True
    with pytest.raises(StorageFailed, match="Input/output error"):
        kept.started(started("s1"))
    with pytest.raises(StorageFailed):
        kept.catch_up(WALL)
    assert len(kept) == 1
    disk.broken = False
    kept.catch_up(WALL)
    assert (rows(tmp_path), kept.problem) == (["started s1"], "")


def test_the_next_line_that_can_be_stored_takes_those_before_it_along(tmp_path: Path) -> None:
    disk = Moody()
    kept = book(tmp_path, disk)
    disk.read_only = True
    with pytest.raises(StorageFailed):
        kept.started(started("s1"))
    disk.read_only = False
    kept.ended(ended("s1"))
    assert rows(tmp_path) == ["started s1", "ended s1leted.full"]


def test_a_disk_that_is_away_at_the_start(tmp_path: Path) -> None:
    """What an earlier run left open is closed when the disk comes, and what this run has begun is not taken for it."""
    book(tmp_path, Disk()).started(started("before"))
    disk = Moody()
    disk.read_only = True
    kept = book(tmp_path, disk)
    with pytest.raises(StorageFailed):
        kept.started(started("now"))
    disk.read_only = False
    kept.catch_up(WALL)
    assert rows(tmp_path) == ["started before", f"ended before{POWER_LOST[-10:]}", "started now"]
    kept.catch_up(WALL)
    assert len(rows(tmp_path)) == 3


def test_the_memory_of_failed_contracts_is_written_when_the_disk_is_back(tmp_path: Path) -> None:
    disk = Moody()
    failed = FailedContracts(tmp_path / "failed", disk)
    disk.read_only = True
    with pytest.raises(StorageFailed):
        failed.remember("somebody", Decision.CERTIFICATE_REVOKED, WALL)
    assert (
        failed.unsaved == f"failed contracts cannot be written down: {tmp_path / '.failed.new'}: Read-only file system"
    )
    assert failed.entry("somebody", WALL) is not None, "known all the same"
    disk.read_only = False
    failed.catch_up()
    assert failed.unsaved == ""
    assert FailedContracts(tmp_path / "failed", Disk()).entry("somebody", WALL) is not None


def test_what_waits_is_bounded_and_what_is_lost_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    disk = Moody()
    kept = book(tmp_path, disk)
    disk.read_only = True
    with caplog.at_level(logging.ERROR):
        for n in range(MAX_WAITING + 3):
            with pytest.raises(StorageFailed):
                kept.started(started(f"s{n}"))
    assert (len(kept), kept.dropped) == (MAX_WAITING, 3)
    assert caplog.text.count("a line of a charging session is lost") == 3
    disk.read_only = False
    kept.catch_up(WALL)
    assert rows(tmp_path)[0] == "started s3"
