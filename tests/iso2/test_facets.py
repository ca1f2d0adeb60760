"""Facets of received messages: which field breaks one, and what the car hears."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secc.errors import DecodeError, EncodeError, Refusal
from secc.iso2.facets import CODES, broken_facet, refuse_broken_facet
from secc.iso2.messages import (
    BODY_ELEMENTS,
    SCHEMA,
    AuthorizationReq,
    Body,
    ChargingProfile,
    MessageHeader,
    PaymentDetailsReq,
    ProfileEntry,
    ServiceDiscoveryReq,
    SessionSetupReq,
    V2G_Message,
)
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
    with pytest.raises(Refusal) as refusal:
        refuse_broken_facet(request)
    assert refusal.value.code == code


@pytest.mark.parametrize("name", EVERY_REQUEST)
def test_good_requests_break_none(name: str) -> None:
    assert broken_facet(EVERY_REQUEST[name]) is None


@pytest.mark.case("Q-32", "Q-78")
def test_two_fields_are_free() -> None:
    assert broken_facet(SessionSetupReq(evcc_id=bytes(20))) is None
    assert broken_facet(PaymentDetailsReq(emaid="DE-8AA-CA2B3C4D5-L", contract_signature_cert_chain=chain())) is None


def test_the_codes_belong_to_requests_and_fields_that_exist() -> None:
    known = {cls.__name__: set(get_type_hints(cls)) for cls in BODY_ELEMENTS}
    for message, field in CODES:
        assert field in known[message]


@given(st.sampled_from(sorted(EVERY_REQUEST)), st.binary(max_size=40), st.integers(0, 400))
@settings(max_examples=100, deadline=None)
def test_the_check_agrees_with_what_the_encoder_would_write(name: str, noise: bytes, at: int) -> None:
    """Whatever decodes either breaks a facet or can be encoded again: the encoder is strict, and so is the check."""
    good = SCHEMA.encode(V2G_Message(header=MessageHeader(session_id=bytes(8)), body=EVERY_REQUEST[name]))
    at %= len(good)
    try:
        message: Any = SCHEMA.decode(good[:at] + noise + good[at + len(noise) :])
    except DecodeError:
        return
    if message.body is None:
        return
    try:
        SCHEMA.encode(message)
    except EncodeError:
        free = isinstance(message.body, SessionSetupReq | PaymentDetailsReq)
        assert free or broken_facet(message) is not None
    else:
        assert broken_facet(message.body) is None
