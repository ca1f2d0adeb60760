"""The memory of the process: free heap pages go back to the system, and other processes cannot read
it.
"""

from __future__ import annotations

import ctypes
import functools
import gc
import logging
import resource

log = logging.getLogger(__name__)

_ARENAS, _PERTURB = -8, -6
"""M_ARENA_MAX and M_PERTURB of mallopt(3)."""
_FILLING = 0xA5
_SET_DUMPABLE = 4
"""PR_SET_DUMPABLE of prctl(2)."""


def share_arena() -> None:
    """Use one heap for all threads, which run one at a time anyway; each further heap would keep
    some hundred KiB. Call it before any thread starts.
    """
    try:
        _library().mallopt(_ARENAS, 1)
    except (OSError, AttributeError) as error:
        log.debug("each thread uses its own heap: %s", error)


def keep_private() -> None:
    """Switch core dumps off, and let only root read the memory through /proc or a debugger: what
    cars send stays there, freed or not, until it is overwritten.

    The C library overwrites what it frees (glibc: blocks from about a kilobyte on, frames among
    them). Python's small objects, for instance an EMAID, stay until their place is reused.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        library = _library()
        library.prctl(_SET_DUMPABLE, 0, 0, 0, 0)
        library.mallopt(_PERTURB, _FILLING)
    except (OSError, AttributeError) as error:
        log.debug("memory is not overwritten: %s", error)


def settle() -> None:
    """Collect once at the end of the start, and exclude the remaining objects from later
    collections.
    """
    gc.enable()
    gc.collect()
    gc.freeze()
    trim()


def trim() -> None:
    """Let the C library return free memory to the system, where it can (not musl). May take a
    millisecond.
    """
    try:
        _library().malloc_trim(0)
    except (OSError, AttributeError) as error:
        log.debug("free memory cannot be returned to the system: %s", error)


@functools.cache
def _library() -> ctypes.CDLL:
    """Each CDLL makes classes of its own, which stay until garbage is collected. Raises OSError."""
    return ctypes.CDLL(None)
