"""Files that survive a power cut: written whole or not at all, and read within limits.

The order of the steps makes a file durable: data before name, file before directory. The steps are
methods of a :class:`Disk`, so that tests can cut the power before, within and after each of them.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import BinaryIO, TypeVar

from certs.errors import StoreError
from certs.guard import require_guarded, require_unwritable

SECRET = 0o600
PUBLIC = 0o644
UNFINISHED = ".new"
"""Suffix of a file that is being written and will replace another."""
LARGEST_FILE = 64 * 1024
MAX_READ = 256 * 1024 * 1024
LONGEST_LINE = 4096
"""Octets of a line in a list. Python splits a line in one call, which holds the event loop."""
MOST_STAMPED = 20_000
STEP_SECONDS, PAUSE_SECONDS = 0.001, 0.0005
SETTLED_NS = 2_000_000_000
"""The longest tick of a file system's clock (FAT)."""

T = TypeVar("T")
Stamp = tuple[int, ...]

now_ns = time.time_ns


class Disk:
    """The steps that make a file durable. Each raises only ``failure``. Blocking: for worker
    threads.
    """

    failure: type[StoreError] = StoreError
    mode = SECRET
    """Permissions of a new file."""

    def guard(self, path: Path) -> None:
        """Check that only root and the station's user can change what is at this path
        (:mod:`certs.guard`).
        """
        try:
            require_guarded(path)
        except StoreError as error:
            raise self.failure(path, error.text) from None

    def read(self, path: Path) -> bytes | None:
        """Returns the whole file; None if it does not exist."""
        return self.part(path, 0, MAX_READ)

    def part(self, path: Path, begin: int, end: int) -> bytes | None:
        """Returns the octets of a file from ``begin`` to ``end``, or to its end; None if it does
        not exist.
        """
        with self._failing(path):
            try:
                # Not blocking: the path may be a FIFO, which must not hang the reader.
                descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            except FileNotFoundError:
                return None
            with os.fdopen(descriptor, "rb") as file:
                status = os.fstat(descriptor)
                if not stat.S_ISREG(status.st_mode):
                    raise OSError("is not a regular file")
                file.seek(begin)
                return _content(file, end - begin, status.st_size - begin)

    def size(self, path: Path) -> int | None:
        """Returns the size in octets; None if the file does not exist."""
        with self._failing(path):
            try:
                return path.stat().st_size
            except FileNotFoundError:
                return None

    def stamp(self, path: Path) -> Stamp | None:
        """Returns the file's stamp; None if the file does not exist. Until it is ``settled``, a
        further write may not change it.
        """
        with self._failing(path):
            try:
                return stamp_of(path.stat())
            except FileNotFoundError:
                return None

    def files(self, directory: Path, ending: str) -> dict[Path, tuple[int, int]]:
        """Returns the regular files in a directory with this ending: the time of the last write
        (nanoseconds), and the size.
        """
        found = {}
        with self._failing(directory), os.scandir(directory) as entries:
            for entry in entries:
                if entry.name.endswith(ending):
                    status = entry.stat(follow_symlinks=False)
                    if stat.S_ISREG(status.st_mode):
                        found[directory / entry.name] = status.st_mtime_ns, status.st_size
        return found

    def write(self, path: Path, octets: bytes) -> None:
        """Write a new file; a file or a link of that name is removed first."""
        with self._failing(path):
            path.unlink(missing_ok=True)
        self._put(path, octets, os.O_EXCL)

    def append(self, path: Path, octets: bytes) -> None:
        """Append to the file, which is made if it does not exist."""
        self._put(path, octets, os.O_APPEND)

    def truncate(self, path: Path, size: int) -> None:
        with self._failing(path):
            os.truncate(path, size)

    def sync(self, path: Path) -> None:
        """Returns when the content of the file is on the disk; of a directory, the names in it."""
        with self._failing(path):
            synchronise(path)

    def replace(self, old: Path, new: Path) -> None:
        with self._failing(new):
            old.replace(new)

    def remove(self, path: Path) -> None:
        with self._failing(path):
            path.unlink(missing_ok=True)

    def require_room(self, path: Path, octets: int) -> None:
        """Check that this many octets can be written into the file, or beside it, without changing
        the disk.
        """
        with self._failing(path):
            try:
                descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_CLOEXEC)
            except FileNotFoundError:
                path.parent.stat()
            else:
                os.close(descriptor)
            # Root may write everywhere but on a read-only mount; access(2) checks both.
            if not os.access(path.parent, os.W_OK | os.X_OK, effective_ids=True):
                raise OSError("its directory cannot be written to")
            space = os.statvfs(path.parent)
            if space.f_bavail * space.f_frsize < octets:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def make_directory(self, path: Path) -> None:
        """Make the directory and its parents, for the station's user only."""
        with self._failing(path):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _put(self, path: Path, octets: bytes, how: int) -> None:
        with self._failing(path):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | how, self.mode)
            try:
                rest = memoryview(octets)
                while rest:
                    rest = rest[os.write(descriptor, rest) :]
            finally:
                os.close(descriptor)

    @contextmanager
    def _failing(self, path: Path) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as error:
            text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise self.failure(path, text) from None


