"""Answers that are more than a body of the station."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from secc.conversation import Send
from secc.iso2 import messages as m
from secc.iso2.dialogue import STREAM, open_dialogue
from secc.session import negotiation
from secc.session.dialogue import Dialogue, Relayed, Signed
from secc.session.offer import Offer, Surroundings
from secc.session.protocol import Transport
from secc.session.signature import P256_SHA256, sign, verify
from secc.trace.recorder import Recorder
from tests.iso2_car import counting_entropy, wall
from tests.lab_trust import LAB

SURROUNDINGS = Surroundings(now=0.0, entropy=counting_entropy(), wall=wall)


@pytest.fixture
def dialogue() -> Dialogue:
    return open_dialogue(Offer(), SURROUNDINGS)


@pytest.mark.case("A-PNC-09")
def test_relayed_octets_are_sent_as_they_came(dialogue: Dialogue) -> None:
    octets = bytes.fromhex("80980200ff00ff")
    relayed = Relayed(octets, "CertificateInstallationRes", "OK")
    assert dialogue.encode(Send(STREAM, relayed)) == (STREAM, octets)
    assert octets.hex() not in repr(relayed)
    assert repr(octets) not in repr(relayed)


def test_the_signature_of_another_party_goes_into_the_header(dialogue: Dialogue) -> None:
    """As for a tariff: signed by its maker, sent by the station."""
    body = m.AuthorizationReq(id="id7", gen_challenge=bytes(16))
    key = LAB.cps.leaf.key
    assert isinstance(key, EllipticCurvePrivateKey)
    signature = sign(body, key, m.SCHEMA, P256_SHA256)
    stream, octets = dialogue.encode(Send(STREAM, Signed(body, signature)))
    heard = m.SCHEMA.decode(octets)
    assert (stream, heard.body, heard.header.signature) == (STREAM, body, signature)
    verify(heard.header.signature, {"AuthorizationReq": "id7"}, octets, key.public_key(), m.SCHEMA, P256_SHA256)


def test_an_answer_of_the_station_has_no_signature(dialogue: Dialogue) -> None:
    body = m.SessionStopRes(response_code=m.ResponseCode.OK)
    assert m.SCHEMA.decode(dialogue.encode(Send(STREAM, body))[1]).header.signature is None


def test_a_protocol_without_a_header_signs_nothing() -> None:
    body = m.AuthorizationReq(id="id7", gen_challenge=bytes(16))
    key = LAB.cps.leaf.key
    assert isinstance(key, EllipticCurvePrivateKey)
    negotiating = negotiation.open_negotiation((), SURROUNDINGS, transport=Transport.PLAIN)
    with pytest.raises(AssertionError, match="no header"):
        negotiating.encode(Send(STREAM, Signed(body, sign(body, key, m.SCHEMA, P256_SHA256))))


def test_log_and_trace_name_the_message_within(dialogue: Dialogue) -> None:
    key = LAB.cps.leaf.key
    assert isinstance(key, EllipticCurvePrivateKey)
    signature = sign(m.AuthorizationReq(id="id7"), key, m.SCHEMA, P256_SHA256)
    stop = Signed(m.SessionStopRes(response_code=m.ResponseCode.OK), signature)
    recorder = Recorder(0.0)
    for message in (Relayed(b"", "CertificateInstallationRes", "OK"), stop, stop.body):
        recorder.sent(1.0, STREAM, message, b"")
    names = [(entry.name, entry.code) for entry in recorder.exchanges()]
    assert names == [("CertificateInstallationRes", "OK"), ("SessionStopRes", "OK"), ("SessionStopRes", "OK")]
