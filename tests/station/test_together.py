"""Fifty sessions that end at once: a car that still charges keeps its power, because the event loop comes round. (A-RES-09)"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hal.sim.clock import run_virtual
from hal.ticker import Ticker
from secc.station.shared.pace import TURN_SECONDS, Pace
from secc.trace.recorder import Recorder
from tests.station_scene import LONG, Scene, configured, station
from tools.evcc.behaviour import Current

OUTLETS = 50
AC = LONG.__class__(watt_hours=1e6, current=Current.AC, loop_seconds=2.0)


class Counting:
    """What happens in which turn of the event loop."""

    def __init__(self, scene: Scene) -> None:
        self.turn = 0
        self.ends: Counter[int] = Counter()
        self.beats: Counter[str] = Counter()
        loop: Any = asyncio.get_running_loop()
        run_once = loop._run_once

        def counted() -> None:
            self.turn += 1
            run_once()

        loop._run_once = counted
        for outlet in scene.station.outlets:
            self._watch(outlet)

    def _watch(self, outlet: Any) -> None:
        ended, board = outlet.sessions.ended, outlet.hardware.board
        beat = board.beat

        def note_end(*arguments: Any, **how: Any) -> None:
            self.ends[self.turn] += 1
            ended(*arguments, **how)

        def note_beat() -> None:
            beat()
            self.beats[outlet.name] += 1

        outlet.sessions.ended = note_end
        board.beat = note_beat


@pytest.mark.case("A-RES-09")
def test_fifty_sessions_that_end_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """In one turn of the loop, with fifty threads for their traces, heartbeats would be withheld, and contactors called welded."""
    threads: Counter[str] = Counter()
    open_now: list[int] = []
    most: list[int] = []
    render = Recorder._render

    def rendered(self: Recorder, *arguments: Any) -> Iterator[str]:
        open_now.append(1)
        most.append(len(open_now))
        for line in render(self, *arguments):
            threads[threading.current_thread().name] += 1
            yield line
        open_now.pop()

    monkeypatch.setattr(Recorder, "_render", rendered)

    async def main() -> None:
        config = configured(tmp_path, dc=False, outlets=OUTLETS + 1)
        async with station(config, watch=False) as scene:
            drives = [scene.drive(AC, number=number) for number in range(OUTLETS + 1)]
            for number, drive in enumerate(drives):
                await scene.charging(drive, number)
            # From here on each call that comes from a car takes a whole turn's share, by the clock of those who pace them.
            pace = scene.services.pace
            spent = iter(range(10**6))
            monkeypatch.setattr(pace, "_clock", lambda: next(spent) * TURN_SECONDS)
            counting = Counting(scene)
            before = asyncio.get_running_loop().time()
            for drive in drives[:OUTLETS]:
                drive.reset()
            await scene.ended(OUTLETS)
            await scene.until(lambda: all(outlet.writes.idle for outlet in scene.station.outlets))
            await asyncio.sleep(2.0)
            passed = asyncio.get_running_loop().time() - before
            assert sum(counting.ends.values()) == OUTLETS
            assert max(counting.ends.values()) <= 2, (
                "a turn of the loop has room for one, or the end of one and the beginning of the next"
            )
            assert len(counting.beats) == OUTLETS + 1
            assert min(counting.beats.values()) >= int(passed / 0.1) - 1, "every beat went out"
            assert "heartbeat withheld" not in caplog.text
            assert scene.world(OUTLETS).contactor.closed, "the last one charges on"
            assert scene.codes() == ["severed.connection-closed"] * OUTLETS
            assert not [event for event in scene.published if event["event"] == "fault"]
            assert set(threads) == {"python-work"}
            assert max(most) == 1, "one trace after the other"
            assert len(list((scene.state / "traces").glob("*.jsonl"))) == OUTLETS

    run_virtual(main())


def test_the_clock_of_those_who_pace_is_the_processors() -> None:
    """A machine that is busy with something else must not make a station slow."""
    assert Pace(Ticker())._clock.__name__ == "thread_time"
