"""The messages of DIN SPEC 70121 as a package: complete, named as the standard names them, small, cheap to import."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from secc.din import messages
from secc.din.messages import BODY_ELEMENTS, SCHEMA, Body, MessageHeader, Response, ResponseCode, V2G_Message
from secc.errors import DecodeError, EncodeError
from secc.exi import Message, xmldsig
from secc.exi.grammar import complex_type
from secc.exi.tree import from_tree, to_tree
from tests.exi_facts import names_with_id, types_of
from tests.exi_strategies import elements
from tests.exi_vectors import RECORDED, Vector, name_of, recorded, vectors

FOLDER = Path(__file__).resolve().parents[2] / "secc" / "din"
DECLARED = 700
WHOLE = 1528
"""Lines that are not blank, of the declarations and of all of DIN."""

CALM = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    database=None,
)


def test_all_34_body_elements_are_messages_of_the_schema() -> None:
    assert len(BODY_ELEMENTS) == len(set(BODY_ELEMENTS)) == 34
    assert all(issubclass(cls, Body) and issubclass(cls, Message) for cls in BODY_ELEMENTS)
    assert {cls.__name__ for cls in BODY_ELEMENTS} < set(SCHEMA.globals)


def test_requests_and_responses_come_in_pairs() -> None:
    names = {cls.__name__ for cls in BODY_ELEMENTS}
    assert {name.removesuffix("Req") for name in names if name.endswith("Req")} == {
        name.removesuffix("Res") for name in names if name.endswith("Res")
    }


def test_every_response_begins_with_its_code() -> None:
    for cls in BODY_ELEMENTS:
        assert issubclass(cls, Response) == cls.__name__.endswith("Res")
        first = [part.alternatives[0].name for part in complex_type(cls).parts if part.kind == "element"][:1]
        assert (first == ["ResponseCode"]) == cls.__name__.endswith("Res"), cls


def test_enumerations_keep_the_literals_of_the_wire() -> None:
    assert ResponseCode.FAILED_EVSE_PRESENT_VOLTAGE_TO_LOW.value == "FAILED_EVSEPresentVoltageToLow"
    assert len(ResponseCode) == 23
    enumerations = [
        cls
        for cls in vars(messages).values()
        if isinstance(cls, type) and issubclass(cls, StrEnum) and cls is not StrEnum
    ]
    assert len(enumerations) == 14
    for cls in enumerations:
        for member in cls:
            assert member.name.replace("_", "").casefold() == member.value.translate({95: "", 47: ""}).casefold()


def test_importing_compiles_nothing() -> None:
    """The start-up budget of the station: types are read and compiled when they are used."""
    code = "import secc.din.messages, secc.exi.grammar as g; assert not g._TYPES, g._TYPES"
    subprocess.run([sys.executable, "-c", code], check=True)


def lines(folder: Path) -> int:
    return sum(bool(line.strip()) for path in folder.rglob("*.py") for line in path.read_text("utf-8").splitlines())


def test_the_folder_stays_small() -> None:
    assert lines(FOLDER / "messages") <= DECLARED
    assert lines(FOLDER) <= WHOLE


# --- the codec with these declarations ------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", BODY_ELEMENTS, ids=lambda cls: cls.__name__)
def test_body_elements_round_trip(body: type[Body]) -> None:
    @CALM
    @given(elements(MessageHeader), elements(body))
    def round_trip(header: MessageHeader, element: Body) -> None:
        message = V2G_Message(header=header, body=element)
        assert SCHEMA.decode(SCHEMA.encode(message)) == message
        assert from_tree(SCHEMA, to_tree(message)) == message

    round_trip()


@pytest.mark.parametrize("vector", [v for v in vectors("din") if "KeyInfo" not in str(v["message"])], ids=name_of)
def test_received_elements_are_what_their_fragments_say(vector: Vector) -> None:
    """Splicing takes the received bits, which foreign codecs wrote; ours writes the same."""
    for span in SCHEMA.spans(bytes.fromhex(vector["exi"])):
        assert span.name in names_with_id(SCHEMA)
        assert SCHEMA.splice(span) == SCHEMA.fragment(span.element, span.name)
        if span.name == "SignedInfo":
            assert xmldsig.SCHEMA.splice(span) == xmldsig.SCHEMA.fragment(span.element)


def test_what_has_an_id_can_be_signed_as_a_fragment_of_its_own_grammar() -> None:
    assert names_with_id(SCHEMA) - set(xmldsig.GLOBALS) == {
        "ContractAuthenticationReq",
        "MeteringReceiptReq",
        "CertificateUpdateReq",
        "CertificateUpdateRes",
        "CertificateInstallationReq",
        "CertificateInstallationRes",
        "SalesTariff",
    }
    assert not names_with_id(SCHEMA) & SCHEMA.ambiguous


def test_an_idref_is_read_and_written_as_text_and_refers_to_nothing() -> None:
    """The facet is xs:IDREF's place in the grammar: neither that it is a name, nor that an element bears it, is checked."""
    for text in ("id1", "", "no name at all", "1", "é", "#id1"):
        request = messages.ContractAuthenticationReq(id=text, gen_challenge="")
        message = V2G_Message(header=MessageHeader(session_id=bytes(8)), body=request)
        assert SCHEMA.decode(SCHEMA.encode(message)) == message


