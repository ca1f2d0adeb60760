"""docs/reasons.md, made from the table of reasons."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import secc.protocols  # noqa: F401  # what protocols add
from secc.trace.meanings import Meaning
from secc.trace.reasons import KINDS, MEANINGS

TARGET = Path(__file__).resolve().parents[1] / "docs" / "reasons.md"

HEAD = """# Why sessions end

*Made by `make docs` from `secc/trace/reasons.py`, the tables beside it and those of the protocols (`secc/iso2/reasons.py`); edit those.*

Every session that has ended, and every attempt at one, has one code. The log, the trace, the books and the history have it, as has
`secc explain`. Codes are stable. For one that is not below, the entry of its kind (the part before the dot) applies.

A refusal may have a flaw behind it: the field `flaw` of its record names it. Flaws are at the end of this page: no session ends with such a code.
"""

TITLES = {
    "completed": "In order",
    "refused": "Refused: the response code that the car heard",
    "timer": "Timers",
    "tls": "TLS: no session began, or TLS ended it",
    "severed": "Cut off",
    "emergency": "Emergencies",
    "bug": "Errors of this software",
    "certificate": "Flaws behind a refusal: certificates",
    "signature": "Flaws behind a refusal: signatures",
}
"""First the kinds with which sessions end, then those of flaws behind a refusal."""


def render() -> str:
    """Returns the whole page."""
    parts = [HEAD]
    for kind, title in TITLES.items():
        parts.append(f"\n## {title}\n\n{KINDS[kind].meaning} {KINDS[kind].support}\n")
        parts.append(_table(entry for code, entry in MEANINGS.items() if code.partition(".")[0] == kind))
    return "\n".join(parts)


def _table(entries: Iterable[Meaning]) -> str:
    rows = [f"| `{e.code}` | {e.meaning} | {e.driver} | {e.support} |" for e in entries]
    return "\n".join(["| code | meaning | what the driver sees | what to do |", "|---|---|---|---|", *rows, ""])
