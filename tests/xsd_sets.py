"""The XSD files of each schema set, where the PyPI package iso15118 is installed, which holds them. They are never part of this project."""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path
from typing import Any

import pytest

FILES = {
    "sap": "V2G_CI_AppProtocol.xsd",
    "din": "din_spec/V2G_CI_MsgDef.xsd",
    "iso15118-2": "iso15118_2/V2G_CI_MsgDef.xsd",
    "iso15118-20:common": "iso15118_20/V2G_CI_CommonMessages.xsd",
    "iso15118-20:ac": "iso15118_20/V2G_CI_AC.xsd",
    "iso15118-20:dc": "iso15118_20/V2G_CI_DC.xsd",
    "iso15118-20:acdp": "iso15118_20/V2G_CI_ACDP.xsd",
    "iso15118-20:wpt": "iso15118_20/V2G_CI_WPT.xsd",
    "xmldsig": "xmldsig-core-schema.xsd",
}


def _folder() -> Path | None:
    found = importlib.util.find_spec("iso15118")
    if found is None or not found.submodule_search_locations:
        return None
    folder = Path(found.submodule_search_locations[0]) / "shared" / "schemas"
    return folder if folder.exists() else None


FOLDER = _folder()
needs_xsd = pytest.mark.skipif(
    FOLDER is None, reason="the XSD files come with the PyPI package iso15118, which is not installed"
)


@functools.cache
def xsd_set(name: str) -> Any:
    """The :class:`tests.xsd.XsdSet` of a schema set. Imports lxml, which is there where the package is."""
    from tests.xsd import XsdSet

    assert FOLDER is not None
    return XsdSet(FOLDER / FILES[name], FOLDER)