VOLTS = messages.PhysicalValue(multiplier=0, unit=messages.UnitSymbol.V, value=400)
STATUS = messages.DC_EVStatus(ev_ready=True, ev_error_code=messages.DC_EVErrorCode.NO_ERROR, ev_ress_soc=50)
PRECHARGE = messages.PreChargeReq(dc_ev_status=STATUS, ev_target_voltage=VOLTS, ev_target_current=VOLTS)
PARAMETERS = messages.ChargeParameterDiscoveryReq(
    ev_requested_energy_transfer_type=messages.EVRequestedEnergyTransferType.DC_EXTENDED,
    ev_charge_parameter=messages.DC_EVChargeParameter(
        dc_ev_status=STATUS, ev_maximum_current_limit=VOLTS, ev_maximum_voltage_limit=VOLTS
    ),
)
RANGES: dict[str, tuple[int, int, Any]] = {
    "unit": (
        10,
        4,
        lambda code: replace(PRECHARGE, ev_target_voltage=replace(VOLTS, unit=[*messages.UnitSymbol][code])),
    ),
    "multiplier": (7, 3, lambda code: replace(PRECHARGE, ev_target_voltage=replace(VOLTS, multiplier=code - 3))),
    "error": (
        12,
        4,
        lambda code: replace(PRECHARGE, dc_ev_status=replace(STATUS, ev_error_code=[*messages.DC_EVErrorCode][code])),
    ),
    "transfer": (
        6,
        3,
        lambda code: replace(
            PARAMETERS, ev_requested_energy_transfer_type=[*messages.EVRequestedEnergyTransferType][code]
        ),
    ),
}
"""How many values there are, their bits, and a request with the value of a code."""


@pytest.mark.case("A-EXI-06")
@pytest.mark.parametrize("name", RANGES)
def test_codes_beyond_an_enumeration_or_a_range_are_no_values(name: str) -> None:
    values, width, made = RANGES[name]
    streams = [
        SCHEMA.encode(V2G_Message(header=MessageHeader(session_id=bytes(8)), body=made(code))) for code in range(values)
    ]
    number, other = (int.from_bytes(octets) for octets in streams[:2])
    assert (number ^ other).bit_count() == 1
    at = (number ^ other).bit_length() - 1
    for code in range(1 << width):
        octets = (number & ~((1 << width) - 1 << at) | code << at).to_bytes(len(streams[0]))
        if code < values:
            assert octets == streams[code]
            SCHEMA.decode(octets)
        else:
            with pytest.raises(DecodeError):
                SCHEMA.decode(octets)


