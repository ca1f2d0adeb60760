"""Who may charge: the rules one by one, and the ones that hold in any order of events."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secc.session.effects import Decision, Verdict
from secc.session.identification import AuthorizeToken, ContractState, Identification
from secc.session.offer import Payment
from tests.lab_proof import lab_proved

BOTH = (Payment.CONTRACT, Payment.EXTERNAL)
EXTERNAL_ONLY = (Payment.EXTERNAL,)
YES = Verdict(Decision.ACCEPTED)
NO = Verdict(Decision.REJECTED)
FAILURES = [Verdict(decision) for decision in Decision if decision is not Decision.ACCEPTED]

PLUGGED = Identification().plugged(0.0)


def session_with_contract(who: Identification, verdict: Verdict) -> Identification:
    """One whole session in which the car uses its contract."""
    offer = who.payments(0.0, contract=True)
    assert offer == BOTH
    return (
        who.offered(offer)
        .contract_presented()
        .contract_decided(lab_proved(), verdict, 0.0)
        .session_ended(refused=not verdict.accepted)
    )


def test_cable_first_both_are_offered_and_nobody_is_authorised() -> None:
    assert PLUGGED.payments(0.0, contract=True) == BOTH
    assert not PLUGGED.authorized(0.0)
    assert PLUGGED.wants_token(0.0)


def test_contract_is_never_offered_where_the_connection_or_the_station_cannot_do_it() -> None:
    assert PLUGGED.payments(0.0, contract=False) == EXTERNAL_ONLY


@pytest.mark.case("A-SES-12")
def test_card_first_contract_is_not_offered_and_the_car_is_authorised() -> None:
    who = Identification().token_decided(YES, "rfid", 10.0).plugged(20.0)
    assert who.payments(20.0, contract=True) == EXTERNAL_ONLY
    assert who.authorized(1e9), "it belongs to the plug-in now and does not age"


def test_card_after_the_cable_but_before_the_session_counts_as_card_first() -> None:
    who = PLUGGED.token_decided(YES, "rfid", 1.0)
    assert who.payments(1.0, contract=True) == EXTERNAL_ONLY
    assert who.authorized(1.0)


@pytest.mark.case("A-SES-12")
def test_a_card_waits_a_minute_for_its_cable_and_no_longer() -> None:
    who = Identification().token_decided(YES, "rfid", 0.0)
    assert who.expires_at == 60.0
    assert who.plugged(59.9).authorized(59.9)
    late = who.plugged(60.0)
    assert not late.authorized(60.0)
    assert late.payments(60.0, contract=True) == BOTH
    assert who.expired(60.0) == Identification()
    assert who.expired(59.0) is who


def test_the_wait_for_the_cable_is_a_setting() -> None:
    assert not Identification(token_seconds=5.0).token_decided(YES, "app", 0.0).plugged(5.0).authorized(5.0)


@pytest.mark.parametrize("verdict", FAILURES, ids=lambda verdict: verdict.decision.value)
def test_a_refused_card_ends_nothing(verdict: Verdict) -> None:
    assert PLUGGED.token_decided(verdict, "rfid", 0.0) == PLUGGED
    assert PLUGGED.contract_presented().token_decided(verdict, "rfid", 0.0).contract is ContractState.PENDING


@pytest.mark.parametrize("verdict", FAILURES, ids=lambda verdict: verdict.decision.value)
def test_after_a_failed_contract_once_more_then_external_only_until_unplugged(verdict: Verdict) -> None:
    who = session_with_contract(PLUGGED, verdict)
    assert who.payments(0.0, contract=True) == BOTH
    who = session_with_contract(who, verdict)
    for _ in range(3):
        offer = who.payments(0.0, contract=True)
        assert offer == EXTERNAL_ONLY
        who = who.offered(offer).session_ended(refused=False)
    assert who.unplugged().plugged(0.0).payments(0.0, contract=True) == BOTH


def test_the_second_chance_is_spent_by_being_seen() -> None:
    who = session_with_contract(PLUGGED, NO)
    who = who.offered(who.payments(0.0, contract=True)).session_ended(refused=False)
    assert who.payments(0.0, contract=True) == EXTERNAL_ONLY


def test_an_offer_without_contract_does_not_spend_the_second_chance() -> None:
    who = session_with_contract(PLUGGED, NO)
    who = who.offered(who.payments(0.0, contract=False)).session_ended(refused=False)
    assert who.payments(0.0, contract=True) == BOTH


def test_a_contract_that_works_the_second_time_charges() -> None:
    who = session_with_contract(PLUGGED, NO)
    who = who.offered(who.payments(0.0, contract=True)).contract_presented().contract_decided(lab_proved(), YES, 0.0)
    assert who.identified(0.0)
    assert not who.wants_token(0.0)


def test_a_wrong_signature_is_a_failed_contract() -> None:
    who = PLUGGED.offered(BOTH).contract_presented().session_ended(refused=True)
    assert who.failed_contracts == 1


def test_a_connection_that_breaks_while_the_contract_is_checked_has_not_failed() -> None:
    who = PLUGGED.offered(BOTH).contract_presented().session_ended(refused=False)
    assert who.failed_contracts == 0
    assert who.payments(0.0, contract=True) == BOTH


def test_a_refusal_without_a_contract_costs_no_chance() -> None:
    assert PLUGGED.offered(BOTH).session_ended(refused=True).failed_contracts == 0


def test_while_a_contract_is_pending_a_card_counts() -> None:
    pending = PLUGGED.offered(BOTH).contract_presented()
    assert pending.wants_token(0.0)
    who = pending.token_decided(YES, "rfid", 0.0)
    assert who.authorized(0.0)
    after = who.contract_decided(lab_proved(), NO, 0.0).session_ended(refused=True)
    assert after.authorized(0.0), "the card outlives the failed contract"
    assert after.payments(0.0, contract=True) == EXTERNAL_ONLY


@pytest.mark.case("A-SES-12", "A-SES-13")
def test_nobody_is_identified_twice() -> None:
    by_contract = PLUGGED.contract_presented().contract_decided(lab_proved(), YES, 0.0)
    assert by_contract.token_decided(YES, "rfid", 0.0) == by_contract
    by_card = PLUGGED.contract_presented().token_decided(YES, "rfid", 0.0)
    assert by_card.contract_decided(lab_proved(), YES, 0.0).contract is ContractState.NONE
    assert by_card.token_decided(YES, "app", 1.0) == by_card


@pytest.mark.case("A-SES-11")
def test_a_late_word_on_a_contract_reaches_nobody() -> None:
    assert PLUGGED.contract_decided(lab_proved(), YES, 0.0) == PLUGGED
    over = PLUGGED.contract_presented().session_ended(refused=False)
    assert over.contract_decided(lab_proved(), NO, 0.0) == over
    assert Identification().contract_presented().contract is ContractState.NONE


@pytest.mark.case("A-SES-13")
def test_a_card_dies_with_the_unplugging() -> None:
    who = PLUGGED.token_decided(YES, "rfid", 0.0).unplugged().plugged(1.0)
    assert not who.authorized(1.0)


def test_a_card_stays_for_every_session_of_its_plug_in_until_somebody_stops() -> None:
    who = PLUGGED.token_decided(YES, "rfid", 0.0).session_ended(refused=False)
    assert who.authorized(0.0)
    assert not who.spent().authorized(0.0)
    assert who.spent().wants_token(0.0)


def test_a_free_station_authorises_whoever_plugs_in_and_asks_about_no_card() -> None:
    free = Identification(free=True)
    assert not free.authorized(0.0)
    who = free.plugged(0.0)
    assert who.authorized(0.0)
    assert not who.wants_token(0.0)
    assert who.payments(0.0, contract=True) == BOTH
    assert who.unplugged() == free


def test_the_card_is_in_no_text() -> None:
    assert "04A1B2C3" not in repr(AuthorizeToken("ISO14443", "04A1B2C3"))


Step = Callable[[Identification, float], Identification]
STEPS: dict[str, Step] = {
    "plug": lambda who, now: who.plugged(now),
    "unplug": lambda who, now: who.unplugged(),
    "card": lambda who, now: who.token_decided(YES, "rfid", now) if who.wants_token(now) else who,
    "bad card": lambda who, now: who.token_decided(NO, "rfid", now),
    "session": lambda who, now: who.offered(who.payments(now, contract=True)),
    "contract": lambda who, now: who.contract_presented(),
    "good": lambda who, now: who.contract_decided(lab_proved(), YES, now),
    "bad": lambda who, now: who.contract_decided(lab_proved(), NO, now),
    "end": lambda who, now: who.session_ended(refused=False),
    "refuse": lambda who, now: who.session_ended(refused=True),
    "spend": lambda who, now: who.spent(),
    "tick": lambda who, now: who.expired(now),
}


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(sorted(STEPS)), st.floats(0.0, 70.0)), max_size=30))
def test_in_any_order_of_events(story: list[tuple[str, float]]) -> None:
    who, now = Identification(), 0.0
    accepted_at: float | None = None
    shows_since_failure = 0
    for step, pause in story:
        now += pause
        before = who
        if step == "session" and who.failed_contracts and Payment.CONTRACT in who.payments(now, contract=True):
            shows_since_failure += 1
        who = STEPS[step](who, now)
        if who.failed_contracts == 0:
            shows_since_failure = 0
        assert shows_since_failure <= 1, "Contract is shown once more after a failure, not twice"
        if step == "card" and who.external is not before.external:
            accepted_at = now
        assert who.external is None or before.external is not None or step == "card"
        if who.external is not None and who.authorized(now):
            assert who.payments(now, contract=True) == EXTERNAL_ONLY
            assert accepted_at is not None
            assert who.plugged_in or now < accepted_at + 60.0
        assert not (who.contract is ContractState.ACCEPTED and who.external is not None), "one plug-in, one identity"
        assert Payment.EXTERNAL in who.payments(now, contract=True)
        assert Payment.CONTRACT not in who.payments(now, contract=False)
        if step == "unplug":
            assert who == Identification()
