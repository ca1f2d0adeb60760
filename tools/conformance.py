"""Which rows of the conformance list have a test, and which have none.

``python -m tools.conformance [LIST.md]``: the list is a Markdown file whose table rows begin with an id (``| I2-SS-01 | ...``); by default
``../shared/reference/conformance-cases.md`` beside the checkout. Tests name their rows by ``@pytest.mark.case("I2-SS-01", ...)``, or by the same
ids in the parameters of a table that carries the mark.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIST = ROOT.parent / "shared" / "reference" / "conformance-cases.md"
ROW = re.compile(r"^\| ([A-Z0-9]+(?:-[A-Z0-9]+)+) \|")


def rows(text: str) -> Iterator[tuple[str, str]]:
    """Id and section of every row of the list."""
    section = ""
    for line in text.splitlines():
        if line.startswith("## "):
            section = line.removeprefix("## ")
        elif found := ROW.match(line):
            yield found.group(1), section


def marked(directory: Path) -> dict[str, set[str]]:
    """Row ids named by a ``case`` mark, each with the test files that do."""
    found: dict[str, set[str]] = {}
    for file in sorted(directory.rglob("test_*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "case":
                for argument in node.args:
                    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                        found.setdefault(argument.value, set()).add(file.relative_to(directory).as_posix())
    return found


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="conformance", description="rows of the conformance list without a test")
    parser.add_argument("list", nargs="?", type=Path, default=LIST)
    parser.add_argument("--all", action="store_true", help="also the rows that have one, with the files")
    options = parser.parse_args(argv)
    try:
        text = options.list.read_text()
    except OSError as error:
        print(f"conformance: {options.list}: {error.strerror}", file=sys.stderr)
        return 2
    tests = marked(ROOT / "tests")
    listed = list(rows(text))
    by_section: dict[str, list[str]] = {}
    for row, section in listed:
        by_section.setdefault(section, []).append(row)
    for section, names in by_section.items():
        open_rows = [name for name in names if name not in tests]
        print(f"{len(names) - len(open_rows):3d} of {len(names):3d}  {section}")
        if open_rows:
            print("            without a test: " + " ".join(open_rows))
        if options.all:
            for name in names:
                if name in tests:
                    print(f"            {name}: {', '.join(sorted(tests[name]))}")
    covered = sum(1 for row, _ in listed if row in tests)
    print(f"{covered} of {len(listed)} rows have a test")
    return 0


if __name__ == "__main__":
    sys.exit(main())
