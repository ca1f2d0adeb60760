"""A session's messages as octets: what is read, and how much of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from secc.errors import DecodeError
from secc.exi import Schema
from secc.exi.tree import from_tree
from secc.exi.xmldsig import X509IssuerSerial
from secc.iso2 import messages as iso2
from secc.iso2 import protocol
from secc.iso2.dialogue import (
    ITEMS,
    LOOP_REQUESTS,
    PAYLOAD_LIMIT,
    RESPONSES,
    STREAM,
    WARMING,
    open_dialogue,
    prepare,
    warm,
    warm_rest,
)
from secc.iso2.messages import SCHEMA, MessageHeader, V2G_Message
from secc.session import supported_app_protocol as sap
from secc.session.dialogue import Dialogue
from secc.session.offer import Offer, Surroundings, Transfer
from secc.session.protocol import Transport
from tests.exi.test_budget import profile, signed
from tests.exi_vectors import vectors


@pytest.fixture
def dialogue() -> Dialogue:
    return open_dialogue(Offer(), Surroundings(now=0.0, entropy=bytes, wall=lambda: pytest.fail("no time has passed")))


def largest() -> iso2.CertificateUpdateReq:
    """Every field as long as the XSD allows; issuers' names, which have no bound there, as long as they get."""
    certificate = b"\xff" * 800
    root = X509IssuerSerial(
        x509_issuer_name="CN=Some V2G Root CA with a long name,O=An organisation of the mobility house,C=DE,DC=V2G",
        x509_serial_number=2**159,
    )
    return iso2.CertificateUpdateReq(
        id="id1",
        contract_signature_cert_chain=iso2.CertificateChain(
            certificate=certificate, sub_certificates=iso2.SubCertificates(certificate=(certificate,) * 4)
        ),
        emaid="DE8AA1A2B3C4D59",
        list_of_root_certificate_ids=iso2.ListOfRootCertificateIDs(root_certificate_id=(root,) * 20),
    )


@pytest.mark.case("A-EXI-11")
def test_the_largest_request_of_iso_15118_2_is_within_the_limits(dialogue: Dialogue) -> None:
    octets = signed(4, 1, largest())
    assert 6_000 < len(octets) < 0.9 * PAYLOAD_LIMIT
    assert dialogue.payload_limit == PAYLOAD_LIMIT
    assert dialogue.decode(STREAM, octets).message == largest()
    # An end that only the last pass is content with costs that much in each, and in the first one twice.
    assert ITEMS >= 4 * (4 + 4 + 4 + 20)


@pytest.mark.case("A-EXI-11")
def test_a_message_of_many_items_is_no_request(dialogue: Dialogue) -> None:
    sets = iso2.ServiceParameterList(
        parameter_set=(
            iso2.ParameterSet(parameter_set_id=1, parameter=(iso2.Parameter(name="", bool_value=True),) * 16),
        )
        * 12
    )
    body = iso2.ServiceDetailRes(response_code=iso2.ResponseCode.OK, service_id=1, service_parameter_list=sets)
    octets = SCHEMA.encode(V2G_Message(header=MessageHeader(session_id=bytes(8)), body=body))
    assert len(octets) < PAYLOAD_LIMIT
    with pytest.raises(DecodeError, match="too many items"):
        dialogue.decode(STREAM, octets)


def test_what_is_read_at_once_is_the_same(dialogue: Dialogue) -> None:
    octets = SCHEMA.encode(V2G_Message(header=MessageHeader(session_id=bytes(8)), body=profile(3)))
    # Nothing is compiled at once: a type that has never been read is for `decode`.
    dialogue.decode(STREAM, octets)
    assert dialogue.decode_at_once(STREAM, octets) == dialogue.decode(STREAM, octets)
    empty = SCHEMA.encode(V2G_Message(header=MessageHeader(session_id=bytes(8))))
    assert dialogue.decode_at_once(STREAM, empty) is None
    with pytest.raises(DecodeError, match="empty Body"):
        dialogue.decode(STREAM, empty)


# What is compiled ahead of time


@pytest.fixture
def again(monkeypatch: pytest.MonkeyPatch) -> Schema[V2G_Message]:
    """The schema that the module compiles, with nothing compiled."""
    schema = Schema("again", roots=(V2G_Message,), globals_=SCHEMA.globals, vocabulary=SCHEMA.vocabulary)
    monkeypatch.setattr(WARMING, "schema", schema)
    return schema


