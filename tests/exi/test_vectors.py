"""Streams that two foreign codecs agree on decode to their tree, and the tree encodes to the same octets."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from secc.errors import DecodeError, EncodeError
from secc.exi.tree import fragment_from_tree, from_tree, to_tree
from tests.exi_vectors import CAPTURED, RECORDED, SCHEMAS, Vector, captured, name_of, recorded, vectors

DOCUMENTS = vectors("sap", "din", "iso15118-2")
FRAGMENTS = vectors("fragment-din", "fragment-iso15118-2", "fragment-xmldsig")

RECORDINGS = {"sap": 6, "din": 72, "iso15118-2": 49}
CAPTURES = {"sap": 28, "din": 282, "iso15118-2": 518}
"""How many there are of each set."""


def has_key_info(vector: Vector) -> bool:
    return "KeyInfo" in str(vector["message"])


def check(vector: Vector) -> None:
    schema = SCHEMAS[vector["schema"]]
    octets = bytes.fromhex(vector["exi"])
    message = schema.decode(octets)
    assert to_tree(message) == vector["message"]
    assert from_tree(schema, vector["message"]) == message
    if vector.get("facets") != "violated":
        assert schema.encode(message) == octets


@pytest.mark.parametrize("vector", [v for v in DOCUMENTS if not has_key_info(v)], ids=name_of)
def test_document(vector: Vector) -> None:
    check(vector)


@pytest.mark.parametrize("vector", FRAGMENTS, ids=name_of)
def test_fragment(vector: Vector) -> None:
    schema = SCHEMAS[vector["schema"].removeprefix("fragment:")]
    octets = bytes.fromhex(vector["exi"])
    name, element = schema.fragment_decode(octets)
    assert to_tree(element, name) == vector["message"]
    assert fragment_from_tree(schema, vector["message"]) == (name, element)
    assert schema.fragment(element, name) == octets


@pytest.mark.parametrize("vector", [v for v in DOCUMENTS if has_key_info(v)], ids=name_of)
def test_key_info_is_refused_both_ways(vector: Vector) -> None:
    schema = SCHEMAS[vector["schema"]]
    with pytest.raises(DecodeError):
        schema.decode(bytes.fromhex(vector["exi"]))
    with pytest.raises(EncodeError, match="KeyInfo"):
        from_tree(schema, vector["message"])


@pytest.mark.skipif(not RECORDED, reason="recordings stay in ../shared, which is missing here")
def test_recorded_documents() -> None:
    rows = recorded("sap", "din", "iso15118-2")
    assert Counter(row["schema"] for row in rows) == {
        name: count for name, count in RECORDINGS.items() if name in SCHEMAS
    }
    for vector in rows:
        check(vector)


@pytest.mark.skipif(not CAPTURED, reason="captures stay in ../shared, which is missing here")
def test_captured_messages_decode_and_encode_to_the_same_octets() -> None:
    rows = captured()
    assert Counter(row["schema"] for row in rows) == {
        name: count for name, count in CAPTURES.items() if name in SCHEMAS
    }
    for row in rows:
        schema, octets = SCHEMAS[row["schema"]], bytes.fromhex(row["exi"])
        assert schema.encode(schema.decode(octets)) == octets, row["name"]


@pytest.mark.parametrize("vector", vectors("invalid"), ids=name_of)
def test_invalid(vector: Vector) -> None:
    with pytest.raises(DecodeError):
        SCHEMAS[vector["schema"]].decode(bytes.fromhex(vector["exi"]))


@pytest.mark.parametrize("vector", vectors("empty-value-forms"), ids=name_of)
def test_both_forms_of_an_empty_value(vector: Vector) -> None:
    schema = SCHEMAS[vector["schema"]]
    message = schema.decode(bytes.fromhex(vector["exi"]))
    assert schema.decode(bytes.fromhex(vector["exificient_exi"])) == message
    assert schema.encode(message).hex() == vector["exi"]


DEVIATIONS = vectors("cbv2g-deviations")


@pytest.mark.parametrize("vector", [v for v in DEVIATIONS if v["schema"] != "din"], ids=name_of)
def test_what_cbexigen_writes_is_understood(vector: Vector) -> None:
    schema: Any = SCHEMAS[vector["schema"].removeprefix("fragment:")]
    decode = schema.fragment_decode if vector["schema"].startswith("fragment:") else schema.decode
    assert decode(bytes.fromhex(vector["cbv2g_exi"])) == decode(bytes.fromhex(vector["exi"]))


@pytest.mark.parametrize("vector", [v for v in DEVIATIONS if v["schema"] == "din"], ids=name_of)
def test_two_payment_options_of_cbexigen_are_refused(vector: Vector) -> None:
    """It takes DIN's unbounded list for one of at most two, and ends it a bit early. Only a station sends it."""
    response = SCHEMAS["din"].decode(bytes.fromhex(vector["exi"])).body
    assert len(response.payment_options.payment_option) == 2
    with pytest.raises(DecodeError, match="PaymentOptions"):
        SCHEMAS["din"].decode(bytes.fromhex(vector["cbv2g_exi"]))
