"""The user that runs a station, and its rights, read from the systemd unit: for ``secc check`` and
``secc doctor`` by root.

Root may access everything, so a check by root says little about the unit's user. The check
therefore becomes that user before it reads anything, the configuration included.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import secc
from frozen import dataclass
from secc.errors import ConfigError

NAME = "secc.service"
PLACES = (
    Path("/usr/lib/systemd/system"),
    Path("/lib/systemd/system"),
    Path("/run/systemd/system"),
    Path("/etc/systemd/system"),
)
"""Directories of units; a later one wins."""
STATE = Path("/var/lib")

_LIBC = ctypes.CDLL(None, use_errno=True)
_KEEP_CAPABILITIES = 8  # linux/prctl.h: PR_SET_KEEPCAPS
_CAPABILITY_VERSION = 0x20080522  # linux/capability.h: _LINUX_CAPABILITY_VERSION_3
_CAPABILITIES = {"CAP_NET_BIND_SERVICE": 10, "CAP_NET_ADMIN": 12, "CAP_NET_RAW": 13}


@dataclass(frozen=True, slots=True)
class Unit:
    """What ``secc.service`` sets that matters to a check."""

    path: Path
    user: str = "root"
    writable: tuple[Path, ...] | None = None
    """The only directories that may be written, if the unit makes the rest read-only; None: there
    is no such rule.
    """
    private: tuple[Path, ...] = ()
    """Directories that the unit hides or has of its own: no configured path may lie below them."""
    made: tuple[Path, ...] = ()
    """Directories that systemd makes before the start."""
    capabilities: frozenset[str] = frozenset()


def find_unit(configuration: Path | None) -> Unit | None:
    """Returns the unit that runs this configuration; None without one."""
    found = [place / NAME for place in PLACES if (place / NAME).is_file()]
    if not found or configuration is None:
        return None
    settings: dict[str, list[str]] = {}
    drop_ins = [path for place in PLACES for path in (place / f"{NAME}.d").glob("*.conf")]
    for file in (found[-1], *sorted(drop_ins, key=lambda path: path.name)):
        for key, value in _assignments(file):
            # An empty assignment clears the earlier ones.
            settings[key] = [*settings.get(key, ()), value] if value else []
    if str(configuration.absolute()) not in _words(settings, "ExecStart"):
        return None
    made = tuple(STATE / name for name in _words(settings, "StateDirectory"))
    strict = _last(settings, "ProtectSystem") == "strict"
    extra = tuple(Path(word.lstrip("-+")) for word in _words(settings, "ReadWritePaths"))
    private = (Path("/tmp"), Path("/var/tmp")) if _true(settings, "PrivateTmp") else ()  # noqa: S108  # named, not used
    hidden = (Path("/home"), Path("/root"), Path("/run/user")) if _true(settings, "ProtectHome") else ()
    return Unit(
        path=found[-1],
        user=_last(settings, "User") or "root",
        writable=(*made, *extra) if strict else None,
        private=(*private, *hidden),
        made=made,
        capabilities=frozenset(_words(settings, "AmbientCapabilities")),
    )


def become(user: str, capabilities: frozenset[str] = frozenset()) -> None:
    """Take the rights of this user and these capabilities, permanently.

    Raises ConfigError if that is not possible, or if the user cannot run this program.
    """
    try:
        entry = pwd.getpwuid(int(user)) if user.isdecimal() else pwd.getpwnam(user)
    except KeyError:
        raise ConfigError("--as-user", f"there is no user {user}; useradd makes one") from None
    if entry.pw_uid != os.geteuid():
        if os.geteuid() != 0:
            raise ConfigError("--as-user", f"only root may check with the rights of {user}")
        os.initgroups(entry.pw_name, entry.pw_gid)
        os.setgid(entry.pw_gid)
        _LIBC.prctl(_KEEP_CAPABILITIES, 1, 0, 0, 0)
        os.setuid(entry.pw_uid)
        _keep_only(capabilities)
    for needed in (Path(sys.executable), Path(os.__file__), Path(secc.__file__)):
        if not os.access(needed, os.R_OK):
            remedy = "install it with the system's Python"
            raise ConfigError("--as-user", f"{user} cannot read {needed}, so it cannot run this program: {remedy}")


def _keep_only(capabilities: frozenset[str]) -> None:
    """Keep only these capabilities; root's other rights are gone afterwards."""
    mask = sum(1 << _CAPABILITIES[name] for name in capabilities & _CAPABILITIES.keys())
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    # Effective, permitted, inheritable; once more for the numbers from 32 on.
    sets = (ctypes.c_uint32 * 6)(mask, mask, 0, 0, 0, 0)
    if _LIBC.capset(header, sets) != 0:
        raise ConfigError("--as-user", f"the rights of the user cannot be taken: {os.strerror(ctypes.get_errno())}")


def _assignments(file: Path) -> Iterator[tuple[str, str]]:
    section = ""
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    for line in text.replace("\\\n", " ").splitlines():
        words = line.strip()
        if words.startswith("["):
            section = words
        elif section == "[Service]" and "=" in words and words[0] not in "#;":
            key, _, value = words.partition("=")
            yield key.strip(), value.strip()


def _words(settings: dict[str, list[str]], key: str) -> list[str]:
    words: list[str] = []
    for value in settings.get(key, ()):
        try:
            words += shlex.split(value)
        except ValueError:
            words += value.split()
    return words


def _last(settings: dict[str, list[str]], key: str) -> str:
    return settings[key][-1] if settings.get(key) else ""


def _true(settings: dict[str, list[str]], key: str) -> bool:
    return _last(settings, key).lower() in ("yes", "true", "on", "1")
