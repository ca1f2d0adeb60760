"""Octets of one protocol under the grammar of another: a session reads by the schema that it agreed on alone."""

from __future__ import annotations

import pytest

from secc.errors import DecodeError
from tests.exi_vectors import CAPTURED, SCHEMAS, captured, vectors

pytestmark = pytest.mark.skipif("din" not in SCHEMAS, reason="this station does not speak DIN")

OTHER = {"din": "iso15118-2", "iso15118-2": "din"}


def read(schema: str, octets: bytes) -> object:
    """The message under this grammar; None if it is none."""
    try:
        return SCHEMAS[schema].decode(octets).body
    except DecodeError:
        return None


@pytest.mark.skipif(not CAPTURED, reason="captures stay in ../shared, which is missing here")
@pytest.mark.case("A-EXI-10", "Q-72")
@pytest.mark.parametrize(("schema", "requests"), [("din", 142), ("iso15118-2", 259)])
def test_no_recorded_request_is_a_message_of_the_other_schema(schema: str, requests: int) -> None:
    rows = [bytes.fromhex(row["exi"]) for row in captured() if row["schema"] == schema and row["car"]]
    assert len(rows) == requests
    assert all(read(schema, octets) for octets in rows)
    assert [octets.hex() for octets in rows if read(OTHER[schema], octets)] == []
    assert [octets.hex() for octets in rows if SCHEMAS[OTHER[schema]].decode_at_once(octets)] == []


@pytest.mark.case("A-EXI-10", "Q-72")
@pytest.mark.parametrize("schema", OTHER)
def test_no_message_of_other_codecs_is_one_of_the_other_schema(schema: str) -> None:
    """V2G_Message is the 77th root of DIN and the 76th of ISO 15118-2, in 7 bits each."""
    assert SCHEMAS[schema].globals.index("V2G_Message") == {"din": 77, "iso15118-2": 76}[schema]
    rows = [row for row in vectors(schema) if "KeyInfo" not in str(row["message"])]
    assert len(rows) > 250
    assert [row["name"] for row in rows if read(OTHER[schema], bytes.fromhex(row["exi"]))] == []
