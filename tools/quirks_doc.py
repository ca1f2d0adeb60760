"""Makes docs/quirks.md from the table of field quirks."""

from __future__ import annotations

from pathlib import Path

import secc.protocols  # noqa: F401  # protocols add their own
from secc.trace.quirks import When, table

TARGET = Path(__file__).resolve().parents[1] / "docs" / "quirks.md"

HEAD = """# Field quirks

*Made by `make docs` from `secc/trace/quirks.py` and the tables of the protocols (`secc/iso2/quirks.py`); edit those.*

Behaviour of cars that a literal reading of the standards would refuse, and how this station treats it. *Said*: when it fires, the log has its code,
once a session; the trace and `secc explain` have it too if there is a session. The others cannot be seen from the station, or the car does what the
standard allows.

* *always*: the standard allows it, or does not mention it.
* *unless `lab.strict`*: `strict = true` in `[lab]` (`--strict`) switches it off, for conformance runs.
* *with `lab.tolerate`*: off unless named in `tolerate = ["Q-45"]` in `[lab]` (`--tolerate Q-45`), because it costs trust, money or power,
  or is for old tools. Other codes in `tolerate` are an error.
"""


def render() -> str:
    """Returns the whole page."""
    rows = [
        f"| {quirk.code} | {quirk.cars} | {quirk.ours} | {quirk.when} | {'said' if quirk.remarked else ''} |"
        for quirk in table()
    ]
    return "\n".join(
        [HEAD, "| code | some cars | this station | when | |", "|---|---|---|---|---|", *rows, "", _count()]
    )


def _count() -> str:
    counts = ", ".join(f"{sum(quirk.when is when for quirk in table())} {when}" for when in When)
    return f"{len(table())} in all: {counts}; {sum(quirk.remarked for quirk in table())} are said.\n"
