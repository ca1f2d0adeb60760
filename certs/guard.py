"""Only root and this process's user may change the files that trust depends on.

Other users must not read a private key or write an anchor: a user who can put a root into the
truststore, or replace a directory above it, can issue contracts. So the check walks the path from
the top, symbolic links included, and others must not be able to write any step of it.
"""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import stat
from pathlib import Path

from certs.errors import StoreError

_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH
_MAX_LINKS = 40
_ACCESS_LIST = "system.posix_acl_access"


def require_guarded(path: Path, within: Path | None = None) -> Path:
    """Returns the real path of ``path``, if only root and the station's user can change what is
    there. A missing part ends the walk. With ``within`` the path must not lead out of that
    directory either. Raises :class:`StoreError`.
    """
    try:
        real = _walk(path)
        if within is not None and not real.is_relative_to(within.resolve()):
            raise StoreError(path, f"leads out of the store, to {real}")
    except (OSError, RuntimeError) as error:
        raise StoreError(path, f"cannot be looked at: {getattr(error, 'strerror', None) or error}") from error
    return real


def exposed(path: Path) -> str:
    """Returns which other users can change this file of the operator, or a directory above it;
    empty if none can (A-PKI-07).
    """
    try:
        require_guarded(path)
    except StoreError as error:
        return str(error)
    return ""


def require_unwritable(path: Path, status: os.stat_result) -> None:
    """Check that only root and the station's user may write the file or directory with this
    ``status``. Raises :class:`StoreError`.
    """
    if status.st_uid not in _owners():
        mine = "" if os.geteuid() == 0 else f" or {_user(os.geteuid())}"
        raise StoreError(
            path, f"belongs to {_user(status.st_uid)}, not to root{mine}; chown it, or run this as its owner"
        )
    if status.st_mode & _OTHERS_MAY_WRITE:
        raise StoreError(path, f"can be changed by others (mode {status.st_mode & 0o7777:04o}); chmod go-w")


def _walk(path: Path) -> Path:
    here, rest, links = Path("/"), list(reversed(path.absolute().parts[1:])), 0
    _require_safe_above(here, path)
    while rest:
        part = rest.pop()
        if part == "..":
            here = here.parent
            continue
        step = here / part
        try:
            status = step.lstat()
        except FileNotFoundError:
            return step.joinpath(*reversed(rest))
        if stat.S_ISLNK(status.st_mode):
            links += 1
            if links > _MAX_LINKS:
                raise StoreError(path, "leads through too many symbolic links")
            if status.st_uid not in _owners_above():
                raise StoreError(path, f"the link {step} on the way to it belongs to {_user(status.st_uid)}")
            target = step.readlink()
            here = Path("/") if target.is_absolute() else here
            rest += reversed(target.parts[1:] if target.is_absolute() else target.parts)
        elif rest:
            here = step
            _require_safe_above(step, path)
        else:
            here = step
            require_unwritable(path, status)
    return here


def _require_safe_above(directory: Path, path: Path) -> None:
    """Check that others cannot replace files in ``directory``.

    More is accepted than in a store, because distributions and developers have such directories: in
    a sticky directory others cannot replace the station's files, a group without other members does
    not add a user, and the owner of this program can change the program itself.
    """
    status = directory.stat()
    if status.st_uid not in _owners_above():
        raise StoreError(path, f"{directory} above it belongs to {_user(status.st_uid)}")
    if status.st_mode & stat.S_ISVTX:
        return
    if status.st_mode & stat.S_IWOTH or (status.st_mode & stat.S_IWGRP and _group_has_strangers(directory, status)):
        text = f"{directory} above it can be changed by others (mode {status.st_mode & 0o7777:04o}); chmod go-w {directory}"
        raise StoreError(path, text)


def _group_has_strangers(directory: Path, status: os.stat_result) -> bool:
    with contextlib.suppress(OSError):
        # With an access list the group's bits are the list's mask; the users in the list are not
        # examined.
        if _ACCESS_LIST in os.listxattr(directory):
            return True
    members = {user.pw_uid for user in pwd.getpwall() if user.pw_gid == status.st_gid}
    with contextlib.suppress(KeyError):
        for name in grp.getgrgid(status.st_gid).gr_mem:
            members.add(pwd.getpwnam(name).pw_uid)
    return not members <= _owners_above() | {status.st_uid}


def _owners() -> frozenset[int]:
    """Returns the users who may own files of a store."""
    return frozenset({0, os.geteuid()})


def _owners_above() -> frozenset[int]:
    """Returns the users who may own directories above a store. In a container or a checkout this
    includes the developer, who also owns the program.
    """
    owners = _owners() | _root_outside()
    with contextlib.suppress(PermissionError):
        # A process that has changed its user may be unable to look at its own program.
        owners |= {Path(__file__).stat().st_uid}
    return owners


def _root_outside() -> frozenset[int]:
    """Returns the user id of root's files in a user namespace without root; empty elsewhere."""
    try:
        mapped = [tuple(map(int, line.split())) for line in Path("/proc/self/uid_map").read_text().splitlines()]
        if any(outside == 0 for _, outside, _ in mapped):
            return frozenset()
        return frozenset({int(Path("/proc/sys/kernel/overflowuid").read_text())})
    except (OSError, ValueError):
        return frozenset()


def _user(uid: int) -> str:
    try:
        return f"user {pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"user {uid}"
