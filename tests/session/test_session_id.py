"""A SessionID is drawn by chance, and is neither zero nor the car's own."""

from __future__ import annotations

import ast
import os
from collections import Counter
from pathlib import Path

import pytest

from secc.conversation import Party
from secc.errors import SeccError
from secc.session.session_id import fresh_session_id


@pytest.mark.case("Q-31")
def test_chance_may_yield_zero_or_the_cars_own_id_but_it_is_not_given() -> None:
    drawn = iter([bytes(8), b"\x11" * 8, b"\x22" * 8])
    assert fresh_session_id(Party(entropy=lambda count: next(drawn)), b"\x11" * 8) == b"\x22" * 8


def test_a_broken_source_of_chance_is_an_error_and_no_endless_loop() -> None:
    with pytest.raises(SeccError, match="random"):
        fresh_session_id(Party(entropy=bytes), b"")


@pytest.mark.case("A-SES-03")
def test_a_quarter_of_a_million_ids_differ_and_their_octets_have_no_pattern() -> None:
    party = Party(entropy=os.urandom)
    ids = [fresh_session_id(party) for _ in range(2**18)]
    assert len(set(ids)) == len(ids)
    counts = Counter(b"".join(ids))
    expected = 8 * len(ids) / 256
    deviation = sum((counts[octet] - expected) ** 2 / expected for octet in range(256))
    # Chi-square of 255 degrees of freedom: 255 on average, and beyond these once in a thousand million runs.
    assert 140.0 < deviation < 400.0


@pytest.mark.case("A-SES-03")
def test_nothing_that_a_station_runs_imports_chance_that_can_be_predicted() -> None:
    root = Path(__file__).resolve().parents[2]
    found = []
    for path in (path for room in ("secc", "hal", "certs", "frozen") for path in (root / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            found += [f"{path}: {name}" for name in names if name.partition(".")[0] in ("random", "numpy")]
    assert found == []
