"""The pages for whoever works on the code name files, folders and modules that exist."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("core.md", "development.md")
ROOMS = ("secc", "frozen", "hal", "certs", "tools", "tests", "docs", ".ci")
FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
PATH = re.compile(r"\.?[\w-][\w.-]*(?:/[\w.-]+)+|[\w-]+\.(?:json|md|py|sh|toml|txt)")
DOTTED = re.compile(r"(secc|hal|certs|tools|tests)((?:\.[A-Za-z_]\w*)+)(?:\(.*\))?")

TEST = re.compile(r"[a-z]+(?:_[a-z]+){3,}")
"""The name of a test of the core, as its page shortens it."""

PATTERNS = {"tests/x/test_y.py", "x/y.py"}
"""How files are named, by an example that is none."""
ELSEWHERE = {"secc.tools", "secc.do", "secc.now", "secc.entropy", "secc.wall"}
"""What ``tools`` is called in the wheel; and names of a party, which a conversation calls ``secc``."""


def quoted(page: str) -> Iterator[str]:
    """What a page sets in backticks; of a command those words that begin like a path of the repository."""
    text = FENCE.sub("", (ROOT / "docs" / page).read_text(encoding="utf-8"))
    for code in re.findall(r"`([^`\n]+)`", text):
        yield code
        if " " in code:
            yield from (word for word in code.split() if word.split("/")[0] in ROOMS)


def files() -> set[str]:
    """Every file and folder of the repository, by its path."""
    places = [ROOT / room for room in ROOMS]
    found = [*places, *(path for place in places for path in place.rglob("*")), *ROOT.iterdir()]
    return {str(path.relative_to(ROOT)) for path in found if "__pycache__" not in path.parts}


def named_paths(page: str) -> set[str]:
    return {word for word in quoted(page) if PATH.fullmatch(word)} - PATTERNS


def named_objects(page: str) -> set[str]:
    """Modules, and what stands in them."""
    matches = map(DOTTED.fullmatch, quoted(page))
    return {match[1] + match[2] for match in matches if match is not None} - ELSEWHERE


def exists(name: str) -> bool:
    """A module, or something in one. What is in a class is looked up there."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        try:
            found: object = importlib.import_module(".".join(parts[:count]))
        except ModuleNotFoundError:
            continue
        try:
            for part in parts[count:]:
                found = getattr(found, part)
        except AttributeError:
            return False
        return True
    return False


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_the_page_names_exists(page: str) -> None:
    there = files()
    named = named_paths(page)
    assert len(named) >= 3
    missing = []
    for path in named:
        whole = path.split("/")[0] in ROOMS
        if path not in there and (whole or not any(one.endswith(f"/{path}") for one in there)):
            missing.append(path)
    assert missing == []


def test_every_module_that_the_pages_name_exists() -> None:
    named = {name for page in PAGES for name in named_objects(page)}
    assert {"hal.sim.clock.run_virtual", "certs.errors.Flaw"} <= named
    assert [name for name in sorted(named) if not exists(name)] == []


def test_every_test_that_holds_a_promise_of_the_core_exists() -> None:
    there = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests" / "conversation").glob("test_*.py"))
    named = {word for word in quoted("core.md") if TEST.fullmatch(word)}
    assert len(named) > 40
    assert [name for name in sorted(named) if f"def test_{name}(" not in there] == []


def test_what_is_not_there_is_noticed() -> None:
    assert exists("secc.station.serving.router.Router")
    assert not exists("secc.station.driver")
    assert not exists("secc.station.serving.router.Chauffeur")
    assert "secc/station/driver.py" not in files()


# What an id stands for is on the page; ids of standards and examples are not ours to explain.
PAGE_OF_IDS = {r"A-[A-Z0-9]+-\d+": "attacks.md", r"Q-\d+": "quirks.md", r"D\d": "decisions/iso2.md"}
ID = re.compile(r"(?<![\w\[-])(?!V2G)(?:[A-Z][A-Z0-9]*-[A-Z][A-Z0-9]*-\d+|Q-\d+)\b|(?<=\()D\d(?=[,)])")
EXAMPLES = {"MAC-QCA7005-1", "SIM-METER-1", "YETI-1"}
"""Of a firmware and two meters."""


def unexplained(text: str) -> set[str]:
    """The ids in ``text`` that no page explains."""
    found = set()
    for one in set(ID.findall(text)) - EXAMPLES:
        page = next((page for pattern, page in PAGE_OF_IDS.items() if re.fullmatch(pattern, one)), None)
        if page is None or not re.search(rf"(?<![\w-]){one}\b", (ROOT / "docs" / page).read_text(encoding="utf-8")):
            found.add(one)
    return found


def test_every_id_in_the_code_stands_in_a_page() -> None:
    code = [
        path.read_text(encoding="utf-8")
        for room in ("secc", "hal", "certs", "tools")
        for path in (ROOT / room).rglob("*.py")
    ]
    assert len(set(ID.findall("\n".join(code)))) > 40
    assert unexplained("\n".join(code)) == set()


def test_an_id_without_a_page_is_noticed() -> None:
    assert unexplained("cars round (D6), storms (A-SES-10), [V2G2-723], Q-01") == set()
    assert unexplained("A-XYZ-01, Q-99, (D0), SL-PARM-10") == {"A-XYZ-01", "Q-99", "D0", "SL-PARM-10"}
