"""Facets of received messages: which field breaks one, and what the car hears."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_type_hints

import pytest

from secc.din import messages as m
from secc.din.facets import CODES, FACETS, broken_facet
from secc.din.messages import BODY_ELEMENTS, SCHEMA, Body, MessageHeader, V2G_Message
from secc.errors import EncodeError
from tests.exi_damages import damages
from tests.exi_vectors import name_of, vectors

REQUESTS = [
    row
    for row in vectors("din")
    if row["name"].partition("/")[0].endswith("Req") and row["name"].partition("/")[2] in ("min", "all-optional")
]
"""One with all that may be there and one without, of each kind; the octets are not ours."""


def request(name: str, **values: Any) -> Any:
    """The request of the vectors with this name, and with other values."""
    (row,) = [row for row in REQUESTS if row["name"] == f"{name}/all-optional"]
    return replace(SCHEMA.decode(bytes.fromhex(row["exi"])).body, **values)  # type: ignore[type-var]  # a body element


def profile(entries: int = 1, **values: int) -> m.ChargingProfile:
    entry = m.ProfileEntry(charging_profile_entry_start=0, charging_profile_entry_max_power=11_000)
    return m.ChargingProfile(
        sa_schedule_tuple_id=values.pop("tuple_id", 1), profile_entry=(replace(entry, **values),) * entries
    )


STATUS = m.DC_EVStatus(ev_ready=True, ev_error_code=m.DC_EVErrorCode.NO_ERROR, ev_ress_soc=120)
VOLTS = m.PhysicalValue(multiplier=0, unit=m.UnitSymbol.V, value=40_000)
LIMITS = request("ChargeParameterDiscoveryReq").ev_charge_parameter

BROKEN: dict[str, tuple[Body, str]] = {
    "EVCCID": (m.SessionSetupReq(evcc_id=bytes(9)), "FAILED"),
    "scope": (m.ServiceDiscoveryReq(service_scope="x" * 33), "FAILED"),
    "no service": (
        request("ServicePaymentSelectionReq", selected_service_list=m.SelectedServiceList(selected_service=())),
        "FAILED_ServiceSelectionInvalid",
    ),
    "limit": (
        request("ChargeParameterDiscoveryReq", ev_charge_parameter=replace(LIMITS, ev_maximum_voltage_limit=VOLTS)),
        "FAILED_WrongChargeParameter",
    ),
    "full SOC": (
        request("ChargeParameterDiscoveryReq", ev_charge_parameter=replace(LIMITS, full_soc=101)),
        "FAILED_WrongChargeParameter",
    ),
    "tuple": (request("PowerDeliveryReq", charging_profile=profile(tuple_id=2**15)), "FAILED_TariffSelectionInvalid"),
    "no entry": (request("PowerDeliveryReq", charging_profile=profile(0)), "FAILED_ChargingProfileInvalid"),
    "power": (
        request("PowerDeliveryReq", charging_profile=profile(charging_profile_entry_max_power=2**15)),
        "FAILED_ChargingProfileInvalid",
    ),
    "start": (
        request("PowerDeliveryReq", charging_profile=profile(charging_profile_entry_start=2**32)),
        "FAILED_ChargingProfileInvalid",
    ),
    "target": (request("CurrentDemandReq", ev_target_voltage=VOLTS), "FAILED"),
    "SOC in CableCheck": (m.CableCheckReq(dc_ev_status=STATUS), "FAILED"),
    "SOC in the loop": (request("CurrentDemandReq", dc_ev_status=STATUS), "FAILED"),
    "SOC at welding detection": (m.WeldingDetectionReq(dc_ev_status=STATUS), "FAILED"),
}


@pytest.mark.case("A-EXI-06")
@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_facet_is_refused_by_code(name: str) -> None:
    body, code = BROKEN[name]
    refusal = broken_facet(body)
    assert refusal is not None
    assert refusal.code == code


@pytest.mark.case("A-EXI-06")
@pytest.mark.parametrize("vector", REQUESTS, ids=name_of)
def test_every_facet_of_every_request_is_looked_at(vector: dict[str, Any]) -> None:
    """Each at both of its ends: the check names the field, and the encoder, which is strict, does not write it."""
    body = SCHEMA.decode(bytes.fromhex(vector["exi"])).body
    assert broken_facet(body) is None
    for path, bad in damages(body):
        assert str(FACETS.broken(bad)).partition(".")[0] == path.partition(".")[0].split("=")[0].split(" ")[0], path
        with pytest.raises(EncodeError):
            SCHEMA.encode(V2G_Message(header=MessageHeader(session_id=bytes(8)), body=bad))


@pytest.mark.parametrize("vector", vectors("din"), ids=name_of)
def test_foreign_messages_break_none(vector: dict[str, Any]) -> None:
    if "KeyInfo" not in str(vector["message"]) and "EmptyBody" not in vector["name"]:
        assert FACETS.broken(SCHEMA.decode(bytes.fromhex(vector["exi"])).body) is None


@pytest.mark.case("Q-32")
@pytest.mark.parametrize("length", [0, 6, 7, 8])
def test_an_evccid_of_any_length_up_to_eight_is_one(length: int) -> None:
    assert broken_facet(m.SessionSetupReq(evcc_id=bytes(length))) is None


def test_most_requests_have_facets_to_break() -> None:
    names = {row["name"].partition("/")[0] for row in REQUESTS}
    assert len(names) == 17
    assert {name for name in names if not any(damages(request(name)))} == {
        "ContractAuthenticationReq",
        "ChargingStatusReq",
        "SessionStopReq",
    }


def test_the_codes_belong_to_requests_and_fields_that_exist() -> None:
    known = {cls.__name__: set(get_type_hints(cls)) for cls in BODY_ELEMENTS}
    for place in CODES:
        message, field, *_ = place.split(".")
        assert field in known[message]
    assert "sa_schedule_tuple_id" in get_type_hints(m.ChargingProfile)
