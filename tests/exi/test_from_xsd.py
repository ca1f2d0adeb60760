"""The codec is ready for all of ISO 15118-20: what its XSD files say can be declared, and is then read and written as foreign codecs do. Where the
declarations of a protocol replace those that are made here, its set leaves this list.
"""

from __future__ import annotations

import functools
from typing import Any

import pytest

from secc.errors import DecodeError
from secc.exi import Schema, xmldsig
from secc.exi.tree import fragment_from_tree, from_tree, to_tree
from tests.exi_facts import compare, names_with_id
from tests.exi_from_xsd import schema_from
from tests.exi_vectors import RECORDED, Vector, shared, vectors
from tests.xsd_sets import needs_xsd, xsd_set

SETS = {
    "iso15118-20:common": 26,
    "iso15118-20:ac": 4,
    "iso15118-20:dc": 10,
    "iso15118-20:acdp": 8,
    "iso15118-20:wpt": 12,
}
"""The sets, and how many messages each has."""

pytestmark = needs_xsd


@functools.cache
def schema_of(name: str) -> Schema[Any]:
    return schema_from(name, xsd_set(name))


def rows(name: str) -> list[Vector]:
    """The vectors of a set: a few of them here, all in ../shared where it is there. KeyInfo is refused."""
    found = vectors("iso15118-20", names={name.removeprefix("fragment:")}) + shared(name.replace(":", "-"))
    return [row for row in found if row["schema"] == name and "KeyInfo" not in str(row["message"])]


@pytest.mark.parametrize("name", SETS)
def test_every_type_can_be_declared(name: str) -> None:
    schema, xsd = schema_of(name), xsd_set(name)
    assert len(schema.roots) == SETS[name]
    compare(schema, xsd)
    signable = names_with_id(schema)
    assert signable & schema.ambiguous == signable & xsd.ambiguous() == set()


@pytest.mark.parametrize("name", SETS)
def test_documents(name: str) -> None:
    schema, found = schema_of(name), rows(name)
    assert found
    for row in found:
        octets = bytes.fromhex(row["exi"])
        message = schema.decode(octets)
        assert to_tree(message) == row["message"], row["name"]
        assert from_tree(schema, row["message"]) == message
        if row.get("facets") != "violated":
            assert schema.encode(message) == octets, row["name"]


@pytest.mark.parametrize("name", ["iso15118-20:common", "iso15118-20:ac", "iso15118-20:dc"])
def test_fragments(name: str) -> None:
    schema = schema_of(name)
    for row in rows(f"fragment:{name}"):
        octets = bytes.fromhex(row["exi"])
        element_name, element = schema.fragment_decode(octets)
        assert to_tree(element, element_name) == row["message"], row["name"]
        assert fragment_from_tree(schema, row["message"]) == (element_name, element)
        assert schema.fragment(element, element_name) == octets, row["name"]


@pytest.mark.parametrize("name", SETS)
def test_received_elements_are_what_their_fragments_say(name: str) -> None:
    """Splicing takes the received bits, which foreign codecs wrote; ours writes the same."""
    schema = schema_of(name)
    found = set()
    for row in rows(name):
        for span in schema.spans(bytes.fromhex(row["exi"])):
            found.add(span.name)
            assert schema.splice(span) == schema.fragment(span.element, span.name), row["name"]
            if span.name == "SignedInfo":
                assert xmldsig.SCHEMA.splice(span) == xmldsig.SCHEMA.fragment(span.element)
    assert found <= names_with_id(schema)
    if RECORDED:
        assert found == names_with_id(schema)


@pytest.mark.skipif(not RECORDED, reason="these vectors stay in ../shared, which is missing here")
def test_what_others_refuse() -> None:
    found = [row for row in shared("invalid") if row["schema"] in SETS]
    assert len(found) > 45
    for row in found:
        with pytest.raises(DecodeError):
            schema_of(row["schema"]).decode(bytes.fromhex(row["exi"]))


@pytest.mark.skipif(not RECORDED, reason="these vectors stay in ../shared, which is missing here")
def test_lists_that_cbexigen_filled() -> None:
    """In ACDP and fine positioning it has other content models, and what it writes there is left out."""
    names = {f"{kind}iso15118-20:{name}" for name in ("common", "ac", "dc", "wpt") for kind in ("", "fragment:")}
    found = [
        row for row in shared("cbv2g-deviations") if row["schema"] in names and "FinePositioning" not in row["name"]
    ]
    assert len(found) > 20
    for row in found:
        schema = schema_of(row["schema"].removeprefix("fragment:"))
        decode = schema.fragment_decode if row["schema"].startswith("fragment:") else schema.decode
        assert decode(bytes.fromhex(row["cbv2g_exi"])) == decode(bytes.fromhex(row["exi"])), row["name"]
