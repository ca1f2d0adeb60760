"""What was promised is there after a power cut, at whichever step it came and whatever the disk had not written yet."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from certs import files
from certs.files import write_whole
from secc.session import durable
from secc.session.durable import Disk, Journal, StorageFailed
from tests.platter import Inode, Platter, PowerCut, every_power_cut
from tests.power_cut import each_power_cut

FILE = Path("/state/file")


def lines_of(journal: Journal) -> tuple[bytes, ...]:
    """Every whole line, the oldest first."""
    return tuple(journal.newest_first())[::-1]


def test_a_whole_file_is_old_or_new_after_any_power_cut() -> None:
    dry = Platter()
    write_whole(dry, FILE, b"old contents")
    write_whole(dry, FILE, b"new and longer contents")
    seen = set()
    for plug, loss in every_power_cut(dry.steps):
        disk = Platter(plug=plug)
        promised: bytes | None = None
        try:
            write_whole(disk, FILE, b"old contents")
            promised = b"old contents"
            write_whole(disk, FILE, b"new and longer contents")
            promised = b"new and longer contents"
        except PowerCut:
            pass
        found = disk.after_power_cut(loss).read(FILE)
        seen.add(found)
        assert found in (None, b"old contents", b"new and longer contents"), (plug, loss)
        if promised is not None:
            assert found in (promised, b"new and longer contents"), (plug, loss)
    assert seen == {None, b"old contents", b"new and longer contents"}, "the plug was pulled before, between and after"


def test_a_journal_keeps_every_line_that_it_promised_and_no_half_ones() -> None:
    lines = [b'{"n": %d}' % n for n in range(8)]

    def write(disk: Platter, promised: list[bytes]) -> None:
        journal = Journal(FILE, 60, disk)
        for line in lines:
            journal.append(line)
            promised.append(line)

    dry = Platter()
    write(dry, [])
    assert Path("/state/file.1") in dry.names, "the file was changed for a new one on the way"
    for plug, loss in every_power_cut(dry.steps):
        disk, promised = Platter(plug=plug), list[bytes]()
        with suppress(PowerCut):
            write(disk, promised)
        again = Journal(FILE, 60, disk.after_power_cut(loss))
        again.append(b'{"after": 1}')
        found = lines_of(again)
        assert found[-1] == b'{"after": 1}'
        kept = found[:-1]
        # The cap lets old lines go; what is kept is without gaps, up to what was promised or the one line more that was on its way.
        end = lines.index(kept[-1]) + 1 if kept else 0
        assert tuple(lines[end - len(kept) : end]) == kept, (plug, loss)
        assert len(promised) <= end <= len(promised) + 1, (plug, loss, promised, found)
        assert len(kept) >= min(2, len(promised)), (plug, loss, promised, found)


class OneFailure(Platter):
    """A disk whose n-th synchronisation fails, and no other."""

    def __init__(self, failing: int) -> None:
        super().__init__()
        self.left = failing

    def sync(self, path: Path) -> None:
        self.left -= 1
        if self.left == 0:
            raise StorageFailed(path, "input/output error")
        super().sync(path)


def test_a_line_that_cannot_be_stored_leaves_nothing_however_often_it_is_tried() -> None:
    disk = OneFailure(0)
    journal = Journal(FILE, 10_000, disk)
    journal.append(b"good")
    for _ in range(100):
        disk.left = 1
        with pytest.raises(StorageFailed):
            journal.append(b"bad")
        assert lines_of(journal) == (b"good",)


@pytest.mark.parametrize("failing", range(1, 12))
def test_what_a_failure_left_in_a_journal_is_on_the_disk_with_the_next_line(failing: int) -> None:
    disk = OneFailure(failing)
    journal, failures = Journal(FILE, 60, disk), 0
    for number in range(6):
        try:
            journal.append(b'{"n": %d}' % number)
        except StorageFailed:
            failures += 1
            lines_of(journal)
        else:
            found = disk.after_power_cut("everything unsynced")
            assert lines_of(Journal(FILE, 60, found)) == lines_of(Journal(FILE, 60, disk))
    assert failures == (1 if disk.left <= 0 else 0), "a failure costs one line, and no other"


def test_a_journal_stays_below_its_cap(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j", 1000)
    for n in range(500):
        journal.append(b"%06d" % n)
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 1000
    assert lines_of(journal)[-1] == b"000499" and len(lines_of(journal)) > 70


def test_a_full_disk_spoils_nothing(tmp_path: Path) -> None:
    class Full(Disk):
        full = False

        def append(self, path: Path, octets: bytes) -> None:
            super().append(path, octets[:3] if self.full else octets)
            if self.full:
                raise StorageFailed(path, "No space left on device")

    disk = Full()
    journal = Journal(tmp_path / "j", 1000, disk)
    journal.append(b"first line")
    disk.full = True
    with pytest.raises(StorageFailed):
        journal.append(b"second line")
    assert lines_of(journal) == (b"first line",)
    disk.full = False
    journal.append(b"third line")
    assert (tmp_path / "j").read_bytes() == b"first line\nthird line\n"


def test_real_files_are_ours_alone(tmp_path: Path) -> None:
    write_whole(Disk(), tmp_path / "f", b"x")
    Journal(tmp_path / "j", 100).append(b"y")
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("f", "j")] == [0o600, 0o600]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["f", "j"]


def test_what_is_no_file_is_a_typed_error(tmp_path: Path) -> None:
    disk = Disk()
    assert disk.read(tmp_path / "none") is None and disk.size(tmp_path / "none") is None
    assert disk.stamp(tmp_path / "none") is None
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path, tmp_path / "fifo", Path("\0")):
        with pytest.raises(StorageFailed):
            disk.read(path)
    with pytest.raises(StorageFailed):
        write_whole(disk, tmp_path / "no" / "such" / "directory", b"")


def test_a_real_journal_is_whole_after_any_power_cut(tmp_path: Path) -> None:
    """Every step of the real disk, cut off in a forked child: each line that ``append`` returned for is there."""
    path, promised = tmp_path / "state" / "journal", tmp_path / "promised"
    lines = [b'{"n": %d, "more": "%s"}' % (n, b"x" * 20) for n in range(6)]

    def prepare() -> None:
        shutil.rmtree(path.parent, ignore_errors=True)
        path.parent.mkdir()
        promised.write_bytes(b"")

    def write() -> None:
        journal = Journal(path, 200)
        note = os.open(promised, os.O_WRONLY | os.O_APPEND)
        for line in lines:
            journal.append(line)
            os.write(note, b".")

    cuts = 0
    for cuts in each_power_cut(write, prepare):  # noqa: B007 - counted after the loop
        kept, count = lines_of(Journal(path, 200)), len(promised.read_bytes())
        end = lines.index(kept[-1]) + 1 if kept else 0
        assert tuple(lines[end - len(kept) : end]) == kept
        assert count <= end <= count + 1
    assert cuts == len(lines) + 1 + 2 * 3, "each line, the first file's name; twice: replaced, both names"
    assert path.with_name("journal.1").exists()


def test_a_line_is_promised_when_its_data_and_its_name_are_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a forked child leaves behind is still in the cache of this machine's disk, so the calls are looked at one by one."""
    steps = steps_on_the_disk(monkeypatch)
    journal = Journal(tmp_path / "j", 60)
    journal.append(b"a line of 20 octets.")
    assert steps == ["write j", "fsync j", f"fsync {tmp_path.name}"]
    steps.clear()
    journal.append(b"short")
    assert steps == ["write j", "fsync j"]
    steps.clear()
    journal.append(b"one more of 20 octets")
    assert steps == ["replace j.1", f"fsync {tmp_path.name}", "write j", "fsync j", f"fsync {tmp_path.name}"]
    steps.clear()
    write_whole(Disk(), tmp_path / "f", b"octets")
    assert steps == ["write .f.new", "fsync .f.new", "replace f", f"fsync {tmp_path.name}"]


