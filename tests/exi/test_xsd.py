"""The declarations say what the XSD files say, type by type; where those are missing, fingerprints say that nothing was changed since."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated

import pytest

from frozen import dataclass
from secc.exi.declarations import Choice, Head, UnsignedShort
from secc.exi.grammar import complex_type
from tests import exi_iso20
from tests.exi_facts import FINGERPRINTS, compare, compare_types, fingerprints, names_with_id, types_of
from tests.exi_iso20_types import (
    AbsolutePriceSchedule,
    DisplayParameters,
    Percent,
    PowerSchedule,
    PriceLevelSchedule,
    RationalNumber,
    Seconds,
    V2GRequest,
)
from tests.exi_vectors import SCHEMAS
from tests.xsd_sets import needs_xsd, xsd_set

DECLARED = {**SCHEMAS, **exi_iso20.SCHEMAS}


@needs_xsd
@pytest.mark.parametrize("name", DECLARED)
def test_types_equal_the_xsd(name: str) -> None:
    compare(DECLARED[name], xsd_set(name))


@needs_xsd
@pytest.mark.parametrize("name", [name for name in SCHEMAS if name != "xmldsig"])
def test_every_type_of_the_xsd_is_declared(name: str) -> None:
    declared = compare(SCHEMAS[name], xsd_set(name))
    signature = set(xsd_set("xmldsig").facts())
    assert set(xsd_set(name).facts()) - signature <= declared


@needs_xsd
def test_what_is_refused_is_key_info_objects_and_foreign_algorithms() -> None:
    never = {
        (kind.name, alternative.name)
        for schema in DECLARED.values()
        for kind in types_of(schema).values()
        for part in kind.parts
        if part.refused
        for alternative in part.alternatives
    }
    assert never == {
        ("Signature", "KeyInfo"),
        ("Signature", "Object"),
        ("CanonicalizationMethod", "*"),
        ("SignatureMethod", "HMACOutputLength"),
        ("SignatureMethod", "*"),
        ("DigestMethod", "*"),
        ("Transform", "XPath"),
        ("Transform", "*"),
    }


@needs_xsd
@pytest.mark.parametrize("name", DECLARED)
def test_global_names_equal_the_xsd(name: str) -> None:
    assert list(DECLARED[name].globals) == xsd_set(name).globals()


@needs_xsd
@pytest.mark.parametrize("name", SCHEMAS)
def test_names_in_fragments_equal_the_xsd(name: str) -> None:
    written = xsd_set(name)
    schema = SCHEMAS[name]
    assert list(schema.vocabulary.elements) == written.element_names()
    if schema.vocabulary.attributes:
        names = written.attribute_names()
        assert list(schema.vocabulary.attributes) == [local for local, _ in names]
        assert names[schema.vocabulary.id_code] == ("Id", "urn:iso:15118:2:2013:MsgDataTypes")


@needs_xsd
@pytest.mark.parametrize("name", SCHEMAS)
def test_what_can_be_signed_has_several_types_where_the_xsd_has(name: str) -> None:
    """Such names take another grammar in fragments."""
    names = names_with_id(SCHEMAS[name])
    assert names & SCHEMAS[name].ambiguous == names & xsd_set(name).ambiguous()


def test_declarations_have_not_changed_since_they_were_compared() -> None:
    written = json.loads(FINGERPRINTS.read_text())
    assert fingerprints() == {name: written[name] for name in SCHEMAS}


# The comparison can fail


class Notification(StrEnum):
    PAUSE = "Pause"
    EXIT_STANDBY = "ExitStandby"
    TERMINATE = "Terminate"
    SCHEDULE_RENEGOTIATION = "ScheduleRenegotiation"
    SERVICE_RENEGOTIATION = "ServiceRenegotiation"
    METERING_CONFIRMATION = "MeteringConfirmation"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargingSchedule:
    """The choice has to be there."""

    power_schedule: PowerSchedule
    absolute_price_schedule: Annotated[AbsolutePriceSchedule | None, Choice()] = None
    price_level_schedule: Annotated[PriceLevelSchedule | None, Choice()] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dynamic_SEResControlMode:
    """The branches exclude nothing."""

    departure_time: Seconds | None = None
    minimum_soc: Percent | None = None
    target_soc: Percent | None = None
    absolute_price_schedule: AbsolutePriceSchedule | None = None
    price_level_schedule: PriceLevelSchedule | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CLReqControlMode:
    """A type that is abstract."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DC_ChargeLoopReq(V2GRequest):
    """The abstract head may be sent."""

    display_parameters: DisplayParameters | None = None
    meter_info_requested: bool
    ev_present_voltage: RationalNumber
    control_mode: exi_iso20.ControlMode | CLReqControlMode


@dataclass(frozen=True, slots=True, kw_only=True)
class DC_ChargeParameterDiscoveryReq(V2GRequest):
    """The head is never sent."""

    mode: Annotated[exi_iso20.BPT_DC_CPDReqEnergyTransferMode, Head("DC_CPDReqEnergyTransferMode")]


@dataclass(frozen=True, slots=True, kw_only=True)
class ACDP_DisconnectReq(V2GRequest):
    """The second message of the type lacks its content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unnamed:
    """All is right but the class's name."""

    notification_max_delay: Annotated[int, UnsignedShort()]
    evse_notification: Notification


@needs_xsd
@pytest.mark.parametrize(
    ("cls", "name", "element", "type_name"),
    [
        (ChargingSchedule, "iso15118-20:common", "ChargingSchedule", "ChargingSchedule"),
        (Dynamic_SEResControlMode, "iso15118-20:common", "Dynamic_SEResControlMode", "Dynamic_SEResControlMode"),
        (DC_ChargeLoopReq, "iso15118-20:dc", "DC_ChargeLoopReq", "DC_ChargeLoopReq"),
        (
            DC_ChargeParameterDiscoveryReq,
            "iso15118-20:dc",
            "DC_ChargeParameterDiscoveryReq",
            "DC_ChargeParameterDiscoveryReq",
        ),
        (ACDP_DisconnectReq, "iso15118-20:acdp", "ACDP_DisconnectReq", "ACDP_ConnectReq"),
        (Unnamed, "iso15118-20:dc", "EVSEStatus", "EVSEStatus"),
    ],
)
def test_what_is_declared_otherwise_is_found(cls: type, name: str, element: str, type_name: str) -> None:
    with pytest.raises(AssertionError, match=cls.__name__):
        compare_types([(complex_type(cls), element, type_name)], xsd_set(name))
