"""The log: one line for each thing, whatever a car sends, and however often."""

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secc.session import log as session_log
from secc.session.log import (
    BURST,
    KINDS,
    LONGEST,
    Limited,
    LineWriter,
    OneLine,
    Queued,
    RunningSessions,
    SessionIds,
    about,
    escaped,
    is_journal,
    set_up_log,
)


def record(text: str, *args: object, level: int = logging.INFO) -> logging.LogRecord:
    return logging.LogRecord("secc", level, __file__, 1, text, args, None)


@pytest.mark.case("A-SES-15")
@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("plain – ümlaut €", "plain – ümlaut €"),
        ("a\nb\r\tc", "a\\x0ab\\x0d\\x09c"),
        ("\x1b[2J\x9b31m\x7f", "\\x1b[2J\\x9b31m\\x7f"),
        ("\u2028new\u202eevil\u2066", "\\u2028new\\u202eevil\\u2066"),
        ("\ud800", "\\ud800"),
    ],
)
def test_control_characters_are_escaped(text: str, line: str) -> None:
    assert escaped(text) == line
    assert OneLine().format(record("EVCCID %s", text)).endswith(line)


@given(st.text(max_size=50))
def test_any_text_stays_on_its_line(text: str) -> None:
    line = OneLine().format(record("%s", text))
    assert len(line.splitlines()) == 1
    line.encode()


def test_a_line_has_an_end() -> None:
    line = escaped("x" * 100_000)
    assert len(line) < LONGEST + 50 and line.endswith("(100000 characters)")


def test_a_traceback_cannot_forge_a_line() -> None:
    try:
        raise ValueError("evil\n12:00:00.000 all is well")
    except ValueError as error:
        entry = record("it broke")
        entry.exc_info = (type(error), error, error.__traceback__)
    lines = OneLine().format(entry).split("\n")
    assert len(lines) > 2 and all(line.startswith("    ") for line in lines[1:])


@pytest.mark.case("A-RES-02")
def test_what_repeats_is_held_back_and_counted() -> None:
    now = 0.0
    limited = Limited(lambda: now)
    let_through = sum(limited.filter(record("bad frame from %s", n)) for n in range(10_000))
    assert let_through == BURST
    assert limited.filter(record("something else"))
    now = 1.0
    after = record("bad frame from %s", "x")
    assert limited.filter(after)
    assert OneLine().format(after).endswith("bad frame from x (and 9960 more like this)")
    now = 3600.0
    assert sum(limited.filter(record("bad frame from %s", n)) for n in range(10_000)) == BURST


def test_an_outlet_that_repeats_itself_keeps_no_line_of_another_back() -> None:
    limited = Limited(lambda: 0.0)
    for _ in range(2 * BURST):
        limited.filter(record("outlet %s: %s", "left", "a car that sends nonsense"))
    assert not limited.filter(record("outlet %s: %s", "left", "authorised"))
    assert limited.filter(record("outlet %s: %s", "right", "authorised"))


def test_the_memory_of_lines_is_bounded() -> None:
    limited = Limited(lambda: 0.0)
    for n in range(3 * KINDS):
        assert limited.filter(record(f"kind {n}"))
    assert len(limited._kinds) == KINDS


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    logger = logging.getLogger()
    before = logger.handlers[:], logger.level
    yield logger
    logger.handlers[:], level = before
    logger.setLevel(level)


def test_set_up(root: logging.Logger) -> None:
    written = io.BytesIO()
    set_up_log("info", written.write)
    logging.getLogger("secc.x").info("milestone %s", "one\ntwo")
    logging.getLogger("secc.x").debug("dialogue")
    logging.getLogger("secc.x").warning("look")
    root.handlers[0].flush()
    first, second = written.getvalue().decode().splitlines()
    assert first.endswith(" milestone one\\x0atwo") and second.endswith(" warning: look")


class StalledReader:
    """Takes one write, and no other before ``go``."""

    def __init__(self) -> None:
        self.go, self.stalled = threading.Event(), threading.Event()
        self.written = b""

    def __call__(self, octets: bytes) -> None:
        self.stalled.set()
        assert self.go.wait(10.0)
        self.written += octets


