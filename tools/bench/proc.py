"""What the kernel says of a process: CPU time, time spent waiting for a core, resident memory. Linux."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Cpu:
    """Seconds. ``seconds`` is user and system together; ``waited`` is how long its threads were ready to run, but the core was not theirs."""

    seconds: float
    waited: float

    @property
    def waiting(self) -> float:
        """The share of the time in which it could have run that it waited for its core, 0 to 1."""
        return self.waited / (self.seconds + self.waited) if self.waited > 0.0 else 0.0

    def since(self, before: Cpu) -> Cpu:
        return Cpu(self.seconds - before.seconds, self.waited - before.waited)


class Tree:
    """A process and its descendants. Reads as 0 where a process is gone."""

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
                # The kernel's CPU clock of another process (clock_getcpuclockid): to the nanosecond, with threads that have ended.
                seconds += time.clock_gettime((~pid << 3) | 2)
                for task in Path(f"/proc/{pid}/task").iterdir():
                    waited += int((task / "schedstat").read_text().split()[1]) / 1e9
        return Cpu(seconds, waited)

    def resident(self) -> float:
        """MiB."""
        total = 0.0
        for pid in self.pids():
            with contextlib.suppress(OSError):
                for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                    if line.startswith("VmRSS:"):
                        total += int(line.split()[1]) / 1024.0
        return total


def cores() -> tuple[int, int]:
    """A core for the station and another for the cars; the same one twice where there is but one."""
    able = sorted(os.sched_getaffinity(0))
    return able[0], able[-1]


def precede(pid: int) -> bool:
    """This process, and every thread that it starts from now on, goes before all that is not real-time; False without the right to that."""
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(ProcessLookupError):
                os.sched_setscheduler(int(task.name), os.SCHED_RR, os.sched_param(1))
    except PermissionError:
        return False
    return True


def pin(pid: int, core: int) -> None:
    """This process, and every thread that it starts from now on, runs on this core alone."""
    with contextlib.suppress(ProcessLookupError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(ProcessLookupError):
                os.sched_setaffinity(int(task.name), {core})
