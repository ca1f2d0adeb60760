"""The page about reasons is the one that the table makes."""

from __future__ import annotations

from secc.trace.reasons import KINDS, MEANINGS
from tools.reasons_doc import TARGET, TITLES, render


def test_the_page_is_up_to_date() -> None:
    assert TARGET.read_text(encoding="utf-8") == render(), "run: make docs"


def test_every_code_is_on_it() -> None:
    assert TITLES.keys() == KINDS.keys()
    assert all(f"| `{code}` |" in render() for code in MEANINGS)
