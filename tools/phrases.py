"""Part of ``make check``: fail with file, line and phrase where a text uses a phrase of
``tools/phrases.txt``.

``python -m tools.phrases [PATH...]`` searches files or folders; without one, the ``CLEAN`` ones. A
phrase is found across the end of a line, too.
"""

from __future__ import annotations

import re
import sys
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CLEAN = ("CHANGELOG.md", "README.md", "certs", "docs", "hal", "secc", "tools")
"""What has to be free of the phrases."""
SUFFIXES = {".md", ".py", ".rules", ".service", ".sh", ".toml"}


def phrases() -> dict[re.Pattern[str], str]:
    """Each phrase, and what to write instead."""
    lines = (ROOT / "tools" / "phrases.txt").read_text(encoding="utf-8").splitlines()
    pairs = (line.split("\t") for line in lines if not line.startswith("#"))
    return {re.compile(phrase, re.IGNORECASE): advice for phrase, advice in pairs}


def found(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield line number, phrase and advice of each phrase in ``text``."""
    starts, joined = [], ""
    for line in text.splitlines():
        starts.append(len(joined))
        joined += line.strip().lstrip("#").strip() + " "
    for phrase, advice in phrases().items():
        for match in phrase.finditer(joined):
            yield bisect_right(starts, match.start()), match[0], advice


def files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        inside = sorted(path.rglob("*")) if path.is_dir() else [path]
        yield from (file for file in inside if file.suffix in SUFFIXES and file.is_file())


def main(arguments: list[str]) -> int:
    paths = [Path(argument) for argument in arguments] or [ROOT / name for name in CLEAN]
    lines = [
        f"{file}:{number}: {phrase!r}: write {advice}"
        for file in files(paths)
        for number, phrase, advice in sorted(found(file.read_text(encoding="utf-8")))
    ]
    print("\n".join(lines) or "phrases: none found")
    return 1 if lines else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
