"""Allowlist and denylist: text files that an operator can edit on the board.

One entry in each line: its kind, its value, and optionally its end and its root.

    # comments and empty lines are ignored
    emaid DE-8AA-CA2B3C4D5-L                    # hyphens and case do not matter; a wrong check digit is an error
    emaid DE8AA* until=2027-01-01               # every contract of a provider; the last day is included
    emaid DE8AA* root=5f0c...                   # only under the root with this SHA-256, as `secc trust list` shows it
    rfid  04:A2:B3:C4                           # a card's UID
    emaid sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08

A hash is SHA-256 over ``emaid:`` and the 14 characters of the contract, or ``rfid:`` and the card's
UID in capitals: ``printf 'emaid:DE8AACA2B3C4D5' | sha256sum``. It hides the entries from a casual
reader, but can be guessed, because there are few EMAIDs.

Any installed root can issue a contract of any provider. An entry that names its root accepts no
contract under another root. (A-PKI-08)
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from io import BytesIO
from pathlib import Path

from certs.emaid import EMAID, EmaidMalformed
from certs.files import LONGEST_LINE, paced
from frozen import dataclass
from secc.errors import ConfigError
from secc.session.durable import Disk, StorageFailed
from secc.uplink.policy import Entry, TokenStatus

MAX_OCTETS = 8 * 1024 * 1024
MAX_ENTRIES = 100_000

KINDS = {"emaid": "emaid", "rfid": "rfid", "iso14443": "rfid", "iso15693": "rfid", "keycode": "keycode"}
"""The types of OCPP's IdToken that a file may have, and the kind that each is compared as. Readers
name a card ``rfid`` or by its radio standard; UIDs of different standards have different lengths,
so one kind covers them. Tokens that a backend or the station makes for one session (Central, Local,
NoAuthorization) cannot be listed, and no board presents a MacAddress.
"""

_MEANT = {
    **dict.fromkeys(("contract", "evcoid", "evco", "pnc", "provider"), "emaid"),
    **dict.fromkeys(("card", "uid", "tag", "nfc", "mifare", "token"), "rfid"),
    **dict.fromkeys(("pin", "code"), "keycode"),
}
"""Words that people write instead of a kind."""

_CARD = re.compile(r"[0-9A-Z]{4,64}")
_PROVIDER = re.compile(r"([A-Z]{2}[0-9A-Z]{3}[0-9A-Z]{0,8})\*")
_PROVIDER_LENGTHS = range(len("emaid:DE8AA"), len("emaid:DE8AACA2B3C4D5"))
_HASH = re.compile(r"sha256:([0-9a-f]{64})")
_ROOT = re.compile(r"[0-9a-f]{64}")


def normal(kind: str, value: str) -> str:
    """Returns the normal text that identifies a driver: ``emaid:DE8AACA2B3C4D5``,
    ``rfid:04A2B3C4``.

    An EMAID has 14 characters there: the check digit follows from them. Raises
    :class:`certs.emaid.EmaidMalformed`.
    """
    kind = kind.lower()
    if kind == "emaid":
        return f"emaid:{EMAID.parse(value).contract}"
    return f"{KINDS.get(kind, kind)}:{re.sub('[^0-9A-Z]', '', value.upper())}"


def card(kind: str, value: str) -> str | None:
    """Returns the normal text of a card that a list can name; None for another kind, and for a
    wrong number of letters and digits.
    """
    if kind.lower() == "emaid" or kind.lower() not in KINDS:
        return None
    text = normal(kind, value)
    return text if _CARD.fullmatch(text.partition(":")[2]) else None


def hashed(text: str) -> bytes:
    """Returns the hash of a normal text; lists have it in hex."""
    return hashlib.sha256(text.encode()).digest()


@dataclass(frozen=True, slots=True)
class Listed:
    """One file's entries by hash or provider, each with the moment at which it ends, or None.

    The key of an entry that names its root ends with that root's SHA-256.
    """

    entries: dict[bytes, datetime | None]

    def find(self, text: str, root: str | None = None) -> tuple[bool, datetime | None]:
        """Returns whether a normal text is listed, and the latest end of its entries (None: no
        end).

        ``root`` is the SHA-256 of the root above a contract, lower-case hex; None: there is no
        root, and entries that name one do not count.
        """
        keys = [hashed(text)]
        if text.startswith("emaid:"):
            keys += [text[:length].encode() for length in _PROVIDER_LENGTHS]
        ends = [
            self.entries[key]
            for key in (*keys, *(_bound(key, root) for key in keys if root is not None))
            if key in self.entries
        ]
        known = [end for end in ends if end is not None]
        return bool(ends), max(known) if known and len(known) == len(ends) else None

    @property
    def roots(self) -> frozenset[str]:
        """The roots that entries name."""
        return frozenset(key[-32:].hex() for key in self.entries if len(key) > 32)

    def __len__(self) -> int:
        return len(self.entries)


EMPTY = Listed({})


@dataclass(frozen=True, slots=True)
class Lists:
    """Allowlist and denylist. The denylist has precedence."""

    allowed: Listed = EMPTY
    denied: Listed = EMPTY

    def entry(self, text: str, now: datetime, root: str | None = None, *, trusted: bool = True) -> Entry | None:
        """Returns the entry for a normal text, and for the ``root`` above a contract.

        A denial that has ended no longer counts; with a clock that is not ``trusted`` denials do
        not end.
        """
        denied, until = self.denied.find(text, root)
        if denied and (until is None or not trusted or now < until):
            return Entry(TokenStatus.BLOCKED)
        allowed, until = self.allowed.find(text, root)
        return Entry(TokenStatus.ACCEPTED, until) if allowed else None


def read_list(path: Path | None, disk: Disk) -> Listed:
    """Returns the entries of one file. Raises ConfigError with file and line."""
    if path is None:
        return EMPTY
    try:
        # A user who can write a list decides who charges on which account (A-PKI-07).
        disk.guard(path)
    except StorageFailed as error:
        raise ConfigError("list", error.text, path) from None
    try:
        size = disk.size(path)
        octets = disk.read(path) if size is not None and size <= MAX_OCTETS else None
    except StorageFailed as error:
        raise ConfigError("list", f"cannot be read: {error.text}", path) from None
    if octets is None:
        raise ConfigError("list", "does not exist" if size is None else f"is larger than {MAX_OCTETS} octets", path)
    return parse_list(_text(paced(BytesIO(octets.removeprefix(b"\xef\xbb\xbf"))), path), path)


def _text(lines: Iterable[bytes], path: Path) -> Iterator[str]:
    for number, line in enumerate(lines, 1):
        if len(line) > LONGEST_LINE:
            raise ConfigError("list", f"is longer than {LONGEST_LINE} octets", path, number)
        try:
            yield line.decode()
        except UnicodeDecodeError:
            raise ConfigError("list", "is not UTF-8 text", path, number) from None


def parse_list(lines: Iterable[str], path: Path) -> Listed:
    """Returns the entries of a file's lines. Raises ConfigError with file and line, without the
    entry.
    """
    entries: dict[bytes, datetime | None] = {}
    for number, line in enumerate(lines, 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        try:
            key, end = _parse(words)
        except ValueError as error:
            raise ConfigError("list", str(error), path, number) from None
        if key in entries:
            raise ConfigError("list", "this entry is in the file already", path, number)
        if len(entries) >= MAX_ENTRIES:
            raise ConfigError("list", f"more than {MAX_ENTRIES} entries", path, number)
        entries[key] = end
    return Listed(entries)


def _parse(words: list[str]) -> tuple[bytes, datetime | None]:
    if len(words) < 2:
        raise ValueError("an entry is a kind and a value, such as 'emaid DEABC123456789' or 'rfid 04A2B3C4'")
    kind, value = _kind(words[0]), words[1]
    end, root = _conditions(words[2:]) if len(words) > 2 else (None, None)
    if root is not None and kind != "emaid":
        raise ValueError("root= is for contracts (emaid) only: a card does not have a root")
    return _bound(_key(kind, value), root), end


def _key(kind: str, value: str) -> bytes:
    if found := _HASH.fullmatch(value.lower()):
        return bytes.fromhex(found[1])
    if kind != "emaid":
        text = card(kind, value)
        if text is None:
            raise ValueError("a card has 4 to 64 letters and digits")
        return hashed(text)
    if value.endswith("*"):
        found = _PROVIDER.fullmatch(value.upper().replace("-", ""))
        if not found:
            raise ValueError("country and provider come before the *, such as DE8AA*")
        return f"emaid:{found[1]}".encode()
    try:
        emaid = EMAID.parse(value)
    except EmaidMalformed as error:
        raise ValueError(str(error)) from None
    if emaid.check_digit_holds is False:
        raise ValueError("the check digit of this EMAID is wrong; is it mistyped?")
    return hashed(f"emaid:{emaid.contract}")


def _bound(key: bytes, root: str | None) -> bytes:
    return key if root is None else key + bytes.fromhex(root)


def _kind(word: str) -> str:
    if word in KINDS:
        return word
    lowered = word.lower()
    # Imported only for a wrong line, so that a start does not need it.
    import difflib

    close = [lowered] if lowered in KINDS else difflib.get_close_matches(lowered[:40], KINDS, 1)
    meant = _MEANT.get(lowered) or (close[0] if close else "")
    hint = f"did you mean {meant}?" if meant else "an entry is a kind and a value, such as 'emaid DEABC123456789'"
    # The error does not contain the word: it may be a contract whose kind was left out.
    raise ValueError(f"the first word is not a kind ({', '.join(KINDS)}); {hint}")


def _conditions(words: list[str]) -> tuple[datetime | None, str | None]:
    """Returns when the entry ends, and the root that it names."""
    found: dict[str, str] = {}
    for word in words:
        name, _, value = word.partition("=")
        if name not in ("until", "root"):
            raise ValueError("only until=YYYY-MM-DD and root=SHA256 may follow the value")
        if name in found:
            raise ValueError(f"{name}= is given twice")
        found[name] = value
    root = found.get("root")
    return _end(found["until"]) if "until" in found else None, _root(root) if root is not None else None


def _root(value: str) -> str:
    root = value.replace(":", "").lower()
    if not _ROOT.fullmatch(root):
        raise ValueError("root= is the SHA-256 of a root certificate, 64 hex digits as `secc trust list` shows them")
    return root


def _end(day: str) -> datetime:
    try:
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", day, re.ASCII):
            raise ValueError
        last = date.fromisoformat(day)
        return datetime(last.year, last.month, last.day, tzinfo=UTC) + timedelta(days=1)
    except (ValueError, OverflowError):
        raise ValueError("until= is a day, written YYYY-MM-DD") from None
