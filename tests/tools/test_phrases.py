"""A phrase of ``tools/phrases.txt`` is found, also across lines, and fails ``make check``; what merely resembles one is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import phrases


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a truck is no car", 1),
        ("# first\n# a truck is\n# no car", 2),
        ('"""Wait until\n\n    nobody asks."""', 3),
        ("Whoever asks", 1),
    ],
)
def test_a_planted_phrase_fails_with_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, line: int
) -> None:
    page = tmp_path / "page.py"
    page.write_text(text, encoding="utf-8")
    assert phrases.main([str(tmp_path)]) == 1
    assert capsys.readouterr().out.startswith(f"{page}:{line}: ")


@pytest.mark.parametrize(
    "text",
    [
        "there is no car",
        "it is no longer there",
        "is None",
        "once every so often",
        "None where that is None",
        "is not a car",
    ],
)
def test_plain_english_passes(tmp_path: Path, text: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(text, encoding="utf-8")
    assert phrases.main([str(page)]) == 0


def test_each_phrase_says_what_to_write_and_what_is_clean_exists() -> None:
    assert len(phrases.phrases()) > 10
    assert all(phrases.phrases().values())
    assert [name for name in phrases.CLEAN if not (phrases.ROOT / name).exists()] == []
