"""Files that survive a power cut."""

from __future__ import annotations

import os
import shutil
import stat
import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from certs import files
from certs.errors import StoreError
from certs.files import (
    LARGEST_FILE,
    MAX_READ,
    SETTLED_NS,
    Disk,
    paced,
    read_file,
    remove_file,
    settled,
    stamp,
    write_atomically,
)
from tests.power_cut import each_power_cut
from tests.settle import settle


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a" / "b" / "file", b"new")
    assert read_file(tmp_path / "a" / "b" / "file") == b"new"
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["file"]


def test_after_a_power_cut_the_old_or_the_new_content_stands_there(tmp_path: Path) -> None:
    path = tmp_path / "store" / "file"

    def prepare() -> None:
        shutil.rmtree(path.parent, ignore_errors=True)
        write_atomically(path, b"old")

    cuts = 0
    for cuts in each_power_cut(lambda: write_atomically(path, b"new"), prepare):  # noqa: B007 - counted after the loop
        assert read_file(path) in (b"old", b"new")
    assert cuts >= 3, "file synchronised, renamed, directory synchronised"
    assert read_file(path) == b"new"


def test_data_are_synchronised_before_the_name_and_the_name_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync, replace = os.fsync, os.replace

    def noted_fsync(descriptor: int) -> None:
        steps.append(f"fsync {'directory' if Path(f'/proc/self/fd/{descriptor}').is_dir() else 'file'}")
        fsync(descriptor)

    def noted_replace(source: str, target: str) -> None:
        steps.append("replace")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "replace", noted_replace)
    write_atomically(tmp_path / "file", b"new")
    assert steps == ["fsync file", "replace", "fsync directory"]


@pytest.mark.parametrize("call", ["fsync", "replace", "open"])
def test_a_disk_that_fails_is_a_typed_error_and_the_old_content_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def fails(*arguments: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fails)
        with pytest.raises(StoreError, match="No space left"):
            write_atomically(path, b"new")
    assert read_file(path) == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_reading_has_limits(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(LARGEST_FILE + 1))
    os.mkfifo(tmp_path / "fifo")
    for name, text in (("large", "larger than"), ("missing", "No such file"), (".", "Is a directory")):
        with pytest.raises(StoreError, match=text):
            read_file(tmp_path / name)
    # Nobody writes to it: reading must come back all the same.
    with pytest.raises(StoreError, match="not a file"):
        read_file(tmp_path / "fifo")


@pytest.mark.parametrize("read", [Disk().read, partial(read_file, largest=MAX_READ)])
def test_reading_asks_for_no_more_memory_than_the_file_takes(
    tmp_path: Path, read: Callable[[Path], bytes | None]
) -> None:
    path = tmp_path / "list"
    path.write_bytes(b"emaid DE8AACA2B3C4D5\n")
    tracemalloc.start()
    try:
        assert read(path) == b"emaid DE8AACA2B3C4D5\n"
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("read", [Disk().read, partial(read_file, largest=MAX_READ)])
def test_a_file_that_has_more_than_its_size_is_read_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: Callable[[Path], bytes | None]
) -> None:
    """It grows while it is read, or its file system tells no size."""
    path = tmp_path / "list"
    content = bytes(range(256)) * 1000
    path.write_bytes(content)
    whole = os.fstat

    def smaller(descriptor: int) -> os.stat_result:
        values = list(whole(descriptor))
        values[stat.ST_SIZE] = 10
        return os.stat_result(values)

    monkeypatch.setattr("certs.files.os.fstat", smaller)
    assert read(path) == content
    with pytest.raises(StoreError, match="larger than 1000"):
        read_file(path, largest=1000)


def test_a_part_is_what_the_file_has_of_it(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_bytes(b"0123456789")
    parts = [Disk().part(path, *span) for span in ((0, 4), (4, 10), (8, 100), (10, 20), (15, 20))]
    assert parts == [b"0123", b"456789", b"89", b"", b""]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o620])
def test_a_secret_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"secret")
    path.chmod(mode)
    with pytest.raises(StoreError, match="chmod 600"):
        read_file(path, secret=True)
    path.chmod(0o600)
    assert read_file(path, secret=True) == b"secret"


def test_a_secret_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "key"
    path.touch(0o600)
    owner = path.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    if owner == 0:
        os.chown(path, 4711, 4711)
    with pytest.raises(StoreError, match="another user"):
        read_file(path, secret=True)


def test_removing_what_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        remove_file(tmp_path / "file")


def test_a_stamp_changes_with_everything_below(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle(monkeypatch)
    store = tmp_path / "store"
    file = store / "a" / "b" / "file"
    write_atomically(file, b"one")
    for change in (
        lambda: write_atomically(file, b"two"),
        lambda: file.chmod(0o600),
        lambda: file.rename(file.with_name("other")),
        lambda: (store / "more").mkdir(),
        lambda: (store / "link").symlink_to(tmp_path),
        lambda: (store / "link").unlink(),
        lambda: tmp_path.chmod(0o777),
        lambda: tmp_path.chmod(0o700),
        lambda: shutil.rmtree(store),
        lambda: store.write_bytes(b"a file now"),
    ):
        before = stamp(store)
        assert stamp(store) == before
        change()
        assert stamp(store) != before


def test_a_stamp_of_what_was_just_written_is_like_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within the tick of a clock a second write leaves the same times."""
    write_atomically(tmp_path / "file", b"one")
    assert stamp(tmp_path / "file") != stamp(tmp_path / "file")
    settle(monkeypatch)
    assert stamp(tmp_path / "file") == stamp(tmp_path / "file")


def test_a_stamp_of_more_than_is_looked_at_is_like_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or a root could be removed behind twenty thousand files, and be trusted on."""
    settle(monkeypatch)
    (tmp_path / "backup").mkdir()
    for name in ("backup/1", "backup/2", "root"):
        (tmp_path / name).touch()
    monkeypatch.setattr(files, "MOST_STAMPED", 5)
    before = stamp(tmp_path)
    assert stamp(tmp_path) == before
    (tmp_path / "root").write_bytes(b"another")
    assert stamp(tmp_path) != before
    monkeypatch.setattr(files, "MOST_STAMPED", 4)
    assert stamp(tmp_path) != stamp(tmp_path)


def test_a_clock_that_goes_wrong_unsettles_no_file_for_long() -> None:
    now = 1_700_000_000_000_000_000
    assert not settled((0, now), now)
    assert not settled((0, now - SETTLED_NS), now)
    assert not settled((0, now + SETTLED_NS), now)
    assert settled((0, now - SETTLED_NS - 1), now)
    assert settled((0, now + 10 * SETTLED_NS), now), "written before the clock was set back: what comes has other times"


def test_long_work_lets_others_have_the_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, pauses = [0.0], []

    def work() -> Iterator[int]:
        for n in range(100):
            clock[0] += 0.0003
            yield n

    monkeypatch.setattr(files.time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(files.time, "sleep", pauses.append)
    assert list(paced(work())) == list(range(100))
    assert len(pauses) == 25
