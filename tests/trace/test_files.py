"""Traces on the disk: whole or not there, never more than the caps allow, and cheap to add to."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from secc.session.durable import Disk, StorageFailed
from secc.trace import files
from secc.trace.files import REMOVED_AT_ONCE, TraceDirectory, render
from tests.platter import Platter, PowerCut, every_power_cut


def rendered(lines: Iterable[str], cap_octets: int = 10**9) -> bytes:
    steps = render(lines, cap_octets)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            octets: bytes = end.value
            return octets


def names(directory: Path) -> list[str]:
    return sorted(os.listdir(directory))


class Counted(Disk):
    """How often it is looked at files, and how many went."""

    def __init__(self) -> None:
        self.listed = self.removed = self.sized = 0

    def files(self, directory: Path, ending: str) -> dict[Path, tuple[int, int]]:
        self.listed += 1
        return super().files(directory, ending)

    def remove(self, path: Path) -> None:
        self.removed += 1
        super().remove(path)

    def size(self, path: Path) -> int | None:
        self.sized += 1
        return super().size(path)


def test_the_oldest_traces_go_first(tmp_path: Path) -> None:
    directory = tmp_path / "traces"
    store = TraceDirectory(directory, 4000)
    for n in range(10):
        path = store.store(f"trace-{9 - n}", rendered(["x" * 99] * 10))
        os.utime(path, ns=(n, n))
    (directory / "notes.txt").write_text("mine")
    assert names(directory) == ["notes.txt"] + [f"trace-{n}.jsonl" for n in range(4)]
    assert path.read_text() == ("x" * 99 + "\n") * 10
    assert path.stat().st_mode & 0o777 == 0o600
    # After a restart the age is that of the files, not that of their names.
    TraceDirectory(directory, 4000).store("trace-5", rendered(["x" * 99] * 10))
    assert names(directory) == ["notes.txt", "trace-0.jsonl", "trace-1.jsonl", "trace-2.jsonl", "trace-5.jsonl"]


def test_their_number_has_a_cap_as_well(tmp_path: Path) -> None:
    store = TraceDirectory(tmp_path, 10**9, most=5)
    for n in range(12):
        store.store(f"trace-{n:02}", b"{}\n")
    assert names(tmp_path) == [f"trace-{n:02}.jsonl" for n in range(7, 12)]


def test_writing_one_stays_cheap_in_a_directory_of_many_thousands(tmp_path: Path) -> None:
    """Each of 25 000 files must not be looked at for each new one, and the oldest have to go although they are small."""
    count = 25_000
    for n in range(count):
        os.mknod(f"{tmp_path}/old-{n:05}.jsonl")
    disk = Counted()
    store = TraceDirectory(tmp_path, 10**9, disk=disk)
    for n in range(3):
        store.store(f"trace-{n}", b"{}\n")
        assert disk.removed == REMOVED_AT_ONCE * (n + 1)
    assert (disk.listed, disk.sized) == (2, 0), "what is unfinished, and what is there"
    assert len(names(tmp_path)) == count + 3 - disk.removed
    assert set(names(tmp_path)) >= {"trace-0.jsonl", "trace-1.jsonl", "trace-2.jsonl"}
    for n in range(3, 3 + count // REMOVED_AT_ONCE):
        store.store(f"trace-{n}", b"{}\n")
    assert len(names(tmp_path)) == files.MOST_TRACES
    assert disk.listed == 2


def test_what_somebody_else_changes_in_the_directory_is_seen(tmp_path: Path) -> None:
    disk = Counted()
    store = TraceDirectory(tmp_path, 30, disk=disk)
    first = store.store("first", b"x" * 20)
    first.unlink()
    os.utime(tmp_path, ns=(1, 1))
    (tmp_path / "brought.jsonl").write_bytes(b"y" * 20)
    store.store("second", b"x" * 20)
    assert names(tmp_path) == ["second.jsonl"]
    assert disk.listed == 3, "once for what is unfinished"


def test_a_trace_larger_than_the_cap_keeps_both_ends(tmp_path: Path) -> None:
    rows = [json.dumps({"n": n, "pad": "x" * 50}) for n in range(1000)]
    octets = rendered(rows, 5000)
    found: list[dict[str, Any]] = [json.loads(line) for line in octets.splitlines()]
    assert found[0]["n"] == 0
    assert found[-1]["n"] == 999
    gap = next(line for line in found if "n" not in line)
    assert gap["kind"] == "thinned"
    assert gap["octets"] + sum(len(row) + 1 for row in rows if json.loads(row) in found) == sum(
        len(row) + 1 for row in rows
    )
    assert len(octets) <= 5000
    assert len(rendered(["x" * 10_000], 1000)) <= 1000


@pytest.mark.case("A-RES-09")
def test_rendering_stops_again_and_again_to_let_others_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the clock that it looks at, each line takes a third of a step."""
    clock = iter(range(10**6))
    monkeypatch.setattr(files.time, "perf_counter", lambda: next(clock) * files.STEP_SECONDS / 3.0)
    steps = sum(1 for _ in render(["line"] * 300, 10**6))
    assert 50 < steps < 150


def test_a_disk_that_does_not_serve(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageFailed):
        TraceDirectory(tmp_path / "file", 1000).store("t", b"{}")


def test_a_trace_is_whole_or_not_there_after_any_power_cut() -> None:
    directory = Path("/traces")
    octets = rendered(['{"n": 1}', '{"n": 2}'])

    class Files(Platter):
        def files(self, directory: Path, ending: str) -> dict[Path, tuple[int, int]]:
            return {path: (0, 0) for path in self.names if path.parent == directory and path.name.endswith(ending)}

    dry = Files()
    TraceDirectory(directory, 1000, disk=dry).store("a", octets)
    for plug, loss in every_power_cut(dry.steps):
        disk = Files(plug=plug)
        written = False
        with suppress(PowerCut):
            TraceDirectory(directory, 1000, disk=disk).store("a", octets)
            written = True
        found = disk.after_power_cut(loss).read(directory / "a.jsonl")
        assert found in (None, octets), (plug, loss)
        assert found or not written, (plug, loss)


def test_what_a_power_cut_left_goes_with_the_next_trace_and_what_is_no_file_stays_out_of_the_way(
    tmp_path: Path,
) -> None:
    """A directory with the name of a trace must not keep later traces from being written when it is the oldest."""
    (tmp_path / ".20260101T000000-1-aa.jsonl.new").write_bytes(b"half of a trace")
    (tmp_path / "20260101T000000-1-bb.jsonl").mkdir()
    directory = TraceDirectory(tmp_path, 10)
    for name in ("one", "two"):
        directory.store(name, b"0123456789")
    assert names(tmp_path) == ["20260101T000000-1-bb.jsonl", "two.jsonl"]
