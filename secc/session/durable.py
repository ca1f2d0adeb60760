"""What was promised to be stored is there after a power cut.

A promise is kept when ``write_whole`` or ``Journal.append`` has returned. The order of the steps is what keeps it: data before name, file before
directory. They go through a :class:`Disk`, so that tests can pull the plug before, within and after each of them.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from certs import StoreError
from certs.guard import require_guarded
from secc.errors import SeccError

if TYPE_CHECKING:
    from collections.abc import Iterator

PRIVATE = 0o600
UNFINISHED = ".new"
"""How the name of a file ends that is being written, and takes the place of another when it is whole."""
MAX_READ = 256 * 1024 * 1024
ROOM = 64 * 1024
"""A disk with less free space counts as full: a session's lines have to fit, with what the file system needs for them."""


class StorageFailed(SeccError):
    """The disk is full, read-only or broken, or the path is not ours to write."""

    def __init__(self, path: Path, text: str) -> None:
        super().__init__(f"{path}: {text}")
        self.path = path
        self.text = text


class Disk:
    """The steps of which durability is made. Each raises :class:`StorageFailed` and nothing else. Blocking: for worker threads."""

    def guard(self, path: Path) -> None:
        """Check that only root and our user can change what is found at this path (:mod:`certs.guard`)."""
        try:
            require_guarded(path)
        except StoreError as error:
            raise StorageFailed(path, error.text) from None

    def read(self, path: Path) -> bytes | None:
        """The whole file; None if there is none."""
        with _failing(path):
            try:
                # Not blocking: a FIFO that somebody put there must not hang the reader.
                descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            except FileNotFoundError:
                return None
            with os.fdopen(descriptor, "rb") as file:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise OSError("is no regular file")
                return file.read(MAX_READ)

    def size(self, path: Path) -> int | None:
        """Octets in the file; None if there is none."""
        with _failing(path):
            try:
                return path.stat().st_size
            except FileNotFoundError:
                return None

    def stamp(self, path: Path) -> tuple[int, ...] | None:
        """Changes whenever the file does; None if there is none."""
        with _failing(path):
            try:
                status = path.stat()
            except FileNotFoundError:
                return None
            return (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)

    def files(self, directory: Path, ending: str) -> dict[Path, tuple[int, int]]:
        """The regular files in a directory whose names end so: when each was last written (nanoseconds), and its octets."""
        found = {}
        with _failing(directory), os.scandir(directory) as entries:
            for entry in entries:
                if entry.name.endswith(ending):
                    status = entry.stat(follow_symlinks=False)
                    if stat.S_ISREG(status.st_mode):
                        found[directory / entry.name] = status.st_mtime_ns, status.st_size
        return found

    def write(self, path: Path, octets: bytes) -> None:
        """A new file, or the file anew, readable by us alone."""
        self._put(path, octets, os.O_TRUNC)

    def append(self, path: Path, octets: bytes) -> None:
        """At the end of the file, which is made if need be."""
        self._put(path, octets, os.O_APPEND)

    def truncate(self, path: Path, size: int) -> None:
        with _failing(path):
            os.truncate(path, size)

    def sync(self, path: Path) -> None:
        """What was written to the file is on the disk when this returns; of a directory: the names in it."""
        with _failing(path):
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def replace(self, old: Path, new: Path) -> None:
        with _failing(new):
            old.replace(new)

    def remove(self, path: Path) -> None:
        with _failing(path):
            path.unlink(missing_ok=True)

    def require_room(self, path: Path, octets: int) -> None:
        """Nothing stands in the way of writing so much into the file, or beside it. Changes nothing on the disk."""
        with _failing(path):
            try:
                descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_CLOEXEC)
            except FileNotFoundError:
                path.parent.stat()
            else:
                os.close(descriptor)
            # Root may write everywhere but on a disk that is mounted read-only; access(2) knows of both.
            if not os.access(path.parent, os.W_OK | os.X_OK, effective_ids=True):
                raise OSError("its directory cannot be written to")
            space = os.statvfs(path.parent)
            if space.f_bavail * space.f_frsize < octets:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def make_directory(self, path: Path) -> None:
        """The directory with its parents, for us alone where it is new."""
        with _failing(path):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _put(self, path: Path, octets: bytes, how: int) -> None:
        with _failing(path):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | how, PRIVATE)
            try:
                rest = memoryview(octets)
                while rest:
                    rest = rest[os.write(descriptor, rest) :]
            finally:
                os.close(descriptor)


def write_whole(disk: Disk, path: Path, octets: bytes) -> None:
    """The file holds ``octets``, or what it held before; never a part. Raises :class:`StorageFailed`."""
    beside = path.with_name(f".{path.name}{UNFINISHED}")
    try:
        disk.write(beside, octets)
        disk.sync(beside)
        disk.replace(beside, path)
    except StorageFailed:
        # On a full disk every part that stays makes it fuller.
        with suppress(StorageFailed):
            disk.remove(beside)
        raise
    disk.sync(path.parent)


def remove_unfinished(disk: Disk, directory: Path, ending: str) -> None:
    """Remove unfinished files that a power cut left. Only the sole writer of such files may call it, before its first write."""
    for path in disk.files(directory, ending + UNFINISHED):
        disk.remove(path)


class Journal:
    """A file of lines that only grows, up to a cap; then it becomes ``<name>.1`` and a new one begins.

    A line that ``append`` has returned for is there after a power cut, whole. A line that was being written is there whole or not at all: what
    a power cut left of it is cut off before the next one is written. Safe to call from several threads.
    """

    def __init__(self, path: Path, cap_octets: int, disk: Disk | None = None) -> None:
        self.path = path
        self.older = path.with_name(path.name + ".1")
        self._half = max(cap_octets // 2, 1)
        self._disk = disk or Disk()
        self._lock = Lock()
        self._size: int | None = None
        """Octets of whole lines; None: not looked at yet, or in doubt."""

    def append(self, line: bytes) -> None:
        """Store one line (without its end). Raises :class:`StorageFailed`; then nothing is promised, and nothing spoiled."""
        assert b"\n" not in line, "a line is a line"
        with self._lock:
            size = self._whole_lines()
            if size and size + len(line) + 1 > self._half:
                self._disk.replace(self.path, self.older)
                self._disk.sync(self.path.parent)
                size = 0
            self._size = None
            self._disk.append(self.path, line + b"\n")
            self._disk.sync(self.path)
            if size == 0:
                self._disk.sync(self.path.parent)
            self._size = size + len(line) + 1

    def require_room(self) -> None:
        """As far as can be told without writing, the next line can be stored. Raises :class:`StorageFailed`."""
        self._disk.require_room(self.path, ROOM)

    def lines(self) -> tuple[bytes, ...]:
        """Every whole line, the oldest first. What a power cut left of one more is cut off."""
        with self._lock:
            self._whole_lines()
            return tuple(
                line
                for octets in (self._disk.read(self.older) or b"", self._disk.read(self.path) or b"")
                for line in octets[: octets.rfind(b"\n") + 1].splitlines()
            )

    def _whole_lines(self) -> int:
        if self._size is None:
            octets = self._disk.read(self.path) or b""
            whole = octets.rfind(b"\n") + 1
            if whole != len(octets):
                self._disk.truncate(self.path, whole)
            self._size = whole
        return self._size


@contextmanager
def _failing(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise StorageFailed(path, text) from None
