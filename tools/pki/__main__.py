"""``python -m tools.pki make DIR [--flaw NAME ...] [--seed N]``; ``... flaws``; ``... table`` (for docs/trust.md)."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from .flaws import FLAWS, describe
from .layout import make_lab_pki
from .table import flaw_table


def main(argv: Sequence[str] | None = None) -> int:
    """0: made; 2: wrong arguments, or DIR is there already."""
    parser = argparse.ArgumentParser(prog="python -m tools.pki", description="Lab PKI for a station and a car")
    commands = parser.add_subparsers(dest="command", required=True)
    make = commands.add_parser("make", help="write a whole lab PKI (ISO 15118-2 profile)")
    make.add_argument("directory", type=Path, metavar="DIR")
    make.add_argument("--flaw", action="append", default=[], metavar="NAME", help="also a car with this flaw, or 'all'")
    make.add_argument("--seed", type=int, help="the same keys and serial numbers each time")
    commands.add_parser("flaws", help="list the flawed contracts by name")
    commands.add_parser("table", help="print the table of flaws for docs/trust.md")
    options = parser.parse_args(argv)
    if options.command == "table":
        print(flaw_table(), end="")
        return 0
    if options.command == "flaws":
        width = max(map(len, FLAWS))
        for name in FLAWS:
            print(f"{name:{width}}  {describe(name)}")
        return 0
    return _make(options.directory, list(FLAWS) if "all" in options.flaw else options.flaw, options.seed)


def _make(directory: Path, flaws: Sequence[str], seed: int | None) -> int:
    if unknown := [name for name in flaws if name not in FLAWS]:
        print(f"no flaw {', '.join(unknown)}; see `python -m tools.pki flaws`", file=sys.stderr)
        return 2
    if (directory / "station").exists():
        print(f"{directory} holds a lab PKI already; remove it first", file=sys.stderr)
        return 2
    make_lab_pki(directory, flaws=flaws, seed=seed)
    print(f"lab PKI in {directory}: station, car, other-car, provisioning, authorities" + (", flawed" if flaws else ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
