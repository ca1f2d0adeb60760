"""The page about the configuration is the one that the declarations make."""

from __future__ import annotations

import tomllib
from pathlib import Path

from secc.config import load
from tools.config_doc import HEAD, TARGET, render


def test_the_page_is_up_to_date() -> None:
    assert TARGET.read_text(encoding="utf-8") == render(), "run: make docs"


def test_its_examples_are_configurations(tmp_path: Path) -> None:
    for number, block in enumerate(HEAD.split("```toml\n")[1:]):
        text = block.split("```")[0]
        assert tomllib.loads(text)
        (tmp_path / f"{number}.toml").write_text(text, encoding="utf-8")
        assert load(tmp_path / f"{number}.toml").outlets
