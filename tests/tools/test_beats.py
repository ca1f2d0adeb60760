"""How often a station wakes up: counted the same each time, and not more often than yesterday."""

from __future__ import annotations

import pytest

from hal.guard import Guard
from tools.bench import beats
from tools.bench.beats import GOAL, Rate, charging, idle, measure, rates
from tools.bench.stations import ROOT, Ground

MOST = {
    "idle": Rate(turns=10, armed=10, cancelled=0, calls=105),
    "charging, no message": Rate(turns=11, armed=10, cancelled=0, calls=495),
    "charging, ten requests a second": Rate(turns=22, armed=10, cancelled=0, calls=1747),
}
"""Upper bounds. Whoever gets below them lowers them here and in docs/performance.md."""


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    return Ground(tmp_path_factory.mktemp("beats") / "ground", warm=False)


@pytest.fixture(scope="module")
def found(ground: Ground) -> dict[str, Rate]:
    return rates(ground)


@pytest.mark.parametrize("what", MOST)
def test_a_station_wakes_up_no_more_often_than_before(found: dict[str, Rate], what: str) -> None:
    rate, most = found[what], MOST[what]
    assert rate.turns <= GOAL[what] + 0.5
    assert round(rate.turns) <= most.turns, rate
    assert round(rate.armed) <= most.armed, rate
    assert round(rate.cancelled) <= most.cancelled, rate
    assert round(rate.calls) <= most.calls, rate


def test_every_count_finds_the_same(ground: Ground, found: dict[str, Rate]) -> None:
    what = "charging, ten requests a second"
    assert charging(ground, silent=False) == found[what]


def test_a_timer_of_its_own_is_seen(ground: Ground, found: dict[str, Rate], monkeypatch: pytest.MonkeyPatch) -> None:
    """A guard that armed a timer with each beat, for a moment between two of them."""
    turn = Guard._turn

    def turned(guard: Guard) -> None:
        turn(guard)
        beats.asyncio.get_running_loop().call_later(0.03, guard._evaluate)

    monkeypatch.setattr(Guard, "_turn", turned)
    seen = idle(ground)
    assert seen.turns > found["idle"].turns + 9
    assert seen.calls > found["idle"].calls + 9


def test_bench_shows_them(ground: Ground, found: dict[str, Rate], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beats, "rates", lambda ground: found)
    assert [figure.value for figure in measure(ground, quick=True).figures] == [str(rate) for rate in found.values()]


def test_page_says_what_is_held_here() -> None:
    page = (ROOT / "docs" / "performance.md").read_text()
    for what, rate in MOST.items():
        assert f"| {what} | {rate.turns:.0f} | {rate.armed:.0f} | {rate.calls:.0f} |" in page
