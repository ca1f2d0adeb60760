"""The log: one line an entry, no personal data, bounded whatever a car does.

* Control characters are escaped: text from a car cannot begin a line or control a terminal
  (A-SES-15).
* A line that repeats too often is dropped and counted (A-RES-02).
* Logging never waits for the reader: a thread writes the lines; those it cannot write in time are
  dropped and counted (A-RES-08).
* A line about an outlet carries the short id of the session that runs there: ``outlet left
  [3fa94c]: charging``.
* In the journal of systemd each line has its priority (sd-daemon(3)) and no time, which the journal
  adds.
"""

from __future__ import annotations

import logging
import os
import re
import select
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Final

log = logging.getLogger(__name__)

BURST = 40
"""Lines of one kind that may come at once."""
LINES_A_SECOND = 4.0
"""Lines of one kind a second after that."""
KINDS = 2048
LONGEST = 2000
"""Characters of a line."""
QUEUE_CHARACTERS = 256 * 1024
"""Characters that may wait to be written: some thousand lines."""
FLUSH_SECONDS = 1.0
"""Seconds that an ending process waits for a reader that does not read."""
STANDARD_ERROR = 2
SHORT_ID: Final = 6
"""Characters of a session's id in a line; ``secc explain`` takes these or the whole id."""
PRIORITIES: Final = ((logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6), (logging.DEBUG, 7))
"""From this level on, this priority of syslog(3)."""
_ABOUT_OUTLET: Final = "outlet %s"

# C0, DEL, C1, and the marks that change the direction or the line in a viewer.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def escaped(text: str) -> str:
    """Returns ``text`` on one line, at most ``LONGEST`` characters, for terminal and log: control
    characters as ``\\x0a``.
    """
    if len(text) > LONGEST:
        text = f"{text[:LONGEST]}… ({len(text)} characters)"
    return _CONTROL.sub(lambda match: _escape(match.group()), text)


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


class OneLine(logging.Formatter):
    """Time, level unless it is INFO, message, then a traceback, indented and escaped line by line.

    With ``journal`` every line begins with its priority, ``<4>``, and has no time.
    """

    def __init__(self, *, journal: bool = False) -> None:
        super().__init__()
        self._journal = journal

    def format(self, record: logging.LogRecord) -> str:
        if self._journal:
            start = f"<{_priority(record.levelno)}>"
        else:
            start = f"{time.strftime('%H:%M:%S', time.localtime(record.created))}.{int(record.msecs):03d} "
        level = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        line = f"{start}{level}{escaped(_with_session(record))}"
        if (held := getattr(record, "held_back", 0)) > 0:
            line += f" (and {held} more like this)"
        if record.exc_info:
            trace = self.formatException(record.exc_info)
            # Each line of it is a separate entry in the journal.
            indent = f"{start}    " if self._journal else "    "
            line += "".join(f"\n{indent}{escaped(part)}" for part in trace.split("\n"))
        return line


def _priority(level: int) -> int:
    return next((priority for least, priority in PRIORITIES if level >= least), 7)


def _with_session(record: logging.LogRecord) -> str:
    message = record.getMessage()
    session = getattr(record, "session", "")
    if not session:
        return message
    outlet = _ABOUT_OUTLET % str(_outlet(record))
    return f"{outlet} [{session[:SHORT_ID]}]{message[len(outlet) :]}"


def _outlet(record: logging.LogRecord) -> str | None:
    """Returns the outlet that a line is about; None if none."""
    about = str(record.msg).startswith(_ABOUT_OUTLET) and isinstance(record.args, tuple) and record.args
    return str(record.args[0]) if about and isinstance(record.args, tuple) else None


class RunningSessions:
    """The running session of each outlet, for the log. One object for the process."""

    def __init__(self) -> None:
        self._ids: dict[str, str] = {}

    def began(self, outlet: str, session: str) -> None:
        self._ids[outlet] = session

    def ended(self, outlet: str) -> None:
        self._ids.pop(outlet, None)

    def of(self, outlet: str | None) -> str:
        """Empty if no session runs."""
        return self._ids.get(outlet or "", "")


running_sessions = RunningSessions()


class SessionIds(logging.Filter):
    """Adds the session's id to a line about an outlet.

    A line is about an outlet if its text begins with ``outlet %s``. A line that is logged after the
    session's end, when the next may run, names its session by ``extra=about(session)``.
    """

    def __init__(self, running: RunningSessions = running_sessions) -> None:
        super().__init__()
        self._running = running

    def filter(self, record: logging.LogRecord) -> bool:
        outlet = _outlet(record)
        if outlet is None:
            record.session = ""
        elif not hasattr(record, "session"):
            record.session = self._running.of(outlet)
        return True


def about(session: str) -> Mapping[str, str]:
    """Returns the ``extra`` of a line about this session, whichever runs now."""
    return {"session": session}


