"""A session's messages as octets: what is read, how much of it, and what is compiled ahead of time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from secc.din import messages as m
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
    warm,
    warm_rest,
)
from secc.din.messages import SCHEMA, MessageHeader, V2G_Message
from secc.errors import DecodeError
from secc.exi import Schema
from secc.exi.tree import from_tree
from secc.session import supported_app_protocol as sap
from secc.session.dialogue import Dialogue
from secc.session.negotiation import choose, open_negotiation
from secc.session.offer import Offer, Surroundings, Transfer
from secc.session.protocol import Transport
from tests.exi_vectors import vectors
from tests.xsd_sets import FILES

HEADER = MessageHeader(session_id=bytes(8))


@pytest.fixture
def dialogue() -> Dialogue:
    return open_dialogue(Offer(), Surroundings(now=0.0, entropy=bytes, wall=lambda: pytest.fail("no time has passed")))


def written(body: m.Body | None) -> bytes:
    return SCHEMA.encode(V2G_Message(header=HEADER, body=body))


def test_the_protocol_is_what_cars_ask_for() -> None:
    spoken = protocol()
    assert (spoken.namespace, spoken.major, spoken.minor) == ("urn:din:70121:2012:MsgDef", 2, 0)
    assert spoken.transports == {Transport.PLAIN}
    assert spoken.transfers == {Transfer.DC}
    assert spoken.edition is None


# --- what is read, and how much of it -------------------------------------------------------------------------------------


@pytest.mark.case("A-EXI-11")
def test_the_largest_request_of_din_is_within_the_limits(dialogue: Dialogue) -> None:
    """Every field as long as the XSD allows, and the lists as long as we do: read, so that its own response can refuse it."""
    certificate = b"\xff" * 1200
    chain = m.CertificateChain(
        certificate=certificate, sub_certificates=m.SubCertificates(certificate=(certificate,) * 4)
    )
    roots = m.ListOfRootCertificateIDs(root_certificate_id=("r" * 40,) * 20)
    largest = m.CertificateUpdateReq(
        id="id1",
        contract_signature_cert_chain=chain,
        contract_id="c" * 24,
        list_of_root_certificate_ids=roots,
        dh_params=bytes(256),
    )
    octets = written(largest)
    assert 7_000 < len(octets) < 0.9 * PAYLOAD_LIMIT
    assert dialogue.payload_limit == PAYLOAD_LIMIT
    assert dialogue.decode(STREAM, octets).message == largest


def profile(entries: int) -> m.PowerDeliveryReq:
    entry = m.ProfileEntry(charging_profile_entry_start=0, charging_profile_entry_max_power=1)
    return m.PowerDeliveryReq(
        ready_to_charge_state=True,
        charging_profile=m.ChargingProfile(sa_schedule_tuple_id=1, profile_entry=(entry,) * entries),
    )


@pytest.mark.case("A-EXI-01", "A-EXI-11")
def test_the_longest_profile_is_read_even_where_its_end_is_wrong_for_all_passes_but_the_last(
    dialogue: Dialogue,
) -> None:
    full = profile(128)
    assert dialogue.decode(STREAM, written(full)).message == full
    assert ITEMS >= 4 * 128


@pytest.mark.case("A-EXI-11")
def test_a_message_of_many_items_is_no_request(dialogue: Dialogue) -> None:
    sets = m.ServiceParameterList(
        parameter_set=(
            m.ParameterSet(
                parameter_set_id=1,
                parameter=(m.Parameter(name="", value_type=m.ValueType.BOOL, bool_value=True),) * 16,
            ),
        )
        * 60
    )
    octets = written(m.ServiceDetailRes(response_code=m.ResponseCode.OK, service_id=1, service_parameter_list=sets))
    assert len(octets) < PAYLOAD_LIMIT
    with pytest.raises(DecodeError, match="too many items"):
        dialogue.decode(STREAM, octets)


def test_what_is_read_at_once_is_the_same(dialogue: Dialogue) -> None:
    octets = written(profile(3))
    # Nothing is compiled at once: a type that has never been read is for `decode`.
    dialogue.decode(STREAM, octets)
    assert dialogue.decode_at_once(STREAM, octets) == dialogue.decode(STREAM, octets)
    empty = written(None)
    assert dialogue.decode_at_once(STREAM, empty) is None
    with pytest.raises(DecodeError, match="empty Body"):
        dialogue.decode(STREAM, empty)


FOREIGN = [
    row for row in vectors("iso15118-2", "iso15118-20", "sap", names=FILES) if not row["schema"].startswith("fragment:")
]


@pytest.mark.case("A-EXI-10", "Q-72")
def test_octets_of_other_protocols_are_no_messages_of_a_session(dialogue: Dialogue) -> None:
    assert dict(dialogue.schemas) == {STREAM: SCHEMA}
    assert len(FOREIGN) > 250
    for row in FOREIGN:
        octets = bytes.fromhex(row["exi"])
        assert dialogue.decode_at_once(STREAM, octets) is None
        with pytest.raises(DecodeError):
            dialogue.decode(STREAM, octets)


def offer(namespace: str, schema_id: int) -> sap.AppProtocol:
    return sap.AppProtocol(
        protocol_namespace=namespace, version_number_major=2, version_number_minor=0, schema_id=schema_id, priority=1
    )


@pytest.mark.case("A-EXI-09", "Q-28", "Q-29")
def test_din_is_chosen_at_the_end_of_the_longest_list_and_by_its_very_name() -> None:
    """The other names begin with that of DIN, and go on to a hundred characters or with what is not ASCII."""
    ours = protocol()
    surroundings = Surroundings(now=0.0, entropy=bytes, wall=lambda: pytest.fail("no time has passed"))
    negotiation = open_negotiation((ours,), surroundings, transport=Transport.PLAIN)
    others = [
        offer(f"{ours.namespace}{tail}", number)
        for number, tail in enumerate(["x", "x" * 74, "\u00e9", "\U0010ffff"] * 5, 1)
    ][:19]
    for entries, chosen in ((others, None), ([*others, offer(ours.namespace, 0)], 0)):
        octets = sap.SCHEMA.encode(sap.SupportedAppProtocolReq(app_protocol=tuple(entries)))
        found = choose(negotiation.decode(STREAM, octets).message, (ours,), transport=Transport.PLAIN)
        assert (found and found.entry.schema_id) == chosen


# --- what is compiled ahead of time ---------------------------------------------------------------------------------------


@pytest.fixture
def again(monkeypatch: pytest.MonkeyPatch) -> Schema[V2G_Message]:
    """The schema that the module compiles, with nothing compiled."""
    schema = Schema("again", roots=(V2G_Message,), globals_=SCHEMA.globals, vocabulary=SCHEMA.vocabulary)
    monkeypatch.setattr(WARMING, "schema", schema)
    return schema


def said(schema: Schema[V2G_Message], wanted: Callable[[str], bool]) -> int:
    """Reads the requests that foreign codecs wrote, and writes their responses, of the body elements that are wanted; how many."""
    found = 0
    for vector in vectors("din"):
        name = vector["name"].partition("/")[0]
        if not wanted(name) or "KeyInfo" in str(vector["message"]) or vector["source"] == "cbv2g":
            continue
        found += 1
        if name.endswith("Req"):
            schema.decode(bytes.fromhex(vector["exi"]))
        else:
            schema.encode(from_tree(SCHEMA, vector["message"]))
    return found


def test_the_messages_of_the_loop_are_compiled_first(again: Schema[V2G_Message], compiled: list[str]) -> None:
    names = {cls.__name__ for request in LOOP_REQUESTS for cls in (request, RESPONSES[request])}
    assert names == {"CurrentDemandReq", "CurrentDemandRes", "PowerDeliveryReq", "PowerDeliveryRes"}
    warm()
    # What the station does not do, it does not compile: it writes no request and reads no response.
    assert not {
        f"{verb}_{name}" for verb, end in (("write", "Req"), ("read", "Res")) for name in names if name.endswith(end)
    } & set(compiled)
    compiled.clear()
    assert said(again, names.__contains__) > 30
    assert not compiled


def test_then_nothing_is_left_to_compile(again: Schema[V2G_Message], compiled: list[str]) -> None:
    warm()
    for _ in warm_rest():
        pass
    compiled.clear()
    assert said(again, lambda name: name.endswith(("Req", "Res"))) > 200
    # A trace reads all of them again.
    for vector in vectors("din"):
        if vector["name"].partition("/")[0].endswith("Res") and "KeyInfo" not in str(vector["message"]):
            again.decode(bytes.fromhex(vector["exi"]))
    assert not compiled


def test_who_reads_a_request_has_its_answer_compiled(
    again: Schema[V2G_Message], compiled: list[str], dialogue: Dialogue
) -> None:
    """A request that is not compiled is read off the event loop; its answer is written on it."""
    here = replace(dialogue, schemas={STREAM: again})
    warm()
    octets = written(m.SessionSetupReq(evcc_id=b"\2\0\0\0\0\1"))
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
