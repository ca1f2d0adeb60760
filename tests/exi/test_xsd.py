"""The declarations say what the XSD files say, type by type; where those are missing, fingerprints say that nothing was changed since."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from tests.exi_facts import FINGERPRINTS, facts, fingerprints, types_of
from tests.exi_vectors import SCHEMAS

FILES = {
    "sap": "V2G_CI_AppProtocol.xsd",
    "iso15118-2": "iso15118_2/V2G_CI_MsgDef.xsd",
    "xmldsig": "xmldsig-core-schema.xsd",
}


def xsd_folder() -> Path | None:
    found = importlib.util.find_spec("iso15118")
    if found is None or not found.submodule_search_locations:
        return None
    folder = Path(found.submodule_search_locations[0]) / "shared" / "schemas"
    return folder if folder.exists() else None


FOLDER = xsd_folder()
needs_xsd = pytest.mark.skipif(
    FOLDER is None, reason="the XSD files come with the PyPI package iso15118, which is not installed"
)


def xsd(name: str) -> Any:
    from tests.xsd import XsdSet

    assert FOLDER is not None
    return XsdSet(FOLDER / FILES[name], FOLDER)


def refused(declared: Any, written: Any) -> Any:
    """The XSD's content with every type taken out that the declaration refuses."""
    if len(declared) != len(written):
        return written
    result = []
    for (_, _, ours), (fewest, most, theirs) in zip(declared, written, strict=True):
        by_name = {name: kind for name, kind in theirs if kind is not None}
        never = {name for name, kind in ours if kind is None}
        result.append([fewest, most, [[name, None if name in never else by_name.get(name)] for name, _ in theirs]])
    return result


@needs_xsd
@pytest.mark.parametrize("name", FILES)
def test_types_equal_the_xsd(name: str) -> None:
    written = xsd(name).facts()
    for type_name, kind in types_of(SCHEMAS[name]).items():
        declared = facts(kind)
        expected = dict(written[type_name])
        expected["content"] = refused(declared["content"], expected["content"])
        assert json.loads(json.dumps(declared)) == json.loads(json.dumps(expected)), type_name


@needs_xsd
@pytest.mark.parametrize("name", ["sap", "iso15118-2"])
def test_every_type_of_the_xsd_is_declared(name: str) -> None:
    declared = set(types_of(SCHEMAS[name]))
    signature = set(xsd("xmldsig").facts())
    assert set(xsd(name).facts()) - signature <= declared


@needs_xsd
def test_what_is_refused_is_key_info_objects_and_foreign_algorithms() -> None:
    never = {
        (kind.name, alternative.name)
        for schema in SCHEMAS.values()
        for kind in types_of(schema).values()
        for part in kind.parts
        if part.refused
        for alternative in part.alternatives
    }
    assert never == {
        ("Signature", "KeyInfo"),
        ("Signature", "Object"),
        ("CanonicalizationMethod", "*"),
        ("SignatureMethod", "HMACOutputLength"),
        ("SignatureMethod", "*"),
        ("DigestMethod", "*"),
        ("Transform", "XPath"),
        ("Transform", "*"),
    }


@needs_xsd
@pytest.mark.parametrize("name", FILES)
def test_names_equal_the_xsd(name: str) -> None:
    written = xsd(name)
    schema = SCHEMAS[name]
    assert list(schema.globals) == written.globals()
    assert list(schema.vocabulary.elements) == written.element_names()
    if schema.vocabulary.attributes:
        names = written.attribute_names()
        assert list(schema.vocabulary.attributes) == [local for local, _ in names]
        assert names[schema.vocabulary.id_code] == ("Id", "urn:iso:15118:2:2013:MsgDataTypes")


def test_declarations_have_not_changed_since_they_were_compared() -> None:
    assert fingerprints() == json.loads(FINGERPRINTS.read_text())