def with_bits(octets: bytes, old: bytes, new: bytes) -> bytes:
    """The stream with these bits, which stand in it once, replaced by as many others."""
    bits, length = f"{int.from_bytes(octets):b}", 8 * len(octets)
    old_bits, new_bits = (f"{int.from_bytes(part):0{8 * len(part)}b}" for part in (old, new))
    assert bits.count(old_bits) == 1
    return int(bits.replace(old_bits, new_bits), 2).to_bytes(length // 8)


@pytest.mark.case("A-EXI-09")
@pytest.mark.parametrize(
    ("good", "old", "new"),
    [("\U0010ffff", "ffff43", "808044"), ("\U0010ffff", "ffff43", "ffff7f"), ("\ud7ff", "ffaf03", "80b003")],
    ids=["beyond the last", "far beyond the last", "a surrogate"],
)
@pytest.mark.parametrize(
    "made",
    [
        lambda text: messages.ServiceDiscoveryReq(service_scope=text),
        lambda text: messages.ContractAuthenticationReq(gen_challenge=text),
        lambda text: messages.ContractAuthenticationReq(id=text),
    ],
    ids=["ServiceScope", "GenChallenge", "Id"],
)
def test_a_text_has_no_invalid_code_point(made: Any, good: str, old: str, new: str) -> None:
    message = V2G_Message(header=MessageHeader(session_id=bytes(8)), body=made(good))
    octets = SCHEMA.encode(message)
    assert SCHEMA.decode(octets) == message
    with pytest.raises(DecodeError):
        SCHEMA.decode(with_bits(octets, bytes.fromhex(old), bytes.fromhex(new)))


@pytest.mark.case("A-EXI-09")
def test_a_text_of_any_length_is_read_within_the_octets_of_its_frame_and_judged_later() -> None:
    """GenChallenge is text without a limit in DIN; a service scope has one, which the encoder keeps."""
    request = messages.ContractAuthenticationReq(gen_challenge="x" * 4000)
    message = V2G_Message(header=MessageHeader(session_id=bytes(8)), body=request)
    assert SCHEMA.decode(SCHEMA.encode(message)) == message
    scope = replace(message, body=messages.ServiceDiscoveryReq(service_scope="x" * 33))
    with pytest.raises(EncodeError, match="service_scope"):
        SCHEMA.encode(scope)


# --- lists, which the XSD does not bound ----------------------------------------------------------------------------------


def lists() -> list[tuple[type, str, int]]:
    """Class, field and bound of each list of the schema."""
    return [
        (kind.cls, str(part.alternatives[0].field), part.enough or 0)
        for kind in types_of(SCHEMA).values()
        if kind.cls is not None and kind.cls.__module__.startswith("secc.din")
        for part in kind.parts
        if part.repeats
    ]


def test_every_list_is_bounded_by_us() -> None:
    assert len(lists()) == 13
    assert all(bound for _, _, bound in lists())


@pytest.mark.skipif(not RECORDED, reason="recordings stay in ../shared, which is missing here")
def test_recorded_messages_are_far_from_the_bounds() -> None:
    rows: list[Any] = [SCHEMA.decode(bytes.fromhex(row["exi"])) for row in recorded("din")]
    assert max(longest(row) for row in rows) <= 3


def longest(value: Any) -> int:
    """The most items of a list in a message."""
    if isinstance(value, tuple):
        return max([len(value), *map(longest, value)])
    return max([0, *(longest(getattr(value, name)) for name in getattr(value, "__dataclass_fields__", ()))])


def with_list(cls: type, field: str, count: int) -> bytes:
    """A message with a list of so many items: the shortest that can be made of a vector that has one."""
    found = [SCHEMA.decode(bytes.fromhex(row["exi"])) for row in vectors("din") if "KeyInfo" not in str(row["message"])]
    changed = [one for message in found if (one := filled(message, cls, field, count)) != message]
    return min(map(SCHEMA.encode, changed), key=len)


def filled(value: Any, cls: type, field: str, count: int) -> Any:
    if isinstance(value, tuple):
        return tuple(filled(one, cls, field, count) for one in value)
    if type(value) is cls and getattr(value, field):
        return replace(value, **{field: (getattr(value, field) * count)[:count]})
    names = getattr(value, "__dataclass_fields__", ())
    inner = {name: filled(getattr(value, name), cls, field, count) for name in names}
    changed = {name: one for name, one in inner.items() if one != getattr(value, name)}
    return replace(value, **changed) if changed else value


@pytest.mark.case("A-EXI-01")
@pytest.mark.parametrize(("cls", "field", "bound"), lists(), ids=lambda one: getattr(one, "__name__", str(one)))
def test_a_list_is_read_up_to_its_bound_and_not_beyond(cls: type, field: str, bound: int) -> None:
    full = with_list(cls, field, bound)
    assert longest(SCHEMA.decode(full)) == bound
    with pytest.raises(DecodeError):
        SCHEMA.decode(with_list(cls, field, bound + 1))
