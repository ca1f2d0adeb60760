"""The history of an outlet: bounded, in order whatever the clock says, and asked for by id."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from secc.ops.report import explanation, listing
from secc.session.durable import Disk, StorageFailed
from secc.trace.explain import RecordBroken, SessionRecord
from secc.trace.history import ATTEMPTS, SESSIONS, WAITING, History, history_directory, record_of_session, records

ENDED = SessionRecord(
    "left",
    "completed",
    "terminated",
    session="3fa94c0011223344",
    protocol="ISO 15118-2",
    began="2026-11-20T10:00:00+00:00",
    ended="2026-11-20T10:00:07+00:00",
    seconds=7.0,
)
ATTEMPT = replace(ENDED, kind="tls", name="unknown-ca", flaw="tls.unknown-ca", protocol="")


def numbered(number: int, record: SessionRecord = ENDED) -> SessionRecord:
    return replace(record, session=f"{number:016x}")


def test_sessions_and_attempts_have_a_bound_each(tmp_path: Path) -> None:
    """A car that tries again all night pushes no session out."""
    history = History(tmp_path, "left")
    for number in range(SESSIONS + 5):
        history.write(numbered(number))
    for number in range(3 * ATTEMPTS):
        history.write(numbered(1000 + number, ATTEMPT))
    found = list(records(tmp_path))
    assert [record.session for record in found] == [
        f"{number:016x}" for number in (*range(5, SESSIONS + 5), *range(1000 + 2 * ATTEMPTS, 1000 + 3 * ATTEMPTS))
    ]
    assert len(list(history_directory(tmp_path).rglob("*"))) == 1 + SESSIONS + ATTEMPTS


def test_the_order_does_not_depend_on_the_clock_nor_on_the_process(tmp_path: Path) -> None:
    late, early = numbered(1), replace(numbered(2), ended="1970-01-01T00:00:09+00:00")
    History(tmp_path, "left").write(late)
    History(tmp_path, "left").write(early)
    assert list(records(tmp_path)) == [late, early]
    assert explanation(None, tmp_path).startswith("Outlet left: the session ended in order at 1970-01-01")


def test_an_end_takes_the_place_of_its_beginning(tmp_path: Path) -> None:
    history = History(tmp_path, "left")
    history.write(replace(ENDED, ended=""))
    history.write(numbered(7))
    history.write(ENDED)
    assert list(records(tmp_path)) == [ENDED, numbered(7)]
    history.write(numbered(8))
    assert [record.session[-1] for record in records(tmp_path)] == ["4", "7", "8"]


def test_outlets_have_histories_of_their_own(tmp_path: Path) -> None:
    right = replace(numbered(2), outlet="right", ended="2026-11-21T10:00:07+00:00")
    History(tmp_path, "left").write(ENDED)
    History(tmp_path, "right").write(right)
    assert list(records(tmp_path, "right")) == [right]
    assert "Outlet right" in explanation(None, tmp_path) and "Outlet left" in explanation(None, tmp_path, "left")
    lines = listing(tmp_path).splitlines()
    assert [line.split()[5:] for line in lines] == [
        ["left", "completed.terminated", "7.0", "s"],
        ["right", "completed.terminated", "7.0", "s"],
    ]


def test_a_session_is_asked_for_by_as_much_of_its_id_as_tells_it_apart(tmp_path: Path) -> None:
    history = History(tmp_path, "left")
    for record in (ENDED, replace(ATTEMPT, session="3fa9990011223344")):
        history.write(record)
    assert record_of_session(tmp_path, "3FA94C") == ENDED
    assert record_of_session(tmp_path, "3fa999").flaw == "tls.unknown-ca"
    for asked, why in (
        ("3fa9", "more than one session id begins with this: 3fa94c0011223344, 3fa9990011223344"),
        ("abcdef", "not in the history"),
        ("3fa", "neither a file nor the id"),
        ("../../etc", "neither a file nor the id"),
    ):
        with pytest.raises(RecordBroken, match=why):
            record_of_session(tmp_path, asked)


def test_what_does_not_belong_hides_nothing_and_is_left_alone(tmp_path: Path) -> None:
    history = History(tmp_path, "left")
    history.write(numbered(1))
    place = history_directory(tmp_path) / "left"
    strangers = {"00000002-00000000000000ff.json": "{", "notes.json": "{}", "00000003-zz.json": "{}", "x.txt": ""}
    for name, text in strangers.items():
        (place / name).write_text(text)
    history.write(numbered(4))
    assert list(records(tmp_path)) == [numbered(1), numbered(4)]
    assert {path.name for path in place.iterdir()} >= strangers.keys()


def test_a_history_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RecordBroken, match="no session has ended here yet"):
        explanation(None, tmp_path)
    assert "no session has begun here yet" in listing(tmp_path)


def test_a_file_that_is_neither_a_trace_nor_a_record(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("hello")
    (tmp_path / "y").write_text('{"t":0.0,"kind":"trace","version":1}\n{"kind"')
    for name in ("x", "y"):
        with pytest.raises(RecordBroken):
            explanation(str(tmp_path / name), tmp_path)


def test_what_is_no_record_hides_none_and_keeps_none_from_being_written(tmp_path: Path) -> None:
    """A directory by the name of the oldest record cannot be removed as a file; later records must be written and listed all the same."""
    place = history_directory(tmp_path) / "left"
    (place / "00000000-aaaa.json").mkdir(parents=True)
    (place / "00000001-bbbb.json").mkdir()
    (place / ".00000002-cccc.json.new").write_bytes(b"what a power cut left")
    history = History(tmp_path, "left")
    for number in range(SESSIONS + 5):
        history.write(numbered(number))
    assert [record.session for record in records(tmp_path)] == [f"{number:016x}" for number in range(5, SESSIONS + 5)]
    assert len(listing(tmp_path).splitlines()) == SESSIONS
    assert not list(place.glob(".*"))


class FullDisk(Disk):
    """Takes nothing while it is full."""

    full = True

    def _put(self, path: Path, octets: bytes, how: int) -> None:
        if self.full:
            raise StorageFailed(path, "No space left on device")
        super()._put(path, octets, how)


def test_what_a_full_disk_did_not_take_is_written_when_it_is_back(tmp_path: Path) -> None:
    """The beginning of a session stayed for good, and said that the power was lost in a session that had ended in order."""
    disk = FullDisk()
    history = History(tmp_path, "left", disk)
    disk.full = False
    history.write(replace(ENDED, ended="", kind="severed", name="power-lost"))
    disk.full = True
    for number in range(WAITING + 3):
        with pytest.raises(StorageFailed):
            history.write(ENDED if number == 3 else numbered(number))
    history.try_again()
    assert history.waits
    disk.full = False
    history.try_again()
    assert not history.waits
    assert list(records(tmp_path)) == [ENDED, *(numbered(number) for number in range(4, WAITING + 3))]
