"""Files of an installation beside the modules, for a quick start: byte code, and code generated
from declarations.

``secc compile`` makes them, ``secc doctor`` checks that they are there and fresh; the station
writes neither (``docs/decisions/generated-code.md``).
"""

from __future__ import annotations

import compileall
import contextlib
import importlib
import importlib.util
import os
import pkgutil
from collections import deque
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Final

import frozen
from certs.errors import StoreError
from certs.files import write_atomically
from frozen import code
from secc.errors import SeccError
from secc.ops.finding import Finding, bad, note
from secc.protocols import protocols
from secc.session import negotiation

PACKAGES: Final = ("frozen", "certs", "hal", "secc")
AS_OWNER: Final = "run this as the owner of the installation"
REMEDY: Final = "run `secc compile` as the owner of the installation"
SLOWER: Final = f", so a start takes longer; {REMEDY}"
READABLE: Final = "install the station where the user that it runs as can read it"
_OTHERS_WRITE: Final = 0o022
_FRESH_HEAD: Final = 16
"""Octets of a byte code file before the code: the interpreter's number, flags, time and size of the
source.
"""


def install() -> Iterator[str]:
    """Compile the modules, then the code that they generate. Yields a line for each step. Imports
    everything, so it needs a process of its own.

    Raises SeccError if byte code or generated code cannot be written.
    """
    for place in map(_place, PACKAGES):
        if not compileall.compile_dir(place, quiet=1):
            raise SeccError(f"{place}: not every module could be compiled: {AS_OWNER}")
    yield f"byte code of {len(list(_sources()))} modules"
    entries = _generate()
    directory = code.PLACE.parent
    with contextlib.suppress(OSError):
        directory.chmod(directory.stat().st_mode & ~_OTHERS_WRITE)
    try:
        write_atomically(code.PLACE, code.packed(_fingerprint(), entries))
    except StoreError as error:
        raise SeccError(f"{error}: {AS_OWNER}") from error
    yield f"{len(entries)} generated functions: {code.PLACE}"


def findings() -> Iterator[Finding]:
    """Yields what ``secc doctor`` says about both."""
    try:
        sources = list(_sources())
    except OSError as error:
        yield bad("installation", f"{error.filename} cannot be read: {error.strerror}; {READABLE}")
        return
    stale = sum(not _is_fresh(source) for source in sources)
    if stale:
        yield note("byte code", f"{stale} of {len(sources)} modules have none that is fresh{SLOWER}")
    else:
        yield Finding("byte code", f"of all {len(sources)} modules is there")
    yield _generated()


def _generated() -> Finding:
    try:
        fingerprint, entries = code.read(code.PLACE)
    except code.Missing:
        return note("generated code", f"is not there{SLOWER}")
    except code.Unusable as error:
        return bad("generated code", f"is not used: {error}; {REMEDY}")
    if fingerprint != _fingerprint():
        return note("generated code", f"was made from other sources{SLOWER}")
    return Finding("generated code", f"{len(entries)} functions are there")


def _generate() -> code.Entries:
    """Returns all code that a station may generate, compiled."""
    code.gathered = {}
    try:
        for name in PACKAGES:
            for module in pkgutil.walk_packages([str(_place(name))], f"{name}."):
                # A module whose library is missing does not run on this machine; tools and programs
                # do not run in a station.
                if not module.name.startswith("secc.tools") and not module.name.endswith("__main__"):
                    with contextlib.suppress(ImportError):
                        importlib.import_module(module.name)
        deque(frozen.make_all(), maxlen=0)
        negotiation.warm()
        for protocol in protocols():
            loaded = protocol.load()
            loaded.warm()
            deque(loaded.warm_rest(), maxlen=0)
        return code.gathered
    finally:
        code.gathered = None


def _place(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent


def _sources() -> Iterator[Path]:
    """Raises OSError for a directory that cannot be read: ``Path.rglob`` may pass over it."""
    for place in map(_place, PACKAGES):
        walked = os.walk(place, onerror=_refuse)
        yield from sorted(
            Path(directory, name) for directory, _, names in walked for name in names if name[-3:] == ".py"
        )


def _refuse(error: OSError) -> None:
    raise error


def _fingerprint() -> str:
    digest = sha256()
    for source in _sources():
        digest.update(sha256(source.read_bytes()).digest())
    return digest.hexdigest()


def _is_fresh(source: Path) -> bool:
    """Returns whether the interpreter would use the module's byte code."""
    try:
        with Path(importlib.util.cache_from_source(str(source))).open("rb") as file:
            head = file.read(_FRESH_HEAD)
        status = source.stat()
    except OSError:
        return False
    flags, seconds, size = (int.from_bytes(head[at : at + 4], "little") for at in (4, 8, 12))
    # The interpreter compares byte code with a hash of the source, or trusts it: it is fresh in
    # both cases.
    named = flags or (seconds, size) == (int(status.st_mtime) & 0xFFFFFFFF, status.st_size & 0xFFFFFFFF)
    return head.startswith(importlib.util.MAGIC_NUMBER) and bool(named)
