"""Allowlist and denylist: what they say, and what is wrong with them, by file and line."""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secc.errors import ConfigError
from secc.session.durable import Disk
from secc.uplink.lists import EMPTY, Listed, Lists, hashed, normal, parse_list, read_list
from secc.uplink.policy import Entry, TokenStatus

FILE = Path("allow.txt")
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
ALICE = "emaid:DE8AACA2B3C4D5"


def listed(*lines: str) -> Listed:
    return parse_list(lines, FILE)


def allows(listed: Listed, text: str, now: datetime = NOW) -> bool:
    entry = Lists(allowed=listed).entry(text, now)
    return entry is not None and entry.status is TokenStatus.ACCEPTED and (entry.expires is None or now < entry.expires)


@pytest.mark.parametrize(
    "line",
    [
        "emaid DE8AACA2B3C4D5",
        "emaid de-8aa-ca2b3c4d5-l",
        "  emaid\tDE8AACA2B3C4D5L   # Alice",
        "emaid DE8AA*",
        "emaid DE-8AA-CA2B*",
        "emaid sha256:" + hashlib.sha256(b"emaid:DE8AACA2B3C4D5").hexdigest(),
        "emaid SHA256:" + hashlib.sha256(b"emaid:DE8AACA2B3C4D5").hexdigest().upper(),
        "emaid DE8AACA2B3C4D5 until=2026-11-20",
    ],
)
def test_a_contract_is_found_however_it_is_written(line: str) -> None:
    entries = listed("# who may charge", "", line)
    for written in ("DE8AACA2B3C4D5", "DE8AACA2B3C4D5L", "de-8aa-ca2b3c4d5-l"):
        assert allows(entries, normal("emaid", written))
    assert not allows(entries, normal("emaid", "DE8ABCA2B3C4D5"))
    assert not allows(entries, normal("rfid", "DE8AACA2B3C4D5"))


def test_a_card_is_found_however_it_is_written() -> None:
    entries = listed("rfid 04:a2:b3:c4", "keycode 12-34")
    assert allows(entries, normal("rfid", "04A2B3C4")) and allows(entries, normal("RFID", "04-a2 b3 c4"))
    assert allows(entries, normal("KeyCode", "1234"))
    assert not allows(entries, normal("keycode", "04A2B3C4")) and not allows(entries, normal("rfid", "04A2B3"))
    assert not allows(entries, normal("rfid", ""))


def test_a_reader_may_name_the_radio_standard_and_the_list_the_card() -> None:
    """Otherwise an entry that looks right would match no card, without a message."""
    entries = listed("rfid 04A2B3C4", "iso15693 E0040150A2B3C4D5")
    assert allows(entries, normal("ISO14443", "04A2B3C4"))
    assert allows(entries, normal("rfid", "E0040150A2B3C4D5"))
    with pytest.raises(ConfigError, match="is in the file already"):
        listed("rfid 04A2B3C4", "iso14443 04:A2:B3:C4")


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("contract", "did you mean emaid?"),
        ("EMAID", "did you mean emaid?"),
        ("emiad", "did you mean emaid?"),
        ("card", "did you mean rfid?"),
        ("ISO14443", "did you mean iso14443?"),
        ("key-code", "did you mean keycode?"),
        ("macaddress", "an entry is a kind and a value"),
        ("central", "an entry is a kind and a value"),
    ],
)
def test_an_unknown_kind_is_an_error_with_its_line(word: str, meant: str) -> None:
    """Otherwise ``contract DE...`` would be a card of the kind "contract", which matches no card."""
    with pytest.raises(
        ConfigError, match=r"^allow\.txt:2: list: the first word is not a kind \(emaid, rfid, "
    ) as caught:
        listed("rfid 04A2B3C4", f"{word} DE8AACA2B3C4D5")
    assert meant in str(caught.value)
    assert "CA2B3" not in str(caught.value)


MINE, OTHER = "a1" * 32, "b2" * 32