class Limited(logging.Filter):
    """Drops lines that repeat too often. A kind is one logging call, by its format string, of one
    outlet.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._kinds: OrderedDict[tuple[str, int, str, str | None], tuple[float, float, int]] = OrderedDict()

    def filter(self, record: logging.LogRecord) -> bool:
        kind = (record.name, record.levelno, str(record.msg)[:200], _outlet(record))
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


def told(facts: Mapping[str, Any]) -> str:
    """Returns the facts of a milestone as they follow its name in a line: ``: watts 60000, kWh
    0.195``.
    """
    words = [
        f"{name} {value:.3f}"
        if name == "kWh"
        else f"{name} {value:g}"
        if isinstance(value, float)
        else f"{name} {value}"
        for name, value in facts.items()
    ]
    return f": {', '.join(words)}" if words else ""


class LineWriter:
    """Writes lines on its own thread, in order. ``write`` may block, and raises OSError if nothing
    can be written.
    """

    def __init__(self, write: Callable[[bytes], object], formatter: logging.Formatter | None = None) -> None:
        self._write = write
        self._formatter = formatter or OneLine()
        # Re-entrant: the collector may run a finaliser that logs in the middle of ``put``.
        self._changed = threading.Condition(threading.RLock())
        self._lines: list[str] = []
        self._size = 0
        self._lost = 0
        self._busy = False
        threading.Thread(target=self._run, name="log", daemon=True).start()

    def put(self, line: str) -> None:
        """Queue this line; never waits. While too much waits the line is dropped and counted."""
        with self._changed:
            if self._size + len(line) > QUEUE_CHARACTERS:
                self._lost += 1
                return
            self._lines.append(line)
            self._size += len(line)
            self._changed.notify_all()

    def flush(self, seconds: float) -> bool:
        """Wait until everything has been written, at most ``seconds``. Returns whether it has."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._lines and not self._busy, seconds)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: bool(self._lines))
                lines, lost, self._busy = self._lines, self._lost, True
                self._lines, self._size, self._lost = [], 0, 0
            if lost:
                # They came while the queue was full: report them after these lines, before the
                # next.
                text = f"{lost} lines of the log are lost: its reader is too slow"
                lines.append(_now(text, logging.WARNING, self._formatter))
            try:
                self._write("".join(f"{line}\n" for line in lines).encode(errors="backslashreplace"))
            except OSError:
                # The reader has gone. Another may connect, if it is a socket or a terminal.
                continue


def _now(text: str, level: int, formatter: logging.Formatter) -> str:
    return formatter.format(logging.LogRecord("secc", level, "", 0, text, None, None))


class Queued(logging.Handler):
    """Passes each line to a writer."""

    def __init__(self, writer: LineWriter) -> None:
        super().__init__()
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._writer.put(self.format(record))
        except Exception as error:  # noqa: BLE001  # the standard library would print it to standard error, and block
            text = f"a log line of {record.pathname}:{record.lineno} has a bug: {error!r}"
            self._writer.put(_now(text, logging.ERROR, self.formatter or OneLine()))

    def flush(self) -> None:
        self._writer.flush(FLUSH_SECONDS)


def _to_standard_error(octets: bytes) -> None:
    """Write without ``sys.stderr``: the interpreter cannot end while a thread blocks in it."""
    while octets:
        try:
            octets = octets[os.write(STANDARD_ERROR, octets) :]
        except BlockingIOError:
            # Another process that shares the descriptor has made it non-blocking.
            select.select([], [STANDARD_ERROR], [])


def set_up_log(level: str = "info", write: Callable[[bytes], object] = _to_standard_error) -> None:
    """Send the log of the whole process to ``write`` (standard error). Called once, by ``secc
    run``.
    """
    formatter = OneLine(journal=write is _to_standard_error and is_journal(STANDARD_ERROR))
    handler = Queued(LineWriter(write, formatter))
    handler.setFormatter(formatter)
    handler.addFilter(Limited())
    handler.addFilter(SessionIds())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # asyncio's debug lines repeat the station's.
    logging.getLogger("asyncio").setLevel(max(root.level, logging.INFO))


def catch_strays() -> None:
    """Log what the interpreter would write to standard error: warnings, and exceptions that no code
    can catch.
    """
    logging.captureWarnings(True)
    sys.unraisablehook = _unraisable
    threading.excepthook = _in_a_thread


def _unraisable(stray: Any) -> None:
    log.error("a bug in a finaliser: %r", stray.object, exc_info=stray.exc_value)


def _in_a_thread(stray: Any) -> None:
    name = stray.thread.name if stray.thread is not None else "?"
    log.error("a bug in the thread %s", name, exc_info=stray.exc_value)


def is_journal(descriptor: int, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this descriptor is the journal of systemd, by the device and inode that the service
    manager gives.
    """
    try:
        found = os.fstat(descriptor)
    except OSError:
        return False
    return environment.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"
