"""Files of a station that survive a power cut.

What was written is durable when ``certs.files.write_whole`` or ``Journal.append`` has returned.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Lock

from certs import files
from certs.errors import StoreError
from secc.errors import SeccError

ROOM = 64 * 1024
"""Octets: a disk with less free space counts as full. A session's lines and the file system's own
blocks have to fit.
"""
PART = 64 * 1024
"""Octets of a journal that are read at once."""


class StorageFailed(StoreError, SeccError):
    """The disk is full, read-only or broken, or the station may not write the path."""


class Disk(files.Disk):
    """The disk of a station."""

    failure = StorageFailed


class Journal:
    """A file of lines that grows up to a cap; then it is renamed to ``<name>.1`` and a new one
    begins.

    When ``append`` has returned, the line survives a power cut. A line that was being written is
    there whole or not at all: a part of it is cut off before the next write. Safe to call from
    several threads.
    """

    def __init__(self, path: Path, cap_octets: int, disk: Disk | None = None) -> None:
        self.path = path
        self.older = path.with_name(path.name + ".1")
        self._half = max(cap_octets // 2, 1)
        self._disk = disk or Disk()
        self._lock = Lock()
        self._size: int | None = None
        """Octets of whole lines; None: not known."""
        self._settled = False
        """Whether the file, with all that is in it, is on the disk. After a failure only the cache may
        have it.
        """

    def append(self, line: bytes) -> None:
        """Store one line (without its end). Raises :class:`StorageFailed`; the file then holds the
        lines from before.
        """
        assert b"\n" not in line, "a line is a line"
        with self._lock:
            settled, self._settled = self._settled, False
            size, self._size = self._whole_lines(), None
            if size and size + len(line) + 1 > self._half:
                if not settled:
                    self._disk.sync(self.path)
                self._disk.replace(self.path, self.older)
                self._disk.sync(self.path.parent)
                size = 0
            try:
                self._disk.append(self.path, line + b"\n")
                self._disk.sync(self.path)
                if size == 0 or not settled:
                    self._disk.sync(self.path.parent)
            except StorageFailed:
                # Or each attempt would leave the line once more.
                with suppress(StorageFailed):
                    self._disk.truncate(self.path, size)
                raise
            self._size, self._settled = size + len(line) + 1, True

    def require_room(self) -> None:
        """Check, without writing, that the next line can be stored. Raises :class:`StorageFailed`."""
        self._disk.require_room(self.path, ROOM)

    def newest_first(self) -> Iterator[bytes]:
        """Returns every whole line, the newest first, read in parts on demand. Raises
        :class:`StorageFailed`.

        A part of a line that a power cut left is cut off first. Do not append while lines are being
        taken.
        """
        with self._lock:
            size = self._whole_lines()
        yield from _lines_back(self._disk, self.path, size)
        yield from _lines_back(self._disk, self.older, self._disk.size(self.older) or 0)

    def _whole_lines(self) -> int:
        if self._size is None:
            size, whole = self._disk.size(self.path) or 0, 0
            for begin, part in _parts(self._disk, self.path, size):
                if b"\n" in part:
                    whole = begin + part.rfind(b"\n") + 1
                    break
            if whole != size:
                self._disk.truncate(self.path, whole)
            self._size = whole
        return self._size


def _lines_back(disk: Disk, path: Path, size: int) -> Iterator[bytes]:
    """Returns the whole lines within the first ``size`` octets of a file, the newest first."""
    begun: bytes | None = None
    """The end of a line that begins in an earlier part; None while no line has ended."""
    for _, part in _parts(disk, path, size):
        lines = (part + (begun or b"")).split(b"\n")
        if begun is None:
            lines.pop()
        if lines:
            begun = lines.pop(0)
            yield from reversed(lines)
    if begun is not None:
        yield begun


def _parts(disk: Disk, path: Path, size: int) -> Iterator[tuple[int, bytes]]:
    """Returns the first ``size`` octets of a file in parts, the last part first, each with its
    offset.
    """
    for end in range(size, 0, -PART):
        begin = max(end - PART, 0)
        yield begin, disk.part(path, begin, end) or b""
