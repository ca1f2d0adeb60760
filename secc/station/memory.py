"""Gives memory back that was needed for a moment: at the start (compiling, reading certificates) and for a trace."""

from __future__ import annotations

import ctypes
import gc
import logging

log = logging.getLogger(__name__)


_ARENAS = -8
"""M_ARENA_MAX of mallopt(3)."""


def share_arena() -> None:
    """One heap for all threads. They take turns anyway, and each heap of its own would hold some hundred KiB for good. Before any thread begins."""
    try:
        ctypes.CDLL(None).mallopt(_ARENAS, 1)
    except (OSError, AttributeError) as error:
        log.debug("threads have heaps of their own: %s", error)


def settle() -> None:
    """At the end of the start: collect once, and spare the collector what stays. It need not look at it again in every charging loop."""
    gc.collect()
    gc.freeze()
    trim()


def trim() -> None:
    """Let the C library return what is free to the system. Does nothing where it knows no such call (musl). May take a millisecond."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError) as error:
        log.debug("memory cannot be given back: %s", error)
