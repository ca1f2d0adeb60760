"""The page about field quirks is the one that the table makes."""

from __future__ import annotations

from secc.trace.quirks import table
from tools.quirks_doc import TARGET, render


def test_the_page_is_up_to_date() -> None:
    assert TARGET.read_text(encoding="utf-8") == render(), "run: make docs"


def test_every_quirk_is_on_it() -> None:
    assert all(f"| {quirk.code} | " in render() for quirk in table())
