"""docs/reasons.md, made from the table of reasons: ``python -m tools.reasons_doc``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from secc.session.reasons import KINDS, MEANINGS, Meaning

TARGET = Path(__file__).resolve().parents[1] / "docs" / "reasons.md"

HEAD = """# Why sessions end

*Made by `python -m tools.reasons_doc` from `secc/session/reasons.py`; edit that.*

Every session that has ended has one code. It stands in the log, in the trace, in the session file, and `secc explain` says what lies behind it for
the last session. Codes are stable. One that is not below falls to the entry of its kind, the part before the dot. `tls.` and `certificate.` codes
name what lies behind a refusal.
"""

TITLES = {
    "completed": "In order",
    "refused": "Refused: the response code that the car heard",
    "timer": "Timers",
    "severed": "Cut off",
    "emergency": "Emergencies",
    "bug": "Mistakes of this software",
    "tls": "TLS",
    "certificate": "Certificates",
}


def render() -> str:
    """The whole page."""
    parts = [HEAD]
    for kind, title in TITLES.items():
        parts.append(f"\n## {title}\n\n{KINDS[kind].meaning} {KINDS[kind].support}\n")
        parts.append(_table(entry for code, entry in MEANINGS.items() if code.partition(".")[0] == kind))
    return "\n".join(parts)


def _table(entries: Iterable[Meaning]) -> str:
    rows = [f"| `{e.code}` | {e.meaning} | {e.driver} | {e.support} |" for e in entries]
    return "\n".join(["| code | meaning | what the driver sees | what to do |", "|---|---|---|---|", *rows, ""])


if __name__ == "__main__":
    TARGET.write_text(render(), encoding="utf-8")
    print(TARGET)
