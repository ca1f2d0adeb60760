"""Allowlist and denylist: text files that an operator can edit on the board.

One entry a line: what it is, its value, and perhaps until when.

    # comments and empty lines are free
    emaid DE-8AA-CA2B3C4D5-L                    # hyphens and case do not matter; a wrong check digit is an error
    emaid DE8AA* until=2027-01-01               # every contract of a provider; the last day is included
    rfid  04:A2:B3:C4                           # a card's UID
    emaid sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08

A hash is SHA-256 over ``emaid:`` and the 14 characters of the contract, or the kind of the card, a colon and its UID in capitals:
``printf 'emaid:DE8AACA2B3C4D5' | sha256sum``. It keeps a list from being read in passing, not from being guessed: EMAIDs are few.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from certs import EMAID, EmaidMalformed
from secc.errors import ConfigError
from secc.session.durable import Disk, StorageFailed
from secc.uplink.policy import Entry, TokenStatus

MAX_OCTETS = 8 * 1024 * 1024
MAX_ENTRIES = 100_000

_KIND = re.compile(r"[a-z][a-z0-9_]{0,15}")
_CARD = re.compile(r"[0-9A-Z]{4,64}")
_PROVIDER = re.compile(r"([A-Z]{2}[0-9A-Z]{3}[0-9A-Z]{0,8})\*")
_HASH = re.compile(r"sha256:([0-9a-f]{64})")


def normal(kind: str, value: str) -> str:
    """The text that identifies somebody, whichever way it was written: ``emaid:DE8AACA2B3C4D5``, ``rfid:04A2B3C4``.

    An EMAID is its 14 characters: the check digit follows from them. Raises :class:`certs.EmaidMalformed`.
    """
    if kind == "emaid":
        return f"emaid:{EMAID.parse(value).contract}"
    return f"{kind.lower()}:{re.sub('[^0-9A-Z]', '', value.upper())}"


def hashed(text: str) -> str:
    """The hash of a normal text as lists have it."""
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Listed:
    """One file's entries, by hash and by provider; each with the moment at which it ends, if it does."""

    hashes: dict[str, datetime | None]
    prefixes: dict[str, datetime | None]

    def find(self, text: str) -> tuple[bool, datetime | None]:
        """Whether a normal text is listed, and until when: the longest that any entry grants."""
        ends = [self.hashes[key] for key in (hashed(text),) if key in self.hashes]
        ends += [end for prefix, end in self.prefixes.items() if text.startswith(prefix)]
        known = [end for end in ends if end is not None]
        return bool(ends), max(known) if known and len(known) == len(ends) else None

    def __len__(self) -> int:
        return len(self.hashes) + len(self.prefixes)


NOBODY = Listed({}, {})


@dataclass(frozen=True, slots=True)
class Lists:
    """Who may and who may not. The denylist has the last word."""

    allowed: Listed = NOBODY
    denied: Listed = NOBODY

    def entry(self, text: str, now: datetime) -> Entry | None:
        """What the lists say about a normal text. A denial that has ended says nothing any more."""
        denied, until = self.denied.find(text)
        if denied and (until is None or now < until):
            return Entry(TokenStatus.BLOCKED)
        allowed, until = self.allowed.find(text)
        return Entry(TokenStatus.ACCEPTED, until) if allowed else None


def read_list(path: Path | None, disk: Disk) -> Listed:
    """The entries of one file. Raises ConfigError with file and line."""
    if path is None:
        return NOBODY
    try:
        size = disk.size(path)
        octets = disk.read(path) if size is not None and size <= MAX_OCTETS else None
    except StorageFailed as error:
        raise ConfigError("list", f"cannot be read: {error.text}", path) from None
    if octets is None:
        raise ConfigError("list", "is not there" if size is None else f"is larger than {MAX_OCTETS} octets", path)
    try:
        text = octets.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError("list", "is no UTF-8 text", path, octets.count(b"\n", 0, error.start) + 1) from None
    return parse_list(text.split("\n"), path)


def parse_list(lines: Iterable[str], path: Path) -> Listed:
    """The entries of a file's lines. Raises ConfigError with file and line; no entry is repeated in it."""
    listed = Listed({}, {})
    for number, line in enumerate(lines, 1):
        words = line.split("#", 1)[0].split()
        if not words:
            continue
        try:
            where, key, end = _parse(words, listed)
        except ValueError as error:
            raise ConfigError("list", str(error), path, number) from None
        if key in where:
            raise ConfigError("list", "this entry stands in the file before", path, number)
        if len(listed) >= MAX_ENTRIES:
            raise ConfigError("list", f"more than {MAX_ENTRIES} entries", path, number)
        where[key] = end
    return listed


def _parse(words: list[str], listed: Listed) -> tuple[dict[str, datetime | None], str, datetime | None]:
    if len(words) not in (2, 3):
        raise ValueError("an entry is a kind and a value, such as 'emaid DEABC123456789' or 'rfid 04A2B3C4'")
    kind, value = words[0], words[1]
    if not _KIND.fullmatch(kind):
        raise ValueError("the kind of an entry is emaid, rfid, or another word in small letters")
    end = _end(words[2]) if len(words) == 3 else None
    if found := _HASH.fullmatch(value.lower()):
        return listed.hashes, found.group(1), end
    if kind != "emaid":
        text = normal(kind, value)
        if not _CARD.fullmatch(text.partition(":")[2]):
            raise ValueError("a card has 4 to 64 letters and digits")
        return listed.hashes, hashed(text), end
    if value.endswith("*"):
        found = _PROVIDER.fullmatch(value.upper().replace("-", ""))
        if not found:
            raise ValueError("before the * stand country and provider at least, such as DE8AA*")
        return listed.prefixes, f"emaid:{found.group(1)}", end
    return listed.hashes, hashed(_emaid(value)), end


def _emaid(value: str) -> str:
    try:
        emaid = EMAID.parse(value)
    except EmaidMalformed as error:
        raise ValueError(str(error)) from None
    if emaid.check_digit_holds is False:
        raise ValueError("the check digit of this EMAID is wrong; is it mistyped?")
    return normal("emaid", value)


def _end(word: str) -> datetime:
    name, _, day = word.partition("=")
    try:
        if name != "until" or not re.fullmatch(r"\d{4}-\d\d-\d\d", day, re.ASCII):
            raise ValueError
        last = date.fromisoformat(day)
        return datetime(last.year, last.month, last.day, tzinfo=UTC) + timedelta(days=1)
    except (ValueError, OverflowError):
        raise ValueError("after the value may stand until=YYYY-MM-DD, and nothing else") from None
