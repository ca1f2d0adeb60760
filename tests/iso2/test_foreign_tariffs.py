"""Tariffs that another stack has signed and encoded: the station relays them in its very octets, and our car's check holds over them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from secc.errors import SignatureRejected
from secc.iso2.messages import SCHEMA, ChargeParameterDiscoveryRes, SAScheduleTuple, V2G_Message
from secc.iso2.planned import accepted
from secc.iso2.schedule import Offered
from secc.session.offer import Transfer
from secc.session.schedules import ChargingNeeds, ChargingSchedule, ChargingSchedules, PowerSpan
from secc.session.signature import P256_SHA256, Form, verify

VECTOR = json.loads((Path(__file__).parents[1] / "vectors" / "sales-tariffs-josev.json").read_text("utf-8"))
OCTETS = bytes.fromhex(VECTOR["message"])
TARIFFS = {id: bytes.fromhex(octets) for id, octets in VECTOR["tariffs"].items()}
IDS = tuple(TARIFFS)
KEY = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), bytes.fromhex(VECTOR["public_key"]))
MESSAGE = SCHEMA.decode(OCTETS)


def body() -> ChargeParameterDiscoveryRes:
    assert isinstance(MESSAGE.body, ChargeParameterDiscoveryRes)
    return MESSAGE.body


def tuples() -> tuple[SAScheduleTuple, ...]:
    found = body().sa_schedules
    assert found is not None
    return found.sa_schedule_tuple


def test_the_elements_of_their_message_are_the_fragments_that_they_signed() -> None:
    assert len(TARIFFS) == len(tuples()) == 3
    for one in tuples():
        assert one.sales_tariff is not None
        id = str(one.sales_tariff.id)
        assert SCHEMA.fragment_of(OCTETS, "SalesTariff", id) == TARIFFS[id]
        assert SCHEMA.fragment(one.sales_tariff) == TARIFFS[id]


def test_their_one_signature_holds_over_all_three() -> None:
    signature = MESSAGE.header.signature
    assert verify(signature, {"SalesTariff": IDS}, OCTETS, KEY, SCHEMA, P256_SHA256) is Form.XMLDSIG
    with pytest.raises(SignatureRejected):
        verify(signature, {"SalesTariff": IDS[:2]}, OCTETS, KEY, SCHEMA, P256_SHA256)


@pytest.mark.case("A-PNC-12", "I2X-14")
def test_a_station_that_gets_them_from_its_backend_says_their_message_to_the_octet() -> None:
    found = ChargingSchedules(
        tuple(
            ChargingSchedule(
                one.sa_schedule_tuple_id,
                tuple(
                    PowerSpan(entry.time_interval.start, entry.p_max.value * 10.0**entry.p_max.multiplier)
                    for entry in one.p_max_schedule.p_max_schedule_entry
                ),
                TARIFFS[str(one.sales_tariff.id)] if one.sales_tariff is not None else None,
            )
            for one in tuples()
        ),
        SCHEMA.fragment(MESSAGE.header.signature, "Signature"),
    )
    planned = accepted(ChargingNeeds(Transfer.AC_THREE_PHASE, contract=True), found)
    assert planned.rejected == ()
    assert isinstance(planned.schedules, Offered)
    said = V2G_Message(
        header=replace(MESSAGE.header, signature=planned.schedules.signature),
        body=replace(body(), sa_schedules=planned.schedules.as_list()),
    )
    assert SCHEMA.encode(said) == OCTETS
