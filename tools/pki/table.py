"""The table of flaws in ``docs/trust.md``."""

from __future__ import annotations

from datetime import UTC, datetime

from certs.errors import Flaw

from .flaws import FLAWS, make_flawed
from .lab import build_lab_pki


def flaw_table() -> str:
    """Returns Markdown: every flaw, its outcome and meaning, and the lab chains that have it."""
    lab = build_lab_pki(datetime(2026, 1, 1, tzinfo=UTC), seed=0)
    shown: dict[Flaw, list[str]] = {flaw: [] for flaw in Flaw}
    for name in FLAWS:
        shown[make_flawed(name, lab).flaw].append(f"`{name}`")
    lines = ["| flaw | outcome | what it means | lab chains (`--flaw`) |", "|---|---|---|---|"]
    lines += [f"| `{f.value}` | {f.outcome.value} | {f.meaning} | {', '.join(shown[f]) or '-'} |" for f in Flaw]
    return "\n".join(lines) + "\n"
