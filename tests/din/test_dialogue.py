"""A session's messages as octets: what is read, and how much of it; and what is compiled ahead of time."""

from __future__ import annotations

from typing import Any

import pytest

from secc.din import protocol
from secc.din.dialogue import (
    ITEMS,
    LOOP_REQUESTS,
    PAYLOAD_LIMIT,
    RESPONSES,
    STREAM,
    WARMING,
    open_dialogue,
    prepare,
    read,
    warm,
    warm_rest,
)
from secc.din.messages import (
    SCHEMA,
    CertificateChain,
    CertificateUpdateReq,
    ListOfRootCertificateIDs,
    MessageHeader,
    SubCertificates,
    V2G_Message,
)
from secc.errors import DecodeError
from secc.exi import Schema
from secc.session.dialogue import Dialogue
from secc.session.offer import Offer, Surroundings, Transfer
from secc.session.protocol import Transport
from tests.din_car import EVERY_REQUEST, delivery, profile


@pytest.fixture
def dialogue() -> Dialogue:
    return open_dialogue(Offer(), Surroundings(now=0.0, entropy=bytes, wall=lambda: pytest.fail("no time has passed")))


def octets(body: Any) -> bytes:
    return SCHEMA.encode(V2G_Message(header=MessageHeader(session_id=bytes(8)), body=body))


def largest() -> CertificateUpdateReq:
    """Every field as long as the XSD allows, with the numbers of certificates and roots that are read."""
    certificate = b"\xff" * 1200
    return CertificateUpdateReq(
        id="id1",
        contract_signature_cert_chain=CertificateChain(
            certificate=certificate, sub_certificates=SubCertificates(certificate=(certificate,) * 4)
        ),
        contract_id="D" * 24,
        list_of_root_certificate_ids=ListOfRootCertificateIDs(root_certificate_id=("C" * 40,) * 20),
        dh_params=b"\xff" * 256,
    )


LONGEST = delivery(ready=True, plan=profile(*((start * 600, 32_767) for start in range(128))))


@pytest.mark.case("A-EXI-11")
@pytest.mark.parametrize("request_", [largest(), LONGEST], ids=["certificates", "profile"])
def test_the_largest_requests_are_within_the_limits(dialogue: Dialogue, request_: Any) -> None:
    written = octets(request_)
    assert len(written) <= PAYLOAD_LIMIT
    assert dialogue.decode(STREAM, written).message == request_


@pytest.mark.case("A-EXI-11")
def test_a_longer_list_is_not_read(dialogue: Dialogue) -> None:
    longer = delivery(ready=True, plan=profile(*((start, 1) for start in range(1, 130))))
    with pytest.raises(DecodeError):
        dialogue.decode(STREAM, octets(longer))
    assert dialogue.items == ITEMS


def test_what_is_read_at_once_is_the_same(dialogue: Dialogue) -> None:
    written = octets(EVERY_REQUEST["CurrentDemand"])
    # Nothing is compiled at once: a type that has never been read is for `decode`.
    dialogue.decode(STREAM, written)
    assert dialogue.decode_at_once(STREAM, written) == dialogue.decode(STREAM, written)
    assert read(STREAM, written)[0] == EVERY_REQUEST["CurrentDemand"]
    empty = octets(None)
    assert dialogue.decode_at_once(STREAM, empty) is None
    with pytest.raises(DecodeError, match="empty Body"):
        dialogue.decode(STREAM, empty)


def test_it_is_registered_as_what_it_is() -> None:
    spoken = protocol()
    assert (spoken.namespace, spoken.major, spoken.minor) == ("urn:din:70121:2012:MsgDef", 2, 0)
    assert (spoken.edition, spoken.transports, spoken.transfers) == (None, {Transport.PLAIN}, {Transfer.DC})
    loaded = spoken.load()
    assert (loaded.kept, loaded.schema, len(loaded.responses)) == ((), SCHEMA, 17)


# What is compiled ahead of time


@pytest.fixture
def again(monkeypatch: pytest.MonkeyPatch) -> Schema[V2G_Message]:
    """The schema that the module compiles, with nothing compiled."""
    schema = Schema("again", roots=(V2G_Message,), globals_=SCHEMA.globals, vocabulary=SCHEMA.vocabulary)
    monkeypatch.setattr(WARMING, "schema", schema)
    return schema


def test_the_messages_of_the_loop_are_compiled_first(again: Schema[V2G_Message], compiled: list[str]) -> None:
    names = ("CurrentDemand", "PowerDelivery(false)", "PowerDelivery(true)")
    requests = [octets(EVERY_REQUEST[name]) for name in names]
    warm()
    wanted = {f"read_{request.__name__}" for request in LOOP_REQUESTS}
    wanted |= {f"write_{RESPONSES[request].__name__}" for request in LOOP_REQUESTS}
    assert wanted <= set(compiled)
    compiled.clear()
    for request in requests:
        again.decode(request)
    assert not compiled


def test_then_nothing_is_left_to_compile(again: Schema[V2G_Message], compiled: list[str]) -> None:
    requests = [octets(body) for body in EVERY_REQUEST.values()]
    warm()
    for _ in warm_rest():
        pass
    compiled.clear()
    for request in requests:
        again.decode(request)
    assert not compiled


def test_a_request_is_compiled_behind_its_answer(again: Schema[V2G_Message], compiled: list[str]) -> None:
    """The event loop may read it at any moment between the two."""
    for request, response in RESPONSES.items():
        prepare(request)
        assert compiled.index(f"write_{response.__name__}") < compiled.index(f"read_{request.__name__}")
