"""Traces on the disk: rendered in steps, written whole or not at all, and never more of them than the caps allow."""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Iterable, Sequence
from pathlib import Path

from certs.files import remove_unfinished, write_whole
from secc.session.durable import Disk

STEP_SECONDS = 0.001
"""Rendering runs for so long before it lets other work run."""
MOST_TRACES = 1000
"""Files. Cars that fail early leave small traces; a directory of many thousands is of no use, and slow to list."""
REMOVED_AT_ONCE = 100
"""Of a directory with far too many files so many go with each trace that is written."""


def render(lines: Iterable[str], cap_octets: int) -> Generator[None, None, bytes]:
    """A trace as octets, at most ``cap_octets``, in steps. One that is above the cap keeps its beginning and its end."""
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
    """Where the traces of one station lie. ``store`` blocks, and is for one thread at a time.

    What lies there is listed once, and again when another process has changed it: with many files that takes longer than writing one.
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
        """Where the trace of this name lies, once it is stored."""
        return self.directory / f"{name}.jsonl"

    def store(self, name: str, octets: bytes) -> Path:
        """Write a trace, and remove the oldest ones above the caps. Raises StorageFailed."""
        disk, path = self._disk, self.path(name)
        disk.make_directory(self.directory)
        self._look()
        self._sizes.pop(path, None)
        # Room first: a full flash would otherwise keep the newest trace, the one that is wanted, out.
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
