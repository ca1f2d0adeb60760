"""Files that survive a power cut: written whole or not at all, and read within limits."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from certs.errors import StoreError
from certs.guard import require_guarded, require_unwritable

SECRET = 0o600
PUBLIC = 0o644
LARGEST_FILE = 64 * 1024
MOST_STAMPED = 5000
LINES_AT_ONCE = 128


def write_atomically(path: Path, data: bytes, mode: int = PUBLIC) -> None:
    """``data`` under ``path``: afterwards, and after any crash, either the old content stands there or the new one.

    Data and directory entry are synchronised before this returns. Raises :class:`StoreError`.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        make_directory(path.parent)
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
        synchronise_directory(path.parent)
    except OSError as error:
        raise StoreError(path, f"cannot be written: {error.strerror}") from error


def remove_file(path: Path) -> None:
    """``path`` gone for good. Raises :class:`StoreError`, also if there is no such file."""
    try:
        path.unlink()
        synchronise_directory(path.parent)
    except OSError as error:
        raise StoreError(path, f"cannot be removed: {error.strerror}") from error


def read_file(path: Path, *, secret: bool = False, store: Path | None = None, largest: int = LARGEST_FILE) -> bytes:
    """The file's content, at most ``largest`` octets. A ``secret`` one must belong to us or root and be closed to everybody else.

    ``store``: trust rests on the file. It must lie in that directory, and only root and our user may change it or a directory above it.
    Raises :class:`StoreError`.
    """
    if store is not None:
        require_guarded(path, store)
    try:
        # Not blocking: a FIFO in the store must not hang the reader.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise StoreError(path, "is no file")
            if secret and status.st_mode & 0o077:
                raise StoreError(
                    path, f"holds a secret and is open to others (mode {status.st_mode & 0o777:04o}); chmod 600"
                )
            if secret and status.st_uid not in (0, os.geteuid()):
                raise StoreError(path, f"holds a secret and belongs to another user (uid {status.st_uid})")
            if store is not None:
                require_unwritable(path, status)
            data = file.read(largest + 1)
    except OSError as error:
        raise StoreError(path, f"cannot be read: {error.strerror}") from error
    if len(data) > largest:
        raise StoreError(path, f"is larger than {largest} octets")
    return data


def require_directory(path: Path) -> None:
    """Raises :class:`StoreError` for a store that does not exist, is not a directory, or cannot be read by our user."""
    try:
        status = path.stat()
    except OSError as error:
        raise StoreError(path, f"cannot be read: {error.strerror}") from error
    if not stat.S_ISDIR(status.st_mode):
        raise StoreError(path, "is not a directory")


def stamp(path: Path) -> tuple[object, ...]:
    """Changes whenever the file at ``path``, or anything below that directory, does, or who may change it. Never raises; looks, reads nothing.

    Of a crowded directory only so much is looked at as any store may hold.
    """
    seen: list[object] = []
    try:
        require_guarded(path)
    except StoreError as error:
        seen.append(str(error))
    seen.append(_look(path))
    for place, directories, files in os.walk(path):
        for name in sorted((*directories, *files)):
            seen.append((place, name, _look(Path(place, name))))
            if len(seen) > MOST_STAMPED:
                return tuple(seen)
    return tuple(seen)


def _look(path: Path) -> tuple[int, ...] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def lines_of(octets: bytes) -> Iterator[bytes]:
    """The lines of a long file, with their ends, without holding the interpreter for as long as it takes to go through them.

    To split all of it at once would stop every other thread, an event loop among them; so would a thread that never lets go. Call it on a thread.
    """
    for number, line in enumerate(BytesIO(octets)):
        if number % LINES_AT_ONCE == LINES_AT_ONCE - 1:
            time.sleep(0.0005)
        yield line


def make_directory(path: Path) -> None:
    """``path`` and what is missing above it, each entry synchronised. Raises OSError."""
    if path.is_dir():
        return
    make_directory(path.parent)
    # Never open to a group, whatever the umask: what lies in a store that others may write is not used.
    path.mkdir(mode=0o755, exist_ok=True)
    synchronise_directory(path.parent)


def synchronise_directory(path: Path) -> None:
    """Bring the directory's entries to the disk. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