def steps_on_the_disk(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every call that changes the disk, as it is made, with the name of its file."""
    steps: list[str] = []
    fsync, write, replace = os.fsync, os.write, os.replace

    def name(descriptor: int) -> str:
        return Path(f"/proc/self/fd/{descriptor}").resolve().name

    def noted_fsync(descriptor: int) -> None:
        steps.append(f"fsync {name(descriptor)}")
        fsync(descriptor)

    def noted_write(descriptor: int, octets: bytes) -> int:
        steps.append(f"write {name(descriptor)}")
        return write(descriptor, octets)

    def noted_replace(source: str, target: str) -> None:
        steps.append(f"replace {Path(target).name}")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "write", noted_write)
    monkeypatch.setattr(os, "replace", noted_replace)
    return steps


def test_room_is_looked_for_without_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk, file = Disk(), tmp_path / "journal"
    disk.require_room(file, 1000)
    assert list(tmp_path.iterdir()) == []
    file.write_bytes(b"a line\n")
    disk.require_room(file, 1000)
    assert file.read_bytes() == b"a line\n"
    for wrong in (tmp_path, tmp_path / "none" / "journal"):
        with pytest.raises(StorageFailed):
            disk.require_room(wrong, 1000)
    with pytest.raises(StorageFailed, match="No space left on device"):
        disk.require_room(file, 10**18)
    with monkeypatch.context() as patch:
        patch.setattr(os, "access", lambda path, mode, **how: False)
        with pytest.raises(StorageFailed, match="its directory cannot be written to"):
            disk.require_room(file, 1000)


def test_a_stamp_tells_a_change_of_the_same_size(tmp_path: Path) -> None:
    disk = Disk()
    write_whole(disk, tmp_path / "f", b"one")
    before = disk.stamp(tmp_path / "f")
    assert disk.stamp(tmp_path / "f") == before
    write_whole(disk, tmp_path / "f", b"two")
    assert disk.stamp(tmp_path / "f") != before


def test_a_disk_that_gets_full_keeps_no_part_of_what_did_not_fit(tmp_path: Path) -> None:
    """A part that stays makes the disk fuller, and no cap counts it."""

    class Full(Disk):
        def sync(self, path: Path) -> None:
            raise StorageFailed(path, "No space left on device")

    with pytest.raises(StorageFailed, match="No space left"):
        write_whole(Full(), tmp_path / "f", b"octets")
    assert list(tmp_path.iterdir()) == []


class Counting(Disk):
    """Counts the octets that are read."""

    octets = 0

    def part(self, path: Path, begin: int, end: int) -> bytes | None:
        found = super().part(path, begin, end)
        self.octets += len(found or b"")
        return found


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.binary(max_size=12).map(lambda line: line.replace(b"\n", b"")), max_size=12),
    st.integers(1, 9),
    st.binary(max_size=9).map(lambda rest: rest.replace(b"\n", b"")),
)
def test_lines_are_the_same_in_whatever_parts_they_are_read(lines: list[bytes], part: int, rest: bytes) -> None:
    older, path = lines[: len(lines) // 2], Path("/state/j")
    newer = lines[len(older) :]
    disk = Platter({path: Inode(b"".join(line + b"\n" for line in newer) + rest)})
    if older:
        disk.names[Path("/state/j.1")] = Inode(b"".join(line + b"\n" for line in older))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(durable, "PART", part)
        assert lines_of(Journal(path, 1000, disk)) == tuple(lines)
    assert disk.names[path].data == b"".join(line + b"\n" for line in newer), "the rest of a line is cut off"


def test_a_long_journal_is_not_read_to_be_opened(tmp_path: Path) -> None:
    path, disk = tmp_path / "j", Counting()
    path.write_bytes(b"a line of twenty-two.\n" * 200_000 + b"what a power cut left")
    journal = Journal(path, 10_000_000, disk)
    journal.append(b"one more")
    assert disk.octets <= durable.PART
    assert next(journal.newest_first()) == b"one more"
    assert disk.octets <= 2 * durable.PART
    assert path.read_bytes().endswith(b"a line of twenty-two.\none more\n")


def test_a_journal_that_is_larger_than_what_is_read_at_once_is_not_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MAX_READ", 100)
    monkeypatch.setattr(durable, "PART", 30)
    path = tmp_path / "j"
    path.write_bytes(b"a line\n" * 40)
    journal = Journal(path, 10_000)
    journal.append(b"one more")
    assert lines_of(journal) == (*[b"a line"] * 40, b"one more")


def test_a_link_in_the_place_of_an_unfinished_file_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"other")
    (tmp_path / ".f.new").symlink_to(tmp_path / "other")
    write_whole(Disk(), tmp_path / "f", b"octets")
    assert (tmp_path / "f").read_bytes() == b"octets"
    assert (tmp_path / "other").read_bytes() == b"other"
    assert not (tmp_path / "f").is_symlink()
