"""Faults planted on purpose: each one has to turn the suite red, or the suite does not guard what it says it guards.

``python -m tools.mutants [NAME ...]`` plants one fault after another in a copy of the tree and runs the tests that should notice. Exit code 1 if one
goes unnoticed, 2 if a fault cannot be planted any more because the code has changed (then the list below has to follow it).
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COPIED = ("secc", "hal", "certs", "tools", "tests", "pyproject.toml", "README.md", "docs")
SECONDS = 240
"""A suite that hangs on a fault has noticed it, but not well."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One fault: in ``path``, ``old`` (which stands there exactly once) becomes ``new``; ``tests`` have to notice."""

    name: str
    why: str
    path: str
    old: str
    new: str
    tests: tuple[str, ...]


MUTANTS: tuple[Mutant, ...] = ()


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="mutants", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these (default: all)")
    parser.add_argument("--list", action="store_true", help="list them and stop")
    options = parser.parse_args(argv)
    known = {mutant.name: mutant for mutant in MUTANTS}
    if options.list:
        for mutant in MUTANTS:
            print(f"{mutant.name:28s} {mutant.why}")
        return 0
    unknown = [name for name in options.names if name not in known]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}")
    chosen = [known[name] for name in options.names] or list(MUTANTS)
    with tempfile.TemporaryDirectory(prefix="mutants-") as directory:
        return _run(chosen, Path(directory))


def _run(mutants: Sequence[Mutant], directory: Path) -> int:
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, directory / name, ignore=shutil.ignore_patterns("__pycache__", "live"))
        elif source.exists():
            shutil.copy2(source, directory / name)
    unnoticed, lost = 0, 0
    for mutant in mutants:
        path = directory / mutant.path
        text = path.read_text()
        if text.count(mutant.old) != 1:
            print(
                f"LOST       {mutant.name:28s} {mutant.path} holds the text to change {text.count(mutant.old)} times",
                flush=True,
            )
            lost += 1
            continue
        path.write_text(text.replace(mutant.old, mutant.new))
        began = time.monotonic()
        try:
            noticed, by = _notices(directory, mutant.tests)
        finally:
            path.write_text(text)
        verdict = "noticed" if noticed else "UNNOTICED"
        print(f"{verdict:10s} {mutant.name:28s} {time.monotonic() - began:5.1f} s  {by}", flush=True)
        unnoticed += not noticed
    noticed_count = len(mutants) - unnoticed - lost
    print(f"{noticed_count} passed, {unnoticed + lost} failed")
    return 2 if lost else 1 if unnoticed else 0


def _notices(directory: Path, tests: Sequence[str]) -> tuple[bool, str]:
    """Whether the tests fail, and which was the first to. A suite that cannot even be collected has not noticed anything."""
    environment = os.environ | {"PYTHONPATH": str(directory), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:randomly", "-m", "not live", *tests]
    try:
        run = subprocess.run(
            command, cwd=directory, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return False, f"the tests hang for more than {SECONDS} s"
    lines = run.stdout.splitlines()
    first = next((line for line in lines if line.startswith("FAILED ")), "")
    if run.returncode == 1 and first:
        return True, first.removeprefix("FAILED ").split(" - ")[0]
    last = lines[-1] if lines else run.stderr.strip()[-200:]
    return False, f"exit code {run.returncode}: {last}"


if __name__ == "__main__":
    sys.exit(main())