@pytest.mark.parametrize("entry", ["emaid DE8AACA2B3C4D5", "emaid DE8AA*", "emaid sha256:" + hashed(ALICE).hex()])
def test_an_entry_that_names_its_root_lets_nobody_in_under_another(entry: str) -> None:
    """A-PKI-08: every installed root can issue a contract of every provider."""
    for spelling in (MINE, MINE.upper(), ":".join([MINE[n : n + 2] for n in range(0, 64, 2)])):
        lists = Lists(allowed=listed(f"{entry} root={spelling}"))
        assert lists.entry(ALICE, NOW, MINE) == Entry(TokenStatus.ACCEPTED)
        assert lists.entry(ALICE, NOW, OTHER) is None
        assert lists.entry(ALICE, NOW) is None, "no root stands above this contract"
    two = listed(f"{entry} root={MINE} until=2026-11-19", f"{entry} until=2026-11-20 root={OTHER}")
    assert Lists(allowed=two).entry(ALICE, NOW, OTHER) == Entry(
        TokenStatus.ACCEPTED, datetime(2026, 11, 21, tzinfo=UTC)
    )
    ended = Lists(allowed=two).entry(ALICE, NOW, MINE)
    assert ended is not None and ended.expires is not None and ended.expires < NOW
    assert two.roots == {MINE, OTHER} and len(two) == 2
    assert Lists(allowed=listed(entry)).entry(ALICE, NOW, OTHER) == Entry(TokenStatus.ACCEPTED), "names no root"
    denied = Lists(allowed=listed(entry), denied=listed(f"{entry} root={MINE}"))
    assert denied.entry(ALICE, NOW, MINE) == Entry(TokenStatus.BLOCKED)
    assert denied.entry(ALICE, NOW, OTHER) == Entry(TokenStatus.ACCEPTED)


def test_the_last_day_is_included() -> None:
    entries = listed("emaid DE8AACA2B3C4D5 until=2026-11-20")
    assert allows(entries, ALICE, datetime(2026, 11, 20, 23, 59, 59, tzinfo=UTC))
    assert not allows(entries, ALICE, datetime(2026, 11, 21, tzinfo=UTC))
    longer = listed("emaid DE8AACA2B3C4D5 until=2026-11-20", "emaid DE8AA* until=2027-11-20")
    assert allows(longer, ALICE, datetime(2026, 12, 1, tzinfo=UTC)), "the longest of several entries counts"
    for_ever = listed("emaid DE8AACA2B3C4D5 until=2026-11-20", "emaid DE8AA*")
    assert allows(for_ever, ALICE, datetime(2036, 12, 1, tzinfo=UTC))


def test_the_denylist_has_the_last_word() -> None:
    allowed, denied = listed("emaid DE8AACA2B3C4D5"), listed("emaid DE8AA*")
    assert Lists(allowed, denied).entry(ALICE, NOW) == Entry(TokenStatus.BLOCKED)
    assert Lists(EMPTY, denied).entry(ALICE, NOW) == Entry(TokenStatus.BLOCKED)
    assert Lists(allowed, EMPTY).entry(ALICE, NOW) == Entry(TokenStatus.ACCEPTED)
    assert Lists().entry(ALICE, NOW) is None
    ended = listed("emaid DE8AACA2B3C4D5 until=2026-11-19")
    assert Lists(allowed, ended).entry(ALICE, NOW) == Entry(TokenStatus.ACCEPTED)
    assert Lists(allowed, ended).entry(ALICE, NOW, trusted=False) == Entry(TokenStatus.BLOCKED), (
        "says a clock at random"
    )


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("emaid", "an entry is a kind and a value"),
        ("DE8AACA2B3C4D5", "an entry is a kind and a value"),
        ("emaid DE8AACA2B3C4D5 until=2026-11-20 x", "only until=YYYY-MM-DD and root=SHA256 may follow the value"),
        ("DE8AACA2B3C4D5 emaid", "the first word is not a kind"),
        ("emaid DE8AACA2B3C4D", "not an EMAID: 13 characters"),
        ("emaid DE8AACA2B3C4D5M", "the check digit of this EMAID is wrong; is it mistyped?"),
        ("emaid *", "country and provider come before the"),
        ("emaid DE*", "country and provider come before the"),
        ("emaid DE8AA*L", "not an EMAID"),
        ("rfid 04*", "a card has 4 to 64"),
        ("rfid 04", "a card has 4 to 64"),
        ("emaid DE8AA* 2026-11-20", "only until=YYYY-MM-DD and root=SHA256 may follow the value"),
        ("emaid DE8AA* until=2026-02-30", "until= is a day, written YYYY-MM-DD"),
        ("emaid DE8AA* until=9999-12-31", "until= is a day, written YYYY-MM-DD"),
        ("emaid DE8AA* until=2026-11-20 until=2026-11-21", "until= is given twice"),
        ("emaid DE8AA* root=5f0c", "root= is the SHA-256 of a root certificate"),
        ("emaid DE8AA* root=", "root= is the SHA-256 of a root certificate"),
        ("rfid 04A2B3C5 root=" + "a1" * 32, "a card does not have a root"),
        ("rfid 04A2B3C4", "this entry is in the file already"),
    ],
)
def test_a_wrong_entry_names_file_and_line_and_nobody(line: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=r"^allow\.txt:3: list: ") as caught:
        listed("# comment", "rfid 04:A2:B3:C4", line)
    assert complaint in str(caught.value)
    assert "CA2B3" not in str(caught.value), "who is listed stays out of the log"


