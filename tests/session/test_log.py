"""The log: one line for each thing, whatever a car sends, and however often."""

from __future__ import annotations

import io
import logging
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secc.session import log as session_log
from secc.session.log import BURST, KINDS, LONGEST, Limited, LineWriter, OneLine, Queued, escaped, set_up_log


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
