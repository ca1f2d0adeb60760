"""The lines of ``secc check`` and ``secc doctor``."""

from __future__ import annotations

from frozen import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check. ``good`` False: something to repair; ``remark``: good, but worth a
    line; ``skipped``: not checked.
    """

    subject: str
    text: str
    good: bool = True
    remark: bool = False
    skipped: bool = False

    def __str__(self) -> str:
        mark = "BAD " if not self.good else "SKIP" if self.skipped else "NOTE" if self.remark else "OK  "
        return f"{mark} {self.subject}: {self.text}"


def bad(subject: str, text: str) -> Finding:
    """Returns a finding of something to repair."""
    return Finding(subject, text, good=False)


def note(subject: str, text: str) -> Finding:
    """Returns a finding that is good, but worth a line."""
    return Finding(subject, text, remark=True)


def skipped(subject: str, text: str) -> Finding:
    """Returns a finding of something that was not checked."""
    return Finding(subject, text, skipped=True)
