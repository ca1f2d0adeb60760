"""The log, for people: one line for each thing, nothing personal, and bounded whatever a car does.

* Control characters are escaped: what a car sends cannot begin a line of its own or speak to a terminal (A-SES-15).
* A line that repeats too often is held back and counted (A-RES-02).
"""

from __future__ import annotations

import logging
import re
import sys
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import TextIO

BURST = 40
"""Lines of one kind that may follow each other at once."""
LINES_A_SECOND = 4.0
"""Of one kind, from then on."""
KINDS = 512
LONGEST = 2000
"""Characters of a line."""

# C0, DEL, C1, and the marks that change the direction or the line in a viewer.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def escaped(text: str) -> str:
    """``text`` on one line, for a terminal and for a log: control characters as ``\\x0a``, and not without end."""
    if len(text) > LONGEST:
        text = f"{text[:LONGEST]}… ({len(text)} characters)"
    return _CONTROL.sub(lambda match: _escape(match.group()), text)


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


class OneLine(logging.Formatter):
    """Time, level where it is not the usual one, and the message; a traceback below it, indented and escaped line by line."""

    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%H:%M:%S", time.localtime(record.created))
        level = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        line = f"{moment}.{int(record.msecs):03d} {level}{escaped(record.getMessage())}"
        if (held := getattr(record, "held_back", 0)) > 0:
            line += f" (and {held} more like this)"
        if record.exc_info:
            trace = self.formatException(record.exc_info)
            line += "".join(f"\n    {escaped(part)}" for part in trace.split("\n"))
        return line


class Limited(logging.Filter):
    """Holds back what repeats too often. A kind is one place in the code that logs: its words without what is filled in."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._kinds: OrderedDict[tuple[str, int, str], tuple[float, float, int]] = OrderedDict()

    def filter(self, record: logging.LogRecord) -> bool:
        kind = (record.name, record.levelno, str(record.msg)[:200])
        now = self._clock()
        credit, since, held = self._kinds.pop(kind, (float(BURST), now, 0))
        credit = min(BURST, credit + (now - since) * LINES_A_SECOND)
        if credit < 1.0:
            self._kinds[kind] = (credit, now, held + 1)
            return False
        self._kinds[kind] = (credit - 1.0, now, 0)
        if len(self._kinds) > KINDS:
            self._kinds.popitem(last=False)
        record.held_back = held
        return True


def set_up_log(level: str = "info", stream: TextIO | None = None) -> None:
    """Send the log of the whole process to ``stream`` (standard error). Called once, by ``secc run``."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(OneLine())
    handler.addFilter(Limited())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # asyncio's own debugging says what we say, in other words.
    logging.getLogger("asyncio").setLevel(max(root.level, logging.INFO))
