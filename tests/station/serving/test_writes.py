"""The writes of one outlet: in order, and none that fails keeps another back."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from hal.sim.clock import run_virtual
from secc.session.durable import StorageFailed
from secc.station.serving.writes import Writes


def test_writes_come_one_after_another_in_the_order_in_which_they_were_put() -> None:
    async def main() -> None:
        writes, done = Writes("1"), list[str]()

        async def write(name: str, seconds: float) -> None:
            done.append(f"{name} begins")
            await asyncio.sleep(seconds)
            done.append(f"{name} ends")

        assert writes.idle
        writes.put(lambda: write("first", 3.0))
        writes.put(lambda: write("second", 1.0))
        assert not writes.idle
        await asyncio.sleep(3.5)
        writes.put(lambda: write("third", 0.0))
        await writes.close()
        assert done == [f"{name} {what}" for name in ("first", "second", "third") for what in ("begins", "ends")]
        assert writes.idle
        writes.put(lambda: write("fourth", 0.0))
        assert not writes.idle
        await writes.close()
        assert done[-1] == "fourth ends"

    run_virtual(main())


def test_no_report_waits_for_a_record_and_a_record_waits_for_the_report_before_it() -> None:
    async def main() -> None:
        writes, done = Writes("1"), list[str]()

        async def write(name: str, seconds: float) -> None:
            await asyncio.sleep(seconds)
            done.append(name)

        writes.put(lambda: write("first report", 3.0))
        writes.put_record(lambda: write("first record", 100.0))
        writes.put_record(lambda: write("second record", 0.0))
        await asyncio.sleep(4.0)
        assert done == ["first report"]
        writes.put(lambda: write("second report", 3.0))
        await asyncio.sleep(4.0)
        assert done == ["first report", "second report"]
        assert not writes.idle
        await writes.close()
        assert done[2:] == ["first record", "second record"]
        assert writes.idle

    run_virtual(main())


def test_a_disk_that_takes_nothing_and_a_bug_are_logged_and_the_next_is_written(
    caplog: pytest.LogCaptureFixture,
) -> None:
    done: list[str] = []

    async def full() -> None:
        raise StorageFailed(Path("/state/book"), "No space left on device")

    async def bug() -> None:
        raise ZeroDivisionError("planted")

    async def good() -> None:
        done.append("good")

    async def main() -> None:
        writes = Writes("left")
        for write in (full, bug, good):
            writes.put(write)
        await writes.close()

    run_virtual(main())
    assert done == ["good"]
    assert [(entry.levelno, entry.getMessage(), entry.exc_info is not None) for entry in caplog.records] == [
        (logging.ERROR, "outlet left: /state/book: No space left on device", False),
        (logging.ERROR, "outlet left: a bug in storing a session", True),
    ]
