"""Facets of received messages: which field breaks one, and what the car hears."""

from __future__ import annotations

from dataclasses import replace
from typing import get_type_hints

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from secc.errors import EncodeError
from secc.iso2.facets import CODES, FACETS, broken_facet
from secc.iso2.messages import (
    BODY_ELEMENTS,
    SCHEMA,
    AuthorizationReq,
    Body,
    ChargingProfile,
    ChargingStatusReq,
    MessageHeader,
    PaymentDetailsReq,
    ProfileEntry,
    ServiceDiscoveryReq,
    SessionSetupReq,
    SessionStopReq,
    V2G_Message,
)
from tests.exi_damages import damages
from tests.exi_strategies import elements
from tests.iso2_car import EMAID, START, chain, dc_parameters, delivery, ev_status, watts
from tests.iso2_states import EVERY_REQUEST

ENTRY = ProfileEntry(charging_profile_entry_start=0, charging_profile_entry_max_power=watts(1000.0))

BROKEN: dict[str, tuple[Body, str]] = {
    "challenge": (AuthorizationReq(gen_challenge=bytes(15)), "FAILED_ChallengeInvalid"),
    "scope": (ServiceDiscoveryReq(service_scope="x" * 65), "FAILED"),
    "SOC": (dc_parameters(dc_ev_status=replace(ev_status(), ev_ress_soc=120)), "FAILED_WrongChargeParameter"),
    "full SOC": (dc_parameters(full_soc=-1), "FAILED_WrongChargeParameter"),
    "tuple": (delivery(START, sa_schedule_tuple_id=0), "FAILED_TariffSelectionInvalid"),
    "25 entries": (delivery(START, ChargingProfile(profile_entry=(ENTRY,) * 25)), "FAILED_ChargingProfileInvalid"),
    "no entry": (delivery(START, ChargingProfile(profile_entry=())), "FAILED_ChargingProfileInvalid"),
    "phases": (
        delivery(
            START,
            ChargingProfile(profile_entry=(replace(ENTRY, charging_profile_entry_max_number_of_phases_in_use=4),)),
        ),
        "FAILED_ChargingProfileInvalid",
    ),
    "entries": (replace(dc_parameters(), max_entries_sa_schedule_tuple=-1), "FAILED"),
    "certificate": (
        PaymentDetailsReq(emaid=EMAID, contract_signature_cert_chain=replace(chain(), certificate=bytes(801))),
        "FAILED_CertChainError",
    ),
}


@pytest.mark.case("A-EXI-06")
@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_facet_is_refused_by_code(name: str) -> None:
    request, code = BROKEN[name]
    refusal = broken_facet(request)
    assert refusal is not None
    assert refusal.code == code


@pytest.mark.parametrize("name", EVERY_REQUEST)
def test_good_requests_break_none(name: str) -> None:
    assert FACETS.broken(EVERY_REQUEST[name]) is None


@pytest.mark.case("Q-32", "Q-78")
def test_two_fields_are_free() -> None:
    assert FACETS.broken(SessionSetupReq(evcc_id=bytes(20))) is None
    assert FACETS.broken(PaymentDetailsReq(emaid="DE-8AA-CA2B3C4D5-L", contract_signature_cert_chain=chain())) is None


def test_the_codes_belong_to_requests_and_fields_that_exist() -> None:
    known = {cls.__name__: set(get_type_hints(cls)) for cls in BODY_ELEMENTS}
    for place in CODES:
        message, field = place.split(".")
        assert field in known[message]


# --- the check against the encoder --------------------------------------------------------------------------------------------------

FREE = {("SessionSetupReq", "evcc_id"), ("PaymentDetailsReq", "emaid")}
REQUESTS = sorted({type(body) for body in EVERY_REQUEST.values()}, key=lambda cls: cls.__name__)


@given(st.sampled_from(REQUESTS).flatmap(elements))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_the_schema_allows_breaks_no_facet(body: Body) -> None:
    assert FACETS.broken(body) is None
    SCHEMA.encode(V2G_Message(header=MessageHeader(session_id=bytes(8)), body=body))


@given(
    st.sampled_from([cls for cls in REQUESTS if cls not in (ChargingStatusReq, SessionStopReq)]).flatmap(elements),
    st.data(),
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_check_agrees_with_what_the_encoder_would_write(body: Body, data: st.DataObject) -> None:
    """One facet of a good message is broken: the encoder, which is strict, does not write it, and the check names the field."""
    every = list(damages(body))
    assume(every)
    path, bad = data.draw(st.sampled_from(every))
    with pytest.raises(EncodeError):
        SCHEMA.encode(V2G_Message(header=MessageHeader(session_id=bytes(8)), body=bad))
    field = path.partition(".")[0].split("=")[0].split(" ")[0]
    if (type(body).__name__, field) in FREE:
        assert FACETS.broken(bad) is None
    else:
        assert str(FACETS.broken(bad)).partition(".")[0] == field


WITH_FACETS = [name for name, body in EVERY_REQUEST.items() if any(damages(body))]


def test_most_requests_have_facets_to_break() -> None:
    """Those that have none in the form in which the other tests send them."""
    assert EVERY_REQUEST.keys() - set(WITH_FACETS) == {
        "ServiceDiscovery",
        "Authorization",
        "ChargingStatus",
        "SessionStop",
    }


@pytest.mark.parametrize("name", WITH_FACETS)
def test_every_facet_of_every_request_is_looked_at(name: str) -> None:
    """The same for all the facets of the requests that the other tests send, and each at both of its ends."""
    body = EVERY_REQUEST[name]
    for path, bad in damages(body):
        free = (type(body).__name__, path.split(" ")[0]) in FREE
        assert (FACETS.broken(bad) is None) is free, path
        with pytest.raises(EncodeError):
            SCHEMA.encode(V2G_Message(header=MessageHeader(session_id=bytes(8)), body=bad))
