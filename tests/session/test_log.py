"""The log: one line for each thing, whatever a car sends, and however often."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secc.session.log import BURST, KINDS, LONGEST, Limited, OneLine, escaped, set_up_log


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
    stream = io.StringIO()
    set_up_log("info", stream)
    logging.getLogger("secc.x").info("milestone %s", "one\ntwo")
    logging.getLogger("secc.x").debug("dialogue")
    logging.getLogger("secc.x").warning("look")
    first, second = stream.getvalue().splitlines()
    assert first.endswith(" milestone one\\x0atwo") and second.endswith(" warning: look")
