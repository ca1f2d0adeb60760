"""Power cuts: an operation that ends at its n-th step on the disk, as a board does that loses its supply.

Each attempt runs in a forked child that leaves without cleaning up, at a chosen call of those that change the disk. What the parent then
finds is what would be found after a restart, but for caches that were not synchronised; those calls are counted and may be checked too.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

_STEPS = ("fsync", "replace", "rename", "unlink", "rmdir", "mkdir", "write_bytes")
_CUT = 77


def each_power_cut(operation: Callable[[], object], prepare: Callable[[], object], most: int = 60) -> Iterator[int]:
    """Runs ``prepare``, then ``operation`` cut off before its first step, its second and so on, until it comes to its end.

    Yields the number of the cut after each child is dead, and stops when the operation was not cut any more.
    """
    for step in range(1, most + 1):
        prepare()
        child = os.fork()
        if child == 0:
            _run_until(step, operation)
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        assert code in (0, _CUT), f"the operation ended by itself, in an error ({code})"
        if code == 0:
            return
        yield step
    raise AssertionError(f"more than {most} steps")


def _run_until(step: int, operation: Callable[[], object]) -> None:
    left = step

    def counted(call: Callable[..., object]) -> Callable[..., object]:
        def cut(*arguments: object, **options: object) -> object:
            nonlocal left
            left -= 1
            if left == 0:
                os._exit(_CUT)
            return call(*arguments, **options)

        return cut

    for name in _STEPS:
        for place in (os, Path):
            # pathlib calls os: only one of the two may count.
            if hasattr(place, name) and not (place is Path and hasattr(os, name)):
                setattr(place, name, counted(getattr(place, name)))
    try:
        operation()
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        os._exit(1)
    os._exit(0)
