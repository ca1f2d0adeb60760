"""Numbers of TLS in words."""

from __future__ import annotations

from secc.link.tls.names import GROUPS, SUITES, named


def test_suites_are_named_for_people() -> None:
    assert named(SUITES, (0xC023, 0x9999)) == ("TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256", "0x9999")


def test_a_list_has_an_end() -> None:
    """A hello may hold thousands of numbers, and a record is kept on flash."""
    words = named(GROUPS, tuple(range(20)))
    assert len(words) == 17 and words[-1] == "4 more"
