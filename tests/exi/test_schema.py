"""The codec's edges: headers, limits, tolerances, strictness of our own messages."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from secc.errors import DecodeError, EncodeError
from secc.exi import Message, Schema
from secc.iso2 import messages as iso2
from secc.iso2.messages import SCHEMA, MessageHeader, V2G_Message
from secc.session import supported_app_protocol as sap
from tests.exi.test_budget import signed


def message(body: iso2.Body | None, session_id: bytes = bytes(8)) -> V2G_Message:
    return V2G_Message(header=MessageHeader(session_id=session_id), body=body)


STOP = message(iso2.SessionStopReq(charging_session=iso2.ChargingSession.TERMINATE))
OCTETS = SCHEMA.encode(STOP)


def volts(value: int, multiplier: int = 0) -> iso2.PhysicalValue:
    return iso2.PhysicalValue(multiplier=multiplier, unit=iso2.UnitSymbol.V, value=value)


@pytest.mark.case("A-EXI-02")
@pytest.mark.parametrize("header", [0x00, 0x81, 0xA0, 0x90, 0xC0, 0x24])
def test_only_the_one_header(header: int) -> None:
    with pytest.raises(DecodeError, match="header"):
        SCHEMA.decode(bytes([header]) + OCTETS[1:])


@pytest.mark.parametrize(
    "octets", [b"", b"\x80", b"\x80\x00", b"\x80\xff\xff", b"$EXI" + OCTETS, b"\x80\x98" + bytes(70_000)]
)
def test_no_stream(octets: bytes) -> None:
    with pytest.raises(DecodeError):
        SCHEMA.decode(octets)


@pytest.mark.case("A-EXI-07")
def test_octets_behind_the_end_are_ignored() -> None:
    assert SCHEMA.decode(OCTETS + b"\x00") == STOP
    assert SCHEMA.decode(OCTETS + b"\xff" * 100) == STOP


@pytest.mark.case("A-EXI-05")
def test_integers_have_an_end() -> None:
    request = message(iso2.ServiceDetailReq(service_id=1))
    octets = SCHEMA.encode(request)
    bits = f"{int.from_bytes(octets, 'big'):0{8 * len(octets)}b}"
    at = bits.rindex("00000001")

    def with_octets(count: int) -> bytes:
        longer = bits[:at] + "10000001" + "10000000" * (count - 2) + "00000000" + bits[at + 8 :]
        longer += "0" * (-len(longer) % 8)
        return int(longer, 2).to_bytes(len(longer) // 8, "big")

    assert SCHEMA.decode(with_octets(3)) == request
    for count in (4, 40, 400):
        with pytest.raises(DecodeError):
            SCHEMA.decode(with_octets(count))


@pytest.mark.case("A-EXI-08")
def test_a_body_has_no_element_but_those_of_the_schema() -> None:
    number, at = int.from_bytes(OCTETS), 8 * len(OCTETS) - 100
    assert number >> at & 63 == 31, "SessionStopReq"
    # Code 2 is the abstract head of the group; behind the 34 elements comes the end of an empty body.
    for code in (2, *range(36, 64)):
        wrong = number & ~(63 << at) | code << at
        with pytest.raises(DecodeError):
            SCHEMA.decode(wrong.to_bytes(len(OCTETS)))


@pytest.mark.case("A-EXI-08")
@pytest.mark.parametrize("code", [0, 1, 3], ids=["KeyInfo", "Object", "nothing"])
def test_a_signature_has_no_element_that_v2g_does_not_send(code: int) -> None:
    """KeyInfo and Object, and with them the wildcards of XML signatures: whatever stands there is not skipped."""
    found = SCHEMA.decode(signed(1, 1))
    assert found.header.signature is not None
    value = replace(found.header.signature.signature_value, id="value")
    header = replace(found.header, signature=replace(found.header.signature, signature_value=value))
    octets = SCHEMA.encode(replace(found, header=header))
    (span,) = [span for span in SCHEMA.spans(octets) if span.name == "SignatureValue"]
    number, at = int.from_bytes(octets), 8 * len(octets) - span.stop - 2
    assert number >> at & 3 == 2, "the end of Signature"
    with pytest.raises(DecodeError, match="unexpected event in Signature"):
        SCHEMA.decode((number & ~(3 << at) | code << at).to_bytes(len(octets)))


@pytest.mark.case("A-EXI-06")
def test_codes_beyond_an_enumeration_or_a_range_are_no_values() -> None:
    octets = SCHEMA.encode(message(iso2.SessionStopRes(response_code=iso2.ResponseCode.FAILED_CERTIFICATE_REVOKED)))
    number = int.from_bytes(octets, "big")
    code = f"{25:05b}"
    bits = f"{number:0{8 * len(octets)}b}"
    at = bits.rindex(code)
    wrong = int(bits[:at] + f"{31:05b}" + bits[at + 5 :], 2).to_bytes(len(octets), "big")
    with pytest.raises(DecodeError):
        SCHEMA.decode(wrong)


def test_lengths_are_for_the_phases_to_judge() -> None:
    """Nine octets of SessionID break the facet, not the structure: decoded, and refused on encode."""
    octets = SCHEMA.encode(STOP)
    bits = f"{int.from_bytes(octets, 'big'):0{8 * len(octets)}b}"
    at = bits.index("00001000" + "0" * 64)
    longer = bits[:at] + "00001001" + "0" * 72 + bits[at + 72 :]
    longer += "0" * (-len(longer) % 8)
    decoded = SCHEMA.decode(int(longer, 2).to_bytes(len(longer) // 8, "big"))
    assert decoded.header.session_id == bytes(9)
    with pytest.raises(EncodeError, match="session_id"):
        SCHEMA.encode(decoded)


WRONG: list[tuple[str, Any]] = [
    ("a number out of range", iso2.PreChargeReq(dc_ev_status=None, ev_target_voltage=volts(0), ev_target_current=volts(0))),  # type: ignore[arg-type]
    ("short", iso2.WeldingDetectionRes(
        response_code=iso2.ResponseCode.OK,
        dc_evse_status=iso2.DC_EVSEStatus(
            notification_max_delay=0,
            evse_notification=iso2.EVSENotification.NONE,
            evse_status_code=iso2.DC_EVSEStatusCode.EVSE_READY,
        ),
        evse_present_voltage=volts(40_000),
    )),
    ("unsigned", iso2.ServiceDetailReq(service_id=-1)),
    ("too large", iso2.ServiceDetailReq(service_id=65_536)),
    ("a float", iso2.ServiceDetailReq(service_id=1.5)),  # type: ignore[arg-type]
    ("text for a number", iso2.ServiceDetailReq(service_id="1")),  # type: ignore[arg-type]
    ("too long", iso2.ServiceDiscoveryReq(service_scope="x" * 65)),
    ("no member", iso2.SessionStopReq(charging_session="Later")),  # type: ignore[arg-type]
    ("not there", iso2.SessionStopReq(charging_session=None)),  # type: ignore[arg-type]
    ("too few", iso2.SelectedServiceList(selected_service=())),
    ("too short", iso2.SessionSetupRes(response_code=iso2.ResponseCode.OK, evse_id="short")),
    ("16 octets", iso2.PaymentDetailsRes(response_code=iso2.ResponseCode.OK, gen_challenge=bytes(15), evse_time_stamp=0)),
    ("a surrogate", iso2.ServiceDiscoveryReq(service_scope="\ud800")),
    ("octets for text", iso2.ServiceDiscoveryReq(service_scope=b"x")),  # type: ignore[arg-type]
    ("another group", iso2.PowerDeliveryRes(response_code=iso2.ResponseCode.OK, evse_status=volts(0))),  # type: ignore[arg-type]
    ("no body element", volts(0)),
]  # fmt: skip


@pytest.mark.parametrize(("why", "body"), WRONG, ids=[why for why, _ in WRONG])
def test_our_own_messages_keep_the_schema(why: str, body: Any) -> None:
    if isinstance(body, iso2.SelectedServiceList):
        body = iso2.PaymentServiceSelectionReq(
            selected_payment_option=iso2.PaymentOption.CONTRACT, selected_service_list=body
        )
    with pytest.raises(EncodeError):
        SCHEMA.encode(message(body))


@pytest.mark.parametrize("values", [{}, {"bool_value": True, "int_value": 3}])
def test_exactly_one_branch_of_a_choice(values: dict[str, Any]) -> None:
    parameter = iso2.Parameter(name="p", **values)
    sets = iso2.ServiceParameterList(parameter_set=(iso2.ParameterSet(parameter_set_id=1, parameter=(parameter,)),))
    response = iso2.ServiceDetailRes(response_code=iso2.ResponseCode.OK, service_id=1, service_parameter_list=sets)
    with pytest.raises(EncodeError, match="exactly one"):
        SCHEMA.encode(message(response))


@pytest.mark.case("A-EXI-09")
def test_supported_app_protocol_takes_twenty_offers() -> None:
    offer = sap.AppProtocol(
        protocol_namespace="urn:x", version_number_major=1, version_number_minor=0, schema_id=1, priority=1
    )
    full = sap.SupportedAppProtocolReq(app_protocol=(offer,) * 20)
    octets = sap.SCHEMA.encode(full)
    assert sap.SCHEMA.decode(octets) == full
    with pytest.raises(EncodeError):
        sap.SCHEMA.encode(sap.SupportedAppProtocolReq(app_protocol=(offer,) * 21))
    # As a codec writes it that does not count: one more item is announced, or the end, with the wide code.
    one = sap.SCHEMA.encode(sap.SupportedAppProtocolReq(app_protocol=(offer,)))
    bits = f"{int.from_bytes(one, 'big'):0{8 * len(one)}b}"
    start, item = bits[:11], bits[11 : bits.rindex("1") - 1]

    def crowded(count: int) -> bytes:
        stream = start + item + ("00" + item) * (count - 1) + "01"
        stream += "0" * (-len(stream) % 8)
        return int(stream, 2).to_bytes(len(stream) // 8, "big")

    assert crowded(1) == one
    assert sap.SCHEMA.decode(crowded(20)) == full
    with pytest.raises(DecodeError):
        sap.SCHEMA.decode(crowded(21))


def test_foreign_messages_are_no_messages() -> None:
    with pytest.raises(EncodeError, match="not a message"):
        SCHEMA.encode(sap.SupportedAppProtocolRes(response_code=sap.ResponseCode.FAILED_NO_NEGOTIATION))  # type: ignore[arg-type]  # on purpose
    with pytest.raises(EncodeError):
        SCHEMA.encode(Message())  # type: ignore[arg-type]  # on purpose


# What is compiled ahead of time

SURROUNDINGS = {
    *("V2G_Message", "MessageHeader", "Notification", "Body"),
    *("Signature", "SignatureValue", "SignedInfo", "CanonicalizationMethod", "SignatureMethod"),
    *("Reference", "DigestMethod", "Transforms", "Transform"),
}
"""The types that the root is made of, without a body element."""


@pytest.fixture
def again() -> Schema[V2G_Message]:
    """The schema of ISO 15118-2 with nothing compiled."""
    return Schema("again", roots=(V2G_Message,), globals_=SCHEMA.globals, vocabulary=SCHEMA.vocabulary)


def test_warm_types_need_no_compiler_later(again: Schema[V2G_Message], compiled: list[str]) -> None:
    again.warm(reads=(V2G_Message, iso2.SessionStopReq), writes=(V2G_Message, iso2.SessionStopReq))
    types = SURROUNDINGS | {"SessionStopReq"}
    assert sorted(compiled) == sorted(f"{verb}_{name}" for verb in ("read", "write") for name in types)
    compiled.clear()
    assert again.decode(again.encode(STOP)) == STOP
    assert not compiled
    again.encode(message(iso2.ChargingStatusReq()))
    assert compiled == ["write_ChargingStatusReq"]


def test_what_is_not_named_is_not_compiled(again: Schema[V2G_Message], compiled: list[str]) -> None:
    again.warm()
    again.warm(reads=(iso2.SessionStopReq,))
    assert compiled == ["read_SessionStopReq"]
    again.warm(writes=(iso2.SessionStopRes,))
    assert compiled == ["read_SessionStopReq", "write_SessionStopRes"]


def test_members_of_a_group_are_part_of_the_type(again: Schema[V2G_Message], compiled: list[str]) -> None:
    """One of them is read and written in place elsewhere, but not here, where its class decides."""
    again.warm(reads=(V2G_Message, iso2.PowerDeliveryRes), writes=(V2G_Message, iso2.PowerDeliveryRes))
    compiled.clear()
    status = iso2.AC_EVSEStatus(notification_max_delay=0, evse_notification=iso2.EVSENotification.NONE, rcd=False)
    response = message(iso2.PowerDeliveryRes(response_code=iso2.ResponseCode.OK, evse_status=status))
    assert again.decode(again.encode(response)) == response
    assert not compiled


def test_a_type_that_was_used_is_compiled_to_its_ends(again: Schema[V2G_Message], compiled: list[str]) -> None:
    """Its own function is there already; those of elements that no message had are not."""
    again.decode(OCTETS)
    assert "read_Signature" not in compiled
    again.warm(reads=(V2G_Message,))
    assert set(compiled) == {f"read_{name}" for name in (*SURROUNDINGS, "SessionStopReq")}


def test_what_finds_signed_elements_is_compiled_on_its_own(again: Schema[V2G_Message], compiled: list[str]) -> None:
    request = iso2.AuthorizationReq(id="id1")
    octets = signed(1, 1, request)
    again.warm(spans=(V2G_Message, iso2.AuthorizationReq))
    assert set(compiled) == {f"read_{name}" for name in (*SURROUNDINGS, "AuthorizationReq")}
    compiled.clear()
    assert again.fragment_of(octets, "AuthorizationReq", "id1") == SCHEMA.fragment(request)
    assert not compiled
    again.decode(octets)
    assert compiled


def test_an_empty_body_is_possible() -> None:
    empty = message(None)
    assert SCHEMA.decode(SCHEMA.encode(empty)) == empty


def test_messages_are_replaced_not_changed() -> None:
    other = replace(STOP, header=MessageHeader(session_id=b""))
    assert SCHEMA.decode(SCHEMA.encode(other)) == other != STOP
