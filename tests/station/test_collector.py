"""All objects are looked at when nothing is going on. (A-RES-09)"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hal.sim.clock import run_virtual
from secc.station import collector
from secc.station.collector import GROWN_OCTETS, QUIET_SECONDS, Collector, peak
from tests.station_scene import LONG, configured, station


@pytest.fixture(autouse=True)
def thresholds() -> Iterator[None]:
    kept = gc.get_threshold()
    yield
    gc.set_threshold(*kept)


@pytest.fixture
def collections(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Full collections that the station has asked for."""
    seen: list[int] = []
    monkeypatch.setattr(collector.gc, "collect", lambda: seen.append(1) or 0)  # type: ignore[func-returns-value]  # counts
    return seen


@pytest.mark.case("A-RES-09")
def test_python_looks_at_the_young_objects_only() -> None:
    """By itself Python looks at all of them, 89 ms at fifty outlets, whenever their number has grown by a quarter: often while sessions begin."""
    full: list[str] = []

    def heard(phase: str, info: dict[str, int]) -> None:
        if info["generation"] == 2:
            full.append(phase)

    Collector(0.0)
    gc.callbacks.append(heard)
    try:
        kept = [[number] for number in range(300_000)]
        assert gc.get_stats()[1]["collections"] > 0
    finally:
        gc.callbacks.remove(heard)
    assert full == []
    assert len(kept) == 300_000


def test_a_quiet_station_collects_now_and_then(collections: list[int]) -> None:
    one = Collector(1000.0)
    assert not one.look(1000.0 + QUIET_SECONDS - 1.0, idle=True)
    assert one.look(1000.0 + QUIET_SECONDS, idle=True)
    assert not one.look(1000.0 + QUIET_SECONDS + 60.0, idle=True)
    assert collections == [1]


def test_a_station_that_always_charges_collects_only_when_its_memory_has_grown(
    collections: list[int], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    memory = [50 * 2**20]
    monkeypatch.setattr(collector, "peak", lambda: memory[0])
    one = Collector(0.0)
    assert not one.look(1000 * QUIET_SECONDS, idle=False)
    memory[0] += GROWN_OCTETS - 1
    assert not one.look(2000 * QUIET_SECONDS, idle=False)
    memory[0] += 1
    assert one.look(2000 * QUIET_SECONDS, idle=False)
    assert "grown by 64 MiB" in caplog.text
    assert not one.look(4000 * QUIET_SECONDS, idle=False), "from there on"
    assert collections == [1]


def test_memory_of_this_process_is_known() -> None:
    assert 2**20 < peak() < 2**40


@pytest.mark.case("A-RES-09")
def test_nothing_is_collected_while_a_car_charges(tmp_path: Path, collections: list[int]) -> None:
    async def main() -> None:
        async with station(configured(tmp_path), watch=False) as scene:
            # As if the station had not looked for a long while: the first quiet look collects.
            scene.station.mind_garbage(Collector(-QUIET_SECONDS))
            drive = await scene.charging(scene.drive(replace(LONG, watt_hours=1e6), stop_after=150.0))
            collections.clear()
            await scene.ended(seconds=400.0)
            assert collections == []
            await drive.done()
            await scene.until(lambda: collections, seconds=120.0)

    run_virtual(main())
