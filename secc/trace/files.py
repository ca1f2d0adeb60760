"""Traces on the disk: rendered in steps, written whole or not at all, within limits."""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Iterable, Sequence
from pathlib import Path

from certs.files import remove_unfinished, write_whole
from secc.session.durable import Disk

STEP_SECONDS = 0.001
"""Rendering yields to other work after this time."""
MOST_TRACES = 1000
"""Most files. Cars that fail early leave small traces, and a directory of many thousands is slow to
list.
"""
REMOVED_AT_ONCE = 100
"""Most files that are removed with each written trace."""


def render(lines: Iterable[str], cap_octets: int) -> Generator[None, None, bytes]:
    """Render a trace as octets, at most ``cap_octets``, in steps. A longer one keeps its beginning
    and its end.
    """
    rows: list[bytes] = []
    until = time.perf_counter() + STEP_SECONDS
    for line in lines:
        rows.append(line.encode() + b"\n")
        if time.perf_counter() >= until:
            yield
            until = time.perf_counter() + STEP_SECONDS
    yield
    return _within(rows, cap_octets)


def _within(rows: Sequence[bytes], cap_octets: int) -> bytes:
    total = sum(map(len, rows))
    if total <= cap_octets:
        return b"".join(rows)
    half, room = len(rows) // 2, cap_octets // 2 - 50
    head = b"".join(rows[:half])[: max(room, 0)]
    tail = b"".join(rows[half:])[-max(room, 1) :]
    head, tail = head[: head.rfind(b"\n") + 1], tail[tail.find(b"\n") + 1 :]
    gap = {"kind": "thinned", "octets": total - len(head) - len(tail)}
    return head + json.dumps(gap, separators=(",", ":")).encode() + b"\n" + tail


class TraceDirectory:
    """The traces of one station. ``store`` blocks, and is for one thread at a time.

    The directory is listed once, and again after another process has changed it, because listing
    many files takes longer than writing one.
    """

    def __init__(self, directory: Path, cap_octets: int, *, most: int = MOST_TRACES, disk: Disk | None = None) -> None:
        self.directory = directory
        self.cap_octets = cap_octets
        self._most = most
        self._disk = disk or Disk()
        self._sizes: dict[Path, int] = {}
        """Octets of every trace, the oldest first."""
        self._stamp: tuple[int, ...] | None = None

    def path(self, name: str) -> Path:
        """Returns the path of the trace of this name, once it is stored."""
        return self.directory / f"{name}.jsonl"

    def store(self, name: str, octets: bytes) -> Path:
        """Write a trace, and remove the oldest ones beyond the limits. Raises StorageFailed."""
        disk, path = self._disk, self.path(name)
        disk.make_directory(self.directory)
        self._look()
        self._sizes.pop(path, None)
        # Remove before writing: on a full flash the newest trace could not be written otherwise.
        total, removed = sum(self._sizes.values()) + len(octets), 0
        while self._sizes and (
            total > self.cap_octets or (len(self._sizes) >= self._most and removed < REMOVED_AT_ONCE)
        ):
            oldest = next(iter(self._sizes))
            disk.remove(oldest)
            total -= self._sizes.pop(oldest)
            removed += 1
        write_whole(disk, path, octets)
        self._sizes[path] = len(octets)
        self._stamp = disk.stamp(self.directory)
        return path

    def _look(self) -> None:
        if self._stamp is None:
            remove_unfinished(self._disk, self.directory, ".jsonl")
        stamp = self._disk.stamp(self.directory)
        if stamp is None or stamp != self._stamp:
            found = self._disk.files(self.directory, ".jsonl")
            self._sizes = {
                path: size for path, (_, size) in sorted(found.items(), key=lambda item: (item[1][0], item[0]))
            }