def write_whole(disk: Disk, path: Path, octets: bytes) -> None:
    """Replace the file's content whole: after a power cut it is the old or the new one. Raises the
    disk's ``failure``.
    """
    beside = path.with_name(f".{path.name}{UNFINISHED}")
    try:
        disk.write(beside, octets)
        disk.sync(beside)
        disk.replace(beside, path)
    except StoreError:
        # Remove the unfinished file, which would fill a full disk further.
        with suppress(StoreError):
            disk.remove(beside)
        raise
    disk.sync(path.parent)


def remove_unfinished(disk: Disk, directory: Path, ending: str) -> None:
    """Remove unfinished files that a power cut left. Only the sole writer of such files may call
    it, before its first write.
    """
    for path in disk.files(directory, ending + UNFINISHED):
        disk.remove(path)


def write_atomically(path: Path, data: bytes, mode: int = PUBLIC) -> None:
    """``write_whole`` for a store: sets the mode and makes the directory if it is missing. Raises
    :class:`StoreError`.
    """
    disk = Disk()
    disk.mode = mode
    try:
        make_directory(path.parent)
        write_whole(disk, path, data)
    except (OSError, StoreError) as error:
        raise StoreError(
            path, f"cannot be written: {error.strerror if isinstance(error, OSError) else error.text}"
        ) from error


def remove_file(path: Path) -> None:
    """Delete ``path`` durably. Raises :class:`StoreError`, also if there is no such file."""
    try:
        path.unlink()
        synchronise(path.parent)
    except OSError as error:
        raise StoreError(path, f"cannot be removed: {error.strerror}") from error


def read_file(
    path: Path, *, secret: bool = False, store: Path | None = None, plain: bool = False, largest: int = LARGEST_FILE
) -> bytes:
    """Returns the file's content, at most ``largest`` octets. A ``secret`` file has to belong to
    root or the station's user, and other users must not be able to read it.

    ``store``: trust depends on the file. It has to be in that directory, and only root and the
    station's user may change it or a directory above it. ``plain``: the file's directory has been
    checked so, and the file is not a link. Raises :class:`StoreError`.
    """
    if store is not None and not plain:
        require_guarded(path, store)
    try:
        # Not blocking: a FIFO in the store must not hang the reader.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | (os.O_NOFOLLOW if plain else 0))
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise StoreError(path, "is not a file")
            if secret and status.st_mode & 0o077:
                raise StoreError(
                    path, f"holds a secret and is open to others (mode {status.st_mode & 0o777:04o}); chmod 600"
                )
            if secret and status.st_uid not in (0, os.geteuid()):
                raise StoreError(path, f"holds a secret and belongs to another user (uid {status.st_uid})")
            if store is not None:
                require_unwritable(path, status)
            data = _content(file, largest + 1, status.st_size)
    except OSError as error:
        raise StoreError(path, f"cannot be read: {error.strerror}") from error
    if len(data) > largest:
        raise StoreError(path, f"is larger than {largest} octets")
    return data