def test_files_that_do_not_serve(tmp_path: Path) -> None:
    disk = Disk()
    assert read_list(None, disk) == EMPTY
    (tmp_path / "latin").write_bytes(b"# fine\nrfid 04A2B3C4 # J\xf6rg\n")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "long").write_bytes(b"rfid 04A2B3C4 #".ljust(4095) + b"\nrfid " + b"-A" * 2046)
    for name, complaint in (
        ("none", "none: list: does not exist"),
        ("latin", "latin:2: list: is not UTF-8 text"),
        ("fifo", "fifo: list: cannot be read: is not a regular file"),
        ("long", "long:2: list: is longer than 4096 octets"),
        (".", ": list: cannot be read"),
    ):
        with pytest.raises(ConfigError) as caught:
            read_list(tmp_path / name, disk)
        assert complaint in str(caught.value)
    (tmp_path / "windows").write_bytes(b"\xef\xbb\xbfrfid 04A2B3C4\r\nrfid 04A2B3C5\r\n")
    assert len(read_list(tmp_path / "windows", disk)) == 2


@pytest.mark.parametrize("mode", [0o666, 0o664, 0o646])
def test_a_list_that_others_can_write_is_not_read(tmp_path: Path, mode: int) -> None:
    """A-PKI-07: who can write the allowlist charges, who can write the denylist charges again."""
    path = tmp_path / "allow"
    path.write_text("rfid 04A2B3C4\n")
    path.chmod(mode)
    with pytest.raises(ConfigError, match="can be changed by others"):
        read_list(path, Disk())
    path.chmod(0o644)
    assert len(read_list(path, Disk())) == 1
    tmp_path.chmod(0o777)
    with pytest.raises(ConfigError, match="above it can be changed by others"):
        read_list(path, Disk())


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(st.sampled_from("emaid rfDE8AC*=until:root-#2026\x00é\u2028"), max_size=30), max_size=4))
def test_any_text_is_a_list_or_a_config_error(lines: list[str]) -> None:
    try:
        assert isinstance(parse_list(lines, FILE), Listed)
    except ConfigError as error:
        assert error.line


@pytest.mark.parametrize("length", range(5, 14))
def test_a_provider_may_be_named_in_any_length(length: int) -> None:
    contract = ALICE.partition(":")[2]
    entries = listed(
        f"emaid {contract[:length]}*", "emaid FR8AA*", f"emaid {contract[: length - 1]}9*" if length > 5 else ""
    )
    assert allows(entries, ALICE)
    other = contract[: length - 1] + ("1" if contract[length - 1] != "1" else "2") + contract[length:]
    assert not allows(entries, f"emaid:{other}")
    assert not allows(entries, f"rfid:{contract}")
    with pytest.raises(ConfigError, match=r"not an EMAID|before the"):
        listed(f"emaid {contract}*")


def test_a_long_list_is_looked_into_as_often_as_a_short_one() -> None:
    class Counted(dict[bytes, datetime | None]):
        looks = 0

        def __contains__(self, key: object) -> bool:
            self.looks += 1
            return super().__contains__(key)

    looks = set()
    for count in (1, 2000):
        lines = [f"emaid DE{n:03d}*" for n in range(count % 1000 or 1)] + [f"rfid {n:08d}" for n in range(count)]
        entries = Counted(listed(*lines).entries)
        assert Listed(entries).find(ALICE, MINE) == (False, None)
        looks.add(entries.looks)
    assert looks == {20}, "itself and nine lengths of its provider, each under any root and under this one"
