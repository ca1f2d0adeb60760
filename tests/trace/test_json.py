"""Events, effects and answers as JSON, and back; nothing personal unless it is asked for."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from certs.certificates import Edition
from certs.contract import Contract, verify_contract_chain
from hal.readings import DcPhase, Token
from secc.conversation import Answered, Ask, Levels, Ticket, Timeout, Wall
from secc.session.effects import (
    AuthorizeContract,
    CableChecked,
    CheckCable,
    Decision,
    SetOutput,
    ValidateContract,
    Verdict,
)
from secc.session.events import EimDecided, Fault, LimitChanged, StopRequested, Unplugged
from secc.session.identification import AuthorizeToken
from secc.trace.json import TraceBroken, plain, redacted, revive
from tests.lab_trust import AT, LAB, anchors
from tools.pki.lab import EMAID

CONTRACT = verify_contract_chain(LAB.contract.ders, anchors(), AT)
SECRETS = (EMAID, LAB.contract.leaf.der.hex(), LAB.contract.sub1.der.hex(), "A2B3C4", "04C0FFEE")


@pytest.mark.parametrize(
    "value",
    [
        Unplugged(),
        StopRequested("driver"),
        LimitChanged(None),
        LimitChanged(3680.0),
        EimDecided(True, "rfid"),
        Fault("overvoltage", "text"),
        Levels("C", "closed", 400.0, 20.0, 12.5, 1000.0),
        Levels(),
        SetOutput(400.0, 20.0, DcPhase.CHARGE),
        Ask(Ticket(3, "CheckCable"), CheckCable(500.0, Timeout("cable check", 38.0, "a clause"))),
        Answered(Ticket(3, "CheckCable"), CableChecked(True, "valid")),
        Answered(Ticket(4, "AuthorizeContract"), Verdict(Decision.CONTRACT_CANCELLED, "words")),
        Wall(datetime(2026, 11, 20, tzinfo=UTC), False),
    ],
)
def test_there_and_back(value: Any) -> None:
    for personal in (False, True):
        found = revive(json.loads(json.dumps(plain(value, personal=personal), allow_nan=False)))
        assert found == value or (isinstance(value, Unplugged) and isinstance(found, Unplugged))
        assert type(found) is type(value)
    if isinstance(value, Answered) and isinstance(value.answer, Verdict):
        assert revive(plain(value)).answer.decision is Decision.CONTRACT_CANCELLED


@pytest.mark.parametrize(
    "value",
    [
        ValidateContract(tuple(LAB.contract.ders), EMAID, Edition.ISO2),
        Ask(Ticket(1, "ValidateContract"), ValidateContract(tuple(LAB.contract.ders), EMAID, Edition.ISO2)),
        Answered(Ticket(1, "ValidateContract"), CONTRACT),
        AuthorizeContract(CONTRACT),
        AuthorizeToken("rfid", "04C0FFEE"),
        Token("rfid", "04C0FFEE", 1.0),
        CONTRACT.emaid,
        [[CONTRACT.chain.leaf]],
        {"emaid": EMAID},
    ],
)
def test_nothing_personal_gets_through(value: Any) -> None:
    text = json.dumps(plain(value))
    assert not any(secret in text for secret in SECRETS), text
    with pytest.raises(TraceBroken):
        revive([{"sha256": "00", "length": 1}])


def test_personal_traces_bring_the_chain_back() -> None:
    question = ValidateContract(tuple(LAB.contract.ders), EMAID, Edition.ISO2)
    assert revive(plain(question, personal=True)) == question
    answered = json.loads(json.dumps(plain(Answered(Ticket(1, "ValidateContract"), CONTRACT), personal=True)))

    def contract(value: dict[str, Any]) -> Contract:
        chain = [bytes.fromhex(entry["$hex"]) for entry in value["chain"]]
        return verify_contract_chain(chain, anchors(), AT, claimed=value["emaid"])

    assert revive(answered, {"Contract": contract}).answer.emaid == CONTRACT.emaid


def test_what_nobody_thought_of_is_named_only() -> None:
    class Strange:
        def __repr__(self) -> str:
            return EMAID

    assert plain(Strange()) == {"type": "Strange"}
    deep: list[Any] = []
    for _ in range(100):
        deep = [deep]
    json.dumps(plain(deep))


@settings(max_examples=100, deadline=None)
@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.floats(), st.text(max_size=5)),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(st.sampled_from(["type", "value", "$hex", "by", "ticket"]), inner, max_size=3),
            st.fixed_dictionaries(
                {"type": st.sampled_from(["Levels", "Decision", "Verdict", "float", "Ticket", "Unplugged"])}
            ),
        ),
        max_leaves=6,
    )
)
def test_any_json_is_revived_or_refused(value: Any) -> None:
    with suppress(TraceBroken):
        revive(value)


def test_a_value_becomes_hash_and_length_and_the_rest_stays() -> None:
    tree = {
        "PaymentDetailsReq": {
            "eMAID": "DE8AA",
            "ContractSignatureCertChain": {
                "@Id": "id1",
                "Certificate": {"$hex": "3000"},
                "SubCertificates": {"Certificate": [{"$hex": "3001"}]},
            },
        },
        "SessionID": {"$hex": "0102"},
        "GenChallenge": {"$hex": "00"},
        "number": 5,
    }
    shown = redacted(tree, frozenset({"eMAID", "Certificate"}))

    def hashed(octets: bytes) -> dict[str, object]:
        return {"sha256": hashlib.sha256(octets).hexdigest()[:16], "length": len(octets)}

    details = shown["PaymentDetailsReq"]
    assert details["eMAID"] == hashed(b"DE8AA")
    assert details["ContractSignatureCertChain"] == {
        "@Id": "id1",
        "Certificate": hashed(b"\x30\x00"),
        "SubCertificates": {"Certificate": [hashed(b"\x30\x01")]},
    }
    assert (shown["SessionID"], shown["GenChallenge"], shown["number"]) == ({"$hex": "0102"}, {"$hex": "00"}, 5)


def test_text_with_an_id_is_hidden_and_the_id_is_not() -> None:
    shown = redacted({"eMAID": {"@Id": "id4", "#text": "DE8AACA2B3C4D5"}}, frozenset({"eMAID", "Certificate"}))
    assert shown["eMAID"]["@Id"] == "id4"
    assert shown["eMAID"]["#text"]["length"] == 14
