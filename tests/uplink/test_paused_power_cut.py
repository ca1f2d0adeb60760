"""A power cut at any write of sessions that pause: the book holds each transaction once, with one end."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from secc.conversation import Levels, Wall
from secc.session.durable import Disk, Journal
from secc.uplink.book import POWER_LOST, Pseudonyms, SessionBook
from secc.uplink.ledger import Ledger
from secc.uplink.port import Identity
from tests.power_cut import each_power_cut

NOON = Wall(datetime(2026, 11, 20, 12, 0, tzinfo=UTC), trusted=True)


def opened(directory: Path) -> SessionBook:
    book = SessionBook(Journal(directory / "sessions.jsonl", 1 << 20), Pseudonyms(directory / "key", Disk()))
    book.catch_up(NOON)
    return book


def at(watt_hours: float) -> Levels:
    return Levels(contactor="closed", watt_hours=watt_hours, metered_at=1.0)


def story(directory: Path) -> None:
    """Three cars: one resumes and ends, one is unplugged in its pause, one still sleeps."""
    book, ledger = opened(directory), Ledger("left", "DE*PNX*E1")
    for number in range(3):
        ledger.proved(Identity("emaid", "DE8AAABCDEFGHI1"))
        for part in range(3):
            report = ledger.began(f"s{number}-{part}", NOON, at(100.0 * part))
            if report is not None:
                book.started(report)
            ledger.reading(at(100.0 * part + 50.0))
            ledger.pause()
            if part < 2:
                ledger.resume()
        if number == 0:
            ledger.resume()
            ended = ledger.ended()
            assert ended is not None
            book.ended(ended.ended("completed.terminated", NOON, 300.0))
        elif number == 1:
            ended = ledger.forgotten()
            assert ended is not None
            book.ended(ended.ended("completed.pause-unplugged", NOON, 300.0))


def test_each_transaction_is_there_once_with_one_end(tmp_path: Path) -> None:
    directory = tmp_path / "state"

    def prepare() -> None:
        with suppress(FileNotFoundError):
            shutil.rmtree(directory)
        directory.mkdir()

    seen: Counter[str] = Counter()

    def check() -> None:
        opened(directory)
        rows = [json.loads(line) for line in (directory / "sessions.jsonl").read_text().splitlines()]
        started = Counter(row["session"] for row in rows if row["what"] == "started")
        ended = Counter(row["session"] for row in rows if row["what"] == "ended")
        assert started == ended
        assert set(started) <= {"s0-0", "s1-0", "s2-0"}
        assert set(started.values()) <= {1}
        seen.update(row["reason"] for row in rows if row["what"] == "ended")

    cuts = 0
    for _ in each_power_cut(lambda: story(directory), prepare):
        cuts += 1
        if (directory / "sessions.jsonl").exists():
            check()
    check()
    assert cuts > 6
    assert set(seen) == {"completed.terminated", "completed.pause-unplugged", POWER_LOST}
