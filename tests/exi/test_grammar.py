"""Content models and event codes, checked against the figures of the reference."""

from __future__ import annotations

from typing import Annotated

import pytest

from frozen import dataclass
from secc.exi import grammar
from secc.exi.datatypes import NBit, Octets, Signed, String, Unsigned, datatype_of, integer_octets
from secc.exi.declarations import Byte, Hex, Integer, Short, Text, UnsignedByte, UnsignedInt, UnsignedShort, spelled
from secc.exi.grammar import ComplexType, complex_type
from secc.exi.xmldsig import CanonicalizationMethod, Signature, SignatureMethod, Transform
from secc.iso2 import messages as iso2


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("evse_id", "EVSEID"),
        ("evcc_id", "EVCCID"),
        ("dc_ev_status", "DC_EVStatus"),
        ("ac_evse_charge_parameter", "AC_EVSEChargeParameter"),
        ("sa_schedule_tuple_id", "SAScheduleTupleID"),
        ("ev_ress_soc", "EVRESSSOC"),
        ("p_max_schedule", "PMaxSchedule"),
        ("oem_provisioning_cert", "OEMProvisioningCert"),
        ("evse_time_stamp", "EVSETimeStamp"),
        ("response_code", "ResponseCode"),
    ],
)
def test_spelling(field: str, name: str) -> None:
    assert spelled(field) == name


@pytest.mark.parametrize(
    ("facet", "datatype"),
    [
        (Byte(), NBit(-128, 127, "byte")),
        (Byte(0, 100), NBit(0, 100, "byte")),
        (UnsignedByte(1, 255), NBit(1, 255, "unsignedByte")),
        (UnsignedInt(0, 4095), NBit(0, 4095, "unsignedInt")),
        (UnsignedInt(0, 4096), Unsigned(0, 4096, "unsignedInt")),
        (UnsignedShort(), Unsigned(0, 65_535, "unsignedShort")),
        (Short(), Signed(-32_768, 32_767, "short")),
        (Integer(), Signed(None, None, "integer")),
        (Text(15, shortest=14), String(14, 15, "string")),
        (Hex(8), Octets(0, 8, "hexBinary")),
    ],
)
def test_datatypes_follow_from_facets(facet: Text | Hex | Short, datatype: object) -> None:
    assert datatype_of(int, facet) == datatype


@pytest.mark.parametrize(
    ("lowest", "highest", "width"), [(0, 100, 7), (-3, 3, 3), (1, 255, 8), (1, 20, 5), (1, 3, 2), (12, 1024, 10)]
)
def test_widths_of_small_ranges(lowest: int, highest: int, width: int) -> None:
    assert NBit(lowest, highest, "short").bits == width


def test_octets_of_integers_follow_from_the_base_type() -> None:
    assert integer_octets(Signed(None, None, "short")) == 3
    assert integer_octets(Unsigned(0, None, "unsignedLong")) == 10
    assert integer_octets(Signed(None, None, "integer")) >= 23


def widths(cls: type) -> list[int]:
    kind = complex_type(cls)
    return [kind.width(state) for state in range(len(kind.parts) + 1)]


@pytest.mark.parametrize(
    ("cls", "expected"),
    [
        (iso2.MessageHeader, [1, 2, 2, 1]),  # {Notification, Signature, EE}, {Signature, EE}
        (iso2.CurrentDemandReq, [1, 1, 3, 3, 2, 2, 1, 2, 2, 1, 1]),
        (iso2.AuthorizationReq, [2, 2, 1]),  # {Id, GenChallenge, EE}
        (iso2.SessionStopReq, [1, 1]),
        (iso2.ChargingStatusReq, [1]),
        (CanonicalizationMethod, [1, 2, 2]),
        (SignatureMethod, [1, 3, 2, 2]),
        (Transform, [1, 3, 2, 2]),
        (Signature, [2, 1, 1, 2, 2, 1]),
    ],
)
def test_widths_of_states(cls: type, expected: list[int]) -> None:
    assert widths(cls) == expected


def test_the_body_counts_its_abstract_head() -> None:
    wrapper = complex_type(iso2.V2G_Message).parts[1].alternatives[0].type
    assert wrapper is not None
    assert not isinstance(wrapper, NBit)
    group = wrapper.parts[0].alternatives  # type: ignore[union-attr]  # the wrapper is a complex type
    assert [a.name for a in group[:4]] == ["AuthorizationReq", "AuthorizationRes", "BodyElement", "CableCheckReq"]
    assert (len(group), group[2].type, wrapper.width(0)) == (35, None, 6)  # type: ignore[union-attr]


def test_a_declaration_without_its_xsd_type_is_no_declaration() -> None:
    with pytest.raises(TypeError, match=r"Bad\.number"):
        complex_type(Bad)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bad:
    number: Annotated[int, "no facet"]


def test_of_two_threads_that_read_a_class_at_once_both_get_the_same_type(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else one would compile a function that the other does not find."""

    @dataclass(frozen=True, slots=True)
    class Unread:
        flag: bool

    read = grammar._read
    other: list[object] = []

    def interrupted(cls: type) -> ComplexType:
        if not other:
            other.append(cls)
            other[0] = complex_type(cls)
        return read(cls)

    monkeypatch.setattr(grammar, "_read", interrupted)
    assert complex_type(Unread) is other[0]
