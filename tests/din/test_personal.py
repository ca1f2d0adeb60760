"""What is personal stands in a trace as hash and length."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from secc.din import messages as m
from secc.din.messages import SCHEMA, MessageHeader, V2G_Message
from secc.din.personal import PERSONAL
from secc.exi.tree import to_tree
from secc.trace.json import redacted
from tests.exi_vectors import CAPTURED, captured, vectors


def hidden(tree: Any) -> str:
    return json.dumps(redacted(tree, PERSONAL))


def test_the_evccid_is_a_hash_and_a_length() -> None:
    request = V2G_Message(
        header=MessageHeader(session_id=bytes(8)), body=m.SessionSetupReq(evcc_id=bytes.fromhex("001122334455"))
    )
    text = hidden(to_tree(request))
    assert "001122334455" not in text
    assert hashlib.sha256(bytes.fromhex("001122334455")).hexdigest()[:16] in text


def test_nothing_that_is_personal_is_told_of_any_message() -> None:
    """Vectors of other codecs have every element of the schema."""
    seen = set()
    for row in vectors("din", "fragment-din"):
        text = hidden(row["message"])
        seen |= {name for name in PERSONAL if f'"{name}"' in text}
        for name in PERSONAL:
            assert f'"{name}": "' not in text
            assert f'"{name}": {{"$hex"' not in text
    assert seen == PERSONAL


@pytest.mark.skipif(not CAPTURED, reason="the recorded sessions are not here")
def test_no_recorded_car_is_named() -> None:
    cars = 0
    for row in captured():
        if row["schema"] == "din":
            message = SCHEMA.decode(bytes.fromhex(row["exi"]))
            if isinstance(message.body, m.SessionSetupReq) and message.body.evcc_id:
                cars += 1
                assert message.body.evcc_id.hex() not in hidden(to_tree(message))
    assert cars == 3
