"""Recorded sessions as files: traces that a station wrote, and captures of sessions with any station.

A capture has one JSON object a line, in the order of the wire::

    {"session": 0, "index": 12, "t": 41.02, "dir": "ev", "payload_type": 32769, "schema": "iso2", "exi": "8098…", "message": {…}}

``session`` tells the sessions of a file apart. ``index`` is the place in the session, so that a gap
shows where messages were left out. ``t`` is seconds, 0 where they are not known; ``dir`` is ``ev``
or ``evse``. ``message`` is the message as a tree and may be missing; other fields are not read.

A file is foreign input: its size and all values that are used are checked here.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from secc.errors import SeccError

FILE_OCTETS: Final = 64 * 1024 * 1024
"""The largest file that is read: a day of charging at four messages a second, not thinned, is less."""
LINE_CHARACTERS: Final = 1024 * 1024
"""Most characters of a line: a message of the largest size, with its tree, has a tenth."""
MESSAGES: Final = 200_000
"""Most messages of a capture."""
EXI_OCTETS: Final = 65_536
"""Most octets of one message; the largest of a car has 8 KiB, of a station 13 KiB."""
LONGEST_SECONDS: Final = 1e9
PAYLOAD_TYPES: Final = range(0x10000)

SCHEMAS: Final[Mapping[str, str]] = {
    "sap": "SupportedAppProtocol",
    "din": "DIN SPEC 70121",
    "iso2": "ISO 15118-2",
    "iso20:common": "ISO 15118-20",
    "iso20:ac": "ISO 15118-20",
    "iso20:dc": "ISO 15118-20",
}
"""The schemas that a capture may name, and the document of each."""

HEX: Final = re.compile(r"(?:[0-9a-fA-F]{2})+")
STRANGE: Final = (
    ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError, RecursionError, AssertionError,
)  # fmt: skip
"""Errors of values that no station writes."""


class TraceUnreadable(SeccError):
    """The file is neither a session trace nor a capture; the text says where."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One message of a capture. ``t``: seconds, None where they are not known."""

    session: int
    index: int
    t: float | None
    ev: bool
    payload_type: int
    schema: str
    octets: bytes
    message: Mapping[str, Any] | None = None


def read_lines(path: Path) -> list[str]:
    """Returns the lines of a recording; ``-`` is standard input. Raises TraceUnreadable for a file
    that is too large or not text, OSError.
    """
    if str(path) == "-":
        octets = sys.stdin.buffer.read(FILE_OCTETS + 1)
    else:
        with path.open("rb") as file:
            octets = file.read(FILE_OCTETS + 1)
    if len(octets) > FILE_OCTETS:
        raise TraceUnreadable(f"the file has more than {FILE_OCTETS >> 20} MiB")
    try:
        # Not splitlines: JSON may hold other characters that end a line.
        return octets.decode("utf-8").rstrip("\n").split("\n")
    except UnicodeDecodeError as error:
        raise TraceUnreadable(f"the file is not text: {error}") from None


def is_capture(lines: Sequence[str]) -> bool:
    """Whether these lines are to be read as a capture."""
    return bool(lines) and "exi" in _object(1, lines[0])


def read_trace(lines: Iterable[str]) -> list[dict[str, Any]]:
    """Returns the entries of a trace. Raises TraceUnreadable for other input."""
    entries: list[dict[str, Any]] = []
    for number, line in enumerate(lines, 1):
        entry = _object(number, line)
        if not isinstance(entry.get("kind"), str):
            raise TraceUnreadable(f"line {number} is not an entry of a trace")
        entries.append(entry)
    if not entries or entries[0]["kind"] != "trace":
        raise TraceUnreadable("the first line is not the head of a trace")
    return entries


@contextlib.contextmanager
def written_by_a_station() -> Iterator[None]:
    """Within this block, entries of a trace are used. Raises TraceUnreadable for values that no
    station writes.
    """
    try:
        yield
    except STRANGE as error:
        raise TraceUnreadable(f"an entry is not what it should be: {type(error).__name__}: {error}") from error


def read_capture(lines: Sequence[str]) -> list[Recorded]:
    """Returns the messages of a capture in order. Raises TraceUnreadable for other input."""
    if len(lines) > MESSAGES:
        raise TraceUnreadable(f"the capture has more than {MESSAGES} messages")
    found: list[Recorded] = []
    for number, line in enumerate(lines, 1):
        record = _recorded(number, _object(number, line))
        before = found[-1] if found else None
        if before is not None and record.session == before.session and record.index <= before.index:
            raise TraceUnreadable(f"line {number}: index {record.index} after {before.index}")
        if before is not None and record.session < before.session:
            raise TraceUnreadable(f"line {number}: session {record.session} after {before.session}")
        found.append(record)
    if not found:
        raise TraceUnreadable("the capture has no messages")
    return found


def sessions(records: Iterable[Recorded]) -> list[list[Recorded]]:
    """Returns the messages of each session of a capture."""
    found: list[list[Recorded]] = []
    for record in records:
        if not found or found[-1][-1].session != record.session:
            found.append([])
        found[-1].append(record)
    return found


def printable(text: str) -> str:
    """Returns the text without ends of lines, and without control characters for the terminal."""
    return "".join(each if each.isprintable() else " " for each in text)


def _object(number: int, line: str) -> dict[str, Any]:
    if len(line) > LINE_CHARACTERS:
        raise TraceUnreadable(f"line {number} has more than {LINE_CHARACTERS} characters")
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise TraceUnreadable(f"line {number} is not JSON") from error
    if not isinstance(found, dict):
        raise TraceUnreadable(f"line {number} is not a JSON object")
    return found


def _recorded(number: int, fields: Mapping[str, Any]) -> Recorded:
    def wrong(name: str) -> TraceUnreadable:
        return TraceUnreadable(f"line {number}: {name} is missing or wrong")

    def whole(name: str, most: int) -> int:
        value = fields.get(name)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
            raise wrong(name)
        return value

    seconds, exi, message = fields.get("t"), fields.get("exi"), fields.get("message")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise wrong("t")
    if not (0 <= seconds <= LONGEST_SECONDS and math.isfinite(seconds)):
        raise wrong("t")
    if fields.get("dir") not in ("ev", "evse"):
        raise wrong("dir")
    schema = fields.get("schema")
    if not isinstance(schema, str) or schema not in SCHEMAS:
        raise TraceUnreadable(f"line {number}: schema is none of {', '.join(SCHEMAS)}")
    if not isinstance(exi, str) or len(exi) > 2 * EXI_OCTETS or not HEX.fullmatch(exi):
        raise TraceUnreadable(f"line {number}: exi is not hex of 1 to {EXI_OCTETS} octets")
    if message is not None and not isinstance(message, dict):
        raise wrong("message")
    return Recorded(
        session=whole("session", MESSAGES),
        index=whole("index", 10**9),
        t=float(seconds) or None,
        ev=fields["dir"] == "ev",
        payload_type=whole("payload_type", PAYLOAD_TYPES[-1]),
        schema=schema,
        octets=bytes.fromhex(exi),
        message=message,
    )