def said(schema: Schema[V2G_Message], wanted: Callable[[str], bool]) -> int:
    """Reads the requests that foreign codecs wrote, and writes their responses, of the body elements that are wanted; how many."""
    found = 0
    for vector in vectors("iso15118-2"):
        name = vector["name"].partition("/")[0]
        if not wanted(name) or "KeyInfo" in str(vector["message"]) or vector.get("facets"):
            continue
        found += 1
        if name.endswith("Req"):
            schema.decode(bytes.fromhex(vector["exi"]))
        else:
            schema.encode(from_tree(SCHEMA, vector["message"]))
    return found


def test_the_messages_of_the_loop_are_compiled_first(again: Schema[V2G_Message], compiled: list[str]) -> None:
    names = {cls.__name__ for request in LOOP_REQUESTS for cls in (request, RESPONSES[request])}
    warm()
    # What the station does not do, it does not compile: it writes no request and reads no response.
    assert not {
        f"{verb}_{name}" for verb, end in (("write", "Req"), ("read", "Res")) for name in names if name.endswith(end)
    } & set(compiled)
    compiled.clear()
    assert said(again, names.__contains__) > 40
    assert not compiled


def test_then_nothing_is_left_to_compile(again: Schema[V2G_Message], compiled: list[str]) -> None:
    receipt = iso2.MeteringReceiptReq(id="id1", session_id=bytes(8), meter_info=iso2.MeterInfo(meter_id="meter"))
    requests = {type(body).__name__: signed(1, 1, body) for body in (iso2.AuthorizationReq(id="id1"), receipt)}
    warm()
    for _ in warm_rest():
        pass
    compiled.clear()
    assert said(again, lambda name: name.endswith(("Req", "Res"))) > 200
    for name, octets in requests.items():
        again.fragment_of(octets, name, "id1")
    # A trace reads all of them again.
    for vector in vectors("iso15118-2"):
        if vector["name"].partition("/")[0].endswith("Res") and not vector.get("facets"):
            again.decode(bytes.fromhex(vector["exi"]))
    assert not compiled


def test_a_second_request_after_success_is_no_message_of_the_protocol_agreed_on(dialogue: Dialogue) -> None:
    spoken = protocol()
    offered = sap.AppProtocol(
        protocol_namespace=spoken.namespace,
        version_number_major=spoken.major,
        version_number_minor=spoken.minor,
        schema_id=10,
        priority=1,
    )
    octets = sap.SCHEMA.encode(sap.SupportedAppProtocolReq(app_protocol=(offered,)))
    with pytest.raises(DecodeError):
        dialogue.decode(STREAM, octets)


def test_the_protocol_is_what_cars_ask_for() -> None:
    spoken = protocol()
    assert (spoken.namespace, spoken.major, spoken.minor) == ("urn:iso:15118:2:2013:MsgDef", 2, 0)
    assert spoken.transports == set(Transport)
    assert spoken.transfers == set(Transfer)


def test_who_reads_a_request_has_its_answer_compiled(
    again: Schema[V2G_Message], compiled: list[str], dialogue: Dialogue
) -> None:
    """A request that is not compiled is read off the event loop; its answer is written on it."""
    here = replace(dialogue, schemas={STREAM: again})
    warm()
    setup = V2G_Message(header=MessageHeader(session_id=bytes(8)), body=iso2.SessionSetupReq(evcc_id=b"\2\0\0\0\0\1"))
    octets = SCHEMA.encode(setup)
    assert here.decode_at_once(STREAM, octets) is None
    here.decode(STREAM, octets)
    assert "write_SessionSetupRes" in compiled
    compiled.clear()
    assert here.decode_at_once(STREAM, octets) is not None
    assert said(again, lambda name: name == "SessionSetupRes") > 0
    assert not compiled


def test_a_request_is_compiled_behind_its_answer(again: Schema[V2G_Message], compiled: list[str]) -> None:
    """The event loop may read it at any moment between the two."""
    for request, response in RESPONSES.items():
        prepare(request)
        read, written = f"read_{request.__name__}", f"write_{response.__name__}"
        assert compiled.index(written) < compiled.index(read)
