"""What stays of a session when it is over: its lines in the log."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from hal.sim.clock import run_virtual
from secc.session.log import set_up_log
from tests.station_scene import QUICK, configured, station


@pytest.fixture
def written() -> Iterator[io.BytesIO]:
    """The log, as a person reads it."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    stream = io.BytesIO()
    set_up_log("info", stream.write)
    yield stream
    root.handlers[:], level = before
    root.setLevel(level)


def test_the_lines_of_a_session_carry_its_short_id(tmp_path: Path, written: io.BytesIO) -> None:
    """Two sessions one after the other, and the books, the traces and the lines name the same two."""

    async def main() -> list[str]:
        async with station(configured(tmp_path)) as scene:
            for _ in range(2):
                await scene.drive(QUICK).done()
        return [json.loads(line)["session"] for line in (scene.state / "sessions.jsonl").read_text().splitlines()]

    booked = dict.fromkeys(run_virtual(main()))
    assert len(booked) == 2
    logging.getLogger().handlers[0].flush()
    lines = written.getvalue().decode().splitlines()
    for session in booked:
        mine = [line for line in lines if f"outlet 1 [{session[:6]}]: " in line]
        for words in (
            "ISO 15118-2",
            "session set up",
            "contactor closed",
            "session ended",
            "delivered",
            "trace written",
        ):
            assert any(words in line for line in mine), words
