"""The book of charging sessions on a disk that does not always take what it is given (A-RES-06)."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from pathlib import Path

import pytest

from secc.conversation import Wall
from secc.session.durable import PART, Disk, Journal, StorageFailed
from secc.session.effects import Decision
from secc.uplink.book import MAX_FAILED, MAX_WAITING, MOST_LINES, POWER_LOST, FailedContracts, Pseudonyms, SessionBook
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
    assert failed.unsaved == f"failed contracts cannot be stored: {tmp_path / '.failed.new'}: Read-only file system"
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


class Counting(Disk):
    """Counts octets that are read, and notes what is written; nothing waits for the disk."""

    def __init__(self) -> None:
        self.octets = 0
        self.written: list[tuple[str, int]] = []

    def part(self, path: Path, begin: int, end: int) -> bytes | None:
        found = super().part(path, begin, end)
        self.octets += len(found or b"")
        return found

    def _put(self, path: Path, octets: bytes, how: int) -> None:
        self.written.append((path.name, len(octets)))
        super()._put(path, octets, how)

    def sync(self, path: Path) -> None:
        return


def test_a_long_book_is_read_no_further_than_there_are_open_sessions(tmp_path: Path) -> None:
    before = book(tmp_path, Counting())
    for n in range(3000):
        before.started(started(f"s{n}"))
        before.ended(ended(f"s{n}"))
    size = (tmp_path / "book").stat().st_size
    assert size > 1_000_000

    def opened(*left: str) -> int:
        disk = Counting()
        book(tmp_path, disk).catch_up(WALL)
        assert rows(tmp_path)[-len(left) :] == [f"ended {session}{POWER_LOST[-10:]}" for session in left] or not left
        return disk.octets

    assert opened() <= 2 * PART
    before.started(started("first"))
    before.started(started("second"))
    for n in range(300):
        before.started(started(f"t{n}"))
        before.ended(ended(f"t{n}"))
    assert opened("first", "second") <= 5 * PART
    assert opened() <= 2 * PART
    assert len(rows(tmp_path)) == 6604


def test_sessions_that_an_earlier_version_left_open_are_found(tmp_path: Path) -> None:
    """Its lines do not say how many there are: everything is read, as it was by that version."""
    lines = [
        {"what": "started", "session": "old", "outlet": "1"},
        *({"what": what, "session": f"s{n}", "outlet": "2"} for n in range(2000) for what in ("started", "ended")),
    ]
    (tmp_path / "book").write_text("".join(json.dumps(line) + "\n" for line in lines))
    book(tmp_path, Disk()).catch_up(WALL)
    assert rows(tmp_path)[4001:] == [f"ended old{POWER_LOST[-10:]}"]
    book(tmp_path, Disk()).started(started("new"))
    with (tmp_path / "book").open("a") as file:
        file.write(json.dumps({"what": "started", "session": "older again", "outlet": "1"}) + "\n")
    book(tmp_path, Disk()).catch_up(WALL)
    assert rows(tmp_path)[4004:] == [f"ended new{POWER_LOST[-10:]}", f"ended older again{POWER_LOST[-10:]}"]


def test_a_session_whose_end_was_not_stored_stays_open_in_the_count(tmp_path: Path) -> None:
    """The count is of what the file says, not of what the station knows."""
    disk = Moody()
    kept = book(tmp_path, disk)
    kept.started(started("s1"))
    disk.read_only = True
    for report in (ended("s1"), *(ended(f"x{n}") for n in range(MAX_WAITING))):
        with pytest.raises(StorageFailed):
            kept.ended(report)
    assert kept.dropped == 1
    disk.read_only = False
    kept.catch_up(WALL)
    kept.started(started("s2"))
    book(tmp_path, Disk()).catch_up(WALL)
    assert rows(tmp_path)[-2:] == [f"ended s1{POWER_LOST[-10:]}", f"ended s2{POWER_LOST[-10:]}"]


class Sticky(Disk):
    """Takes what is written, and says that it does not."""

    ill = False

    def sync(self, path: Path) -> None:
        if self.ill:
            raise StorageFailed(path, "input/output error")

    def truncate(self, path: Path, size: int) -> None:
        self.sync(path)
        super().truncate(path, size)


def test_a_session_whose_beginning_was_stored_and_dropped_is_found(tmp_path: Path) -> None:
    disk = Sticky()
    kept = book(tmp_path, disk)
    disk.ill = True
    for report in (started("lost"), *(started(f"s{n}") for n in range(MAX_WAITING))):
        with pytest.raises(StorageFailed):
            kept.started(report)
    disk.ill = False
    kept.catch_up(WALL)
    for n in range(MAX_WAITING):
        kept.ended(ended(f"s{n}"))
    book(tmp_path, Disk()).catch_up(WALL)
    assert rows(tmp_path)[-1] == f"ended lost{POWER_LOST[-10:]}"


def test_a_session_that_began_in_the_file_before_is_found(tmp_path: Path) -> None:
    kept = SessionBook(Journal(tmp_path / "book", 4000, Counting()), Pseudonyms(tmp_path / "key", Disk()))
    kept.started(started("long"))
    n = 0
    while not (tmp_path / "book.1").exists():
        kept.started(started(f"s{n}"))
        kept.ended(ended(f"s{n}"))
        n += 1
    again = SessionBook(Journal(tmp_path / "book", 4000, Disk()), Pseudonyms(tmp_path / "key", Disk()))
    again.catch_up(WALL)
    assert rows(tmp_path)[-1] == f"ended long{POWER_LOST[-10:]}"


def test_a_failure_costs_a_line_and_not_the_file(tmp_path: Path) -> None:
    disk = Counting()
    failed = FailedContracts(tmp_path / "failed", disk)
    for n in range(3):
        failed.remember(f"{n:032x}", Decision.REJECTED, WALL)
    failed.forget(f"{1:032x}")
    failed.forget("never seen")
    names, sizes = zip(*disk.written, strict=True)
    assert names == (".failed.new", "failed", "failed", "failed")
    assert max(sizes[1:]) < 120
    again = FailedContracts(tmp_path / "failed", disk)
    assert [again.entry(f"{n:032x}", WALL) is not None for n in range(3)] == [True, False, True]


def test_the_file_of_failures_is_written_anew_before_it_gets_long(tmp_path: Path) -> None:
    disk = Counting()
    failed = FailedContracts(tmp_path / "failed", disk)
    for n in range(2 * MOST_LINES):
        failed.remember(f"{n:032x}", Decision.REJECTED, WALL)
        if n % 1000 == 0:
            again = FailedContracts(tmp_path / "failed", disk)
            assert again._until == failed._until
            assert list(again._until) == list(failed._until), "the order says which goes first"
    lines = (tmp_path / "failed").read_text().splitlines()
    assert len(lines) <= MOST_LINES
    assert len(failed) == len(FailedContracts(tmp_path / "failed", disk)) == MAX_FAILED
    assert sum(size for _, size in disk.written) < 4 * sum(map(len, lines)) + 2 * MOST_LINES * 100


def test_what_a_power_cut_left_of_a_failure_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "failed"
    failed = FailedContracts(path, Disk())
    for who in ("a" * 32, "b" * 32):
        failed.remember(who, Decision.REJECTED, WALL)
    whole = path.read_bytes()
    for cut in range(whole.index(b"\n", whole.index(b"a" * 32)) + 1, len(whole)):
        path.write_bytes(whole[:cut])
        again = FailedContracts(path, Disk())
        assert (again.problem, len(again)) == ("", 1)
        again.remember("c" * 32, Decision.REJECTED, WALL)
        found = FailedContracts(path, Disk())
        assert (found.problem, list(found._until)) == ("", ["a" * 32, "c" * 32])


def test_failures_of_the_version_before_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "failed"
    until = WALL.time.replace(year=2027).isoformat()
    path.write_text(json.dumps({"version": 2, "failed": [["a" * 32, "rejected", until]]}))
    failed = FailedContracts(path, Disk())
    assert (failed.problem, len(failed)) == ("", 1)
    failed.remember("b" * 32, Decision.REJECTED, WALL)
    failed.forget("a" * 32)
    assert list(FailedContracts(path, Disk())._until) == ["b" * 32]
