"""What the bench says of DIN SPEC 70121 beside ISO 15118-2."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from secc.din import protocol as din
from secc.iso2 import protocol as iso2
from tools.bench import beside
from tools.bench.beside import DIN, ISO2, calls, measure
from tools.bench.proc import Cpu
from tools.bench.stations import BenchFailed, Ground


def ground(tmp_path: Path) -> Ground:
    return Ground(tmp_path / "ground", warm=False)


def test_a_session_of_din_makes_no_more_calls_than_one_of_iso_15118_2(tmp_path: Path) -> None:
    counts = calls(ground(tmp_path), 20)
    assert 5_000 < counts[DIN] <= counts[ISO2]


def test_the_table_judges_din_by_the_other(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def answers(*_: Any) -> dict[str, Any]:
        times = {"p50": 1.0, "p99": 2.0, "max": 3.0, "count": 9}
        return {"answers": times, "cpu": Cpu(0.1, 0.0), "seconds": 1.0, "cpu us an answer": 5.0}

    asked: list[tuple[str, ...]] = []

    def resident(_: Ground, protocols: tuple[str, ...]) -> tuple[float, float]:
        asked.append(protocols)
        return 40.0 + 0.75 * len(protocols), 40.0 + 1.25 * len(protocols)

    monkeypatch.setattr(beside, "answers", answers)
    monkeypatch.setattr(beside, "resident", resident)
    monkeypatch.setattr(beside, "by_turns", lambda *_: {DIN: [12.0], ISO2: [11.0]})
    monkeypatch.setattr(beside, "calls", lambda *_: {DIN: 9, ISO2: 9})
    figures = measure(ground(tmp_path), quick=True).figures
    assert [one.met for one in figures] == [None, None, False, True, True, False]
    assert [one.value for one in figures[2:]] == ["12.0 ms", "9", "0.75 MiB", "1.25 MiB"]
    assert asked == [(ISO2,), (ISO2, DIN)]


def test_sessions_of_another_protocol_are_another_measurement() -> None:
    log = f"outlet 1: {iso2().name}, offered: external"
    beside._spoke(log, {ISO2: 1})
    with pytest.raises(BenchFailed, match=f"0 sessions of {din().name}"):
        beside._spoke(log, {DIN: 1})
