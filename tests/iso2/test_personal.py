"""What is personal stands in a trace as hash and length."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from secc.exi.tree import to_tree
from secc.iso2.messages import SCHEMA
from secc.iso2.personal import PERSONAL
from secc.trace.json import redacted
from tests.iso2_car import DC_PNC, EMAID, Car
from tests.lab_trust import LAB

CAPTURES = Path(__file__).resolve().parents[2].parent / "shared" / "captures"


def test_nothing_of_a_plug_and_charge_session_names_the_car_or_its_contract() -> None:
    car = Car(DC_PNC)
    trees = []
    hear = car.hear

    def watched(event: object) -> object:
        if hasattr(event, "octets"):
            trees.append(redacted(to_tree(SCHEMA.decode(event.octets)), PERSONAL))
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


@pytest.mark.skipif(not CAPTURES.is_dir(), reason="the recorded sessions are not here")
def test_recorded_certificates_and_keys_are_hidden() -> None:
    seen = set()
    for line in (CAPTURES / "ISO-2_DC_PnC_TLS_CertInstallation_DS5366_RiseV2G.jsonl").read_text().splitlines():
        record = json.loads(line)
        if record["schema"] == "iso2":
            tree = to_tree(SCHEMA.decode(bytes.fromhex(record["exi"])))
            text = json.dumps(redacted(tree, PERSONAL))
            seen |= {name for name in PERSONAL if f'"{name}"' in text}
            for name in PERSONAL:
                assert f'"{name}": "' not in text
                assert f'"{name}": {{"$hex"' not in text
    assert {"eMAID", "Certificate", "OEMProvisioningCert", "SignatureValue", "EVCCID", "DHpublickey"} <= seen
