"""What ``secc check`` and ``secc doctor`` print."""

from __future__ import annotations

from frozen import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. ``good`` False is something to mend; a remark is good and still worth a line; ``skipped``: not looked at."""

    subject: str
    text: str
    good: bool = True
    remark: bool = False
    skipped: bool = False

    def __str__(self) -> str:
        mark = "BAD " if not self.good else "SKIP" if self.skipped else "NOTE" if self.remark else "OK  "
        return f"{mark} {self.subject}: {self.text}"


def bad(subject: str, text: str) -> Finding:
    """Something to mend."""
    return Finding(subject, text, good=False)


def note(subject: str, text: str) -> Finding:
    """Good, and still worth a line."""
    return Finding(subject, text, remark=True)


def skipped(subject: str, text: str) -> Finding:
    """Not looked at."""
    return Finding(subject, text, skipped=True)
