"""Samples become figures, figures become a table."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from .proc import Cpu

WAITING: Final = 0.1
"""The share of its time that the station may have waited for its core, where a time of an answer is to say something about the station."""
SATURATED: Final = 0.95
"""The share of its core from which on the station cannot do more."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table. ``met``: None where no goal is set, or where there was nothing to compare with."""

    what: str
    value: str
    goal: str = ""
    met: bool | None = None
    note: str = ""


@dataclass(slots=True)
class Section:
    """What one measurement found: figures for people, ``facts`` for machines; ``missing`` says what could not be measured, and why.

    ``factor``: how much slower this machine is than the one of the goals (:mod:`tools.bench.reference`).
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
        """A figure that has to be at most ``goal``, where there is one. ``timed``: it is a time, whose goal is scaled to this machine; ``also``:
        what else has to hold; ``shown``: what stands in the table in place of the bare figure. ``waiting`` is the share of its time that the
        station waited for its core: above a tenth the figure is refused, because it is the machine's."""
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
        """The p99 of answers, in milliseconds; ``cost`` is what the station took in so many ``seconds``. A station that is saturated has waited for
        itself, and misses its goal whatever the figure."""
        if cost.seconds >= SATURATED * seconds:
            self.add(what, shown_times(times), met=False, note=f"saturated; {note}")
        else:
            shown = shown_times(times)
            self.judge(what, times["p99"], "ms p99", goal, shown=shown, waiting=cost.waiting, note=note)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def quantile(samples: Sequence[float], share: float) -> float:
    """The sample below which this share of all lies (nearest rank). ValueError without samples."""
    if not samples:
        raise ValueError("no samples")
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered)) - 1))]


def spread(samples: Sequence[float], digits: int = 1) -> str:
    """Median, and the range of the repetitions."""
    middle = statistics.median(samples)
    if len(samples) < 2:
        return f"{middle:.{digits}f}"
    return f"{middle:.{digits}f} ({min(samples):.{digits}f}–{max(samples):.{digits}f})"


def answer_times(seconds: Iterable[float]) -> dict[str, float]:
    """Milliseconds: p50, p99, the worst, and how many."""
    times = [1000.0 * one for one in seconds]
    return {"p50": quantile(times, 0.5), "p99": quantile(times, 0.99), "max": max(times), "count": len(times)}


def shown_times(times: dict[str, float]) -> str:
    return f"p50 {times['p50']:.2f}, p99 {times['p99']:.2f}, max {times['max']:.1f} ms ({times['count']} answers)"


def table(sections: Sequence[Section], head: Sequence[str] = ()) -> str:
    """Markdown, so that what is printed can be kept as it is."""
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
        lines += [f"Not measured: {text}" for text in section.missing]
        if section.missing:
            lines.append("")
    return "\n".join(lines)
