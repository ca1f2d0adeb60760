"""``make bench``: how fast the station is, how much it takes, and how that compares with another station in the same run.

``python -m tools.bench [--quick] [--only NAME ...] [--json FILE]``. The figures and what they mean are in docs/performance.md.
"""

from __future__ import annotations

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print the table; 0 when everything asked for was measured, 1 when something broke, 2 for wrong arguments."""
    from .__main__ import main as run

    return run(argv)