@pytest.mark.case("A-RES-08")
def test_who_logs_does_not_wait_for_a_reader_that_stalls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_log, "QUEUE_CHARACTERS", 100)
    reader = StalledReader()
    writer = LineWriter(reader)
    writer.put("taken")
    assert reader.stalled.wait(10.0)
    for number in range(1000):
        writer.put(f"line {number:05d}")
    assert not writer.flush(0.0)
    reader.go.set()
    assert writer.flush(10.0)
    writer.put("afterwards")
    assert writer.flush(10.0)
    lines = reader.written.decode().splitlines()
    assert lines[:11] == ["taken", *(f"line {number:05d}" for number in range(10))]
    assert lines[11].endswith("warning: 990 lines of the log are lost: its reader is too slow")
    assert lines[12:] == ["afterwards"]


@pytest.mark.case("A-RES-08")
def test_a_reader_that_has_gone_is_not_the_end_of_the_writer() -> None:
    written: list[bytes] = []

    def write(octets: bytes) -> None:
        written.append(octets)
        if len(written) == 1:
            raise BrokenPipeError

    writer = LineWriter(write)
    for line in ("one", "two"):
        writer.put(line)
        assert writer.flush(10.0)
    assert written == [b"one\n", b"two\n"]


def test_a_log_line_with_a_bug_is_told_of_where_the_log_goes() -> None:
    written = io.BytesIO()
    writer = LineWriter(written.write)
    handler = Queued(writer)
    handler.handle(record("%d of %d", 1))
    assert writer.flush(10.0)
    assert b"has a bug: TypeError" in written.getvalue()


def test_a_line_about_an_outlet_carries_the_session_that_runs_there() -> None:
    running = RunningSessions()
    ids = SessionIds(running)

    def line(text: str, *args: object, **extra: str) -> str:
        entry = record(text, *args)
        entry.__dict__.update(extra)
        assert ids.filter(entry)
        return OneLine().format(entry).partition(" ")[2]

    assert line("outlet %s: link up", "left") == "outlet left: link up"
    running.began("left", "3fa94c0011223344")
    running.began("right", "99999900aabbccdd")
    assert line("outlet %s: fault %s", "left", "overheated") == "outlet left [3fa94c]: fault overheated"
    assert line("outlet %s: link up", "right") == "outlet right [999999]: link up"
    assert line("ready: outlet %s", "left") == "ready: outlet left"
    assert line("outlets") == "outlets"
    running.ended("left")
    assert line("outlet %s: link up", "left") == "outlet left: link up"
    late = line("outlet %s: trace written", "right", **about("3fa94c0011223344"))
    assert late == "outlet right [3fa94c]: trace written", "the next session may run by now"


def test_in_the_journal_each_line_has_its_priority_and_no_time_of_its_own() -> None:
    formatter = OneLine(journal=True)
    levels = (logging.CRITICAL, logging.ERROR, logging.WARNING, logging.INFO, logging.DEBUG, 5)
    assert [formatter.format(record("x", level=level))[:3] for level in levels] == [
        "<3>",
        "<3>",
        "<4>",
        "<6>",
        "<7>",
        "<7>",
    ]
    assert formatter.format(record("milestone")) == "<6>milestone"
    assert formatter.format(record("look", level=logging.WARNING)) == "<4>warning: look"
    try:
        raise ValueError("one\n<0>two")
    except ValueError as error:
        entry = record("it broke", level=logging.ERROR)
        entry.exc_info = (type(error), error, error.__traceback__)
    assert all(line.startswith("<3>") for line in formatter.format(entry).split("\n"))


def test_the_journal_is_known_by_device_and_inode(tmp_path: Path) -> None:
    with (tmp_path / "stream").open("w") as stream:
        descriptor = stream.fileno()
        found = os.fstat(descriptor)
        assert is_journal(descriptor, {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"})
        # Started by a unit, with standard error sent elsewhere.
        assert not is_journal(descriptor, {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino + 1}"})
        assert not is_journal(descriptor, {})
    assert not is_journal(descriptor, {"JOURNAL_STREAM": "1:2"}), "a file that is closed"


def test_a_log_to_the_journal(tmp_path: Path) -> None:
    """A process of its own, because standard error is what counts."""
    path = tmp_path / "journal"
    said = """
import logging
from secc.session.log import running_sessions, set_up_log
set_up_log("info")
running_sessions.began("left", "3fa94c0011223344")
logging.getLogger("secc.x").warning("outlet %s: fault %s", "left", "overheated")
running_sessions.ended("left")
logging.getLogger("secc.x").info("outlet %s: fault cleared", "left")
"""
    with path.open("w") as stream:
        found = os.fstat(stream.fileno())
        environment = {**os.environ, "JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}
        subprocess.run([sys.executable, "-c", said], stderr=stream, env=environment, check=True)
    assert path.read_text() == "<4>warning: outlet left [3fa94c]: fault overheated\n<6>outlet left: fault cleared\n"
