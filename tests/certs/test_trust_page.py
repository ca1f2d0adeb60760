"""docs/trust.md says what the code does."""

from __future__ import annotations

from pathlib import Path

from certs.certificates import Edition
from certs.profile import MAX_CERTIFICATES, Role
from certs.truststore import MAX_ROOTS
from tools.pki.table import flaw_table

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "trust.md").read_text()


def test_the_table_of_flaws_is_the_codes() -> None:
    """Made again by: secc pki table."""
    assert PAGE.endswith(flaw_table())


def test_the_numbers_are_the_codes() -> None:
    assert f"At most {MAX_ROOTS} roots." in PAGE
    assert f"at most {Edition.ISO2.largest_der} octets each" in PAGE
    assert MAX_CERTIFICATES == 5
    assert "up to four further certificates" in PAGE


def test_the_layout_is_the_codes() -> None:
    assert {f"/{Edition.ISO2.value}/{role.value}/" for role in Role} == {
        place for place in ("/iso2/v2g/", "/iso2/mo/", "/iso2/oem/") if place in PAGE
    }
