"""Figures from samples, and tables from figures."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from .proc import Cpu

WAITING: Final = 0.1
"""A time is refused above this share of waiting for the core: it would be the machine's, not the station's."""
SATURATED: Final = 0.95
"""From this share of its core on, the station counts as saturated."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table. ``met`` is None without a goal, or without a figure to compare with."""

    what: str
    value: str
    goal: str = ""
    met: bool | None = None
    note: str = ""


@dataclass(slots=True)
class Section:
    """Result of one measurement: figures for the table, ``facts`` for ``--json``; ``missing`` says what could
    not be measured, and why. ``factor`` is that of :mod:`tools.bench.reference`.
    """

    name: str
    title: str
    factor: float = 1.0
    figures: list[Figure] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)

    def add(self, what: str, value: str, *, goal: str = "", met: bool | None = None, note: str = "") -> None:
        self.figures.append(Figure(what, value, goal, met, note))

    def judge(
        self,
        what: str,
        value: float,
        unit: str,
        goal: float | None,
        *,
        timed: bool = True,
        shown: str = "",
        also: bool = True,
        waiting: float = 0.0,
        note: str = "",
    ) -> None:
        """Add a figure that meets its goal if it is at most ``goal`` and ``also`` is true. ``timed``: a time, whose
        goal is multiplied by the factor. ``shown`` replaces the bare figure in the table. ``waiting`` is the share
        of time in which the station waited for its core: above a tenth, the figure is refused.
        """
        limit, text = goal, "" if goal is None else f"at most {goal:g} {unit}"
        if timed and goal is not None:
            limit = goal * self.factor
            text = f"at most {goal:g} x {self.factor:.2f} = {limit:.3g} {unit}"
        met = None if limit is None else value <= limit and also
        if waiting > WAITING:
            met, note = None, f"refused: the station waited for its core {waiting:.0%} of the time; {note}"
        self.add(what, shown or f"{value:.3g} {unit}", goal=text, met=met, note=note)

    def judge_p99(
        self, what: str, times: dict[str, float], goal: float | None, cost: Cpu, seconds: float, note: str
    ) -> None:
        """Add the p99 of answers in milliseconds; ``cost`` is the station's in so many ``seconds``. A saturated
        station misses its goal even if it waited for its core: it waited for itself.
        """
        shown = f"p50 {times['p50']:.2f}, p99 {times['p99']:.2f}, max {times['max']:.1f} ms ({times['count']} answers)"
        if cost.seconds >= SATURATED * seconds:
            self.add(what, shown, met=False, note=f"saturated; {note}")
        else:
            self.judge(what, times["p99"], "ms p99", goal, shown=shown, waiting=cost.waiting, note=note)


def quantile(samples: Sequence[float], share: float) -> float:
    """Returns the sample at this share of all, by the nearest rank. Raises ValueError without samples."""
    if not samples:
        raise ValueError("no samples")
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered)) - 1))]


def spread(samples: Sequence[float], digits: int = 1) -> str:
    """Returns the median and the range as text."""
    middle = statistics.median(samples)
    if len(samples) < 2:
        return f"{middle:.{digits}f}"
    return f"{middle:.{digits}f} ({min(samples):.{digits}f}–{max(samples):.{digits}f})"


def answer_times(seconds: Iterable[float]) -> dict[str, float]:
    """Returns p50, p99 and maximum in milliseconds, and the count."""
    times = [1000.0 * one for one in seconds]
    return {"p50": quantile(times, 0.5), "p99": quantile(times, 0.99), "max": max(times), "count": len(times)}


def table(sections: Sequence[Section], head: Sequence[str] = ()) -> str:
    """Returns Markdown, as in docs/performance.md."""
    lines = [*head, ""] if head else []
    for section in sections:
        lines += [f"### {section.title}", ""]
        if section.figures:
            lines += ["| what | measured | goal | |", "|---|---|---|---|"]
            for one in section.figures:
                verdict = {True: "met", False: "**missed**", None: ""}[one.met]
                said = ", ".join(word for word in (verdict, one.note) if word)
                lines.append(f"| {one.what} | {one.value} | {one.goal} | {said} |")
            lines.append("")
        if section.missing:
            lines += [*(f"Not measured: {text}" for text in section.missing), ""]
    return "\n".join(lines)
