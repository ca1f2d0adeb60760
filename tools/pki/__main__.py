"""``secc pki make DIR [--flaw NAME ...] [--seed N]``; ``... flaws``; ``... table`` (for docs/trust.md)."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from certs.errors import StoreError

from .flaws import FLAWS, describe
from .layout import make_lab_pki
from .table import flaw_table

PARTS = ("authorities", "car", "flawed", "other-car", "provisioning", "station", "stranger")
"""The directories of a lab PKI (``layout``). ``--replace`` refuses a directory with anything else in it."""


def main(argv: Sequence[str] | None = None) -> int:
    """Returns 0, or 2 for wrong arguments and for a DIR that is in use or cannot be written."""
    parser = argparse.ArgumentParser(prog="secc pki", description="A lab PKI for a station and a car.")
    commands = parser.add_subparsers(dest="command", required=True)
    make = commands.add_parser("make", help="write a whole lab PKI (ISO 15118-2 profile)")
    make.add_argument("directory", type=Path, metavar="DIR", help="directory to write to; it is made if it is missing")
    make.add_argument(
        "--flaw",
        action="append",
        default=[],
        metavar="NAME",
        help="also make a car with this flaw; 'all': with each flaw",
    )
    make.add_argument("--seed", type=int, help="derive keys and serial numbers from this number")
    make.add_argument("--replace", action="store_true", help="replace the lab PKI in DIR")
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
    flaws = list(FLAWS) if "all" in options.flaw else options.flaw
    return _make(options.directory, flaws, seed=options.seed, replace=options.replace)


def _make(directory: Path, flaws: Sequence[str], *, seed: int | None, replace: bool) -> int:
    if unknown := [name for name in flaws if name not in FLAWS]:
        print(f"no flaw {', '.join(unknown)}; see `secc pki flaws`", file=sys.stderr)
        return 2
    there = sorted(path.name for path in directory.iterdir()) if directory.is_dir() else []
    if there and not replace:
        print(f"secc pki: {directory} is not empty; --replace replaces the lab PKI in it", file=sys.stderr)
        return 2
    if strangers := [name for name in there if name not in PARTS]:
        print(f"secc pki: {directory} has {', '.join(strangers)}, which is not part of a lab PKI", file=sys.stderr)
        return 2
    try:
        for name in there:
            shutil.rmtree(directory / name)
        make_lab_pki(directory, flaws=flaws, seed=seed)
    except (OSError, StoreError) as error:
        print(f"secc pki: {directory} cannot be written: {error}", file=sys.stderr)
        return 2
    print(f"lab PKI in {directory}: station, car, other-car, provisioning, authorities" + (", flawed" if flaws else ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
