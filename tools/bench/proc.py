"""The kernel's figures of a process: CPU time, time of waiting for a core, resident memory. Linux only."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Cpu:
    """Seconds. ``seconds`` is user and system time; ``waited`` is the time in which its threads were ready to run
    while other processes had the core.
    """

    seconds: float
    waited: float

    @property
    def waiting(self) -> float:
        """Time of waiting for the core, as a share of the time in which the process could run; 0 to 1."""
        return self.waited / (self.seconds + self.waited) if self.waited > 0.0 else 0.0

    def since(self, before: Cpu) -> Cpu:
        return Cpu(self.seconds - before.seconds, self.waited - before.waited)


def cpu_of(work: Callable[[], object]) -> float:
    """Returns milliseconds of this thread's processor time."""
    began = time.thread_time()
    work()
    return 1000.0 * (time.thread_time() - began)


class Tree:
    """A process and its descendants. A process that has ended counts 0."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def pids(self) -> list[int]:
        found: list[int] = []
        waiting = [self.pid]
        while waiting:
            pid = waiting.pop()
            if pid in found:
                continue
            found.append(pid)
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                with contextlib.suppress(OSError):
                    waiting += [int(child) for child in children.read_text().split()]
        return found

    def cpu(self) -> Cpu:
        seconds = waited = 0.0
        for pid in self.pids():
            with contextlib.suppress(OSError):
                # The CPU clock of another process (clock_getcpuclockid), in nanoseconds; ended threads count.
                seconds += time.clock_gettime((~pid << 3) | 2)
                for task in Path(f"/proc/{pid}/task").iterdir():
                    waited += int((task / "schedstat").read_text().split()[1]) / 1e9
        return Cpu(seconds, waited)

    def resident(self) -> float:
        """Returns resident memory in MiB."""
        total = 0.0
        for pid in self.pids():
            with contextlib.suppress(OSError):
                for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                    if line.startswith("VmRSS:"):
                        total += int(line.split()[1]) / 1024.0
        return total


def cores() -> tuple[int, int]:
    """Returns a core for the station and another for the cars; on a machine with one core, that one twice."""
    able = sorted(os.sched_getaffinity(0))
    return able[0], able[-1]


def precede(pid: int) -> bool:
    """Give real-time priority to this process and to the threads that it starts. Returns False without the right
    to do so.
    """
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(ProcessLookupError):
                os.sched_setscheduler(int(task.name), os.SCHED_RR, os.sched_param(1))
    except PermissionError:
        return False
    return True


def pin(pid: int, core: int) -> None:
    """Bind this process and the threads that it starts to this core."""
    with contextlib.suppress(ProcessLookupError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(ProcessLookupError):
                os.sched_setaffinity(int(task.name), {core})