def _content(file: BinaryIO, most: int, size: int) -> bytes:
    """Returns the rest of the file, at most ``most`` octets. ``size``: the file has so many octets
    there, or more if it grows meanwhile.

    Python allocates what a read asks for, and where freed memory is overwritten (``secc run``) the
    C library first fills all of it, while the interpreter and the event loop wait: 0.2 s for 256
    MiB. So a read asks for little more than there is.
    """
    pieces, asked = [], min(most, max(size, 0) + 1)
    while True:
        pieces.append(file.read(asked))
        most -= len(pieces[-1])
        if len(pieces[-1]) < asked or most <= 0:
            return b"".join(pieces)
        asked = min(most, LARGEST_FILE)


def require_directory(path: Path) -> None:
    """Raises :class:`StoreError` for a store that does not exist, is not a directory, or cannot be
    read by the station's user.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise StoreError(path, f"cannot be read: {error.strerror}") from error
    if not stat.S_ISDIR(status.st_mode):
        raise StoreError(path, "is not a directory")


def stamp_of(status: os.stat_result) -> Stamp:
    """Returns the values that a write changes. Two writes within one tick of the file system's
    clock may set the same times.
    """
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def settled(stamp: Stamp, now: int) -> bool:
    """Whether every write after ``now`` (nanoseconds) changes the stamp.

    If not, the tick in which the file was written is not over: the caller has to read the file once
    more later.
    """
    return abs(now - stamp[-1]) > SETTLED_NS


def stamp(path: Path) -> tuple[object, ...]:
    """Returns stamps of the file, or of everything below the directory, and whether other users may
    change it. Opens no file and never raises.

    The result does not equal any other while a file is not ``settled``, or with more than
    ``MOST_STAMPED`` entries.
    """
    now = now_ns()
    seen: list[object] = []
    try:
        require_guarded(path)
    except StoreError as error:
        seen.append(str(error))
    places = _below(path)
    for place in paced(islice(places, MOST_STAMPED)):
        try:
            mark = stamp_of(place.stat())
        except OSError:
            seen.append((os.fspath(place), None))
        else:
            seen.append((os.fspath(place), mark, None if settled(mark, now) else object()))
    return (*seen, object()) if next(places, None) is not None else tuple(seen)


def _below(path: Path | os.DirEntry[str]) -> Iterator[Path | os.DirEntry[str]]:
    yield path
    if isinstance(path, Path) or path.is_dir(follow_symlinks=False):
        with suppress(OSError), os.scandir(path) as found:
            for entry in sorted(found, key=lambda entry: entry.name):
                yield from _below(entry)


def paced(items: Iterable[T]) -> Iterator[T]:
    """Yield the items and sleep briefly every millisecond, so that the event loop gets the
    interpreter. For worker threads.
    """
    until = time.perf_counter() + STEP_SECONDS
    for item in items:
        yield item
        if time.perf_counter() >= until:
            time.sleep(PAUSE_SECONDS)
            until = time.perf_counter() + STEP_SECONDS


def make_directory(path: Path) -> None:
    """Make ``path`` and its missing parents, each entry synchronised. Raises OSError."""
    if path.is_dir():
        return
    make_directory(path.parent)
    # Not writable by a group, whatever the umask: the station does not use a store that others may
    # write.
    path.mkdir(mode=0o755, exist_ok=True)
    synchronise(path.parent)


def synchronise(path: Path) -> None:
    """Bring a file's data, or a directory's entries, to the disk. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
