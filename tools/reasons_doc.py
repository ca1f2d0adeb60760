"""Makes docs/reasons.md from the table of reasons."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import secc.protocols  # noqa: F401  # protocols add their own
from secc.trace.meanings import Meaning
from secc.trace.reasons import KINDS, MEANINGS

TARGET = Path(__file__).resolve().parents[1] / "docs" / "reasons.md"

HEAD = """# Why sessions end

*Made by `make docs` from `secc/trace/reasons.py`, the tables beside it and those of the protocols (`secc/iso2/reasons.py`); edit those.*

Every ended session and every attempt at one has one code: in the log, the trace, the books, the history and `secc explain`. Codes are stable. For
a code that is not below, the entry of its kind (the part before the dot) applies.

The cause of a refusal may be a flaw: the field `flaw` of its record names it. Flaws are at the end of this page; no session ends with such a code.
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
"""The kinds of ends of sessions, then those of flaws."""


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
