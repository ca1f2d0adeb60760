"""The messages of ISO 15118-2 as a package: complete, named as the standard names them, cheap to import."""

from __future__ import annotations

import subprocess
import sys
from enum import StrEnum

from secc.exi import Message
from secc.iso2 import messages
from secc.iso2.messages import BODY_ELEMENTS, SCHEMA, Body, ResponseCode


def test_all_34_body_elements_are_messages_of_the_schema() -> None:
    assert len(BODY_ELEMENTS) == len(set(BODY_ELEMENTS)) == 34
    assert all(issubclass(cls, Body) and issubclass(cls, Message) and cls.__doc__ for cls in BODY_ELEMENTS)
    group = [name for name in SCHEMA.globals if name in {cls.__name__ for cls in BODY_ELEMENTS}]
    assert len(group) == 34


def test_requests_and_responses_come_in_pairs() -> None:
    names = {cls.__name__ for cls in BODY_ELEMENTS}
    assert {name.removesuffix("Req") for name in names if name.endswith("Req")} == {
        name.removesuffix("Res") for name in names if name.endswith("Res")
    }


def test_every_response_begins_with_its_code() -> None:
    for cls in BODY_ELEMENTS:
        fields = list(cls.__dataclass_fields__)  # type: ignore[attr-defined]  # declared types have them
        assert (fields[:1] == ["response_code"]) == cls.__name__.endswith("Res"), cls


def test_enumerations_keep_the_literals_of_the_wire() -> None:
    assert ResponseCode.FAILED_SEQUENCE_ERROR.value == "FAILED_SequenceError"
    assert len(ResponseCode) == 26
    declared = [cls for cls in vars(messages).values() if isinstance(cls, type) and issubclass(cls, StrEnum)]
    enumerations = [cls for cls in declared if cls is not StrEnum]
    assert len(enumerations) == 14
    for cls in enumerations:
        for member in cls:
            assert member.name.replace("_", "").casefold() == member.value.replace("_", "").casefold()


def test_importing_compiles_nothing() -> None:
    """The start-up budget of the station: types are read and compiled when they are used."""
    code = "import secc.iso2.messages, secc.exi.grammar as g; assert not g._TYPES, g._TYPES"
    subprocess.run([sys.executable, "-c", code], check=True)
