"""Code that is generated at run time, compiled at installation and stored beside this module's byte code.

``secc compile`` stores it (:mod:`secc.ops.installed`), the station only reads. An entry is found by its
whole source, so it is never stale. What is not found is compiled. docs/decisions/generated-code.md.
"""

from __future__ import annotations

import marshal
import os
from hashlib import sha256
from importlib.util import MAGIC_NUMBER
from pathlib import Path
from stat import S_IWGRP, S_IWOTH
from types import CodeType
from typing import Final

HEAD: Final = b"secc generated code 1\n" + MAGIC_NUMBER
"""Begins the file: this format, and the byte code of this interpreter. The SHA-256 of the rest and the
rest follow."""

PLACE: Final = Path(__spec__.cached or __file__).with_suffix(".generated")
"""``__pycache__/code.cpython-311.generated``, or where PYTHONPYCACHEPREFIX leads; never below the state
directory."""

Entries = dict[bytes, bytes]
"""Compiled code as ``marshal`` writes it, by what its source hashes to."""

gathered: Entries | None = None
"""Where everything that is compiled is put, while the file is being made."""

problem = ""
"""Why the file that is there is not used; empty where it is used, and where there is none. For the station to log once."""

_entries: Entries | None = None


class Unusable(Exception):
    """The file is not to be used; the text says why."""


class Missing(Unusable):
    """There is no file."""


def compiled(source: str, file: str) -> CodeType:
    """Returns ``compile(source, file, "exec")``, from the store if it holds just this."""
    key = sha256(f"{file}\n{source}".encode()).digest()[:16]
    stored = None if gathered is not None else _stored().get(key)
    if stored is not None:
        code: CodeType = marshal.loads(stored)  # noqa: S302  # only root, or who may change this module, can have written it
        return code
    code = compile(source, file, "exec")
    if gathered is not None:
        gathered[key] = marshal.dumps(code)
    return code


def forget() -> None:
    """Give the memory of the store back. Until ``recall`` everything that is wanted is compiled."""
    global _entries
    _entries = {}


def recall() -> None:
    """Read the store again when something is wanted, if it has been forgotten."""
    global _entries
    _entries = _entries or None


def _stored() -> Entries:
    global _entries, problem
    # Another thread may recall it meanwhile.
    entries = _entries
    if entries is None:
        try:
            entries = read(PLACE)[1]
        except Missing:
            entries = {}
        except Unusable as error:
            entries, problem = {}, str(error)
        _entries = entries
    return entries


def read(path: Path) -> tuple[str, Entries]:
    """Returns what ``secc compile`` stored: a fingerprint of the sources, and the entries. Raises Unusable.

    Python runs byte code without examining it, and broken byte code ends the process. So only root and
    the owner of this module, who could change the module itself, may be able to write the file and its
    directory; and the file must be whole.
    """
    try:
        _require_ours(path.parent, path.parent.stat())
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:  # noqa: PTH123  # no link is followed
            _require_ours(path, os.fstat(file.fileno()))
            octets = file.read()
    except FileNotFoundError:
        raise Missing(f"{path} is not there") from None
    except OSError as error:
        raise Unusable(f"{path}: {error.strerror or error}") from None
    if not octets.startswith(HEAD):
        raise Unusable(f"{path} was made by another version of Python or of this")
    digest, rest = octets[len(HEAD) :][:32], octets[len(HEAD) + 32 :]
    if sha256(rest).digest() != digest:
        raise Unusable(f"{path} is damaged")
    found: tuple[str, Entries] = marshal.loads(rest)  # noqa: S302  # the same
    return found


def packed(fingerprint: str, entries: Entries) -> bytes:
    """The content of the file."""
    rest = marshal.dumps((fingerprint, entries))
    return HEAD + sha256(rest).digest() + rest


def _require_ours(path: Path, status: os.stat_result) -> None:
    if status.st_uid not in (0, Path(__file__).stat().st_uid) or status.st_mode & (S_IWGRP | S_IWOTH):
        raise Unusable(f"{path} can be changed by others than root and the owner of the program")
