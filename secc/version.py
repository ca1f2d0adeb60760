"""The version: the last release, the time of the newest change, its commit.

``0.1.0.post20261120131548+g71b7290``: the wheel of the newer tree is the newer one, so ``pip
install --upgrade`` takes it. The time (UTC) is that of the commit; with uncommitted changes it is
that of the newest file, and ``.changed`` follows the commit. A tree from ``git archive`` has its
commit in this file; without it or git the newest file counts. ``setup.py`` stores the version in a
wheel; a checkout looks it up.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

RELEASE = "0.1.0"
"""The last release. Change it with a release only."""

EXPORTED = "$Format:%ct %h$"
"""``git archive`` writes the commit's seconds and its hash here (.gitattributes)."""

GIT_SECONDS = 5.0
SOURCES = ("secc", "frozen", "hal", "certs", "tools", "pyproject.toml", "setup.py")


@cache
def version() -> str:
    """Returns the version of the running code. Blocks for some milliseconds in a checkout, the
    first time.
    """
    try:
        from secc._built import VERSION  # type: ignore[import-not-found]  # only a wheel has it
    except ImportError:
        return tree_version(Path(__file__).resolve().parent.parent)
    return str(VERSION)


def tree_version(root: Path, exported: str = EXPORTED) -> str:
    """Returns the version of the tree at ``root``. ``exported``: the commit that ``git archive``
    wrote into this file.
    """
    if found := re.fullmatch(r"(\d+) ([0-9a-f]+)", exported):
        return _named(int(found.group(1)), f"+g{found.group(2)}")
    if (root / ".git").exists() and (commit := _commit(root)):
        return commit
    return _named(_newest(path for top in SOURCES for path in _files(root / top)), "")


def _commit(root: Path) -> str | None:
    """Returns None without a working git."""
    last = _git(root, "log", "-1", "--format=%ct %h").split()
    if len(last) != 2:
        return None
    seconds, suffix = int(last[0]), f"+g{last[1]}"
    # Entries end in NUL, "XY PATH"; those of a rename have a second path, which is gone.
    changed = _git(root, "status", "--porcelain", "-z", "--untracked-files=no").split("\0")
    if any(changed):
        seconds = max(seconds, _newest(root / entry[3:] for entry in changed if entry))
        suffix += ".changed"
    return _named(seconds, suffix)


def _git(root: Path, *arguments: str) -> str:
    # The tree may belong to another user than the one who builds (sudo); programs that git would
    # run for it are switched off.
    command = ("git", "-C", str(root), "-c", "safe.directory=*", "-c", "core.fsmonitor=false", *arguments)
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=GIT_SECONDS, check=False)  # noqa: S603  # nothing from outside
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout if done.returncode == 0 else ""


def _files(path: Path) -> Iterable[Path]:
    return path.rglob("*.py") if path.is_dir() else (path,)


def _newest(paths: Iterable[Path]) -> int:
    return max((int(path.stat().st_mtime) for path in paths if path.is_file()), default=0)


def _named(seconds: int, suffix: str) -> str:
    return f"{RELEASE}.post{datetime.fromtimestamp(seconds, UTC):%Y%m%d%H%M%S}{suffix}"
