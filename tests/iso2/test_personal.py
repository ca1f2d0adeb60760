"""What is personal stands in a trace as hash and length."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from secc.exi.tree import to_tree
from secc.iso2.messages import SCHEMA
from secc.iso2.personal import PERSONAL, personal
from tests.iso2_car import DC_PNC, EMAID, Car
from tests.lab_trust import LAB

CAPTURES = Path(__file__).resolve().parents[2].parent / "shared" / "captures"


def test_nothing_of_a_plug_and_charge_session_names_the_car_or_its_contract() -> None:
    car = Car(DC_PNC)
    trees = []
    hear = car.hear

    def watched(event: object) -> object:
        if hasattr(event, "octets"):
            trees.append(personal(to_tree(SCHEMA.decode(event.octets))))
        return hear(event)  # type: ignore[arg-type]  # an Event

    car.hear = watched  # type: ignore[method-assign,assignment]
    car.drive()
    text = json.dumps(trees)
    assert "PaymentDetailsReq" in text
    assert EMAID not in text
    assert "001122334455" not in text
    for der in LAB.contract.ders:
        assert der.hex() not in text
        assert hashlib.sha256(der).hexdigest()[:16] in text


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
    shown = personal(tree)

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
    shown = personal({"eMAID": {"@Id": "id4", "#text": "DE8AACA2B3C4D5"}})
    assert shown["eMAID"]["@Id"] == "id4"
    assert shown["eMAID"]["#text"]["length"] == 14


@pytest.mark.skipif(not CAPTURES.is_dir(), reason="the recorded sessions are not here")
def test_recorded_certificates_and_keys_are_hidden() -> None:
    seen = set()
    for line in (CAPTURES / "ISO-2_DC_PnC_TLS_CertInstallation_DS5366_RiseV2G.jsonl").read_text().splitlines():
        record = json.loads(line)
        if record["schema"] == "iso2":
            tree = to_tree(SCHEMA.decode(bytes.fromhex(record["exi"])))
            text = json.dumps(personal(tree))
            seen |= {name for name in PERSONAL if f'"{name}"' in text}
            for name in PERSONAL:
                assert f'"{name}": "' not in text
                assert f'"{name}": {{"$hex"' not in text
    assert {"eMAID", "Certificate", "OEMProvisioningCert", "SignatureValue", "EVCCID", "DHpublickey"} <= seen
