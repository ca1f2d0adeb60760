"""The table of field quirks says what the code does: every code in the product is in it, and every row has its place and its test."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import secc.protocols  # noqa: F401  # what protocols add
from secc.trace.quirks import QUIRKS, When, on_request, table

ROOT = Path(__file__).resolve().parents[2]
CODE = re.compile(r"\bQ-\d\d\b")
TABLES = set((ROOT / "secc").rglob("quirks.py"))


def named(*folders: str) -> dict[str, list[str]]:
    """Every code that stands in the Python files below, with the files."""
    found: dict[str, list[str]] = {}
    for path in files(*folders):
        for code in CODE.findall(path.read_text(encoding="utf-8")):
            found.setdefault(code, []).append(str(path.relative_to(ROOT)))
    return found


def files(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from (path for path in sorted((ROOT / folder).rglob("*.py")) if path not in (*TABLES, Path(__file__)))


def test_every_code_in_the_product_is_in_the_table() -> None:
    product = named("secc", "frozen", "hal", "certs")
    assert len(product) > 30
    assert {code: where for code, where in product.items() if code not in QUIRKS} == {}


def test_every_row_has_its_place_in_the_code() -> None:
    product = named("secc", "frozen", "hal", "certs")
    assert [quirk.code for quirk in table() if quirk.code not in product] == []


def test_every_row_has_its_test() -> None:
    tests = named("tests")
    assert [quirk.code for quirk in table() if quirk.code not in tests] == []


def test_rows_are_whole_and_in_order() -> None:
    codes = [quirk.code for quirk in table()]
    assert codes == sorted(set(codes)) and all(CODE.fullmatch(code) for code in codes)
    for quirk in table():
        for text in (quirk.cars, quirk.ours):
            assert text.endswith(".") and "|" not in text and "\n" not in text


def test_what_the_code_asks_lab_tolerate_for_is_what_can_be_asked_for() -> None:
    asked = set()
    for path in files("secc"):
        text = path.read_text(encoding="utf-8")
        asked.update(re.findall(r"""tolerates\("(Q-\d\d)"\)""", text))
        asked.update(re.findall(r""""(Q-\d\d)" in config\.lab\.tolerate""", text))
    assert asked == on_request() == {quirk.code for quirk in table() if quirk.when is When.ON_REQUEST}


def test_what_the_table_says_is_said_is_what_the_code_says() -> None:
    said = set()
    for path in files("secc"):
        text = re.sub(
            r"""tolerates\("Q-\d\d"\)|"Q-\d\d" in config\.lab\.tolerate""", "", path.read_text(encoding="utf-8")
        )
        said.update(re.findall(r""""(Q-\d\d)\"""", text))
    assert said == {quirk.code for quirk in table() if quirk.remarked}


def test_every_row_is_a_case_of_a_test() -> None:
    """A code that only stands in a comment proves nothing."""
    cases = set()
    for path in files("tests"):
        for found in re.findall(r"mark\.case\(([^)]*)\)", path.read_text(encoding="utf-8")):
            cases.update(CODE.findall(found))
    assert {quirk.code for quirk in table()} - cases == set()
