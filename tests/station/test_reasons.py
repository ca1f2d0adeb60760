"""The station is driven into every code that has a row: one of octets, world and time for each (``tests/reasons``).

A row without a drive fails, since nothing may emit it; so does a drive of a code without a row. What any other test of a station brings up without a
row fails there (``tests/station_scene.py``).
"""

from __future__ import annotations

import asyncio
import json
import shutil
from importlib import import_module
from pathlib import Path

import pytest

from hal.sim.clock import run_virtual
from secc.config import Config
from secc.trace.history import records
from secc.trace.reasons import BEHIND, MEANINGS
from tests.reasons.drives import ENDS, Drive
from tests.station_scene import judged, station

for path in sorted((Path(__file__).parents[1] / "reasons").glob("*.py")):
    import_module(f"tests.reasons.{path.stem}")

ROWS = sorted(code for code in MEANINGS if code.partition(".")[0] not in BEHIND)
SECONDS = 60.0


def told(config: Config) -> set[str]:
    """Every code in the books and in the history."""
    state = config.station.state_directory
    found = {record.reason.code for record in records(state)}
    book = state / "sessions.jsonl"
    lines = book.read_text().splitlines() if book.exists() else []
    return found | {str(json.loads(line).get("reason", "")) for line in lines}


async def driven(drive: Drive, config: Config, code: str) -> set[str]:
    """The codes with which something has ended."""
    state = config.station.state_directory
    cut = state.with_name("cut")
    async with station(config) as scene:
        await drive.act(scene)
        loop = asyncio.get_running_loop()
        until = loop.time() + SECONDS
        if drive.again:
            await scene.until(lambda: scene.outlet().writes.idle)
            # What is on the disk now is all that the next start finds.
            shutil.copytree(state, cut, ignore=shutil.ignore_patterns("*.sock"))
        else:
            while code not in scene.codes() and loop.time() < until:
                await asyncio.sleep(0.5)
        judged(scene)
    found = set(scene.codes())
    if drive.again:
        shutil.rmtree(state)
        cut.rename(state)
        async with station(config, watch=False):
            await asyncio.sleep(1.0)
    return found | told(config)


@pytest.mark.parametrize("code", ROWS)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_the_station_emits_every_code_that_has_a_row(code: str, tmp_path: Path) -> None:
    assert code in ENDS, f"{code} has a row, and no drive in tests/reasons brings the station to it"
    assert code in run_virtual(driven(ENDS[code], ENDS[code].config(tmp_path), code))


def test_every_drive_is_of_a_code_that_has_a_row() -> None:
    assert [code for code in ENDS if code not in MEANINGS] == []
